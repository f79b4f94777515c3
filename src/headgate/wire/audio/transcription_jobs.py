"""Upstreams where a transcription is a job, or that take short sound only.

AssemblyAI https://www.assemblyai.com/docs/api-reference/transcripts/submit: upload, job, and asking after it. Azure
Speech https://learn.microsoft.com/azure/ai-services/speech-service/rest-speech-to-text-short: at most 60 seconds.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire.audio import captions
from headgate.wire.audio.shape import Failing, encode, left_out, scalar, span, text_at, time_at
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import (
    AudioUsage,
    Segment,
    TranscriptionReply,
    TranscriptionRequest,
    Word,
    options,
)
from headgate.wire.outgoing import FORWARD_FILE, Sent, Step, Wire
from headgate.wire.shape import Malformed, bad_reply, expect, optional, reply_object, required, says_bad_reply

POLL: Final = 3.0
"""Seconds between two questions after a job, as AssemblyAI's guide has it."""
UPLOAD: Final = "transcription_upload"
"""The key of a row's `paths` for the upload."""
_OLD_MODELS: Final = ("best", "nano")
"""Known only to the key `speech_model`, which is deprecated."""
_MODEL_KEYS: Final = ("speech_model", "speech_models")
_WAITING: Final = ("queued", "processing")


class Job(Failing):
    name: ClassVar[str] = "assembly_transcript"

    def write_request(self, request: TranscriptionRequest, target: Target) -> Sent[TranscriptionReply]:
        """Raises BadRequestError for a translation."""
        _no_translation(request)
        job: dict[str, Any] = {"language_detection": None if request.language else True}
        job |= {
            "language_code": request.language,
            "prompt": request.prompt,
            "temperature": request.temperature,
        }
        job |= {"speaker_labels": True if request.format == "diarized_json" else None}
        job |= {key: scalar(value) for key, value in options(request).items() if key not in _MODEL_KEYS}
        job |= _named(target.model)
        job = {key: value for key, value in job.items() if value is not None}

        def uploaded(headers: Mapping[str, str], body: bytes) -> Step[TranscriptionReply]:
            told = encode({**job, "audio_url": text_at(reply_object(body), "upload_url")})
            return Step(wire=Wire(body=told), then=_progress)

        wire = Wire(operation=UPLOAD, body=FORWARD_FILE, content_type="application/octet-stream")
        return Sent(step=Step(wire=wire, then=uploaded), dropped=left_out(request, "include"))


def _named(model: str) -> dict[str, Any]:
    return {"speech_model": model} if model in _OLD_MODELS else {"speech_models": [model]}


@says_bad_reply
def _progress(headers: Mapping[str, str], body: bytes) -> Step[TranscriptionReply] | TranscriptionReply:
    found = reply_object(body)
    status = text_at(found, "status")
    if status == "error":
        problem = found.get("error")
        raise BadRequestError(problem if isinstance(problem, str) else "the transcription failed", body=found)
    if status in _WAITING:
        wire = Wire(method="GET", content_type="", path_suffix=(text_at(found, "id"),))
        return Step(wire=wire, then=_progress, after=POLL)
    if status != "completed":
        raise APIResponseValidationError(
            f"the upstream's answer can't be read: status {status[:40]!r} is unknown"
        )
    return _completed(found)


def _completed(found: Mapping[str, Any]) -> TranscriptionReply:
    duration = time_at(found, "audio_duration", "")
    utterances = optional(found, "utterances", list, "")
    return TranscriptionReply(
        text=optional(found, "text", str, "") or "",
        task="transcribe",
        language=optional(found, "language_code", str, ""),
        duration=duration,
        segments=None
        if utterances is None
        else [Segment(id=at, **_spoken(one, f"utterances[{at}]")) for at, one in enumerate(utterances)],
        words=[_word(one, f"words[{at}]") for at, one in enumerate(optional(found, "words", list, "") or [])],
        usage=None if duration is None else AudioUsage(seconds=duration),
    )


def _word(node: Any, where: str) -> Word:
    said = _spoken(node, where)
    return Word(word=said.pop("text"), **said)


def _spoken(node: Any, where: str) -> dict[str, Any]:
    """Times are milliseconds here."""
    node = expect(node, dict, where)
    return {
        "text": required(node, "text", str, where),
        **{key: millis / 1000 for key, millis in span(node, where).items()},
        "speaker": captions.speaker(node.get("speaker")),
    }


class Short(Failing):
    """The model's name is not asked for: the resource has one."""

    name: ClassVar[str] = "azure_short_audio"

    def write_request(self, request: TranscriptionRequest, target: Target) -> Sent[TranscriptionReply]:
        """Raises BadRequestError for a translation."""
        _no_translation(request)
        query = {"language": _locale(request.language), "format": "detailed", **options(request)}
        wire = Wire(
            body=FORWARD_FILE,
            content_type="",
            query=tuple((key, str(value)) for key, value in query.items()),
            headers={"accept": "application/json"},
        )
        return Sent(
            step=Step(wire=wire, then=_recognised),
            dropped=left_out(request, "prompt", "temperature", "include", "granularities"),
        )


_TICKS: Final = 10_000_000
"""100 nanoseconds in a second."""
_SILENT: Final = ("NoMatch", "InitialSilenceTimeout", "BabbleTimeout")


def _recognised(headers: Mapping[str, str], body: bytes) -> TranscriptionReply:
    found = reply_object(body)
    status = text_at(found, "RecognitionStatus")
    if status in _SILENT:
        raise BadRequestError(f"no speech was recognised in the file: {status}", param="file", body=found)
    if status != "Success":
        raise APIResponseValidationError(
            f"the upstream failed: RecognitionStatus {status[:40]!r}", body=found
        )
    try:
        best = optional(found, "NBest", list, "") or [{}]
        text = optional(found, "DisplayText", str, "") or optional(
            expect(best[0], dict, "NBest[0]"), "Display", str, "NBest[0]"
        )
        begin, long = (_seconds(found, key) for key in ("Offset", "Duration"))
    except Malformed as error:
        raise bad_reply(error) from None
    return TranscriptionReply(
        text=text or "",
        task="transcribe",
        duration=begin + long,
        segments=[Segment(id=0, text=text, start=begin, end=begin + long)] if text else [],
    )


def _seconds(found: Mapping[str, Any], key: str) -> float:
    ticks = optional(found, key, int, "") or 0
    if not 0 <= ticks <= _TICKS * 86400:
        raise Malformed(key, "expected 100-nanosecond units of at most a day")
    return ticks / _TICKS


def _locale(language: str | None) -> str:
    """The API wants a region: a bare language gets the one that its documentation lists first."""
    language = language or "en-US"
    return language if "-" in language else _REGIONS.get(language, f"{language}-{language.upper()}")


_REGIONS: Final = {
    "en": "en-US", "zh": "zh-CN", "ja": "ja-JP", "ko": "ko-KR", "pt": "pt-BR", "ar": "ar-EG", "hi": "hi-IN",
    "sv": "sv-SE", "da": "da-DK", "cs": "cs-CZ", "el": "el-GR", "he": "he-IL", "uk": "uk-UA", "vi": "vi-VN",
}  # fmt: skip


def _no_translation(request: TranscriptionRequest) -> None:
    if request.translate:
        raise BadRequestError("the model's provider has no translations, only transcriptions", param="model")


JOB: Final = Job()
SHORT: Final = Short()
