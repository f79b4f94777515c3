"""OpenAI's transcription and translation requests, as a client sends them.

https://platform.openai.com/docs/api-reference/audio/createTranscription. Takes a form's fields, however they were
sent: the file stays where it is, only its head is known here. Knows no upstream.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire.audio import transcript
from headgate.wire.audio.shape import encode
from headgate.wire.ir_audio import FAMILY, TranscriptionReply, TranscriptionRequest
from headgate.wire.multipart import Part
from headgate.wire.sse import encode as event

LISTS: Final = {"timestamp_granularities": "granularities", "include": "include"}
TEXTS: Final = {"model": "model", "language": "language", "prompt": "prompt", "response_format": "format"}
"""The field's name → the node's."""
_TRUTH: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
_GRANULARITIES: Final = ("word", "segment")


class Client:
    """The format that our callers speak."""

    name: ClassVar[str] = "openai_transcriptions"

    def read_request(
        self, fields: Iterable[tuple[str, str]], file: Part | None = None, *, translate: bool = False
    ) -> TranscriptionRequest:
        """Raises BadRequestError. A field may come several times where it is a list, with or without "[]"."""
        came: dict[str, list[str]] = {}
        for name, value in fields:
            bare = name.removesuffix("[]")
            came.setdefault(bare if bare in LISTS else name, []).append(value)
        for name in (*TEXTS, "temperature", "stream"):
            if len(came.get(name, ())) > 1:
                raise _bad(name, "expected one value, got several")
        known: dict[str, Any] = {to: came.pop(name)[0] for name, to in TEXTS.items() if name in came}
        known |= {to: came.pop(name) for name, to in LISTS.items() if name in came}
        known = {key: value for key, value in known.items() if value != ""}
        known["temperature"] = _temperature(came.pop("temperature", [""])[0])
        known["stream"] = _truth("stream", came.pop("stream", [""])[0])
        _check(known)
        left = {name: values if len(values) > 1 else values[0] for name, values in came.items()}
        return TranscriptionRequest(
            **{"model": "", **known}, file=file, translate=translate, extra={FAMILY: left} if left else None
        )

    def write_reply(self, reply: TranscriptionReply, request: TranscriptionRequest) -> tuple[str, bytes]:
        """Content-type and body in the format that was asked for. Raises UnsupportedParamsError without times."""
        return transcript.write(reply, request.format)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return encode(_said(error))

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return event(encode(_said(error)))


def _said(error: HeadgateError) -> dict[str, Any]:
    said = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return {"error": said}


def _check(known: dict[str, Any]) -> None:
    if known.get("format") is not None and known["format"] not in transcript.FORMATS:
        raise _bad("response_format", f"expected one of {', '.join(transcript.FORMATS)}")
    for value in known.get("granularities", ()):
        if value not in _GRANULARITIES:
            raise _bad("timestamp_granularities", "expected 'word' or 'segment'")


def _temperature(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        raise _bad("temperature", "expected a number from 0 to 2")
    return value


def _truth(name: str, text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise _bad(name, "expected true or false")
    return _TRUTH[text.lower()]


def _bad(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"{where}: {problem}", param=where)


CLIENT: Final = Client()
