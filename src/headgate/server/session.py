"""One realtime connection while it runs: frames both ways, each answer held for and booked as a call of its own, and
what ends it. Knows no format: a `Watch` says what the frames mean.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import msgspec
from msgspec import Raw, Struct
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from headgate.core.answer import settle
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.route import Group
from headgate.errors import (
    APIConnectionError,
    BadRequestError,
    HeadgateError,
    InternalServerError,
    ServiceUnavailableError,
)
from headgate.server.account import account
from headgate.server.asgi import Receive, Send
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.ceiling import Ceiling
from headgate.server.gateway import Gateway
from headgate.server.limits import Prices, refused, reserve
from headgate.server.meters import Hold
from headgate.server.sockets import DRAIN
from headgate.wire import ir
from headgate.wire.dialect import Dialect
from headgate.wire.realtime import (
    UNKNOWN,
    Asked,
    Begun,
    Data,
    Ended,
    Event,
    Heard,
    Refused,
    Spoke,
    Watch,
    error_event,
)

LOOK_SECONDS: Final = 0.25
"""How often it is looked whether the key and its budgets are still good."""
BILL_SECONDS: Final = 60.0
"""How often a connection that is billed by its time is."""
CANCEL_SECONDS: Final = 3.0
"""How long a cancelled answer may take to tell its usage."""
DRAIN_SECONDS: Final = 30.0
"""How long running answers may take once the process is about to end."""
POLICY: Final = 1008
RESTART: Final = 1012
FAILED: Final = 1011
NORMAL: Final = 1000
REASON_BYTES: Final = 123
"""Of the reason in a closing frame, by RFC 6455."""


class End(Struct, frozen=True, kw_only=True):
    """What the client is told when it is over. `gone`: it went by itself. `broken` is what the deployment did;
    `event` is the client's name for what is refused."""

    code: int = NORMAL
    reason: str = ""
    error: HeadgateError | None = None
    gone: bool = False
    broken: HeadgateError | None = None
    event: str = ""


class Fixed(Struct):
    """See limits.Prices: one deployment, and nothing to fall back to. Without a ceiling nothing is held."""

    ceiling_of: Callable[[str], Ceiling] | None = None
    deployment: Deployment | None = None

    def lookup(self, model: str) -> Group:
        return Group(model, [self.deployment] if self.deployment is not None else [])

    def ceiling(self, model: str) -> Ceiling:
        return Ceiling(()) if self.ceiling_of is None else self.ceiling_of(model)


class Turn(Struct):
    """One answer: its call, who pays it, and what the client calls it."""

    call: Call
    booking: Booking
    asked: str = ""


class Session:
    """`call` and `booking` are the connection's own; its hold keeps its place among the calls in flight. `look`
    raises HeadgateError when the caller may not go on."""

    def __init__(
        self,
        gateway: Gateway,
        call: Call,
        booking: Booking,
        prices: Prices,
        dialect: Dialect,
        watch: Watch,
        upstream: ClientConnection,
        receive: Receive,
        send: Send,
        look: "Look",
    ) -> None:
        assert call.deployment is not None
        self._gateway = gateway
        self._call = call
        self._booking = booking
        self._deployment = call.deployment
        self._prices = prices
        self._dialect = dialect
        self._watch = watch
        self._upstream = upstream
        self._receive = receive
        self._send = send
        self._look = look
        self._asked: deque[Turn] = deque()
        self._running: dict[str, Turn] = {}
        self._end: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        sheet = self._deployment.sheet
        self._timed = sheet is not None and not sheet.tokens and "seconds" in sheet.units.get("standard", {})
        self._billed = gateway.clock.monotonic()

    async def run(self) -> End:
        """Until one side ends it. All answers are booked when it returns, or is cancelled."""
        loop = asyncio.get_running_loop()
        up, down, looking = (
            loop.create_task(work()) for work in (self._from_client, self._from_upstream, self._look_on)
        )
        for task in (up, down, looking):
            task.add_done_callback(self._watch_task)
        end = End(code=RESTART, reason="the gateway ends")
        try:
            end = await self._end
            up.cancel()
            looking.cancel()
            await self._part(end, down)
        finally:
            for task in (up, down, looking):
                task.cancel()
            await asyncio.gather(up, down, looking, return_exceptions=True)
            self._book_rest(end)
        return end

    def stop(self, end: End) -> None:
        if not self._end.done():
            self._end.set_result(end)

    def _watch_task(self, task: "asyncio.Task[None]") -> None:
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
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                code = message.get("code") or NORMAL
                self.stop(End(code=code, reason=message.get("reason") or "", gone=True))
                return
            if message["type"] == DRAIN:
                self._drain()
                continue
            data = message.get("text")
            data, asked = self._watch.sent(message["bytes"] if data is None else data)
            if asked is not None:
                if self._draining:
                    self._leave()
                    return
                if not await self._ask(asked):
                    return
            try:
                await self._upstream.send(data)
            except ConnectionClosed:  # the other task has heard of it, too
                return

    async def _from_upstream(self) -> None:
        try:
            while True:
                data = await self._upstream.recv()
                for event in self._watch.came(data):
                    await self._happened(event)
                if not self._end.done():
                    await self._tell(data)
                if self._draining and self._idle.is_set():
                    self._leave()
        except ConnectionClosed as closed:
            self._lost(closed)

    async def _tell(self, data: Data) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: data})
        except OSError:  # uvicorn's word for a client that has gone
            self.stop(End(code=1006, gone=True))

    def _lost(self, closed: ConnectionClosed) -> None:
        said = closed.rcvd
        if said is None:  # no closing frame: it broke
            provider = self._deployment.provider.name
            error = APIConnectionError(
                f"the connection to {provider} broke off", code="upstream_connection_lost"
            )
            self.stop(End(code=FAILED, error=error, broken=error))
            return
        self.stop(End(code=_sendable(said.code), reason=self._deployment.scrubbed(said.reason)))

    # answers

    async def _happened(self, event: Event) -> None:
        match event:
            case Begun():
                await self._begun(event)
            case Spoke():
                if event.id in self._running:
                    self._running[event.id].call.first_byte = self._gateway.clock.monotonic()
            case Ended():
                self._ended(event)
            case Heard():
                self._heard(event)
            case Refused():
                self._refused(event)

    async def _begun(self, event: Begun) -> None:
        """The oldest one that was asked for, or one that the provider begins by itself."""
        turn = self._asked.popleft() if self._asked else None
        if turn is None:
            turn = self._turn("", event.most)
            try:
                await self._hold(turn)
            except HeadgateError as error:
                turn.call.error = error
                turn.booking.hold = self._bare()
                self.stop(End(code=POLICY, error=error))
        self._running[event.id] = turn
        self._idle.clear()

    def _ended(self, event: Ended) -> None:
        turn = self._running.pop(event.id, None)
        if turn is None:  # begun before anybody listened, or ended twice: what it used is owed in any case
            turn = self._turn("", None)
            turn.booking.hold = self._bare()
        if event.problem:
            turn.call.error = turn.call.error or InternalServerError(
                self._deployment.scrubbed(event.problem), llm_provider=self._deployment.provider.id
            )
        self._book(turn, event.usage, event.said)
        self._count()

    def _heard(self, event: Heard) -> None:
        """Sound that another model has written down is a call of its own, which nobody could refuse."""
        turn = self._turn("", None)
        turn.booking.hold = self._bare()
        call = turn.call
        call.usage, call.upstream_model = event.usage, event.model or None
        sheet = self._gateway.snapshot.catalog.sheet(event.model, self._deployment.provider.id, {})
        if sheet is not None and sheet.covers(event.usage):
            call.cost = sheet.total(event.usage)
        call.status = 200
        account(self._gateway, call, turn.booking)

    def _refused(self, event: Refused) -> None:
        """The provider does not make an answer that was asked for. Where neither side names it, it is the oldest one:
        if it was another frame, and the answer comes after all, it is held for again."""
        named = [turn for turn in self._asked if turn.asked == event.event]
        if not named:
            return
        turn = named[0]
        self._asked.remove(turn)
        turn.call.error = BadRequestError(self._deployment.scrubbed(event.problem))
        self._book(turn, None)
        self._count()

    def _turn(self, asked: str, most: int | None) -> Turn:
        gateway = self._gateway
        call = Call(
            id=gateway.new_id(),
            operation="realtime",
            dialect=self._dialect,
            envelope={} if most is None else {"max_tokens": Raw(str(most).encode())},
            model=self._call.model,
            stream=True,
            started=gateway.clock.monotonic(),
            created=int(gateway.clock.time()),
        )
        call.deployment, call.attempts = self._deployment, 1
        return Turn(call, self._booking.again(), asked)

    async def _ask(self, asked: Asked) -> bool:
        """Whether it may be made. A refusal is booked as the answer's end."""
        turn = self._turn(asked.event, asked.most)
        try:
            await self._hold(turn)
        except HeadgateError as error:
            turn.call.error = error
            turn.call.deployment = None
            self._book(turn, None)
            self.stop(End(code=POLICY, error=error, event=asked.event))
            return False
        self._asked.append(turn)
        self._idle.clear()
        return True

    async def _hold(self, turn: Turn) -> None:
        """What it may cost, for who the caller is now. Raises HeadgateError."""
        turn.booking.caller = await self._look.caller()
        if self._gateway.ledger is not None:
            room = bytes(min(self._watch.context, UNKNOWN))
            await reserve(self._gateway, self._prices, turn.call, turn.booking, room, within=True)

    def _bare(self) -> Hold | None:
        hold = self._booking.hold
        return None if hold is None else hold.bare(self._gateway.clock.time())

    def _book(self, turn: Turn, usage: ir.Usage | None, said: ir.Usage | None = None) -> None:
        """`said` is what went by: it is counted where the provider does not tell what was used."""
        call = turn.call
        call.usage = usage
        if usage is not None:
            settle(call, self._deployment)
        elif said is not None and said.output:
            call.usage, call.pieces = msgspec.structs.replace(said, output=0), said.output
        call.status = 200 if call.error is None else call.error.status_code
        account(self._gateway, call, turn.booking)

    def _book_rest(self, end: End) -> None:
        """Of answers whose end nobody saw it is counted what went by; those that never began are nothing."""
        for id_, turn in self._running.items():
            used = self._watch.said(id_)
            turn.call.error = turn.call.error or end.error
            self._book(turn, None, msgspec.structs.replace(used, output=max(1, used.output)))
        for turn in self._asked:
            turn.call.error = end.error or APIConnectionError("the connection ended before the answer began")
            self._book(turn, None)
        self._book_time()
        self._running.clear()
        self._asked.clear()

    def _book_time(self) -> None:
        """Of models that are billed by the time of a connection: what was not billed yet."""
        if not self._timed:
            return
        turn = self._turn("", None)
        turn.booking.hold = self._bare()
        now = self._gateway.clock.monotonic()
        seconds, self._billed = now - self._billed, now
        self._book(turn, ir.Usage(seconds=seconds))

    def _count(self) -> None:
        if not self._running and not self._asked:
            self._idle.set()

    # ends

    async def _look_on(self) -> None:
        """Raises what ends the connection."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look.caller()
            except ServiceUnavailableError:
                continue  # nobody can say that the key is not good any more: it is asked again
            if self._gateway.clock.monotonic() - self._billed >= BILL_SECONDS:
                self._book_time()
            hold = self._booking.hold
            now = self._gateway.clock.time()
            if hold is not None and (refusal := hold.spent(now)) is not None:
                raise refused(refusal, now)

    def _drain(self) -> None:
        self._draining = True
        if self._idle.is_set():
            self._leave()
        else:
            asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._leave)

    def _leave(self) -> None:
        self.stop(End(code=RESTART, reason="the gateway restarts: connect again"))

    async def _part(self, end: End, down: "asyncio.Task[None]") -> None:
        """Tells both sides. What runs is cancelled, and may still say what it has used."""
        cancelled = await self._cancel()
        if end.error is not None and not end.gone:
            await self._tell(error_event(*_words(end.error), end.event))
        if cancelled:
            idle = asyncio.ensure_future(self._idle.wait())
            await asyncio.wait((idle, down), timeout=CANCEL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
        if end.gone:
            await self._upstream.close(_sendable(end.code), end.reason)
            return
        reason = end.reason if end.error is None else end.error.message
        shown = reason.encode()[:REASON_BYTES].decode("utf-8", "ignore")
        with suppress(OSError):  # it has gone meanwhile: nobody is left to be told
            await self._send({"type": "websocket.close", "code": end.code, "reason": shown})
        await self._upstream.close()

    async def _cancel(self) -> bool:
        """Whether something was running whose usage is to be waited for."""
        named = [*self._running, *([""] if self._asked else [])]
        frames = [frame for id_ in named if (frame := self._watch.cancel(id_)) is not None]
        try:
            for frame in frames:
                await self._upstream.send(frame)
        except ConnectionClosed:
            return False
        return bool(frames)


class Look(Protocol):
    async def caller(self) -> Caller:
        """Who it is now. Raises HeadgateError when the connection must end, ServiceUnavailableError when that can't
        be known."""
        ...


def _sendable(code: int) -> int:
    """Codes that only say how a connection ended can't be sent."""
    if code == 1006:
        return 1001
    return code if code in (*range(1000, 1004), *range(1007, 1015)) or 3000 <= code < 5000 else NORMAL


def _words(error: HeadgateError) -> tuple[str, str, str]:
    return error.message, error.type, error.code or str(error.status_code)
