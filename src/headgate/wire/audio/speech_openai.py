"""OpenAI's speech requests as a client sends them, and their stream of events.

https://platform.openai.com/docs/api-reference/audio/createSpeech. The reply is sound, or for `stream_format` "sse"
events that hold pieces of it. Knows no upstream.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import failures, sse
from headgate.wire.audio import transcript
from headgate.wire.audio.events import EventReader
from headgate.wire.audio.shape import encode
from headgate.wire.ir_audio import (
    FAMILY,
    AudioPiece,
    SpeechDone,
    SpeechEvent,
    SpeechRequest,
    TranscriptFailure,
)
from headgate.wire.shape import Malformed, optional, reply_object, required, says_bad_request

_KNOWN: Final = frozenset(
    {"model", "input", "voice", "response_format", "speed", "instructions", "stream_format"}
)
_STREAMS: Final = ("audio", "sse")


class Client:
    """The format that our callers speak."""

    name: ClassVar[str] = "openai_speech"

    @says_bad_request
    def read_request(self, body: Mapping[str, Any]) -> SpeechRequest:
        """`body` is the decoded JSON object. Raises BadRequestError."""
        return _read(body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return encode(_said(error))


def _read(body: Mapping[str, Any]) -> SpeechRequest:
    voice, custom = body.get("voice"), False
    if isinstance(voice, dict):
        voice, custom = required(voice, "id", str, "voice"), True
    elif voice is not None:
        voice = optional(body, "voice", str, "")
    stream = optional(body, "stream_format", str, "")
    if stream is not None and stream not in _STREAMS:
        raise Malformed("stream_format", "expected 'audio' or 'sse'")
    text = required(body, "input", str, "")
    if not text.strip():
        raise Malformed("input", "expected a text to speak, got an empty one")
    left = {key: value for key, value in body.items() if key not in _KNOWN}
    return SpeechRequest(
        model=optional(body, "model", str, "") or "",
        input=text,
        voice=voice,
        custom=custom,
        format=optional(body, "response_format", str, ""),
        speed=optional(body, "speed", float, ""),
        instructions=optional(body, "instructions", str, ""),
        stream_format=stream,
        extra={FAMILY: left} if left else None,
    )


def _said(error: HeadgateError) -> dict[str, Any]:
    said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": said}


class Writer:
    """Sound → bytes of the event stream that a caller of `stream_format` "sse" reads."""

    content_type: Final = "text/event-stream"

    def write(self, events: Iterable[SpeechEvent]) -> bytes:
        return b"".join(sse.encode(encode(_written(event))) for event in events)


def _written(event: SpeechEvent) -> dict[str, Any]:
    if isinstance(event, AudioPiece):
        return {"type": "speech.audio.delta", "audio": b64encode(event.data).decode()}
    if isinstance(event, TranscriptFailure):
        return _said(event.error)
    used = transcript.write_usage(event.usage) if event.usage is not None else {}
    used.pop("type", None)
    return {"type": "speech.audio.done", **({"usage": used} if used else {})}


class Reader(EventReader[SpeechEvent]):
    def event(self, name: str, data: bytes) -> SpeechEvent | None:
        return _event(name, reply_object(data))

    def is_last(self, event: SpeechEvent) -> bool:
        return not isinstance(event, AudioPiece)


def _event(name: str, found: dict[str, Any]) -> SpeechEvent | None:
    kind = str(found.get("type", name))
    if found.get("error") or kind == "error":
        raise failures.read_document(found)
    if kind == "speech.audio.done":
        used = found.get("usage")
        return SpeechDone(transcript.usage(used) if isinstance(used, dict) else None)
    if kind != "speech.audio.delta":
        return None
    try:
        return AudioPiece(b64decode(found.get("audio") or "", validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise APIResponseValidationError(
            "an event of the upstream's stream: audio: expected base64"
        ) from None


CLIENT: Final = Client()
