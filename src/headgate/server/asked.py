"""What a request asks of the gateway itself, in headers and in body keys that are LiteLLM's own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core import breaks
from headgate.core.breaks import OnBreak
from headgate.core.call import Options
from headgate.core.fallback import PRETENDED, Fallbacks
from headgate.core.params import OURS
from headgate.core.queue import MAX_PRIORITY
from headgate.errors import BadRequestError
from headgate.ports import Timeouts
from headgate.server.headers import (
    RETRY_HEADERS,
    STREAM_TIMEOUT_HEADERS,
    TIMEOUT_HEADERS,
    number,
)
from headgate.server.lines import Lines

_FALSE: Final = b"false"
_NULL: Final = b"null"


def options_of(options: Options, envelope: Mapping[str, Raw], headers: Lines, stream: bool) -> Options:
    """The group's options with what the request says over them. Raises BadRequestError naming the key."""
    if not stream and "stream" in envelope and bytes(envelope["stream"]) not in (_FALSE, _NULL):
        raise BadRequestError("'stream' must be true or false", param="stream")
    if headers.plain and OURS.isdisjoint(envelope):
        return options
    changes: dict[str, Any] = {}
    lists = {
        field: _fallbacks(key, envelope[key])
        for key, field in _FALLBACKS.items()
        if key in envelope and bytes(envelope[key]) != b"null"
    }
    if lists:
        changes["fallbacks"] = Fallbacks(**lists)
    for key, (field, read) in _KEYS.items():
        if key in envelope and bytes(envelope[key]) != b"null":
            changes[field] = read(key, envelope[key])
    for key in PRETENDED:
        if key in envelope and _flag(key, envelope[key]):
            changes["pretended"] = key
    if stream and "stream_timeout" in envelope:
        changes["timeouts"] = _timeouts("stream_timeout", envelope["stream_timeout"])
    names = (*STREAM_TIMEOUT_HEADERS, *TIMEOUT_HEADERS) if stream else TIMEOUT_HEADERS
    if (seconds := number(headers, names)) is not None:
        changes["timeouts"] = limits(seconds)
    if (retries := number(headers, RETRY_HEADERS)) is not None:
        changes["retries"] = min(int(retries), MAX_RETRIES)
    return msgspec.structs.replace(options, **changes)


MAX_RETRIES: Final = 20


def limits(seconds: float) -> Timeouts:
    """A limit for the whole call; 0 means none was meant."""
    seconds = seconds or 600.0
    return Timeouts(connect=min(10.0, seconds), first_byte=seconds, between_chunks=seconds, total=seconds)


def _decode(kind: Any, key: str, raw: Raw, expected: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        raise BadRequestError(f"{key!r} must be {expected}", param=key) from None


def _timeouts(key: str, raw: Raw) -> Timeouts:
    seconds = _decode(float, key, raw, "a number of seconds")
    if not 0 <= seconds < 1e9:
        raise BadRequestError(f"{key!r} must be a number of seconds, 0 or more", param=key)
    return limits(seconds)


def _retries(key: str, raw: Raw) -> int:
    count: int = _decode(int, key, raw, "a whole number")
    if not 0 <= count <= MAX_RETRIES:
        raise BadRequestError(f"{key!r} must be between 0 and {MAX_RETRIES}", param=key)
    return count


def _on_break(key: str, raw: Raw) -> OnBreak:
    try:
        return breaks.parse(_decode(str, key, raw, breaks.EXPECTED))
    except ValueError:
        raise BadRequestError(f"{key!r} must be {breaks.EXPECTED}", param=key) from None


def _priority(key: str, raw: Raw) -> int:
    priority: int = _decode(int, key, raw, "a whole number")
    if not 0 <= priority <= MAX_PRIORITY:
        raise BadRequestError(f"{key!r} must be between 0 and {MAX_PRIORITY}, lower first", param=key)
    return priority


def _flag(key: str, raw: Raw) -> bool:
    return bool(_decode(bool, key, raw, "true or false"))


def _names(key: str, raw: Raw) -> tuple[str, ...]:
    return tuple(_decode(list[str], key, raw, "a list of parameter names"))


def _fallbacks(key: str, raw: Raw) -> tuple[str | dict[str, Any], ...]:
    expected = "a list of model names, or of objects with a 'model'"
    rows: list[str | dict[str, Any]] = _decode(list[str | dict[str, Any]], key, raw, expected)
    if not all(isinstance(row, str) or isinstance(row.get("model"), str) for row in rows):
        raise BadRequestError(f"{key!r} must be {expected}", param=key)
    return tuple(rows)


_KEYS: Final[Mapping[str, tuple[str, Callable[[str, Raw], Any]]]] = {
    "timeout": ("timeouts", _timeouts),
    "request_timeout": ("timeouts", _timeouts),
    "num_retries": ("retries", _retries),
    "drop_params": ("drop_params", _flag),
    "modify_params": ("modify_params", _flag),
    "additional_drop_params": ("drop", _names),
    "allowed_openai_params": ("allow", _names),
    "on_stream_break": ("on_break", _on_break),
    "priority": ("priority", _priority),
}
_FALLBACKS: Final = {
    "fallbacks": "general",
    "context_window_fallbacks": "context_window",
    "content_policy_fallbacks": "content_policy",
}
