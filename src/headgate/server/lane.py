"""The express lane: POSTs to model endpoints go from uvicorn's parser straight to the handler.

A subclass of uvicorn's httptools protocol. Everything that is no such POST is left to uvicorn and the ASGI
app. It also holds the bounds that keep slow and endless clients from holding on: a time limit for the head
and between pieces of the body, and a size limit for both.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeAlias

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headgate.net.outbox import Outbox
from headgate.server.arriving import BODY_SECONDS
from headgate.server.exchange import Exchange
from headgate.server.heads import Head, learned
from headgate.server.lane_exchange import LaneExchange
from headgate.server.lines import Lines

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of request line and headers."""
HEAD_SECONDS: Final = 30.0
WRITE_SECONDS: Final = 60.0
"""Without the client's taking a byte of an answer that waits for it."""
TICK_SECONDS: Final = 15.0
"""How often a connection looks at its bounds while it waits for nothing."""
SMALL: Final = 4096
"""Pieces of a body below this are joined at once: as objects of their own they would cost many times their size."""
HELD_LIMIT: Final = 256 * 1024
"""Bytes that a client may send ahead while its request is being answered."""
LINGER_SECONDS: Final = 2.0
SOCKET_HEADERS: Final = 120
SOCKET_LINE: Final = 8_000
"""What the package websockets takes of a head, and a little less."""
_LARGE_HEAD: Final = f"the request's head is over {HEAD_LIMIT} bytes"
_MALFORMED: Final = "Invalid HTTP request received: its head or the framing of its body is malformed."


Handler: TypeAlias = Callable[[Exchange], Coroutine[Any, Any, None]]
"""Answers one exchange; raises nothing but CancelledError, which means that the client has gone."""


class Doors(Protocol):
    """What the lane asks the gateway: who handles a path and a content-type, how large a body may be, what to say to
    a broken one, and where answers are put."""

    body_limit: int

    def handler(self, path: str, kind: bytes) -> Handler | None: ...

    def socket(self, path: str) -> type[asyncio.Protocol] | None: ...

    def limit(self, path: str) -> int: ...

    def refuse(self, exchange: Exchange, status: int, message: str) -> None: ...

    def outbox(self, loop: asyncio.AbstractEventLoop) -> Outbox: ...


class Lane(HttpToolsProtocol):
    """uvicorn's protocol with an express lane. `doors` is set on a subclass by `lane_for`."""

    doors: Doors

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._exchange: LaneExchange | None = None
        self._handler: Handler
        self._task: asyncio.Task[None] | None = None
        self._pieces: list[bytes | bytearray] = []
        self._size = 0
        self._limit = self.doors.body_limit
        self._known: Head | None = None
        self._loose = 0
        """Bytes since the last complete head, piece of a body, or end of a request."""
        self._held: list[bytes] = []
        self._refused = False
        self._reading = False
        self._offered = False
        self._left = False
        self._deadline = 0.0
        self._unsent = -1
        self._moved = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.outbox = self.doors.outbox(self.loop)
        self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None:
            self._task.cancel()
            self.tasks.discard(self._task)  # one that had not begun has nothing to end
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._task is not None or self._held:  # sent ahead: waits until the request before it is answered
            self._held.append(data)
            if sum(map(len, self._held)) > HELD_LIMIT:
                self._held = []
                self._refuse(400, f"more than {HELD_LIMIT} bytes were sent ahead")
            return
        self._unset_keepalive_if_required()
        known, first = self._known, not (self._loose or self._reading)
        if first and known is not None and data.startswith(known.before) and self._known_again(known, data):
            return
        self._loose += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._ignore_offer(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(400, _MALFORMED)
        if first:
            self._learn(data)
        if self._reading:
            self._expect(BODY_SECONDS)
        elif self._loose == len(data):  # the first of a head
            self._expect(HEAD_SECONDS)
        if self._loose > HEAD_LIMIT:  # a head, or chunk lines and trailers without end
            self._refuse(431, _LARGE_HEAD)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_by(self.loop.time() + TICK_SECONDS)
        if self._exchange is not None and self._exchange.pause is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unsent = -1
        if not self.transport.is_closing():
            self.flow.resume_reading()
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
        if not self._reading:  # trailers: who filters headers before us may not look at them, so nor do we
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        received, self._loose = self._loose, 0
        if self._task is not None:
            # a second request in the same packet: answered by closing after the first, as HTTP allows
            self._refuse(400, _MALFORMED)
        if self._refused:
            return
        if self.parser.should_upgrade():
            self._offered = True
            return
        self._reading = True
        if received > HEAD_LIMIT and self._head_size() > HEAD_LIMIT:
            self._refuse(431, _LARGE_HEAD)
            return
        path, _, query = self.url.decode("latin-1").partition("?")
        handler = None
        lines = Lines(self.headers)  # the parser has refused a length that is given twice
        if self.parser.get_method() == b"POST" and (self.cycle is None or self.cycle.response_complete):
            handler = self.doors.handler(path, lines.get(b"content-type", b""))
        self._limit = self.doors.body_limit if handler is not None else self.doors.limit(path)
        if int(lines.get(b"content-length", 0)) > self._limit:
            self._refuse(413, self._over())
            return
        waits = b"expect" in lines and lines[b"expect"].lower() == b"100-continue"
        if handler is None:
            self._leave_to_uvicorn(waits)
            return
        current = self.parser.get_http_version() == "1.1"
        keep_alive = current and self.parser.should_keep_alive()
        self._exchange = LaneExchange(self, path, query, lines, keep_alive=keep_alive, chunked=current)
        self._handler = handler
        if waits and current:
            self.outbox.write(self.transport, b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._loose = 0
        self._size += len(body)
        if self._size > self._limit:
            self._refuse(413, self._over())
            return
        if self._exchange is None:
            super().on_body(body)
            return
        pieces = self._pieces
        if not pieces or len(body) >= SMALL:
            pieces.append(body)
        elif type(pieces[-1]) is bytearray:
            pieces[-1] += body
        else:
            pieces.append(bytearray(body))

    def on_message_complete(self) -> None:
        if self._offered:  # the body is still to come
            return
        self._reading = False
        self._loose = 0
        if self._refused:
            return
        self._deadline = 0.0
        self._size = 0
        exchange = self._exchange
        if exchange is None:
            self._left = False
            super().on_message_complete()
            return
        pieces, self._pieces = self._pieces, []
        self._start(exchange, b"".join(pieces))  # of one piece that piece itself, uncopied

    # a head that was seen before

    def _known_again(self, known: Head, data: bytes) -> bool:
        """Whether a whole request was taken without the parser, which stands between two requests."""
        body = known.body(data)
        if body is None or len(body) > self.doors.body_limit:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        handler = self.doors.handler(known.path, known.kind)
        if handler is None:
            return False
        self._deadline = 0.0
        self._handler = handler
        self._exchange = exchange = LaneExchange(
            self, known.path, known.query, known.headers, keep_alive=True, chunked=True
        )
        self._start(exchange, body)
        return True

    def _learn(self, data: bytes) -> None:
        """Of a request that came in one piece."""
        exchange = self._exchange
        if exchange is not None and exchange.learnable:
            self._known = learned(data, exchange.path, exchange.query, exchange.headers)

    def _start(self, exchange: LaneExchange, body: bytes) -> None:
        exchange.body = body
        self._task = task = self.loop.create_task(self._run(exchange))
        self.tasks.add(task)

    async def _run(self, exchange: LaneExchange) -> None:
        """A handler may leave its answer unfinished: the client must notice."""
        task = self._task
        try:
            await self._handler(exchange)
        finally:
            self.tasks.discard(task)
            if self._task is task:
                self._exchange = self._task = None
                self._close()

    # for the exchange

    def date(self) -> bytes:
        """The date header, as uvicorn renews it each second."""
        headers = self.server_state.default_headers
        return b"%b: %b\r\n" % headers[0] if headers else b""

    def _close(self) -> None:
        self.outbox.push(self.transport)
        self.transport.close()

    def finished(self, keep_alive: bool) -> None:
        """The answer is complete: the next request may come before the handler's task has ended."""
        self._exchange = None
        self._task = None
        self.server_state.total_requests += 1
        if self._refused:
            self._linger()
            return
        if not keep_alive or self.transport.is_closing():
            self._close()
            return
        self._deadline = self.loop.time() + self.timeout_keep_alive
        if self.flow.write_paused:  # who does not read answers can't ask for more
            self.flow.pause_reading()
        if self._held:
            self.loop.call_soon(self._feed_held)

    def _feed_held(self) -> None:
        held, self._held = self._held, []
        if not self.transport.is_closing():
            self.data_received(b"".join(held))

    # bounds

    def _expect(self, seconds: float) -> None:
        """Waits so long for the client; `_deadline` 0.0 means that nothing is waited for."""
        self._deadline = self.loop.time() + seconds
        self._look_by(self._deadline)

    def _look_by(self, due: float) -> None:
        """There is one timer per connection. It may be early: then it looks, and is set again."""
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        if self.flow.write_paused or self.transport.is_closing():
            self._look_at_reader(now)
        elif self._reading and self.flow.read_paused:  # who is behind us is slow, not the client
            self._deadline = now + BODY_SECONDS
        elif self._deadline and now >= self._deadline:
            self._deadline = 0.0
            if self._reading:
                self._refuse(408, "the request did not arrive in time")
            elif self.cycle is None or self.cycle.response_complete:
                self._close()
        self._known = None  # many connections are quiet for long, and who goes on is known again soon
        due = self._deadline if self._deadline > now else now + TICK_SECONDS
        self._timer = self.loop.call_at(due, self._tick)

    def _look_at_reader(self, now: float) -> None:
        """A client that takes nothing of its answer may not hold it, and the upstream, for ever."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._moved = unsent, now
        elif now - self._moved >= WRITE_SECONDS:
            self.transport.abort()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _over(self) -> str:
        return f"the request's body is over the limit of {self._limit} bytes"

    def _refuse(self, status: int, message: str) -> None:
        """Answers a request that won't be read to its end, and closes. An answer under way is finished first."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self._pieces = []
        if self._task is not None:
            if self._exchange is not None:
                self._exchange.drop_keep_alive()
            return
        if self._left:
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # what the app would say comes too late
            self.cycle.message_event.set()
        elif self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return
        path = self.url.partition(b"?")[0].decode("latin-1") if hasattr(self, "url") else ""
        exchange = self._exchange or LaneExchange(
            self,
            path,
            "",
            Lines(self.headers if hasattr(self, "headers") else ()),
            keep_alive=False,
            chunked=False,
        )
        exchange.drop_keep_alive()
        self.doors.refuse(exchange, status, message)

    def _ignore_offer(self, rest: bytes) -> None:
        """But for websockets we speak no other protocol, and HTTP allows to ignore the offer. The parser stops
        behind such a head: it gets it again without the offer."""
        self._offered = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "CONNECT: this is no proxy")
        if self._refused:
            return
        if (kind := self._socket()) is not None:
            self._hand_over(kind, rest)
            return
        version = self.parser.get_http_version().encode()
        lines = b"".join([b"%b: %b\r\n" % row for row in self.headers if row[0] != b"upgrade"])
        try:
            self.parser.feed_data(b"%b %b HTTP/%b\r\n%b\r\n%b" % (method, self.url, version, lines, rest))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(400, _MALFORMED)

    def _socket(self) -> type[asyncio.Protocol] | None:
        """Who takes the connection over from here: for a websocket, on paths that have one. Not while an answer to
        an earlier request is under way."""
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        if self.parser.get_method() != b"GET" or (b"upgrade", b"websocket") not in (
            (name, value.lower()) for name, value in self.headers
        ):
            return None
        return self.doors.socket(self.url.partition(b"?")[0].decode("latin-1"))

    def _hand_over(self, kind: Any, rest: bytes) -> None:
        """It gets the head as it came."""
        names = {name for name, _ in self.headers}
        if len(self.headers) > SOCKET_HEADERS or any(len(n) + len(v) > SOCKET_LINE for n, v in self.headers):
            self._refuse(431, _LARGE_HEAD)
        elif b"content-length" in names or b"transfer-encoding" in names:
            self._refuse(400, "the request for a websocket has a body")
        if self._refused:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.connections.discard(self)
        lines = b"".join([b"%b: %b\r\n" % row for row in self.headers])
        protocol = kind(config=self.config, server_state=self.server_state, app_state=self.app_state)
        self.outbox.push(self.transport)
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.data_received(b"GET %b HTTP/1.1\r\n%b\r\n%b" % (self.url, lines, rest))

    def _linger(self) -> None:
        """Lets the client read why before the connection closes: closing on unread bytes would reset it."""
        self.outbox.push(self.transport)
        if self.transport.can_write_eof() and not self.transport.is_closing():
            with contextlib.suppress(OSError):  # the client has gone, and we are about to hear of it
                self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _leave_to_uvicorn(self, waits: bool) -> None:
        self._left = True
        self.outbox.push(self.transport)
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.expect_100_continue = waits
        self.headers.extend(headers)
        self._deadline = 0.0
        super().on_headers_complete()


def lane_for(doors: Doors) -> type[Lane]:
    """The protocol class of one gateway: uvicorn makes an instance per connection."""
    return type("GatewayLane", (Lane,), {"doors": doors})
