"""OpenAI's transcription replies, read and written in all six response formats.

https://platform.openai.com/docs/api-reference/audio/json-object and the pages after it. The reader takes the JSON of
all who follow OpenAI here, with the names that some have of their own. Knows no request and no stream.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.audio import captions
from headgate.wire.audio.shape import LONGEST, span, time_at
from headgate.wire.ir_audio import FAMILY, AudioUsage, Segment, TranscriptionReply, Word
from headgate.wire.shape import expect, optional, reply_object, required, says_bad_reply

FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
PLAIN: Final = frozenset({"text", "srt", "vtt"})
"""Formats that are no JSON."""
TIMED: Final = frozenset({"srt", "vtt", "verbose_json", "diarized_json"})
"""Formats that need to know when something was said."""

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder().decode
_KNOWN: Final = frozenset({"text", "task", "language", "duration", "segments", "words", "usage"})
_SEGMENT: Final = frozenset({"id", "text", "start", "end", "speaker", "speaker_id"})
_WORD: Final = frozenset({"word", "text", "start", "end", "speaker", "speaker_id"})


def document(body: bytes) -> dict[str, Any]:
    """Raises APIResponseValidationError for what is no JSON object, or the error that the body is."""
    found = reply_object(body)
    if found.get("error") and "text" not in found:
        raise failures.read_document(found)
    return found


def read(headers: Mapping[str, str], body: bytes, asked: str | None) -> TranscriptionReply:
    """A reply in the format that was asked for. A JSON content-type is believed before the format."""
    if asked in PLAIN and "json" not in headers.get("content-type", ""):
        return _plain(body.decode("utf-8", "replace"), asked)
    return read_document(document(body))


def _plain(text: str, asked: str | None) -> TranscriptionReply:
    if asked == "text":
        return TranscriptionReply(text=text.removesuffix("\n"), rendered=text, rendered_format="text")
    found = captions.read(text)
    return TranscriptionReply(
        text=" ".join(cue.text for cue in found),
        duration=found[-1].end if found else None,
        segments=found,
        rendered=text,
        rendered_format=asked,
    )


@says_bad_reply
def read_document(found: Mapping[str, Any]) -> TranscriptionReply:
    """Raises APIResponseValidationError."""
    used = usage(optional(found, "usage", dict, "") or {})
    duration = _duration(found)
    if duration is not None and used.seconds is None:
        used.seconds = float(duration)
    segments, words = optional(found, "segments", list, ""), optional(found, "words", list, "")
    left = {key: value for key, value in found.items() if key not in _KNOWN}
    return TranscriptionReply(
        text=required(found, "text", str, ""),
        task=optional(found, "task", str, ""),
        language=optional(found, "language", str, ""),
        duration=duration,
        segments=None
        if segments is None
        else [segment(node, f"segments[{at}]") for at, node in enumerate(segments)],
        words=None if words is None else [word(node, f"words[{at}]") for at, node in enumerate(words)],
        usage=used if used != AudioUsage() else None,
        extra={FAMILY: left} if left else None,
    )


def segment(node: Any, where: str) -> Segment:
    """Raises Malformed."""
    node = expect(node, dict, where)
    left = {key: value for key, value in node.items() if key not in _SEGMENT}
    known = node.get("id")
    return Segment(
        id=known if isinstance(known, int | str) else None,
        text=required(node, "text", str, where),
        **span(node, where),
        speaker=captions.speaker(node.get("speaker", node.get("speaker_id"))),
        extra={FAMILY: left} if left else None,
    )


def word(node: Any, where: str) -> Word:
    node = expect(node, dict, where)
    left = {key: value for key, value in node.items() if key not in _WORD}
    return Word(
        word=required(node, "word" if "word" in node else "text", str, where),
        **span(node, where),
        speaker=captions.speaker(node.get("speaker", node.get("speaker_id"))),
        extra={FAMILY: left} if left else None,
    )


def _duration(found: Mapping[str, Any]) -> float | None:
    """OpenAI has sent it as a text, too. What is no number counts as not said."""
    said = found.get("duration")
    if isinstance(said, str):
        return float(said) if re.fullmatch(r"\d{1,8}(\.\d{1,20})?", said) else None
    return (
        None
        if isinstance(said, bool) or not isinstance(said, int | float)
        else time_at(found, "duration", "")
    )


# --- usage -----------------------------------------------------------------------------------------------

_INPUT: Final = ("input_tokens", "prompt_tokens")
_OUTPUT: Final = ("output_tokens", "completion_tokens")
_DETAILS: Final = ("input_token_details", "input_tokens_details", "prompt_tokens_details")
_USAGE: Final = frozenset(
    {"type", "seconds", "prompt_audio_seconds", "total_tokens", *_INPUT, *_OUTPUT, *_DETAILS}
)


def usage(node: Mapping[str, Any]) -> AudioUsage:
    """Seconds or tokens, by whichever of the names in use. What can't be read counts as not said."""
    seconds = node.get("seconds", node.get("prompt_audio_seconds"))
    tokens, left = None, {key: value for key, value in node.items() if key not in _USAGE}
    if any(_count(node, (key,)) is not None for key in (*_INPUT, *_OUTPUT)):
        details: dict[str, Any] = next((node[key] for key in _DETAILS if isinstance(node.get(key), dict)), {})
        tokens = ir.Usage(
            input=_count(node, _INPUT) or 0,
            output=_count(node, _OUTPUT) or 0,
            total=_count(node, ("total_tokens",)),
            audio_input=_count(details, ("audio_tokens",)),
            extra={FAMILY: left} if left else None,
        )
    valid = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= LONGEST
    return AudioUsage(seconds=float(seconds) if valid else None, tokens=tokens)


def _count(node: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    values = (node.get(key) for key in keys)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), None)


def write_usage(used: AudioUsage) -> dict[str, Any]:
    """OpenAI's spelling: tokens where they are known, else seconds."""
    if used.tokens is None:
        return {} if used.seconds is None else {"type": "duration", "seconds": used.seconds}
    tokens = used.tokens
    written: dict[str, Any] = {"type": "tokens", "input_tokens": tokens.input, "output_tokens": tokens.output}
    written["total_tokens"] = tokens.input + tokens.output if tokens.total is None else tokens.total
    if tokens.audio_input is not None:
        written["input_token_details"] = {
            "text_tokens": max(0, tokens.input - tokens.audio_input),
            "audio_tokens": tokens.audio_input,
        }
    return {**((tokens.extra or {}).get(FAMILY) or {}), **written}


# --- writing ---------------------------------------------------------------------------------------------


def write(reply: TranscriptionReply, asked: str | None) -> tuple[str, bytes]:
    """The reply's content-type and body. None is "json".

    Raises UnsupportedParamsError where the format needs times and the model gave none.
    """
    if asked in PLAIN:
        return ("text/vtt" if asked == "vtt" else "text/plain") + "; charset=utf-8", _text(
            reply, asked
        ).encode()
    return "application/json", _ENCODE(_WRITERS.get(asked or "json", _json)(reply))


def _text(reply: TranscriptionReply, asked: str | None) -> str:
    if reply.rendered is not None and reply.rendered_format == asked:
        return reply.rendered
    if asked == "text":
        return reply.text + "\n"
    return captions.srt(captions.cues(reply)) if asked == "srt" else captions.vtt(captions.cues(reply))


def _json(reply: TranscriptionReply) -> dict[str, Any]:
    """OpenAI has the text alone; what others say beside it stays, as it does with LiteLLM."""
    named = {
        "task": reply.task,
        "language": reply.language,
        "duration": reply.duration,
        "segments": None if reply.segments is None else [_write_segment(one) for one in reply.segments],
        "words": None if reply.words is None else [_write_word(one) for one in reply.words],
    }
    return {"text": reply.text, **{key: one for key, one in named.items() if one is not None}, **_tail(reply)}


def _tail(reply: TranscriptionReply) -> dict[str, Any]:
    used = write_usage(reply.usage) if reply.usage is not None else {}
    return {**((reply.extra or {}).get(FAMILY) or {}), **({"usage": used} if used else {})}


def _verbose(reply: TranscriptionReply) -> dict[str, Any]:
    found: dict[str, Any] = {
        "task": reply.task or "transcribe",
        "language": reply.language or "",
        "duration": length(reply) or 0.0,
        "text": reply.text,
    }
    if reply.segments is not None:
        found["segments"] = [_write_segment(one) for one in reply.segments]
    elif reply.words:
        found["segments"] = [_write_segment(one) for one in captions.grouped(reply.words)]
    if reply.words is not None:
        found["words"] = [_write_word(one) for one in reply.words]
    return {**found, **_tail(reply)}


def _write_segment(one: Segment) -> dict[str, Any]:
    named = {"id": one.id, "speaker": one.speaker}
    return {
        **{key: value for key, value in named.items() if value is not None},
        "start": one.start,
        "end": one.end,
        "text": one.text,
        **((one.extra or {}).get(FAMILY) or {}),
    }


def _write_word(one: Word) -> dict[str, Any]:
    return {
        **((one.extra or {}).get(FAMILY) or {}),
        "word": one.word,
        "start": one.start,
        "end": one.end,
        **({} if one.speaker is None else {"speaker": one.speaker}),
    }


def _diarized(reply: TranscriptionReply) -> dict[str, Any]:
    return {
        "task": reply.task or "transcribe",
        "duration": length(reply) or 0.0,
        "text": reply.text,
        "segments": [diarized_segment(one, at) for at, one in enumerate(captions.by_speaker(reply), 1)],
        **_tail(reply),
    }


def diarized_segment(one: Segment, at: int) -> dict[str, Any]:
    return {
        "type": "transcript.text.segment",
        "id": one.id if isinstance(one.id, str) else f"seg_{at:03}",
        "start": one.start,
        "end": one.end,
        "text": one.text,
        "speaker": one.speaker or "A",
        **{key: value for key, value in ((one.extra or {}).get(FAMILY) or {}).items() if key != "type"},
    }


def settled(reply: TranscriptionReply, heard: float | None = None) -> AudioUsage:
    """What is paid for: seconds as the upstream says, else as `heard` in the file, else up to the last word."""
    used = reply.usage or AudioUsage()
    seconds = next((one for one in (used.seconds, heard, length(reply)) if one is not None), None)
    return AudioUsage(characters=used.characters, seconds=seconds, tokens=used.tokens)


def length(reply: TranscriptionReply) -> float | None:
    """Seconds of sound: as said, else up to the last thing spoken."""
    if reply.duration is not None:
        return reply.duration
    return max((one.end for one in (*(reply.segments or ()), *(reply.words or ()))), default=None)


_WRITERS: Final = {"json": _json, "verbose_json": _verbose, "diarized_json": _diarized}
