"""Uploads on their way through: the form's fields are read from its beginning, the file is never held.

https://www.rfc-editor.org/rfc/rfc7578. What speaks to the gateway is cut out of the form; fields that stand behind a
file and beyond the first 64 KiB are not seen. Knows no provider and no page.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from headgate.errors import BadRequestError
from headgate.wire.multipart import boundary_of, read_head
from headgate.wire.ndjson import Lines

PEEK: Final = 64 * 1024
LARGEST: Final = 513 * 1024 * 1024
"""Bytes of a form: OpenAI's limit of a file, and the form around it."""
_WRITE: Final = 1024 * 1024


class Form(Struct, kw_only=True):
    """`fields` are those that were seen; `filename` is the file's. `start` is the form's beginning without what was
    cut out, `cut` how many bytes that was; `rest` is what follows. `opening` is where the file begins in `start`."""

    boundary: bytes
    fields: dict[str, str]
    filename: str
    start: bytes
    cut: int
    opening: int
    rest: AsyncIterator[bytes]
    trailer: bytes = b""
    """What follows the file, known when it was read."""

    async def pieces(self) -> AsyncIterator[bytes]:
        """The form as it goes on."""
        yield self.start
        async for piece in self.rest:
            yield piece

    async def file(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises BadRequestError where the form ends before it."""
        if not self.opening:
            raise BadRequestError(
                "the form has no file within its first 64 KiB: send it as 'file'", param="file"
            )
        end = b"\r\n--" + self.boundary
        held = self.start[self.opening :]
        while True:
            at = held.find(end)
            if at >= 0:
                yield held[:at]
                self.trailer = held[at:]
                async for piece in self.rest:
                    self.trailer += piece
                    if len(self.trailer) > PEEK:
                        raise BadRequestError("more than 64 KiB follow the form's file", param="file")
                return
            safe = max(0, len(held) - len(end))
            if safe:
                yield held[:safe]
            piece = await anext(self.rest, b"")
            if not piece:
                raise BadRequestError("the form ends in its file: the upload was cut", param="file")
            held = held[safe:] + piece

    async def changed(self, line: Callable[[bytes], bytes]) -> AsyncIterator[bytes]:
        """The form with another file: each of its lines is what `line` makes of it."""
        reader = Lines()
        yield self.start[: self.opening]
        async for piece in self.file():
            if lines := reader.feed(piece):
                yield b"".join(line(one) + b"\n" for one in lines)
        if last := reader.close():
            yield line(last) + b"\n"
        yield self.trailer


async def opened(pieces: AsyncIterator[bytes], content_type: str, ours: Collection[str]) -> Form:
    """Reads a form's beginning; fields named in `ours` are cut out of it. Raises BadRequestError for what is none."""
    boundary = boundary_of(content_type)
    start = b""
    while len(start) < PEEK and (piece := await anext(pieces, b"")):
        start += piece
    form = Form(boundary=boundary, fields={}, filename="", start=start, cut=0, opening=0, rest=pieces)
    if not start.startswith(b"--" + boundary) and b"\r\n--" + boundary not in start:
        raise BadRequestError("the body is no form: its boundary is not in it", param="content-type")
    _read(form, ours)
    return form


def _read(form: Form, ours: Collection[str]) -> None:
    """Part by part, as far as they are there."""
    mark, start = b"--" + form.boundary, form.start
    kept: list[bytes] = []
    at = start.find(mark)
    begun = 0
    while True:
        head = start.find(b"\r\n\r\n", at)
        if at < 0 or start.startswith(b"--", at + len(mark)) or head < 0:
            break
        end = start.find(b"\r\n" + mark, head + 2)
        part = read_head(start[at:head].partition(b"\r\n")[2])
        if part.filename is not None:
            form.filename = part.filename
            form.opening = head + 4 - form.cut
        if end < 0:
            break
        if part.filename is None:
            form.fields[part.name] = start[head + 4 : end].decode("utf-8", "replace")
        if part.filename is None and part.name in ours:
            kept.append(start[begun:at])
            begun = end + 2
            form.cut += begun - at
        at = end + 2
    form.start = b"".join((*kept, start[begun:]))


def forget(folder: Path, before: float) -> None:
    """Removes what a process that died had not finished; `before` is in Unix seconds. Blocks."""
    for path in folder.glob("*.*") if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # whoever wrote it was quicker
            if path.stat().st_mtime < before:
                path.unlink()


async def kept(pieces: AsyncIterator[bytes], path: Path) -> int:
    """Writes a file to the disk. How many bytes. Leaves nothing behind where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part, size = path.with_suffix(".part"), 0
    try:
        with part.open("wb") as out:
            held: list[bytes] = []
            waiting = 0
            async for piece in pieces:
                held.append(piece)
                waiting += len(piece)
                size += len(piece)
                if waiting > _WRITE:
                    await asyncio.to_thread(out.writelines, held)
                    held, waiting = [], 0
            await asyncio.to_thread(out.writelines, held)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return size
