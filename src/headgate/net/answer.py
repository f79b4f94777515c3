"""The answer of an HTTP/1.1 connection: its head, and its body pushed to a sink or pulled by a reader. Compressed
bodies are unpacked here. It knows its connection by four names, and no parser.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from headgate.errors import APIConnectionError, APIResponseValidationError
from headgate.ports import Headers, places_of

HIGH_WATER: Final = 256 * 1024
"""Bytes held for a reader that is slower than the socket, before reading pauses."""
_INFLATE_STEP: Final = 256 * 1024
_CODINGS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 47}
"""zlib's window bits; `deflate` turns out to be raw, or not, at its first byte."""
_RAW: Final = -15


class Wire(Protocol):
    """Whose answer it is: http1.Connection."""

    name: str

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self) -> None: ...


class Response:
    """See ports.Incoming."""

    __slots__ = (
        "_connection",
        "_deflate",
        "_done",
        "_error",
        "_held",
        "_inflate",
        "_paused",
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

    def __init__(self, connection: Wire, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = headers
        self.received = 0
        self.length: int | None = None
        self.sized = False
        self.encoded = False
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self.sink: Callable[[bytes], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._done = False
        self._error: Exception | None = None
        self._inflate: zlib._Decompress | None = None
        self._deflate = False
        places, values = places_of(headers.names), headers.values
        if (at := places.get("content-length")) is not None and values[at]:
            self.length, self.sized = int(values[at]), True
        elif (at := places.get("transfer-encoding")) is not None:
            self.sized = b"chunked" in values[at].lower()
        if (at := places.get("content-encoding")) is not None:
            self._decode(values[at].decode("latin-1").strip().lower())

    def _decode(self, coding: str) -> None:
        if bits := _CODINGS.get(coding):
            self._inflate = zlib.decompressobj(bits)
            self._deflate = coding == "deflate"
            self.encoded = True

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
            if not self._paused:  # the first pieces may have been more than the reader could take
                self._connection.resume()
            await self._wait()
        self._raise()

    def pause(self) -> None:
        self._paused = True
        if not self._done:
            self._connection.pause()

    def resume(self) -> None:
        self._paused = False
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
        if self._waiter is not None:
            self._wake()

    def _hold(self, data: bytes) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER:
            self._connection.pause()
        if self._waiter is not None:
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
        waiter = self._waiter
        if waiter is not None and not waiter.done() and (self.sink is None or self._done):
            waiter.set_result(None)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _is_raw(data: bytes) -> bool:
    """RFC 1951 rather than RFC 1950 or gzip: no encoder begins a raw stream with their first byte."""
    return data[0] & 15 != 8 and data[0] != 0x1F
