"""What the dialects of operations beside chat share: whole JSON answers, OpenAI's errors, no stream.

Knows no format of theirs and no provider.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import failures, ir
from headgate.wire.embeddings import NoStream
from headgate.wire.shape import reply_object

encode: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


class Operation(NoStream):
    """The methods that these dialects have in common."""

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        said: dict[str, Any] = {
            "message": error.message,
            "type": error.type,
            "param": error.param,
            "code": error.code or str(error.status_code),
        }
        if call_id is not None:
            said["litellm_call_id"] = call_id
        return encode({"error": said})


def answer(body: bytes, *keys: str) -> dict[str, Any]:
    """A JSON object with one of the keys. Raises APIResponseValidationError, or the error that the body is."""
    document = reply_object(body)
    if any(key in document for key in keys):
        return document
    if is_error(document):
        raise failures.read_document(document)
    raise unreadable(keys[0], "missing")


def is_error(document: Mapping[str, Any]) -> bool:
    """Whether an object without an answer in it says what went wrong, under whatever status."""
    return any(document.get(key) for key in ("error", "errors", "detail", "message", "code"))


def unreadable(where: str, problem: str) -> APIResponseValidationError:
    return APIResponseValidationError(f"the upstream's answer can't be read: {where}: {problem}")


def bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}", param=where)


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def count(value: Any) -> float | int | None:
    """A number of things that were used, None for what is none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def tokens(value: Any) -> int | None:
    found = count(value)
    return None if found is None else int(found)


def take(body: Mapping[str, Any], key: str, kind: type[Any], least: int | None = None) -> Any:
    """An optional value of that JSON type. Raises BadRequestError."""
    value = body.get(key)
    if value is None:
        return None
    fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        raise bad(key, f"expected {_NAMES[kind]}")
    if least is not None and value < least:
        raise bad(key, f"expected at least {least}")
    return value


_NAMES: Final = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}


def left(body: Mapping[str, Any], known: frozenset[str], family: str) -> ir.Extra | None:
    """What the IR has no name for, as a node's `extra`."""
    rest = {key: value for key, value in body.items() if key not in known}
    return {family: rest} if rest else None


def own(node: ir.Node, family: str) -> dict[str, Any]:
    return (node.extra or {}).get(family) or {}


def foreign(node: ir.Node, family: str) -> list[str]:
    """The names of fields that only another family understands."""
    return [key for name, fields in (node.extra or {}).items() if name != family for key in fields]


def text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
