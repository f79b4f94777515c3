"""The seams: what the engine needs from the outside, as protocols. Drivers implement them, nobody here does.

This module knows no driver, no dialect and no provider.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Protocol, TypeAlias

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


class Headers:
    """The header lines of an answer: names in lower case, values as they came. A provider names the same ones in
    every answer: what is asked of the names alone is found out once. Values are decoded when they are read."""

    __slots__ = ("names", "values")

    def __init__(self, names: tuple[str, ...], values: Sequence[bytes]) -> None:
        self.names = names
        self.values = values

    @classmethod
    def of(cls, lines: Iterable[tuple[str, str]]) -> "Headers":
        lines = list(lines)
        return cls(
            tuple(name for name, _ in lines), [value.encode("latin-1", "replace") for _, value in lines]
        )

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.names, (value.decode("latin-1") for value in self.values), strict=True)

    def get(self, name: str) -> str | None:
        """Of several lines with one name the last."""
        at = places_of(self.names).get(name)
        return None if at is None else self.values[at].decode("latin-1")


@lru_cache(maxsize=256)
def places_of(names: tuple[str, ...]) -> Mapping[str, int]:
    """Where each stands; of several with one name the last."""
    return {name: at for at, name in enumerate(names)}


class Incoming(Protocol):
    """An upstream's answer, its head read. Exactly one of `read`, iteration or `relay` takes the body.

    Bodies arrive decoded (gzip, deflate); `encoded` says that they were.
    Every way of reading raises APIConnectionError when the connection breaks and Timeout when it is slow;
    whoever stops early calls `abort`, which closes the connection.
    """

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

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


class Outgoing(Struct, frozen=True, kw_only=True):
    """A request's body that is not held in memory. It can be sent once: the next piece is asked for when the upstream
    has taken the one before. `length` is in bytes, None for one that nobody knows: it travels chunked. `digest` is
    its SHA-256 in hexadecimal, "" where nobody has counted it: signatures that hold one need it.

    What `pieces` raises is raised by `send`."""

    pieces: AsyncIterator[bytes]
    length: int | None = None
    digest: str = ""


class Transport(Protocol):
    """Sends one HTTP/1.1 request. Raises APIConnectionError or Timeout; never retries what was answered."""

    async def send(
        self,
        origin: Origin,
        head: bytes,
        body: bytes | Outgoing,
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


class Ask(Struct, frozen=True, kw_only=True):
    """A small request beside the calls: for a token, or to a metadata service. `seconds` bound it as a whole.

    `direct`: never over a proxy, which is how the link-local services of the clouds are reached.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: bytes = b""
    seconds: float = 10.0
    direct: bool = False


class Told(Struct, frozen=True, kw_only=True):
    """An answer, whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Fetch: TypeAlias = Callable[[Ask], Awaitable[Told]]
"""Follows no redirects. Raises APIConnectionError or Timeout; any status is an answer."""


class Signing(Struct, frozen=True, kw_only=True):
    """A request that is about to be sent. `url` is absolute, its path and query as they travel; header names are
    lower case. `digest` is the SHA-256 of a body that is not held, "" for the body that is."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    digest: str = ""


class Credential(Protocol):
    """What signs the requests of a deployment. `now` is Unix seconds.

    It may serve several event loops, one after the other or at once; it holds no connection.
    """

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must never reach a message."""
        ...

    def ready(self, now: float) -> bool:
        """Whether it can sign at once, from memory."""
        ...

    async def renew(self, fetch: Fetch, now: float) -> None:
        """Gets or refreshes what it signs with. Who comes while that is under way shares it; nobody waits while
        the old is still good.

        Raises AuthenticationError saying which parameters, variables, files and addresses were looked for, the
        error of a token server's status, APIConnectionError or Timeout.
        """
        ...

    def sign(self, request: Signing, now: float) -> list[tuple[str, str]]:
        """The header lines to add. Only after `ready` or `renew`; no I/O."""
        ...

    def refused(self, told: Told, lines: list[tuple[str, str]], now: float) -> bool:
        """The provider answered 401 or 403 to a request with these lines: whether new ones may be taken.

        If so, it has forgotten what was refused, and is asked again: `ready`, `renew`, `sign`.
        """
        ...
