"""Fetches media that a user named by URL: guarded against private addresses, bounded in size and hops."""

import asyncio
import socket
from collections.abc import Collection
from typing import Final
from urllib.parse import urljoin, urlsplit

from headgate.errors import HeadgateError, ImageFetchError
from headgate.net.guard import checked
from headgate.ports import Origin, Timeouts, Transport

MAX_HOPS: Final = 3
_REDIRECTS: Final = (301, 302, 303, 307, 308)


async def fetch_media(
    transport: Transport,
    url: str,
    *,
    limit_bytes: int,
    timeouts: Timeouts,
    allowed_hosts: Collection[str] | None = (),
) -> tuple[str, bytes]:
    """The media type, without parameters, and the data. Raises ImageFetchError saying why not.

    Each hop's host is resolved once and connected to by the address that was checked.
    """
    for _ in range(MAX_HOPS + 1):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ImageFetchError(f"{url[:200]!r} is no address of media: expected http:// or https://")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = checked(parts.hostname, await _resolve(parts.hostname, port), allowed_hosts)
        origin = Origin(scheme=parts.scheme, host=parts.hostname, port=port, address=address)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.rpartition("@")[2]
        head = f"GET {target} HTTP/1.1\r\nhost: {host}\r\nuser-agent: headgate\r\naccept: */*\r\n"
        if not head.replace("\r\n", "").isprintable():
            raise ImageFetchError(f"{url[:200]!r} holds characters that an address can't have")
        try:
            answer = await transport.send(origin, head.encode("latin-1", "replace"), b"", timeouts)
            if answer.status in _REDIRECTS and (to := answer.headers.get("location")):
                answer.abort()
                url = urljoin(url, to)
                continue
            if answer.status != 200:
                answer.abort()
                raise ImageFetchError(f"{url[:200]!r} answered with status {answer.status}")
            data = await answer.read(limit_bytes)
        except ImageFetchError:
            raise
        except HeadgateError as error:
            raise ImageFetchError(f"{url[:200]!r} could not be fetched: {error.message}") from None
        kind = (
            (answer.headers.get("content-type") or "application/octet-stream").split(";")[0].strip().lower()
        )
        return kind, data
    raise ImageFetchError(f"{url[:200]!r} was redirected more than {MAX_HOPS} times")


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ImageFetchError(f"the host {host!r} is not known") from None
    return [str(row[4][0]) for row in found]
