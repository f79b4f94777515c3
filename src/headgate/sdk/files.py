"""Files as callers hand them in, in the shapes of OpenAI's and LiteLLM's `FileTypes`: they become a `File` to send.

A path is read while it is sent; bytes are not copied. Knows no operation.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from headgate.core.files import File
from headgate.errors import BadRequestError
from headgate.wire.multipart import Part

SHAPES: Final = "a path, bytes, an open binary file, or (name, one of them[, content type[, headers]])"


def file_of(given: Any, where: str, name: str, *, or_else: str = "") -> File:
    """`where` is the parameter, `name` the file's where it has none of its own; `or_else` says what else may stand
    there. The content type is the one that was said, else None. The caller's own file object stays open; its bytes
    are read from where it stands.

    Raises BadRequestError for what is no file.
    """
    said, kind, expected = "", None, SHAPES + or_else
    if isinstance(given, tuple):
        if not 2 <= len(given) <= 4 or not isinstance((*given, {}, {})[3], Mapping):
            raise _wrong(given, where, expected)
        said, kind = str(given[0] or ""), given[2] if len(given) > 2 else None
        given = given[1]
    content = _content(given, where, expected)
    own = given if isinstance(given, str | os.PathLike) else getattr(given, "name", None)
    shown = said or (Path(os.fspath(own)).name if isinstance(own, str | os.PathLike) else "") or name
    size = content.seek(0, os.SEEK_END)
    return File(content=content, part=Part(where, shown, kind), size=size)


def _content(given: Any, where: str, expected: str) -> BinaryIO:
    if isinstance(given, bytes | bytearray | memoryview):
        return io.BytesIO(given)
    if isinstance(given, str | os.PathLike):
        try:
            return Path(given).open("rb")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no path"
            raise BadRequestError(
                f"{where!r}: {os.fspath(given)[:100]!r} can't be read: {why}; expected {expected}",
                param=where,
            ) from None
    read = getattr(given, "read", None)
    if not callable(read):
        raise _wrong(given, where, expected)
    data = read()  # a copy: others may go on with it, and it may not know how to seek
    if not isinstance(data, bytes):
        raise BadRequestError(f"{where!r} is no binary file: open it with 'rb'", param=where)
    return cast("BinaryIO", io.BytesIO(data))


def _wrong(given: Any, where: str, expected: str) -> BadRequestError:
    return BadRequestError(f"{where!r} must be {expected}, got {type(given).__name__}", param=where)
