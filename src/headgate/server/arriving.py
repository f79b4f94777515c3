"""Uploads of sound as they come: the form's fields become an envelope, the file goes to a temporary file.

A file of up to 1 MiB stays in memory; a larger one is written to the system's folder for temporary files (TMPDIR),
where it has no name and is gone when the call is over. Knows no upstream.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, TypeAlias, cast

import msgspec
from msgspec import Raw

from headgate.core.audio import File
from headgate.core.params import OURS
from headgate.errors import BadRequestError, RequestTooLargeError, Timeout
from headgate.wire.audio.shape import scalar
from headgate.wire.audio.transcription_openai import LISTS
from headgate.wire.audio.upload import Upload

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
BODY_SECONDS: Final = 60.0
"""Without a byte of the request."""
IN_MEMORY: Final = 1024 * 1024
WRITE: Final = 256 * 1024
_VALUES: Final = OURS | {"metadata", "stream"}
"""Fields whose text spells a JSON value."""


class Arriving:
    """An ASGI request's body, piece by piece. Raises Timeout and RequestTooLargeError; CancelledError where the
    client has gone."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._over = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, more = 0, True
        while more:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    message = await self._receive()
            except TimeoutError:
                raise Timeout("the request did not arrive in time") from None
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError("the client went away")
            data = message.get("body", b"")
            size += len(data)
            if size > self._limit:
                raise RequestTooLargeError(f"the request's body is over the limit of {self._limit} bytes")
            more = message.get("more_body", False)
            if not more:
                self._over.set()
            if data:
                yield data

    async def after(self) -> MutableMapping[str, Any]:
        """What comes behind the body: that the client goes."""
        await self._over.wait()
        return await self._receive()


async def taken(
    pieces: AsyncIterator[bytes], content_type: str, limit: int, *, translate: bool
) -> tuple[dict[str, Raw], File]:
    """The fields as an envelope, and the file, which is the caller's to close. `limit` is in bytes.

    Raises BadRequestError and RequestTooLargeError for what is no upload of a sound file.
    """
    upload = Upload(content_type, max_file=limit)
    kept = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- the call closes it when it is over
    try:
        held = bytearray()
        async for piece in pieces:
            held += upload.feed(piece)
            if len(held) > WRITE:
                await _write(kept, held)
        await _write(kept, held)
        upload.close(translate=translate)
    except BaseException:
        kept.close()
        raise
    if upload.file is None:  # close() has said so already
        raise BadRequestError("file: required", param="file")
    content = cast("BinaryIO", kept)
    file = File(content=content, part=upload.file, size=upload.size, seconds=upload.seconds)
    return envelope_of(upload.fields), file


async def _write(kept: "SpooledTemporaryFile[bytes]", held: bytearray) -> None:
    """On a thread where it may be the disk that is waited for."""
    data = bytes(held)
    held.clear()
    if kept.tell() + len(data) > IN_MEMORY:
        await asyncio.to_thread(kept.write, data)
    else:
        kept.write(data)


def envelope_of(fields: Sequence[tuple[str, str]]) -> dict[str, Raw]:
    """Fields by name, as JSON: a field that came several times, or that is one of a list, becomes a list."""
    came: dict[str, list[str]] = {}
    for name, value in fields:
        bare = name.removesuffix("[]")
        came.setdefault(bare if bare in LISTS else name, []).append(value)
    return {name: _raw(name, values) for name, values in came.items()}


def _raw(name: str, values: list[str]) -> Raw:
    if name in _VALUES and len(values) == 1:
        found = scalar(values[0])
        return Raw(msgspec.json.encode(bool(found) if name == "stream" and found in (0, 1) else found))
    return Raw(msgspec.json.encode(values if len(values) > 1 or name in LISTS else values[0]))
