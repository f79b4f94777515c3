"""Where the files of an upload are kept while it comes: all of one call in one place.

Up to 1 MiB stays in memory; more is written to the system's folder for temporary files (TMPDIR), where it has no name
and is gone when the call is over. Knows no operation.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, Final, cast

from msgspec.structs import replace

from headgate.core.files import File
from headgate.wire.multipart import FileStart
from headgate.wire.upload import Upload

IN_MEMORY: Final = 1024 * 1024
WRITE: Final = 256 * 1024


async def spooled(
    pieces: AsyncIterator[bytes],
    upload: Upload,
    close: Callable[[], object],
    tell: Callable[[bytes], object] | None = None,
) -> list[File]:
    """The files in order, over one `content`, which is the caller's to close. `close` judges the form when all of it
    is here; `tell` is told the files' bytes. Raises what reading, the upload and `close` raise; then nothing
    is left open."""
    content = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- the call closes it when it is over
    files: list[File] = []
    held, size = bytearray(), 0
    try:
        async for piece in pieces:
            for event in upload.feed(piece):
                if isinstance(event, FileStart):
                    files.append(File(content=cast("BinaryIO", content), part=event.part, size=0, start=size))
                else:
                    held += event.data
                    if tell is not None:
                        tell(event.data)
                    size += len(event.data)
                    files[-1] = replace(files[-1], size=size - files[-1].start)
            if len(held) > WRITE:
                await _write(content, held)
        await _write(content, held)
        close()
    except BaseException:
        content.close()
        raise
    if not files:
        content.close()
    return files


async def _write(content: "SpooledTemporaryFile[bytes]", held: bytearray) -> None:
    """On a thread where it may be the disk that is waited for."""
    data = bytes(held)
    held.clear()
    if content.tell() + len(data) > IN_MEMORY:
        await asyncio.to_thread(content.write, data)
    else:
        content.write(data)
