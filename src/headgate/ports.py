"""The seams: what the engine needs from the outside, as protocols. Drivers implement them, nobody here does.

This module knows no driver, no dialect and no provider.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from msgspec import Struct


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds, None for no limit. `total` counts from the call, also over a stream."""

    connect: float | None = 10.0
    first_byte: float | None = 600.0
    between_chunks: float | None = 600.0
    total: float | None = None


class Origin(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Where connections go and with what: connections are pooled by this value.

    `ca_file`, `client_cert`, `client_key` are paths; `proxy` is the URL of an HTTP proxy; `address` is the
    IP address to connect to where it was checked beforehand, `host` is still who is asked.
    """

    scheme: str
    host: str
    port: int
    verify: bool = True
    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    proxy: str | None = None
    address: str | None = None


class Incoming(Protocol):
    """An upstream's answer, its head read. Exactly one of `read`, iteration or `relay` takes the body.

    Header names are lower case. Bodies arrive decoded (gzip, deflate); `encoded` says that they were.
    Every way of reading raises APIConnectionError when the connection breaks and Timeout when it is slow;
    whoever stops early calls `abort`, which closes the connection.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Sequence[tuple[str, str]]: ...

    def header(self, name: str) -> str | None: ...

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body. Raises APIResponseValidationError over `limit` bytes."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces as they come off the socket; reading is paused while nobody asks."""
        ...

    async def next(self) -> bytes:
        """The next piece, b"" at the end. `relay` goes on from there."""
        ...

    async def relay(self, sink: Callable[[bytes], None]) -> None:
        """Calls `sink` with each piece from within the socket's own callback; returns at the end."""
        ...

    def pause(self) -> None:
        """Stop reading from the socket until `resume`: back-pressure for `relay`."""
        ...

    def resume(self) -> None: ...

    def abort(self) -> None:
        """Close the connection now. Harmless when the body is complete."""
        ...


class Transport(Protocol):
    """Sends one HTTP/1.1 request. Raises APIConnectionError or Timeout; never retries what was answered."""

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: bytes,
        timeouts: Timeouts,
    ) -> Incoming:
        """`head` is the request line and all header lines but content-length, each ended by CRLF, without
        the blank line: `b"POST /v1/x HTTP/1.1\\r\\nhost: h\\r\\n…"`. The client adds content-length.
        """
        ...

    async def close(self) -> None: ...


class Clock(Protocol):
    def time(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float: ...
