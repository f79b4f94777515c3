"""One realtime connection while it runs: frames both ways, and what ends it. Knows no format and no money: a `Watch`
says what the provider's frames mean, a `Talk` what becomes of each side's for the other, `Turns` what may go on.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.errors import (
    APIConnectionError,
    BadRequestError,
    HeadgateError,
    InternalServerError,
    ServiceUnavailableError,
)
from headgate.server.arriving import Receive
from headgate.server.asgi import Send
from headgate.server.gateway import Gateway
from headgate.server.sockets import DRAIN
from headgate.server.turns import Turns
from headgate.wire.interpret import Talk
from headgate.wire.realtime import Data, Watch, error_event

LOOK_SECONDS: Final = 0.25
"""How often it is looked whether the key and its budgets are still good."""
CANCEL_SECONDS: Final = 3.0
"""How long a cancelled answer may take to tell its usage."""
DRAIN_SECONDS: Final = 30.0
"""How long running answers may take once the process is about to end."""
GONE_SECONDS: Final = 1.0
"""How long it may take to hear how a client has gone to whom nothing can be sent any more."""
NORMAL: Final = 1000
AWAY: Final = 1001
BROKEN: Final = 1006
INVALID: Final = 1007
POLICY: Final = 1008
FAILED: Final = 1011
RESTART: Final = 1012
"""https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1, https://www.iana.org/assignments/websocket"""
REASON_BYTES: Final = 123
"""Of the reason in a closing frame."""


class End(Struct, frozen=True, kw_only=True):
    """What the client is told when it is over. `gone`: it went by itself. `broken` is what the deployment did;
    `event` is the client's name for what is refused; `told` are frames that say it before the end."""

    code: int = NORMAL
    reason: str = ""
    error: HeadgateError | None = None
    gone: bool = False
    broken: HeadgateError | None = None
    event: str = ""
    told: tuple[Data, ...] = ()


class Session:
    """`call` is the connection's own, `receive` and `send` are the client's side."""

    def __init__(
        self,
        gateway: Gateway,
        call: Call,
        turns: Turns,
        watch: Watch,
        talk: Talk,
        upstream: ClientConnection,
        receive: Receive,
        send: Send,
    ) -> None:
        assert call.deployment is not None
        self._gateway = gateway
        self._call = call
        self._deployment: Deployment = call.deployment
        self._turns = turns
        self._watch = watch
        self._talk = talk
        self._upstream = upstream
        self._receive = receive
        self._send = send
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._draining = False
        self._deaf = False

    async def run(self, first: Sequence[Data] = ()) -> End:
        """Until one side ends it. All answers are booked when it returns, or is cancelled. `first` are frames that
        count as the client's."""
        loop = asyncio.get_running_loop()
        await self._tell_all(self._talk.opened())
        for data in first:
            await self._pass_on(data)
        jobs = (self._from_client, self._from_upstream, self._look_on)
        up, down, looking = tasks = [loop.create_task(job()) for job in jobs]
        for task in tasks:
            task.add_done_callback(self._check)
        end = End(code=RESTART)
        try:
            end = await self._end
            up.cancel()
            looking.cancel()
            await self._part(end, down)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._turns.close(end.error)
        return end

    def stop(self, end: End) -> None:
        """The first one counts."""
        if not self._end.done():
            self._end.set_result(end)

    def _check(self, task: "asyncio.Task[None]") -> None:
        """A bug in one of the tasks ends the connection, and is reported."""
        bug = None if task.cancelled() else task.exception()
        if isinstance(bug, HeadgateError):
            self.stop(End(code=POLICY, error=bug))
        elif isinstance(bug, Exception):
            self._gateway.report(bug, self._call.id)
            told = InternalServerError(f"Headgate failed on call {self._call.id}; its log says why")
            self.stop(End(code=FAILED, error=told))

    # frames

    async def _from_client(self) -> None:
        while not self._end.done():
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code") or NORMAL
                self.stop(End(code=code, reason=message.get("reason") or "", gone=True))
            elif message["type"] == DRAIN:
                self._drain()
            else:
                text = message.get("text")
                await self._pass_on(message["bytes"] if text is None else text)

    async def _pass_on(self, data: Data) -> None:
        turned = self._talk.sent(data)
        await self._tell_all(turned.down)
        await self._send_all(turned.up, turned.event)
        if turned.problem:
            self.stop(End(code=INVALID, error=BadRequestError(turned.problem)))

    async def _send_all(self, frames: Sequence[Data], event: str) -> None:
        """To the provider, each held for where it asks for an answer; the first that may not go ends it."""
        for frame in frames:
            data, asked = self._watch.sent(frame)
            if asked is not None and self._draining:
                self._leave()
                return
            try:
                if asked is not None:
                    event = asked.event or event
                    await self._turns.ask(asked)
                await self._upstream.send(data)
            except HeadgateError as error:
                self.stop(End(code=POLICY, error=error, event=event))
                return
            except ConnectionClosed as closed:
                self._lost(closed)
                return

    async def _from_upstream(self) -> None:
        """Goes on after the end, to hear what cancelled answers have used."""
        try:
            while True:
                data = await self._upstream.recv()
                if self._deaf:  # but read it is: a provider that can't send can't close either
                    continue
                for event in self._watch.came(data):
                    try:
                        await self._turns.happened(event)
                    except HeadgateError as error:
                        self.stop(End(code=POLICY, error=error))
                turned = self._talk.came(data)
                if not self._end.done():
                    await self._tell_all(turned.down)
                if not self._end.done():
                    await self._send_all(turned.up, turned.event)
                if turned.problem:
                    problem = self._deployment.scrubbed(turned.problem)
                    self.stop(End(code=FAILED, error=InternalServerError(problem)))
                if self._draining and self._turns.idle.is_set():
                    self._leave()
        except ConnectionClosed as closed:
            self._lost(closed)

    async def _tell_all(self, frames: Sequence[Data]) -> None:
        for data in frames:
            await self._tell(data)

    async def _tell(self, data: Data) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: data})
        except OSError:  # by the ASGI specification: the client has gone, and `receive` is about to say how
            gone = End(code=BROKEN, gone=True)
            asyncio.get_running_loop().call_later(GONE_SECONDS, self.stop, gone)

    def _lost(self, closed: ConnectionClosed) -> None:
        said = closed.rcvd
        if said is not None:
            reason = self._deployment.scrubbed(said.reason)
            told = tuple(self._talk.parted(said.code, reason))
            self.stop(End(code=_sendable(said.code), reason=reason, told=told))
            return
        error = APIConnectionError(
            f"the connection to {self._deployment.provider.name} broke off", code="upstream_connection_lost"
        )
        self.stop(End(code=FAILED, error=error, broken=error))

    # ends

    async def _look_on(self) -> None:
        """Raises what ends the connection."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            # where nobody can say that the key is not good any more, it is asked again
            with suppress(ServiceUnavailableError):
                await self._turns.look()

    def _drain(self) -> None:
        self._draining = True
        if self._turns.idle.is_set():
            self._leave()
        else:
            asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._leave)

    def _leave(self) -> None:
        self.stop(End(code=RESTART, reason="the gateway restarts: connect again"))

    async def _part(self, end: End, down: "asyncio.Task[None]") -> None:
        """Tells both sides. What runs is cancelled, and may still say what it has used; all is booked before the
        client hears the end."""
        cancelled = await self._cancel()
        error = end.error
        await self._tell_all(end.told)
        if error is not None and not end.gone:
            code = error.code or str(error.status_code)
            await self._tell(error_event(error.message, error.type, code, end.event))
        if cancelled:
            idle = asyncio.ensure_future(self._turns.idle.wait())
            await asyncio.wait((idle, down), timeout=CANCEL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
        self._deaf = True
        self._turns.close(error)
        if end.gone:
            await self._upstream.close(_sendable(end.code), end.reason)
            return
        shown = shortened(end.reason if error is None else error.message)
        with suppress(OSError):  # it has gone meanwhile: nobody is left to be told
            await self._send({"type": "websocket.close", "code": end.code, "reason": shown})
        await self._upstream.close()

    async def _cancel(self) -> bool:
        """Whether something was running whose usage is to be waited for."""
        frames = self._turns.cancels()
        with suppress(ConnectionClosed):  # then nothing comes, which is noticed at once
            for frame in frames:
                await self._upstream.send(frame)
        return bool(frames)


def shortened(reason: str) -> str:
    """As much of it as fits into a closing frame."""
    return reason.encode()[:REASON_BYTES].decode("utf-8", "ignore")


def _sendable(code: int) -> int:
    """Codes that only say how a connection ended can't be sent."""
    if code == BROKEN:
        return AWAY
    return code if code in (*range(1000, 1004), *range(1007, 1015)) or 3000 <= code < 5000 else NORMAL
