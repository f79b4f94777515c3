"""The second door: one model call through ASGI, for other servers, tests, and paths off the lane."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

from headgate.server.arriving import Arriving, Message, Receive
from headgate.server.lines import Lines

Send: TypeAlias = Callable[[Message], Awaitable[None]]
HIGH_WATER: Final = 256 * 1024
"""Bytes that wait for a slow client before the upstream is paused."""


class AsgiExchange:
    """See exchange.Exchange. What is written waits in a queue for the task that sends."""

    def __init__(self, scope: Message, body: bytes) -> None:
        self.method: str = scope["method"]
        self.path: str = path_of(scope)
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.headers = Lines((name.lower(), value) for name, value in scope["headers"])
        self.body = body
        self.arriving: Arriving | None = None
        self.client: str = scope["client"][0] if scope.get("client") else ""
        self._out: asyncio.Queue[Message | None] = asyncio.Queue()
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self._paused = False
        self._waiting = 0

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        length = b"content-length: %d\r\n" % len(body)
        self._put({"type": "http.response.start", "status": status, "headers": pairs(headers + length)})
        self._put({"type": "http.response.body", "body": body})

    def start(self, status: int, headers: bytes, length: int | None = None) -> None:
        if length is not None:
            headers += b"content-length: %d\r\n" % length
        self._put({"type": "http.response.start", "status": status, "headers": pairs(headers)})

    def write(self, data: bytes) -> None:
        self._put({"type": "http.response.body", "body": data, "more_body": True})
        self._waiting += len(data)
        if not self._paused and self._pause is not None and self._waiting > HIGH_WATER:
            self._paused = True
            self._pause()

    def end(self) -> None:
        self._put({"type": "http.response.body", "body": b""})

    def flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume

    def _put(self, message: Message | None) -> None:
        self._out.put_nowait(message)

    async def run(
        self,
        handler: Callable[["AsgiExchange"], Coroutine[Any, Any, None]],
        receive: Receive,
        send: Send,
    ) -> None:
        """Runs the handler and sends what it writes; cancels it when the client goes."""
        work = asyncio.ensure_future(handler(self))
        work.add_done_callback(lambda _: self._put(None))
        watch = asyncio.ensure_future(_gone(receive, work))
        try:
            while (message := await self._out.get()) is not None:
                await send(message)
                self._waiting -= len(message.get("body", b""))
                if self._paused and self._resume is not None and self._waiting < HIGH_WATER // 4:
                    self._paused = False
                    self._resume()
        finally:
            watch.cancel()
            work.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)


async def _gone(receive: Receive, work: "asyncio.Future[None]") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    work.cancel()


def path_of(scope: Message) -> str:
    """The path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", "")) or "/"


def pairs(lines: bytes) -> list[tuple[bytes, bytes]]:
    pairs = (line.split(b": ", 1) for line in lines.split(b"\r\n") if line)
    return [(pair[0], pair[1] if len(pair) > 1 else b"") for pair in pairs]
