"""Upstreams that take a transcription as a multipart form and answer in one go: a table of how each spells it.

OpenAI https://platform.openai.com/docs/api-reference/audio/createTranscription (so too Azure OpenAI, OpenRouter,
vLLM), Groq https://console.groq.com/docs/speech-to-text, Mistral
https://docs.mistral.ai/api/#tag/audio.transcriptions, ElevenLabs
https://elevenlabs.io/docs/api-reference/speech-to-text/convert, xAI https://docs.x.ai/docs/guides/speech-to-text,
Cohere https://docs.cohere.com/reference/create-audio-transcription, Cartesia
https://docs.cartesia.ai/api-reference/stt/transcribe. The file goes last: some demand it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire import failures
from headgate.wire.audio import captions, transcript
from headgate.wire.audio.shape import left_out, pairs, span, time_at
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import AudioUsage, TranscriptionReply, TranscriptionRequest, Word, options
from headgate.wire.outgoing import Form, Sent, Step, Wire
from headgate.wire.shape import Malformed, bad_reply, expect, optional, reply_object, required

Read = Callable[[Mapping[str, str], bytes, str | None], TranscriptionReply]


class FormDialect(Struct, frozen=True, kw_only=True):
    """`names` maps a field of the node to the form's; what is missing there the upstream can't say.

    `formats` are the values of response_format that it knows, none where it has no such field; `timed` are fields
    it needs to say when something was spoken, `told_apart` to tell speakers apart. `one_granularity`: it
    takes a single one, not a list. `streams`: it can answer with events.
    """

    name: str
    names: Mapping[str, str]
    formats: tuple[str, ...] = ()
    timed: tuple[tuple[str, str], ...] = ()
    told_apart: tuple[tuple[str, str], ...] = ()
    one_granularity: bool = False
    streams: bool = False
    translates: bool = False
    read: Read = transcript.read

    def write_request(self, request: TranscriptionRequest, target: Target) -> Sent[TranscriptionReply]:
        """Raises BadRequestError for a translation that the upstream doesn't have."""
        if request.translate and not self.translates:
            raise BadRequestError(
                "the model's provider has no translations, only transcriptions", param="model"
            )
        asked = self._asked(request.format)
        values: dict[str, Any] = {
            "model": target.model,
            "language": request.language,
            "prompt": request.prompt,
            "format": asked if self.formats else None,
            "temperature": request.temperature,
            "granularities": self._granularities(request),
            "include": request.include,
            "stream": True if request.stream and self.streams else None,
        }
        wanted = dict(self.timed if request.format in transcript.TIMED else ())
        wanted |= dict(self.told_apart if request.format == "diarized_json" else ())
        said = {name: values[key] for key, name in self.names.items() if values[key] not in (None, [])}
        fields = {**wanted, **options(request), **said}
        form = Form(tuple(pair for name, value in fields.items() for pair in pairs(name, value)))
        unsaid = [name for name in ("language", "prompt", "temperature", "include") if name not in self.names]
        return Sent(
            step=Step(
                wire=Wire(body=form, content_type=""),
                then=lambda headers, body: self.read(headers, body, asked),
            ),
            dropped=left_out(request, *unsaid),
        )

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def _asked(self, wanted: str | None) -> str | None:
        """The caller's format where it is known, else the one that says most. For text JSON: it has the usage."""
        if wanted == "text":
            return "json" if "json" in self.formats else None
        if wanted is None or wanted in self.formats:
            return wanted
        return "verbose_json" if wanted in transcript.TIMED and "verbose_json" in self.formats else None

    def _granularities(self, request: TranscriptionRequest) -> list[str] | str | None:
        if self.one_granularity:
            return "word" if request.granularities or request.format in transcript.TIMED else None
        return request.granularities


# --- readers of those who answer otherwise ---------------------------------------------------------------


def _scribe(headers: Mapping[str, str], body: bytes, asked: str | None) -> TranscriptionReply:
    """ElevenLabs: words among blanks and sounds; several channels come as `transcripts`."""
    found = reply_object(body)
    several = found.get("transcripts")
    try:
        parts = (
            [expect(part, dict, "transcripts") for part in several] if isinstance(several, list) else [found]
        )
        words = [word for part in parts for word in _scribe_words(part)]
        text = "\n".join(required(part, "text", str, "") for part in parts)
        words.sort(key=lambda word: word.start)
        language = optional(parts[0], "language_code", str, "") if parts else None
        duration = time_at(found, "audio_duration_secs", "")
    except Malformed as error:
        raise bad_reply(error) from None
    seconds = duration if duration is not None else max((word.end for word in words), default=None)
    return TranscriptionReply(
        text=text,
        task="transcribe",
        language=language,
        duration=seconds,
        words=words,
        usage=None if duration is None else AudioUsage(seconds=duration),
    )


def _scribe_words(part: Mapping[str, Any]) -> list[Word]:
    return [
        Word(
            word=required(node, "text", str, f"words[{at}]"),
            **span(node, f"words[{at}]"),
            speaker=captions.speaker(node.get("speaker_id")),
        )
        for at, node in enumerate(optional(part, "words", list, "") or [])
        if expect(node, dict, f"words[{at}]").get("type", "word") == "word"
    ]


def _speaker_segments(headers: Mapping[str, str], body: bytes, asked: str | None) -> TranscriptionReply:
    """Together: who spoke is said beside the segments, and at each of its words."""
    reply = transcript.read(headers, body, asked)
    spoken = options(reply).get("speaker_segments")
    if not isinstance(spoken, list):
        return reply
    try:
        reply.words = [
            transcript.word(node, f"speaker_segments[{at}].words")
            for at, one in enumerate(spoken)
            for node in optional(expect(one, dict, f"speaker_segments[{at}]"), "words", list, "") or []
        ]
    except Malformed as error:
        raise bad_reply(error) from None
    return reply


# --- the table -------------------------------------------------------------------------------------------

_PLAIN: Final = {"model": "model", "language": "language", "temperature": "temperature"}
_OPENAI: Final = {
    **_PLAIN,
    "prompt": "prompt",
    "format": "response_format",
    "granularities": "timestamp_granularities[]",
    "include": "include[]",
    "stream": "stream",
}
_WHISPER: Final = {key: name for key, name in _OPENAI.items() if key not in ("include", "stream")}
FORMS: Final = (
    FormDialect(
        name="openai_transcriptions", names=_OPENAI, formats=transcript.FORMATS, streams=True, translates=True
    ),
    FormDialect(  # everything but speakers: Fireworks
        name="caption_transcriptions",
        names=_WHISPER,
        formats=("json", "text", "srt", "verbose_json", "vtt"),
        told_apart=(("diarize", "true"), ("timestamp_granularities[]", "word")),
        translates=True,
    ),
    FormDialect(  # no captions of their own: Groq, OpenRouter
        name="verbose_transcriptions", names=_WHISPER, formats=("json", "verbose_json"), translates=True
    ),
    FormDialect(
        name="together_transcriptions",
        names=_WHISPER,
        formats=("json", "verbose_json"),
        told_apart=(("diarize", "true"),),
        translates=True,
        read=_speaker_segments,
    ),
    FormDialect(
        name="voxtral_transcriptions",
        names={**_PLAIN, "granularities": "timestamp_granularities", "stream": "stream"},
        timed=(("timestamp_granularities", "segment"),),
        told_apart=(("diarize", "true"),),
        streams=True,
    ),
    FormDialect(
        name="scribe_transcriptions",
        names={
            "model": "model_id",
            "language": "language_code",
            "temperature": "temperature",
            "granularities": "timestamps_granularity",
        },
        told_apart=(("diarize", "true"),),
        one_granularity=True,
        read=_scribe,
    ),
    FormDialect(name="stt_transcriptions", names={"language": "language"}, told_apart=(("diarize", "true"),)),
    FormDialect(name="plain_transcriptions", names=_PLAIN),
    FormDialect(
        name="ink_transcriptions",
        names={"model": "model", "language": "language", "granularities": "timestamp_granularities[]"},
        timed=(("timestamp_granularities[]", "word"),),
    ),
)
