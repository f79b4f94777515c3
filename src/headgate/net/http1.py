"""One HTTP/1.1 connection: a request out, its answer in. Push when relayed, pull when read.

The socket's callback feeds the parser, the parser calls us, and a relayed piece of a body is handed to its
sink within that same callback: no queue, no task is woken, no object is made. The pool (`pool.py`) owns
connections between requests; this file knows one request at a time and no addresses.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

import httptools

from headgate.errors import APIConnectionError, APIResponseValidationError, HeadgateError, Timeout
from headgate.ports import Timeouts

HEAD_BYTES: Final = 64 * 1024
HEAD_LINES: Final = 256
HIGH_WATER: Final = 256 * 1024
"""Bytes held for a reader that is slower than the socket, before reading pauses."""
_INFLATE_STEP: Final = 256 * 1024
_CODINGS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""zlib's window bits; `deflate` turns out to be raw, or not, at its first byte."""
_RAW: Final = -15


class StaleError(Exception):
    """A kept-alive connection was closed before a byte of the answer came: another may be tried."""


class Owner(Protocol):
    """Who gets the connection back: `reusable` says whether it may serve again."""

    def release(self, connection: "Connection", reusable: bool) -> None: ...


class Connection(asyncio.Protocol):
    """`name` is host:port, for messages. `fresh` until it has served one request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self.name = name
        self.fresh = True
        self.idle_since = 0.0
        self._loop = loop
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
        self._head_size = 0
        self._lines_size = 0
        self._headers: list[tuple[str, str]] = []
        self._in_body = False
        self._closed = False
        self._paused = False
        self._write_paused = False

    # the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False

    def data_received(self, data: bytes) -> None:
        if self._owner is None:  # an idle connection has nothing to say
            self.close()
            return
        timeouts = self._timeouts
        if timeouts.between_chunks is not None:
            self._deadline = self._loop.time() + timeouts.between_chunks
            self._limit = "between_chunks"
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(APIConnectionError(f"{self.name} switched to another protocol"))
        except (httptools.HttpParserError, httptools.HttpParserCallbackError) as error:
            self._garbled(error, data)
        if not self._in_body and self._head_size > HEAD_BYTES and self._owner is not None:
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

    async def request(self, head: bytes, body: bytes, timeouts: Timeouts, owner: Owner) -> "Response":
        """Sends and waits for the answer's head. Raises StaleError, APIConnectionError or Timeout."""
        now = self._loop.time()
        self._owner = owner
        self._timeouts = timeouts
        self._total = now + timeouts.total if timeouts.total is not None else 0.0
        self._expect(now, timeouts.first_byte, "first_byte")
        self._head_size = self._lines_size = 0
        self._headers = []
        self._head = self._loop.create_future()
        framing = b"content-length: %d\r\n\r\n" % len(body)
        if len(body) < 65536:
            self._transport.write(head + framing + body)
        else:
            self._transport.writelines((head + framing, body))
        try:
            return await self._head
        except asyncio.CancelledError:
            self.close()
            raise

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
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) >= HEAD_LINES:
            raise APIConnectionError(f"{self.name} sent more than {HEAD_LINES} header lines")
        self._lines_size += len(name) + len(value) + 4  # packets alone don't say where the head ends
        if self._lines_size > HEAD_BYTES:
            raise _large(self.name)
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

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
        self._answer = Response(self, status, self._headers)
        if not head.done():
            head.set_result(self._answer)

    def on_body(self, body: bytes) -> None:
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
        reusable = self._parser.should_keep_alive() and not self._transport.is_closing()
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
            if not self.fresh and self._head_size == 0:
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
        due = min((at for at in (self._deadline, self._total) if at), default=0.0)
        if self._timer is None:
            if due:
                self._timer = self._loop.call_at(due, self._tick)
        elif due and self._timer.when() > due:
            self._timer.cancel()
            self._timer = self._loop.call_at(due, self._tick)

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
        due = min((at for at in (self._deadline, self._total) if at), default=0.0)
        if due:
            self._timer = self._loop.call_at(max(due, now + 0.05), self._tick)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Response:
    """See ports.Incoming."""

    __slots__ = (
        "_connection",
        "_deflate",
        "_done",
        "_error",
        "_held",
        "_inflate",
        "_pieces",
        "_waiter",
        "encoded",
        "headers",
        "length",
        "received",
        "sink",
        "sized",
        "status",
    )

    def __init__(self, connection: Connection, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self.status = status
        self.headers = headers
        self.received = 0
        self.length: int | None = None
        self.sized = False
        self.encoded = False
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self.sink: Callable[[bytes], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._done = False
        self._error: Exception | None = None
        self._inflate: zlib._Decompress | None = None
        self._deflate = False
        for name, value in headers:
            if name == "content-length":
                self.length, self.sized = int(value), True
            elif name == "transfer-encoding" and "chunked" in value.lower():
                self.sized = True
            elif name == "content-encoding" and (bits := _CODINGS.get(coding := value.strip().lower())):
                self._inflate = zlib.decompressobj(bits)
                self._deflate = coding == "deflate"
                self.encoded = True

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    async def read(self, limit: int | None = None) -> bytes:
        size = 0
        gathered: list[bytes] = []
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                size += len(piece)
                if limit is not None and size > limit:
                    self.abort()
                    raise APIResponseValidationError(f"{self._connection.name} sent more than {limit} bytes")
                gathered.append(piece)
            self._held = 0
            if self._done:
                self._raise()
                return gathered[0] if len(gathered) == 1 else b"".join(gathered)
            self._connection.resume()
            await self._wait()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._held -= len(piece)
                yield piece
            if self._done:
                self._raise()
                return
            self._connection.resume()
            await self._wait()

    async def next(self) -> bytes:
        while not self._pieces:
            if self._done:
                self._raise()
                return b""
            self._connection.resume()
            await self._wait()
        piece = self._pieces.popleft()
        self._held -= len(piece)
        return piece

    async def relay(self, sink: Callable[[bytes], None]) -> None:
        while self._pieces:
            sink(self._pieces.popleft())
        self._held = 0
        if not self._done:
            self.sink = sink
            self._connection.resume()
            await self._wait()
        self._raise()

    def pause(self) -> None:
        if not self._done:
            self._connection.pause()

    def resume(self) -> None:
        if not self._done:
            self._connection.resume()

    def abort(self) -> None:
        if not self._done:
            self._connection.close()

    # for the connection

    def push(self, data: bytes) -> None:
        self.received += len(data)
        if self._inflate is not None:
            self._unpack(data)
        elif self.sink is not None:
            self.sink(data)
        else:
            self._hold(data)

    def finish(self, error: Exception | None) -> None:
        if error is None and self._inflate is not None and not self._inflate.eof and self.received:
            error = APIConnectionError(f"{self._connection.name} broke off its compressed answer")
        self._done = True
        self._error = error
        self._wake()

    def _hold(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER:
            self._connection.pause()
        self._wake()

    def _unpack(self, data: bytes) -> None:
        """In bounded steps: a small packet may unpack to gigabytes."""
        inflate = self._inflate
        if inflate is None:
            return
        if self._deflate and self.received == len(data) and _is_raw(data):
            inflate = self._inflate = zlib.decompressobj(_RAW)
        give = self.sink or self._hold
        try:
            while True:
                out = inflate.decompress(data, _INFLATE_STEP)
                if out:
                    give(out)
                data = inflate.unconsumed_tail
                if not data:
                    return
                if self._held > 64 * HIGH_WATER:
                    raise APIResponseValidationError(
                        f"{self._connection.name} sent a compressed answer that unpacks too far"
                    )
        except zlib.error:
            raise APIConnectionError(
                f"{self._connection.name} sent a compressed answer that can't be unpacked"
            ) from None

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self.sink is None or self._done):
            self._waiter.set_result(None)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _is_raw(data: bytes) -> bool:
    """RFC 1951 rather than RFC 1950 or gzip: no encoder begins a raw stream with their first byte."""
    return data[0] & 15 != 8 and data[0] != 0x1F


def _large(name: str) -> APIConnectionError:
    return APIConnectionError(f"{name} sent a head of more than {HEAD_BYTES} bytes")


def reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.split("\n")[0][:200]


def _shown(data: bytes) -> str:
    text = data[:60].decode("latin-1")
    return repr("".join(char if char.isprintable() else "." for char in text))
