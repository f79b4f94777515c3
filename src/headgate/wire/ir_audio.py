"""What calls about speech mean: text to sound, and sound to text. Times are seconds. Knows no format.

The rules of `ir.py` hold: `extra` keeps what a node has no name for, under the family it came from. Options that are
an upstream's own ("diarize", "utterances") travel there too: every writer that can say them does.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.multipart import Part

FAMILY: Final = "openai"

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "ogg": "audio/ogg",
}
"""Format of speech as callers name it → its content-type."""


class AudioUsage(Struct, kw_only=True, omit_defaults=True):
    """What a call is paid by: characters of text spoken, seconds of sound heard, or tokens."""

    characters: int | None = None
    seconds: float | None = None
    tokens: ir.Usage | None = None


class SpeechRequest(ir.Node):
    """`custom`: the voice came as an object, `{"id": …}`. `stream_format` is "audio", "sse" or None."""

    model: str
    input: str
    voice: str | None = None
    custom: bool = False
    format: str | None = None
    speed: float | None = None
    instructions: str | None = None
    stream_format: str | None = None


class SpeechReply(Struct, kw_only=True):
    """`audio` is b"" where the bytes are passed on in pieces."""

    audio: bytes
    content_type: str
    usage: AudioUsage


class TranscriptionRequest(ir.Node):
    """`format` is the response_format asked for. `translate`: into English. `file` is what the upload's head says."""

    model: str
    file: Part | None = None
    format: str | None = None
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    granularities: list[str] = []
    include: list[str] = []
    stream: bool = False
    translate: bool = False


class Word(ir.Node):
    word: str
    start: float
    end: float
    speaker: str | None = None


class Segment(ir.Node):
    """`id` counts from 0, or is a text where speakers are told apart ("seg_001")."""

    text: str
    start: float
    end: float
    id: int | str | None = None
    speaker: str | None = None


class TranscriptionReply(ir.Node):
    """`rendered` is the answer as the upstream wrote it in `rendered_format` ("text", "srt", "vtt")."""

    text: str
    task: str | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[Segment] | None = None
    words: list[Word] | None = None
    usage: AudioUsage | None = None
    rendered: str | None = None
    rendered_format: str | None = None


class TextDelta(ir.Node, tag="delta"):
    text: str
    segment_id: str | None = None


class SegmentDone(Struct, tag="segment"):
    segment: Segment


class TranscriptDone(Struct, tag="done"):
    """Last event of a complete stream, once."""

    reply: TranscriptionReply


class TranscriptFailure(Struct, tag="failure"):
    """The upstream said in its stream that it failed, or the stream was cut."""

    error: HeadgateError


TranscriptEvent = TextDelta | SegmentDone | TranscriptDone | TranscriptFailure


class AudioPiece(Struct, tag="audio"):
    data: bytes


class SpeechDone(Struct, tag="done"):
    usage: AudioUsage | None = None


SpeechEvent = AudioPiece | SpeechDone | TranscriptFailure


def options(node: ir.Node) -> dict[str, Any]:
    """The caller's options that have no name here."""
    return dict((node.extra or {}).get(FAMILY) or {})
