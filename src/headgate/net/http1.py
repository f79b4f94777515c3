"""One HTTP/1.1 connection: a request out, its answer in. Push when relayed, pull when read.

The socket's callback feeds the parser, the parser calls us, and a relayed piece of a body is handed to its
sink within that same callback: no queue, no task is woken, no object is made. The pool (`pool.py`) owns
connections between requests; this file knows one request at a time and no addresses.
"""

import asyncio
from functools import lru_cache
from typing import Final, Protocol

import httptools

from headgate.errors import APIConnectionError, HeadgateError, Timeout
from headgate.net.answer import Response
from headgate.net.outbox import Outbox
from headgate.ports import Headers, Outgoing, Timeouts

HEAD_BYTES: Final = 64 * 1024
HEAD_LINES: Final = 256
_CHUNKED: Final = b"transfer-encoding: chunked\r\n\r\n"


class StaleError(Exception):
    """A kept-alive connection was closed before a byte of the answer came: another may be tried."""


class Owner(Protocol):
    """Who gets the connection back: `reusable` says whether it may serve again."""

    def release(self, connection: "Connection", reusable: bool) -> None: ...


class Connection(asyncio.Protocol):
    """`name` is host:port, for messages. `fresh` until it has served one request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, outbox: Outbox) -> None:
        self.name = name
        self.fresh = True
        self.idle_since = 0.0
        self._loop = loop
        self._outbox = outbox
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Response | None = None
        self._owner: Owner | None = None
        self._head: asyncio.Future[Response] | None = None
        self._timeouts = Timeouts()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._total = 0.0
        self._limit = ""
        self._loose = 0
        """Bytes of this answer since the last piece of its body."""
        self._names: list[bytes] = []
        self._values: list[bytes] = []
        self._in_body = False
        self._closed = False
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._sending = False
        """Whether a body is on its way that is not all written."""

    # the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._owner is None:  # an idle connection has nothing to say
            self.close()
            return
        timeouts = self._timeouts
        if timeouts.between_chunks is not None:
            self._deadline = self._loop.time() + timeouts.between_chunks
            self._limit = "between_chunks"
        self._loose += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(APIConnectionError(f"{self.name} switched to another protocol"))
        except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
            self._garbled(error, data)
        if self._loose > HEAD_BYTES and self._owner is not None:  # a head, or trailers, without end
            self._fail(_large(self.name))

    def _garbled(self, error: Exception, data: bytes) -> None:
        if self._owner is None:  # bytes after the answer: nobody can use this connection again
            self._transport.abort()
            return
        cause = error.__context__
        known = cause if isinstance(cause, HeadgateError) else None
        self._fail(known or APIConnectionError(f"{self.name} sent what is no HTTP answer: {_shown(data)}"))

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._closed = True
        self._cancel_timer()

    # a request

    @property
    def usable(self) -> bool:
        return not self._closed and not self._transport.is_closing()

    def request(
        self, head: bytes, body: bytes | Outgoing, timeouts: Timeouts, owner: Owner
    ) -> "asyncio.Future[Response]":
        """Sends. The answer is there when its head is; else the future has a StaleError, APIConnectionError or
        Timeout. Whoever stops waiting for it calls `close`."""
        now = self._loop.time()
        self._owner = owner
        self._timeouts = timeouts
        self._total = now + timeouts.total if timeouts.total is not None else 0.0
        self._expect(now, timeouts.first_byte, "first_byte")
        self._loose = 0
        self._head = answered = self._loop.create_future()
        if isinstance(body, Outgoing):
            self._sending = True
            sending = self._loop.create_task(self._send(head, body))
            # an answer that comes before the body has gone ends the sending: it says what is wrong with it
            answered.add_done_callback(lambda _: sending.cancel())
            return answered
        framing = b"content-length: %d\r\n\r\n" % len(body)
        if len(body) < 65536:
            self._outbox.write(self._transport, head + framing + body)
        else:
            self._transport.writelines((head + framing, body))
        return answered

    async def _send(self, head: bytes, body: Outgoing) -> None:
        """The upstream's time runs while it takes nothing, and once it has all; while a piece is waited for it does
        not."""
        length = body.length
        framing = _CHUNKED if length is None else b"content-length: %d\r\n\r\n" % length
        self._transport.write(head + framing)
        self._deadline = 0.0
        try:
            if length is None:
                await self._send_chunks(body)
            elif length:
                await self._send_sized(body, length)
        except Exception as error:  # noqa: BLE001 -- whatever the pieces come from: who waits for the answer is told
            self._fail(error)
            return
        self._sending = False
        self._expect(self._loop.time(), self._timeouts.first_byte, "first_byte")

    async def _send_chunks(self, body: Outgoing) -> None:
        async for piece in body.pieces:
            if piece:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await self._taken()
        self._transport.write(b"0\r\n\r\n")

    async def _send_sized(self, body: Outgoing, length: int) -> None:
        left = length
        async for piece in body.pieces:
            left -= len(piece)
            if left < 0:
                raise APIConnectionError(f"the body is longer than the {length} bytes it was said to have")
            self._transport.write(piece)
            if not left:  # the upstream may answer from here on: not one piece more is asked for
                return
            await self._taken()
        raise APIConnectionError(f"the body ended {left} bytes before the {length} it was said to have")

    async def _taken(self) -> None:
        """Waits while the upstream is slower than the pieces come."""
        if self._drained is not None:
            self._expect(self._loop.time(), self._timeouts.first_byte, "first_byte")
            await self._drained
            self._deadline = 0.0

    def pause(self) -> None:
        if not self._paused and not self._closed:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self._closed:
            self._paused = False
            if self._timeouts.between_chunks is not None:  # the wait was ours, not the upstream's
                self._deadline = self._loop.time() + self._timeouts.between_chunks
            self._transport.resume_reading()

    def close(self) -> None:
        """Closes now; whoever waits for this connection is told."""
        if self._owner is not None:
            self._fail(APIConnectionError(f"the connection to {self.name} was closed"))
        self._transport.abort()

    # the parser's callbacks

    def on_message_begin(self) -> None:
        if self._owner is None:
            raise APIConnectionError(f"{self.name} sent more than its answer")
        self._names, self._values = [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._names) >= HEAD_LINES:
            raise APIConnectionError(f"{self.name} sent more than {HEAD_LINES} header lines")
        self._names.append(name)
        self._values.append(value)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise APIConnectionError(f"{self.name} switched to another protocol")
            return
        self._in_body = True
        head = self._head
        if head is None:
            raise APIConnectionError(f"{self.name} sent a second answer")
        if self._loose > HEAD_BYTES and sum(map(len, (*self._names, *self._values))) > HEAD_BYTES:
            raise _large(self.name)
        names, values = tuple(self._names), self._values
        self._names, self._values = [], []  # of trailers, which nobody reads
        self._answer = Response(self, status, Headers(_lower(names), values))
        if not head.done():
            head.set_result(self._answer)

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        answer = self._answer
        if answer is not None:
            if answer.sink is not None and not answer.encoded:
                answer.received += len(body)
                answer.sink(body)
            else:
                answer.push(body)

    def on_message_complete(self) -> None:
        answer = self._answer
        if answer is None:  # an interim 1xx answer
            return
        self._answer = None
        self._in_body = False
        self._head = None
        self._deadline = self._total = 0.0
        owner, self._owner = self._owner, None
        self.fresh = False
        self.resume()
        reusable = self._parser.should_keep_alive() and not self._transport.is_closing() and not self._sending
        answer.finish(None)
        if not reusable:
            self._transport.close()
        if owner is not None:
            owner.release(self, reusable)

    # endings

    def _ended(self, exc: Exception | None) -> None:
        """The upstream closed: the end of a body without length, or an error."""
        if self._owner is None:
            return
        answer = self._answer
        why = f": {reason(exc)}" if exc is not None else ""
        if answer is None:
            if not self.fresh and self._loose == 0:
                self._fail(StaleError())
            else:
                self._fail(APIConnectionError(f"{self.name} closed the connection before it answered{why}"))
            return
        if exc is None and not answer.sized:
            self._answer = None
            owner, self._owner = self._owner, None
            answer.finish(None)
            owner.release(self, False)
            self._transport.close()
            return
        self._fail(
            APIConnectionError(
                f"{self.name} broke off its answer after {answer.received} bytes"
                + (f" of {answer.length}" if answer.length is not None else "")
                + why
            )
        )

    def _fail(self, error: Exception) -> None:
        owner, self._owner = self._owner, None
        answer, self._answer = self._answer, None
        head, self._head = self._head, None
        self._in_body = False
        self._cancel_timer()
        if answer is not None:
            answer.finish(error)
        elif head is not None and not head.done():
            head.set_exception(error)
        if owner is not None:
            owner.release(self, False)
        self._transport.abort()

    # time

    def _expect(self, now: float, seconds: float | None, limit: str) -> None:
        self._deadline = now + seconds if seconds is not None else 0.0
        self._limit = limit
        due = self._due()
        if self._timer is None:
            if due:
                self._timer = self._loop.call_at(due, self._tick)
        elif due and self._timer.when() > due:
            self._timer.cancel()
            self._timer = self._loop.call_at(due, self._tick)

    def _due(self) -> float:
        """The next limit, 0.0 for none."""
        if self._deadline and self._total:
            return min(self._deadline, self._total)
        return self._deadline or self._total

    def _tick(self) -> None:
        """The one timer of a connection: it looks whether a limit is over, and waits for the next."""
        self._timer = None
        if self._owner is None:
            return
        now = self._loop.time()
        if self._total and now >= self._total:
            self._fail(Timeout(f"{self.name} did not finish within the limit of {self._timeouts.total:g} s"))
            return
        if self._deadline and now >= self._deadline and not self._paused:
            seconds = getattr(self._timeouts, self._limit)
            what = "did not answer" if self._limit == "first_byte" else "sent nothing more"
            self._fail(Timeout(f"{self.name} {what} within {seconds:g} s"))
            return
        due = self._due()
        if due:
            self._timer = self._loop.call_at(max(due, now + 0.05), self._tick)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@lru_cache(maxsize=256)
def _lower(names: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(name.decode("latin-1").lower() for name in names)


def _large(name: str) -> APIConnectionError:
    return APIConnectionError(f"{name} sent a head of more than {HEAD_BYTES} bytes")


def reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.split("\n")[0][:200]


def _shown(data: bytes) -> str:
    text = data[:60].decode("latin-1")
    return repr("".join(char if char.isprintable() else "." for char in text))
