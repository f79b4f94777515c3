"""Pictures as callers hand them in: what LiteLLM's `FileTypes` are, and addresses.

https://docs.litellm.ai/docs/image_edits. What a form would hold is made of each, whoever is asked.
"""

from collections.abc import Mapping
from typing import Any, Final

from headgate.core.call import PICTURES, Operation
from headgate.core.files import File, Files

_KEYS: Final = ("image", "images", "mask")
_ADDRESSES: Final = ("http://", "https://", "data:")
_OR_ELSE: Final = ", or an address that begins with http:// or data:"


def without_files(operation: Operation, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """What goes into the call's envelope."""
    if operation not in PICTURES:
        return fields
    return {key: value for key, value in fields.items() if key not in _KEYS}


def files_of(operation: Operation, fields: Mapping[str, Any]) -> Files | None:
    """The pictures, which are the call's to close; None where there are none. Raises BadRequestError for what is no
    picture."""
    if operation not in PICTURES:
        return None
    given = {key: fields[key] for key in _KEYS if fields.get(key) is not None}
    opened: list[File] = []
    try:
        found = {key: _pictures(value, key, opened) for key, value in given.items()}
    except BaseException:
        for file in opened:
            file.content.close()
        raise
    return Files(found) if found else None


def _pictures(value: Any, where: str, opened: list[File]) -> Any:
    if isinstance(value, list):
        return [_picture(one, f"{where}[{at}]", opened) for at, one in enumerate(value)]
    return _picture(value, where, opened)


def _picture(value: Any, where: str, opened: list[File]) -> Any:
    """A file, or an address or object as it is."""
    if isinstance(value, Mapping) or (isinstance(value, str) and value.startswith(_ADDRESSES)):
        return value
    from headgate.sdk.files import file_of  # only who sends files needs it

    opened.append(file_of(value, where, "image", or_else=_OR_ELSE))
    return opened[-1]
