"""The express lane: POSTs to model endpoints go from uvicorn's parser straight to the handler.

A subclass of uvicorn's httptools protocol. Everything that is no such POST is left to uvicorn and the ASGI
app. It also holds the bounds that keep slow and endless clients from holding on: a time limit for the head
and between pieces of the body, and a size limit for both.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeAlias

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headgate.server.exchange import Exchange

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of request line and headers."""
HEAD_SECONDS: Final = 30.0
BODY_SECONDS: Final = 60.0
"""Without a byte of the request."""
HELD_LIMIT: Final = 256 * 1024
"""Bytes that a client may send ahead while its request is being answered."""
LINGER_SECONDS: Final = 2.0
_MALFORMED: Final = "Invalid HTTP request received: its head or the framing of its body is malformed."


Handler: TypeAlias = Callable[[Exchange], Coroutine[Any, Any, None]]
"""Answers one exchange; raises nothing but CancelledError, which means that the client has gone."""


class Doors(Protocol):
    """What the lane asks the gateway: who handles a path, how large a body, what to say to a broken one."""

    body_limit: int

    def handler(self, path: str) -> Handler | None: ...

    def refuse(self, exchange: Exchange, status: int, message: str) -> None: ...


class LaneExchange:
    """One request on the lane and its answer, written straight to the socket."""

    __slots__ = (
        "_chunked",
        "_keep_alive",
        "_protocol",
        "_started",
        "_write",
        "body",
        "client",
        "headers",
        "method",
        "path",
        "pause",
        "resume",
    )

    def __init__(self, protocol: "Lane", path: str, keep_alive: bool, chunked: bool) -> None:
        self._protocol = protocol
        self._keep_alive = keep_alive
        self._chunked = chunked
        self._started = False
        self._write = protocol.transport.write
        self.method = "POST"
        self.path = path
        self.headers: list[tuple[bytes, bytes]] = protocol.headers
        self.client = protocol.client[0] if protocol.client else ""
        self.body = b""
        self.pause: Callable[[], None] | None = None
        self.resume: Callable[[], None] | None = None

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        protocol = self._protocol
        if protocol.transport.is_closing():
            return
        self._started = True
        close = b"" if self._keep_alive else b"connection: close\r\n"
        protocol.transport.write(
            b"%bcontent-length: %d\r\n%b%b%b\r\n%b"
            % (STATUS_LINE[status], len(body), protocol.date(), close, headers, body)
        )
        protocol.finished(self._keep_alive)

    def start(self, status: int, headers: bytes) -> None:
        protocol = self._protocol
        self._started = True
        if not self._chunked:  # HTTP/1.0: the end of the connection is the end of the body
            self._keep_alive = False
        close = b"" if self._keep_alive else b"connection: close\r\n"
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        protocol.transport.write(
            b"%b%b%b%b%b\r\n" % (STATUS_LINE[status], framing, protocol.date(), close, headers)
        )

    def write(self, data: bytes) -> None:
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        protocol = self._protocol
        if self._chunked and not protocol.transport.is_closing():
            protocol.transport.write(b"0\r\n\r\n")
        protocol.finished(self._keep_alive)

    def flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.pause, self.resume = pause, resume
        if self._protocol.flow.write_paused:
            pause()

    def drop_keep_alive(self) -> None:
        self._keep_alive = False


class Lane(HttpToolsProtocol):
    """uvicorn's protocol with an express lane. `doors` is set on a subclass by `lane_for`."""

    doors: Doors

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exchange: LaneExchange | None = None
        self._handler: Handler
        self._task: asyncio.Task[None] | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._held: list[bytes] = []
        self._refused = False
        self._reading = False
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:  # sent ahead: waits until the request before it is answered
            self._held.append(data)
            if sum(map(len, self._held)) > HELD_LIMIT:
                self.transport.close()
            return
        if self._refused:
            return
        if self._reading:
            self._deadline = self.loop.time() + BODY_SECONDS
        else:
            self._head_size += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "this server does not speak the protocol that was asked for")
        except httptools.HttpParserError:
            self._refuse(400, _MALFORMED)
        if not self._reading and self._head_size > HEAD_LIMIT:
            self._refuse(431, f"the request's head is over {HEAD_LIMIT} bytes")

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._exchange is not None and self._exchange.pause is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._exchange is not None and self._exchange.resume is not None:
            self._exchange.resume()

    def shutdown(self) -> None:
        if self._exchange is not None:
            self._exchange.drop_keep_alive()
        else:
            super().shutdown()

    # the parser's callbacks

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_size = 0
        self._reading = True
        if self._exchange is not None or self._task is not None:
            # a second request in the same packet: answered by closing after the first, as HTTP allows
            self._refused = True
            if self._exchange is not None:
                self._exchange.drop_keep_alive()
            return
        handler = None
        if self.parser.get_method() == b"POST" and (self.cycle is None or self.cycle.response_complete):
            path = self.url.partition(b"?")[0].decode("latin-1")
            handler = self.doors.handler(path)
        if handler is None:
            self._leave_to_uvicorn()
            return
        self._size = 0
        self._pieces = []
        version = self.parser.get_http_version()
        exchange = LaneExchange(
            self, path, version != "1.0" and self.parser.should_keep_alive(), version != "1.0"
        )
        self._exchange = exchange
        self._handler = handler
        for name, value in self.headers:
            if name == b"content-length" and int(value) > self.doors.body_limit:
                self._refuse(413, self._over())
                return
            if name == b"expect" and value.lower() == b"100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        if self._exchange is None:
            super().on_body(body)
            return
        self._pieces.append(body)
        self._size += len(body)
        if self._size > self.doors.body_limit:
            self._refuse(413, self._over())

    def on_message_complete(self) -> None:
        self._reading = False
        if self._refused:
            return
        exchange = self._exchange
        if exchange is None:
            super().on_message_complete()
            return
        self._deadline = 0.0
        exchange.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        task = self.loop.create_task(self._handler(exchange))
        self._task = task
        self.tasks.add(task)
        task.add_done_callback(self._done)

    # for the exchange

    def date(self) -> bytes:
        """The date header, as uvicorn renews it each second."""
        headers = self.server_state.default_headers
        return b"%b: %b\r\n" % headers[0] if headers else b""

    def finished(self, keep_alive: bool) -> None:
        """The answer is complete: the next request may come before the handler's task has ended."""
        self._exchange = None
        self._task = None
        self.server_state.total_requests += 1
        if self._refused:
            self._linger()
            return
        if not keep_alive:
            self.transport.close()
            return
        self._deadline = self.loop.time() + self.timeout_keep_alive
        if self._held:
            held, self._held = self._held, []
            self.loop.call_soon(self.data_received, b"".join(held))

    def _done(self, task: asyncio.Task[None]) -> None:
        """A handler that did not finish its answer: the client must notice."""
        self.tasks.discard(task)
        if self._task is task or task.cancelled() or task.exception() is not None:
            self._exchange = self._task = None
            self.transport.close()

    # bounds

    def _expect(self, seconds: float) -> None:
        """Starts the one timer of this connection; `_deadline` 0.0 means that nothing is waited for."""
        self._deadline = self.loop.time() + seconds
        self._timer = self.loop.call_later(seconds, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        if self._deadline and now >= self._deadline:
            if self._reading:
                self._refuse(408, "the request did not arrive in time")
            elif self.cycle is None or self.cycle.response_complete:
                self.transport.close()
            return
        self._timer = self.loop.call_later(max(1.0, (self._deadline or now + 15.0) - now), self._tick)

    def _over(self) -> str:
        return f"the request's body is over the limit of {self.doors.body_limit} bytes"

    def _refuse(self, status: int, message: str) -> None:
        """Answers a request that won't be read to its end, and closes."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        if self._task is not None or (self.cycle is not None and not self.cycle.response_complete):
            self.transport.close()
            return
        path = self.url.partition(b"?")[0].decode("latin-1") if hasattr(self, "url") else ""
        exchange = self._exchange or LaneExchange(self, path, False, False)
        exchange.drop_keep_alive()
        self.doors.refuse(exchange, status, message)

    def _linger(self) -> None:
        """Lets the client read why before the connection closes: closing on unread bytes would reset it."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _leave_to_uvicorn(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.expect_100_continue = (b"expect", b"100-continue") in headers
        self.headers.extend(headers)
        self._deadline = 0.0
        super().on_headers_complete()


def lane_for(doors: Doors) -> type[Lane]:
    """The protocol class of one gateway: uvicorn makes an instance per connection."""
    return type("GatewayLane", (Lane,), {"doors": doors})
