"""Files that came with a call: they stay where they are, in memory or on a disk, and are sent from there.

A file may be sent several times, to one deployment after the other or to two at once. Knows no operation, no door and
no provider.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from msgspec import Struct

from headgate.ports import Outgoing

if TYPE_CHECKING:
    from headgate.wire.multipart import Part

AT_ONCE: Final = 1024 * 1024
"""Bytes of a request up to which it is sent as one: over a connection that may be used again."""
PIECE: Final = 128 * 1024
HEAD: Final = 64
"""Bytes of a file that a dialect may see: enough to tell a picture's type."""


class File(Struct, frozen=True, kw_only=True):
    """`content` is read by several at once; the file's `size` bytes begin at `start`. `seconds` is how long a sound
    is, None: not known."""

    content: BinaryIO
    part: "Part"
    size: int
    start: int = 0
    seconds: float | None = None

    def at(self, start: int, size: int) -> bytes:
        """So many bytes of the file from that place."""
        self.content.seek(self.start + start)
        return self.content.read(min(size, self.size - start))

    def whole(self) -> bytes:
        return self.at(0, self.size)


class Files:
    """The files of a form by field, each a `File`, a list of them, or what is none and stays as it is.

    `fields` are they as a dialect reads them: {"filename", "content_type", "held", "size", "head"}, where "held" is
    the name of the file in `held`.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.held: dict[str, File] = {}
        self.fields: Mapping[str, Any] = {name: self._seen(name, value) for name, value in given.items()}

    def _seen(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._seen(f"{name}[{at}]", one) for at, one in enumerate(value)]
        if not isinstance(value, File):
            return value
        self.held[name] = value
        part = value.part
        return {
            "filename": part.filename,
            "content_type": part.content_type,
            "held": name,
            "size": value.size,
            "head": value.at(0, HEAD),
        }

    def close(self) -> None:
        for file in self.held.values():
            file.content.close()


def body_of(parts: Sequence[bytes | File]) -> bytes | Outgoing:
    """A request's body of our own pieces and of files, which are read while it is sent where it is long."""
    size = sum(len(part) if isinstance(part, bytes) else part.size for part in parts)
    if size <= AT_ONCE or not any(isinstance(part, File) for part in parts):
        return b"".join(_pieces(parts))
    return Outgoing(pieces=_sent(parts), length=size)


def size_of(body: bytes | Outgoing) -> int:
    """Bytes, 0 where nobody knows."""
    return len(body) if isinstance(body, bytes) else body.length or 0


def _pieces(parts: Sequence[bytes | File]) -> Iterator[bytes]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from (part.at(start, PIECE) for start in range(0, part.size, PIECE))


async def _sent(parts: Sequence[bytes | File]) -> AsyncIterator[bytes]:
    for piece in filter(None, _pieces(parts)):
        yield piece
