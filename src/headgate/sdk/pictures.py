"""Pictures as callers hand them in: what LiteLLM's `FileTypes` are, and addresses. Files are read here.

https://docs.litellm.ai/docs/image_edits. What a form would hold is made of each, whoever is asked.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headgate.core.call import PICTURES, Operation
from headgate.errors import BadRequestError

_KEYS: Final = ("image", "images", "mask")
_ADDRESSES: Final = ("http://", "https://", "data:")


def taken(operation: Operation, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields without pictures, and these by field, None where there are none.

    Raises BadRequestError for what is no picture."""
    if operation not in PICTURES:
        return dict(fields), None
    kept = {key: value for key, value in fields.items() if key not in _KEYS}
    given = {key: fields[key] for key in _KEYS if fields.get(key) is not None}
    return kept, {key: _pictures(value, key) for key, value in given.items()} or None


def _pictures(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_picture(one, f"{where}[{at}]") for at, one in enumerate(value)]
    return _picture(value, where)


def _picture(value: Any, where: str) -> Any:
    """A file, or an address or object as it is."""
    if isinstance(value, Mapping) or (isinstance(value, str) and value.startswith(_ADDRESSES)):
        return value
    if isinstance(value, tuple) and 2 <= len(value) <= 4:  # a name, the content, its type, headers
        kind = value[2] if len(value) > 2 else None
        return {"filename": str(value[0] or "image"), "content_type": kind, "data": _data(value[1], where)}
    name = value if isinstance(value, str | os.PathLike) else getattr(value, "name", None)
    shown = Path(os.fspath(name)).name if isinstance(name, str | os.PathLike) else "image"
    return {"filename": shown, "content_type": None, "data": _data(value, where)}


def _data(content: Any, where: str) -> bytes:
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str | os.PathLike):
        try:
            return Path(content).read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "no path"
            raise BadRequestError(
                f"{where}: {os.fspath(content)[:100]!r} can't be read: {why}; expected a path, bytes, a file, "
                "(name, bytes), or an address that begins with http:// or data:",
                param=where,
            ) from None
    read = getattr(content, "read", None)
    data = read() if callable(read) else None
    if isinstance(data, bytes):
        return data
    problem = (
        "the file is open as text: open it with 'rb'" if isinstance(data, str) else f"got {_kind(content)}"
    )
    raise BadRequestError(
        f"{where}: expected a path, bytes, a file, (name, bytes) or an address; {problem}", param=where
    )


def _kind(value: Any) -> str:
    return type(value).__name__
