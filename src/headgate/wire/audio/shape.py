"""What a dialect of speech or of transcription is, and what all of them share.

An object of `SpeechDialect` or `TranscriptionDialect` is one upstream's way to be asked; the client's side is
OpenAI's alone (`speech_openai.py`, `transcription_openai.py`). None knows a provider's address or key.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import failures
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import (
    MEDIA_TYPES,
    AudioUsage,
    SpeechReply,
    SpeechRequest,
    TranscriptionReply,
    TranscriptionRequest,
)
from headgate.wire.outgoing import Sent
from headgate.wire.shape import Malformed, at, optional, required


class SpeechDialect(Protocol):
    @property
    def name(self) -> str: ...

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        """Raises BadRequestError for what can't be asked of this upstream in any way."""
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError: ...


class TranscriptionDialect(Protocol):
    @property
    def name(self) -> str: ...

    def write_request(self, request: TranscriptionRequest, target: Target) -> Sent[TranscriptionReply]:
        """Raises BadRequestError."""
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError: ...


class Failing:
    """`read_error` by the rules that hold for any JSON, HTML or plain text."""

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)


encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def text_at(found: Any, *path: str | int) -> str:
    """The text at that place of a document. Raises APIResponseValidationError, or the error that the document is."""
    node = found
    for key in path:
        if isinstance(key, int):
            node = node[key] if isinstance(node, list) and len(node) > key else None
        else:
            node = node.get(key) if isinstance(node, dict) else None
    if isinstance(node, str):
        return node
    if isinstance(found, dict) and found.get("error"):
        raise failures.read_document(found)
    where = ".".join(map(str, path))
    raise APIResponseValidationError(f"the upstream's answer can't be read: {where}: expected a string")


def base64_bytes(text: str) -> bytes:
    """Raises APIResponseValidationError."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise APIResponseValidationError("the upstream's audio is no base64") from None


def characters(request: SpeechRequest, headers: Mapping[str, str], name: str = "") -> AudioUsage:
    """What was spoken, by the upstream's own count in the header `name`, else by ours."""
    said = headers.get(name, "")
    return AudioUsage(characters=int(said) if said.isdecimal() and len(said) < 12 else len(request.input))


def media_type(headers: Mapping[str, str], format_: str) -> str:
    """The upstream's own content-type where it is one of sound or of events, else the format's."""
    said = headers.get("content-type", "")
    return (
        said
        if said.startswith(("audio/", "text/event-stream"))
        else MEDIA_TYPES.get(format_, "application/octet-stream")
    )


def format_of(request: SpeechRequest, known: Mapping[str, Any], default: str, dropped: list[str]) -> str:
    """The caller's format where the upstream has it, else its default, which is then said in `dropped`."""
    asked = request.format or ("mp3" if "mp3" in known else default)
    if asked in known:
        return asked
    dropped.append("response_format")
    return default


def left_out(request: SpeechRequest | TranscriptionRequest, *names: str) -> list[str]:
    """Those of the fields that the caller has set and the upstream can't say, by the caller's name."""
    return [_SPELLED.get(name, name) for name in names if getattr(request, name) not in (None, [], False)]


LONGEST: Final = 1e9
"""What is said to be longer, in whatever unit, is not believed: sums with it could overflow."""


def time_at(node: Mapping[str, Any], key: str, where: str) -> float | None:
    """A length or a moment; None where it is missing. Raises Malformed."""
    value = optional(node, key, float, where)
    if value is not None and abs(value) > LONGEST:
        raise Malformed(at(where, key), "expected a time, got a number beyond all reason")
    return value


def span(node: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`start` and `end`. Raises Malformed."""
    required(node, "start", float, where)
    required(node, "end", float, where)
    return {key: time_at(node, key, where) or 0.0 for key in ("start", "end")}


_SPELLED: Final = {"granularities": "timestamp_granularities", "format": "response_format"}


def voice_of(request: SpeechRequest, default: str | None = None) -> str:
    """Raises BadRequestError where there is none."""
    voice = request.voice or default
    if not voice:
        raise BadRequestError(
            "voice: required, expected the name or id of a voice of this provider", param="voice"
        )
    return voice


def scalar(text: Any) -> Any:
    """A form's text as the JSON value that it spells: "true", "3"; any other text is itself."""
    try:
        value = _decode(text) if isinstance(text, str) else text
    except (msgspec.DecodeError, ValueError, RecursionError):
        return text
    return text if isinstance(value, str) else value


def spelled(value: Any) -> str:
    """A JSON value as a form's field or a query's value."""
    return value if isinstance(value, str) else encode(value).decode()


def pairs(key: str, value: Any) -> list[tuple[str, str]]:
    """A list is sent as a repeated field."""
    return [(key, spelled(one)) for one in (value if isinstance(value, list) else [value])]
