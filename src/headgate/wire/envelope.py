"""The envelope: a JSON body as its top-level keys, each value left as the bytes that it was.

One scan checks the whole document. A key given twice counts once, the last one, and only that one is sent on:
what we authorised is what the upstream sees.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.errors import BadRequestError

_SCAN: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder().encode
_TRUE: Final = Raw(b"true")
_NULL: Final = Raw(b"null")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_EMPTY: Final = "is empty: expected a JSON object"
UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding a value of a scanned body may raise: the scan doesn't look at escapes and sizes of numbers."""


def read(body: bytes) -> dict[str, Raw]:
    """Raises BadRequestError with param "request_body" for whatever is no JSON object in UTF-8."""
    try:
        if not body.isascii():
            body.decode()  # the scan passes over strings without a look at their characters
        return _SCAN(body)
    except msgspec.ValidationError:
        raise _bad("must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise _bad(f"is no valid JSON: {_why(error, body)}" if body else _EMPTY) from None
    except UnicodeDecodeError as error:
        raise _bad(f"is no valid UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _bad("is nested too deeply") from None


def _why(error: msgspec.DecodeError, body: bytes) -> str:
    """msgspec takes a text that ends after the first half of a pair for a body that does."""
    halved = "truncated" in str(error) and _SURROGATE.search(body)
    return "a text holds half of a surrogate pair" if halved else str(error)


def document(envelope: Mapping[str, Raw]) -> dict[str, Any]:
    """The whole body, decoded. Raises BadRequestError naming the key whose value nobody can read: 1e400 passes the
    scan, too."""
    try:
        return {key: _DECODE(raw) for key, raw in envelope.items()}
    except UNREADABLE:
        for key, raw in envelope.items():
            _check(key, raw)
        raise


def _check(key: str, raw: Raw) -> None:
    try:
        _DECODE(raw)
    except UNREADABLE as error:
        raise BadRequestError(f"{key!r} can't be read: {error}", param=key) from None


def text(envelope: Mapping[str, Raw], key: str) -> str | None:
    """None where the key is missing or null. Raises BadRequestError for another type."""
    raw = envelope.get(key, _NULL)
    try:
        value = _DECODE(raw)
    except UNREADABLE:
        value = False
    if value is None or isinstance(value, str):
        return value
    raise BadRequestError(f"{key}: expected a string", param=key)


def flag(envelope: Mapping[str, Raw], key: str) -> bool:
    """Whether the value is true."""
    return envelope.get(key) == _TRUE


def write(envelope: Mapping[str, Raw], **changes: Raw) -> bytes:
    """The body again, with `changes` laid over it."""
    return _ENCODE({**envelope, **changes} if changes else envelope)


def _bad(what: str) -> BadRequestError:
    return BadRequestError(f"the request body {what}", param="request_body")
