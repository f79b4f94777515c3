"""Requests of deployments whose credential is more than a fixed header line: what signs them, and how it gets its
tokens. It opens no connection itself.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from headgate.core.deployment import Deployment
from headgate.errors import APIConnectionError
from headgate.ports import (
    Ask,
    Clock,
    Credential,
    Headers,
    Incoming,
    Origin,
    Outgoing,
    Signing,
    Timeouts,
    Told,
    Transport,
)

MAX_TOLD: Final = 1024 * 1024
"""Bytes of an answer of a token server."""
REFUSED: Final = (401, 403)
ERROR_LIMIT: Final = 4 * 1024 * 1024


class Sending(Struct, frozen=True):
    """A request but for its signature. `head` as the transport takes it."""

    method: str
    url: str
    origin: Origin
    head: bytes
    body: bytes | Outgoing


class Signer:
    """Sends for one deployment and its credential. `transports` are by scheme."""

    def __init__(
        self, deployment: Deployment, credential: Credential, transports: dict[str, Transport], clock: Clock
    ) -> None:
        self._deployment = deployment
        self._credential = credential
        self._transports = transports
        self._clock = clock

    async def send(self, sending: Sending, timeouts: Timeouts) -> Incoming:
        """Signs and sends; a second time where the provider says that what it was signed with has expired.

        Raises what the transport raises, and AuthenticationError where there is nothing to sign with.
        """
        answer, lines = await self._once(sending, timeouts)
        if answer.status not in REFUSED:
            return answer
        told = Told(status=answer.status, headers=dict(answer.headers), body=await answer.read(ERROR_LIMIT))
        gone = isinstance(
            sending.body, Outgoing
        )  # it was sent, and can't be again; the next request gets new lines
        if not self._credential.refused(told, lines, self._clock.time()) or gone:
            return _Read(told)
        answer, _ = await self._once(sending, timeouts)
        return answer

    async def sign(self, sending: Sending) -> list[tuple[str, str]]:
        """The header lines that sign it. Raises AuthenticationError, and what asking for a token raises."""
        now = self._clock.time()
        if not self._credential.ready(now):
            await self._credential.renew(self._fetch, now)
        held = sending.body if isinstance(sending.body, bytes) else b""
        digest = "" if isinstance(sending.body, bytes) else sending.body.digest
        headers = lines_of(sending.head)
        request = Signing(method=sending.method, url=sending.url, headers=headers, body=held, digest=digest)
        return self._credential.sign(request, self._clock.time())

    async def _once(self, sending: Sending, timeouts: Timeouts) -> tuple[Incoming, list[tuple[str, str]]]:
        lines = await self.sign(sending)
        head = sending.head + "".join(f"{name}: {value}\r\n" for name, value in lines).encode("latin-1")
        transport = self._transports[sending.origin.scheme]
        return await transport.send(sending.origin, head, sending.body, timeouts), lines

    async def _fetch(self, ask: Ask) -> Told:
        """See ports.Fetch."""
        parts = urlsplit(ask.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise APIConnectionError(
                f"{ask.url.split('?')[0][:200]!r} is no address: expected https://host/path"
            )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"user-agent": "headgate", "accept": "*/*", **ask.headers}
        lines = [f"{ask.method} {target} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        if not all(line.isprintable() for line in lines):
            raise APIConnectionError(
                f"what is asked of {parts.hostname!r} holds characters that HTTP forbids"
            )
        origin = self._deployment.origin(parts.scheme, parts.hostname, parts.port, direct=ask.direct)
        limits = Timeouts(
            connect=ask.seconds, first_byte=ask.seconds, between_chunks=ask.seconds, total=ask.seconds
        )
        head = ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")
        answer = await self._transports[parts.scheme].send(origin, head, ask.body, limits)
        return Told(status=answer.status, headers=dict(answer.headers), body=await answer.read(MAX_TOLD))


def lines_of(head: bytes) -> tuple[tuple[str, str], ...]:
    """The header lines of a request's head."""
    pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return tuple((name.lower(), value) for name, _, value in pairs)


class _Read:
    """See ports.Incoming: a refusal that was read to its end."""

    def __init__(self, told: Told) -> None:
        self.status = told.status
        self.headers = Headers.of(told.headers.items())
        self._body = told.body

    async def read(self, limit: int | None = None) -> bytes:
        return self._body

    async def next(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    async def relay(self, sink: Callable[[bytes], None]) -> None:
        sink(self._body)

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...
