"""Media that a target can't take as they are: fetched here, guarded, or read, and put into the request as data."""

import asyncio
import base64
from collections.abc import Mapping, Sequence

from headgate.core.files import File
from headgate.net.fetch import fetch_media
from headgate.ports import Timeouts, Transport
from headgate.wire.ir import Source

LIMIT = 20 * 1024 * 1024
_TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, between_chunks=10.0, total=30.0)


async def inline(
    sources: Sequence[Source],
    transport: Transport,
    hosts: frozenset[str] | None,
    held: Mapping[str, File] = {},
) -> None:
    """Changes each source of kind "url" or "file" into one of kind "data". `held` are the call's own files. Raises
    ImageFetchError."""
    for source in sources:
        if source.kind == "file":
            _put(source, held[source.value].whole(), None)
    await asyncio.gather(*(_inline(source, transport, hosts) for source in sources if source.kind == "url"))


async def _inline(source: Source, transport: Transport, hosts: frozenset[str] | None) -> None:
    media_type, data = await fetch_media(
        transport, source.value, limit_bytes=LIMIT, timeouts=_TIMEOUTS, allowed_hosts=hosts
    )
    _put(source, data, media_type)


def _put(source: Source, data: bytes, media_type: str | None) -> None:
    source.kind = "data"
    source.value = base64.b64encode(data).decode()
    source.media_type = source.media_type or media_type
