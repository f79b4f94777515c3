"""The stream of a transcription, both ways, and a whole reply as a stream.

https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event. The reader takes the names of those
who say the same in other words. Knows nothing of requests.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import failures, sse
from headgate.wire.audio import captions, transcript
from headgate.wire.audio.events import EventReader
from headgate.wire.ir_audio import (
    FAMILY,
    SegmentDone,
    TextDelta,
    TranscriptDone,
    TranscriptEvent,
    TranscriptFailure,
    TranscriptionReply,
)
from headgate.wire.shape import Malformed, bad_reply, optional, required

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode

_DELTA: Final = {"transcript.text.delta": "delta", "transcription.text.delta": "text"}
"""Event of a piece of text → the key that holds it."""
_SEGMENT: Final = ("transcript.text.segment", "transcription.segment")
_DONE: Final = ("transcript.text.done", "transcription.done")


class Reader(EventReader[TranscriptEvent]):
    def event(self, name: str, data: bytes) -> TranscriptEvent | None:
        return _event(name, _document(data))

    def is_last(self, event: TranscriptEvent) -> bool:
        return isinstance(event, TranscriptDone | TranscriptFailure)


def _document(data: bytes) -> dict[str, Any]:
    try:
        found = _DECODE(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise APIResponseValidationError("an event of the upstream's stream is no JSON") from None
    if not isinstance(found, dict):
        raise APIResponseValidationError("an event of the upstream's stream is no JSON object")
    return found


def _event(name: str, found: dict[str, Any]) -> TranscriptEvent | None:
    kind = str(found.get("type", name))
    if found.get("error") or kind == "error":
        raise failures.read_document(found)
    try:
        if kind in _DELTA:
            key = _DELTA[kind]
            left = {
                other: value for other, value in found.items() if other not in ("type", key, "segment_id")
            }
            return TextDelta(
                text=required(found, key, str, ""),
                segment_id=optional(found, "segment_id", str, ""),
                extra={FAMILY: left} if left else None,
            )
        if kind in _SEGMENT:
            return SegmentDone(transcript.segment({key: found[key] for key in found if key != "type"}, ""))
    except Malformed as error:
        raise bad_reply(error) from None
    if kind in _DONE:
        return TranscriptDone(transcript.read_document({key: found[key] for key in found if key != "type"}))
    return None


class Writer:
    """Events → bytes of OpenAI's stream, every event whole."""

    content_type: Final = "text/event-stream"

    def __init__(self) -> None:
        self._segments = 0

    def write(self, events: Iterable[TranscriptEvent]) -> bytes:
        return b"".join(sse.encode(_ENCODE(self._written(event))) for event in events)

    def _written(self, event: TranscriptEvent) -> dict[str, Any]:
        if isinstance(event, TextDelta):
            named = {} if event.segment_id is None else {"segment_id": event.segment_id}
            extra = (event.extra or {}).get(FAMILY) or {}
            return {"type": "transcript.text.delta", "delta": event.text, **named, **extra}
        if isinstance(event, SegmentDone):
            self._segments += 1
            return transcript.diarized_segment(event.segment, self._segments)
        if isinstance(event, TranscriptDone):
            used = transcript.write_usage(event.reply.usage) if event.reply.usage is not None else {}
            extra = (event.reply.extra or {}).get(FAMILY) or {}
            rest = {**extra, **({"usage": used} if used else {})}
            return {"type": "transcript.text.done", "text": event.reply.text, **rest}
        error = event.error
        said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        return {"error": said}


def unfold(reply: TranscriptionReply, asked: str | None = None) -> list[TranscriptEvent]:
    """A whole reply as the stream of a caller who asked for one and whose upstream has none."""
    events: list[TranscriptEvent] = []
    if asked == "diarized_json":
        events += [SegmentDone(one) for one in captions.by_speaker(reply)]
    if reply.text:
        events.append(TextDelta(text=reply.text))
    return [*events, TranscriptDone(reply)]
