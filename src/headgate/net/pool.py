"""Connections kept alive per origin, newest first, and the transport that sends requests over them.

Belongs to the one event loop that first uses it. Nothing here locks: between two awaits nobody else runs.
"""

import asyncio
import base64
import re
import ssl
from collections import deque
from collections.abc import Awaitable
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from headgate.errors import APIConnectionError, BadRequestError, Timeout
from headgate.net import tls
from headgate.net.answer import Response
from headgate.net.http1 import HEAD_BYTES, Connection, StaleError, reason
from headgate.net.outbox import Outbox
from headgate.ports import Origin, Outgoing, Timeouts

T = TypeVar("T")

MAX_CONNECTIONS: Final = 5_000
"""Open connections to one origin; past it calls wait their turn."""
IDLE_SECONDS: Final = 50.0
"""Shorter than the keep-alive of the servers we know, so that we close first."""
_OPENED: Final = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")


class Stats(Struct, frozen=True):
    open: int
    idle: int
    waiting: int


class Bucket:
    """The connections of one origin. It is their owner while they serve."""

    def __init__(self, pool: "Pool", origin: Origin) -> None:
        self.origin = origin
        self.idle: list[Connection] = []
        self.open = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self._pool = pool

    def take(self, now: float) -> Connection | None:
        """The connection that was used last: the others get old and are closed."""
        while self.idle:
            connection = self.idle.pop()
            if connection.usable and now - connection.idle_since < IDLE_SECONDS:
                return connection
            self.open -= 1
            connection.close()
        return None

    def release(self, connection: Connection, reusable: bool) -> None:
        if reusable and not self._pool.closed:
            connection.idle_since = self._pool.loop.time()
            self.idle.append(connection)
        else:
            self.open -= 1
            if connection.usable:
                connection.close()
        self.next()

    def next(self) -> None:
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def sweep(self, now: float) -> None:
        fresh = [one for one in self.idle if one.usable and now - one.idle_since < IDLE_SECONDS]
        for connection in self.idle:
            if connection not in fresh:
                self.open -= 1
                connection.close()
        self.idle = fresh


class Pool:
    """See ports.Transport. Made without a loop; `max_connections` counts per origin."""

    def __init__(self, *, max_connections: int = MAX_CONNECTIONS) -> None:
        self.closed = False
        self.loop: asyncio.AbstractEventLoop
        self._outbox: Outbox
        self._buckets: dict[Origin, Bucket] = {}
        self._max = max_connections
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, origin: Origin, head: bytes, body: bytes | Outgoing, timeouts: Timeouts) -> Response:
        bucket = self._buckets.get(origin) or self._bucket(origin)
        if origin.proxy is not None and origin.scheme == "http":
            head = _absolute(origin, _proxy(origin.proxy), head)
        while True:
            once = isinstance(body, Outgoing)  # it can't be sent again: over no connection that may be stale
            connection = None if once else bucket.take(self.loop.time())
            if connection is None:
                connection = await self._connected(bucket, timeouts)
            try:
                return await connection.request(head, body, timeouts, bucket)
            except asyncio.CancelledError:
                connection.close()
                raise
            except StaleError:
                if once:
                    raise APIConnectionError(
                        f"{connection.name} closed the connection before it answered"
                    ) from None
                continue  # nothing was answered: once more; a fresh connection never says this

    async def close(self) -> None:
        self.closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for bucket in self._buckets.values():
            for connection in bucket.idle:
                connection.close()
            bucket.idle.clear()
        self._buckets.clear()
        await asyncio.sleep(0)

    def stats(self) -> Stats:
        buckets = self._buckets.values()
        return Stats(
            open=sum(bucket.open for bucket in buckets),
            idle=sum(len(bucket.idle) for bucket in buckets),
            waiting=sum(len(bucket.waiting) for bucket in buckets),
        )

    def _bucket(self, origin: Origin) -> Bucket:
        if self.closed:
            raise APIConnectionError("the client is closed")
        if not self._buckets:
            self.loop = asyncio.get_running_loop()
            self._outbox = Outbox(self.loop)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(IDLE_SECONDS / 2, self._sweep)
        bucket = self._buckets[origin] = Bucket(self, origin)
        return bucket

    def _sweep(self) -> None:
        now = self.loop.time()
        for origin, bucket in list(self._buckets.items()):
            bucket.sweep(now)
            if not bucket.open and not bucket.waiting:
                del self._buckets[origin]
        self._sweeper = self.loop.call_later(IDLE_SECONDS / 2, self._sweep) if self._buckets else None

    async def _connected(self, bucket: Bucket, timeouts: Timeouts) -> Connection:
        """A new connection, or one that came free while we waited for our turn."""
        while bucket.open >= self._max:
            turn = self.loop.create_future()
            bucket.waiting.append(turn)
            await _within(turn, timeouts.connect, f"no connection to {name_of(bucket.origin)} came free")
            if (connection := bucket.take(self.loop.time())) is not None:
                return connection
        bucket.open += 1
        try:
            what = f"could not connect to {_way(bucket.origin)}"
            return await _within(self._connect(bucket.origin), timeouts.connect, what)
        except BaseException:
            bucket.open -= 1
            bucket.next()
            raise

    async def _connect(self, origin: Origin) -> Connection:
        try:
            if origin.proxy is not None:
                return await self._connect_by(_proxy(origin.proxy), origin)
            secure = origin.scheme == "https"
            _, connection = await self.loop.create_connection(
                lambda: Connection(self.loop, name_of(origin), self._outbox),
                origin.address or origin.host,
                origin.port,
                ssl=_context(origin) if secure else None,
                server_hostname=origin.host if secure else None,
            )
        except (OSError, ValueError) as error:
            raise APIConnectionError(f"could not connect to {_way(origin)}: {reason(error)}") from None
        return connection

    async def _connect_by(self, proxy: "Proxy", origin: Origin) -> Connection:
        transport, connection = await self.loop.create_connection(
            lambda: Connection(self.loop, name_of(origin), self._outbox),
            proxy.host,
            proxy.port,
            ssl=tls.context(True, origin.ca_file, None, None) if proxy.secure else None,
        )
        if origin.scheme != "https":
            return connection
        try:
            gate: asyncio.Future[None] = self.loop.create_future()
            transport.set_protocol(_Tunnel(gate, proxy.name, name_of(origin)))
            transport.write(_connect_head(name_of(origin), proxy))
            await gate
            encrypted = await self.loop.start_tls(
                transport, connection, _context(origin), server_hostname=origin.host
            )
            if encrypted is None:
                raise APIConnectionError(f"{proxy.name} closed the connection to {name_of(origin)}")
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(encrypted)
        return connection


class Proxy(Struct, frozen=True):
    """`name` is for messages, `auth` the header line with the credential, or nothing."""

    name: str
    secure: bool
    host: str
    port: int
    auth: bytes


@lru_cache(maxsize=64)
def _proxy(url: str) -> Proxy:
    """Raises BadRequestError, which shows nothing of the URL: any part of it may be one of a password."""
    try:
        parts = urlsplit(url)
        host, port, secure = parts.hostname, parts.port, parts.scheme == "https"
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.path + parts.query + parts.fragment:
        raise BadRequestError(
            "the URL of the proxy can't be used: expected http://host:port or https://host:port, perhaps with"
            " user:password@ before the host, where other characters than letters and digits are %-encoded"
        )
    port = port or (443 if secure else 80)
    auth = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        auth = b"proxy-authorization: Basic %b\r\n" % base64.b64encode(pair.encode())
    return Proxy(f"the proxy {_bracketed(host)}:{port}", secure, host, port, auth)


class _Tunnel(asyncio.Protocol):
    """Waits for a proxy's answer to CONNECT."""

    def __init__(self, gate: "asyncio.Future[None]", where: str, name: str) -> None:
        self._gate = gate
        self._where = where
        self._name = name
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._gate.done() or (b"\r\n\r\n" not in self._buffer and len(self._buffer) < HEAD_BYTES):
            return
        if b"\r\n\r\n" in self._buffer and _OPENED.match(self._buffer):
            self._gate.set_result(None)
        else:
            shown = self._buffer.split(b"\n", 1)[0].rstrip()[:80].decode("latin-1")
            self._fail(f"refused to connect to {self._name}: {shown!r}")

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._gate.done():
            self._fail(f"closed the connection before {self._name} was reached")

    def _fail(self, what: str) -> None:
        self._gate.set_exception(APIConnectionError(f"{self._where} {what}"))


def name_of(origin: Origin) -> str:
    return f"{_bracketed(origin.host)}:{origin.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _way(origin: Origin) -> str:
    """The origin, and the proxy on the way to it, for messages."""
    return name_of(origin) + (f" by {_proxy(origin.proxy).name}" if origin.proxy is not None else "")


def _context(origin: Origin) -> ssl.SSLContext:
    return tls.context(origin.verify, origin.ca_file, origin.client_cert, origin.client_key)


def _connect_head(name: str, proxy: Proxy) -> bytes:
    to = name.encode()
    return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (to, to, proxy.auth)


def _absolute(origin: Origin, proxy: Proxy, head: bytes) -> bytes:
    """The request line as a proxy wants it, and the proxy's own credential."""
    method, target, rest = head.split(b" ", 2)
    line, lines = rest.split(b"\r\n", 1)
    host = _bracketed(origin.host) if origin.port == 80 else name_of(origin)
    return b"%b http://%b%b %b\r\n%b%b" % (method, host.encode(), target, line, proxy.auth, lines)


async def _within(work: Awaitable[T], seconds: float | None, what: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Timeout(f"{what} within {seconds:g} s") from None
