"""Media that a target can't fetch itself: fetched here, guarded, and put into the request as data."""

import asyncio
import base64
from collections.abc import Sequence

from headgate.net.fetch import fetch_media
from headgate.ports import Timeouts, Transport
from headgate.wire.ir import Source

LIMIT = 20 * 1024 * 1024
_TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, between_chunks=10.0, total=30.0)


async def inline(sources: Sequence[Source], transport: Transport, hosts: frozenset[str] | None) -> None:
    """Changes each source of kind "url" into one of kind "data". Raises ImageFetchError."""
    await asyncio.gather(*(_inline(source, transport, hosts) for source in sources))


async def _inline(source: Source, transport: Transport, hosts: frozenset[str] | None) -> None:
    media_type, data = await fetch_media(
        transport, source.value, limit_bytes=LIMIT, timeouts=_TIMEOUTS, allowed_hosts=hosts
    )
    source.kind = "data"
    source.value = base64.b64encode(data).decode()
    source.media_type = source.media_type or media_type
