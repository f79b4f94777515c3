"""Upstreams that answer a speech request with JSON which holds the sound as text.

Google Cloud TTS https://cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize, Gemini
https://ai.google.dev/gemini-api/docs/speech-generation, MiniMax
https://platform.minimax.io/docs/api-reference/speech-t2a-http, Mistral https://docs.mistral.ai/api/endpoint/audio/speech,
Hyperbolic https://docs.hyperbolic.xyz/docs/audio-generation.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from headgate.errors import APIResponseValidationError, ContentPolicyViolationError
from headgate.wire import failures, ir, voices
from headgate.wire.audio.shape import (
    Failing,
    base64_bytes,
    characters,
    encode,
    format_of,
    left_out,
    text_at,
    voice_of,
)
from headgate.wire.audio.sound import samples_of, wav
from headgate.wire.audio.speech_bytes import is_ssml
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import MEDIA_TYPES, SpeechReply, SpeechRequest, options
from headgate.wire.outgoing import Sent, Step, Wire
from headgate.wire.shape import reply_object

Decode = Callable[[dict[str, Any]], bytes]


def _coded(
    request: SpeechRequest, body: Mapping[str, Any], format_: str, dropped: list[str], decode: Decode
) -> Sent[SpeechReply]:
    def then(headers: Mapping[str, str], answer: bytes) -> SpeechReply:
        found = reply_object(answer)
        used = characters(request, headers)
        used.tokens = _tokens(found)
        return SpeechReply(audio=decode(found), content_type=MEDIA_TYPES[format_], usage=used)

    return Sent(step=Step(wire=Wire(body=encode(body)), then=then), dropped=dropped)


def _tokens(found: Mapping[str, Any]) -> ir.Usage | None:
    """Gemini's count, where there is one."""
    said = found.get("usageMetadata")
    counts = [said.get(key) if isinstance(said, dict) else None for key in _COUNTS]
    read, written, total = (count if isinstance(count, int) else None for count in counts)
    if read is None and written is None:
        return None
    return ir.Usage(input=read or 0, output=written or 0, total=total, audio_output=written)


_COUNTS: Final = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")


def _part(extra: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = extra.get(key)
    return value if isinstance(value, dict) else {}


class Google(Failing):
    """A text that begins with `<speak` is SSML. The voice's name begins with its language."""

    name: ClassVar[str] = "google_tts"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "instructions")
        format_ = format_of(request, _GOOGLE, "mp3", dropped)
        voice = voice_of(request, "en-US-Studio-O")
        language = "-".join(voice.split("-")[:2]) if voice.count("-") >= 2 else "en-US"
        audio: dict[str, Any] = {"audioEncoding": _GOOGLE[format_]}
        if request.speed is not None:
            audio["speakingRate"] = request.speed
        extra = options(request)
        body = {
            **extra,
            "input": {"ssml" if is_ssml(request.input) else "text": request.input},
            "voice": {"languageCode": language, "name": voice, **_part(extra, "voice")},
            "audioConfig": {**audio, **_part(extra, "audioConfig")},
        }

        def decode(found: dict[str, Any]) -> bytes:
            sound = base64_bytes(text_at(found, "audioContent"))
            return samples_of(sound) if format_ == "pcm" else sound

        return _coded(request, body, format_, dropped, decode)


_GOOGLE: Final = {"mp3": "MP3", "opus": "OGG_OPUS", "wav": "LINEAR16", "pcm": "LINEAR16"}


class Gemini(Failing):
    """generateContent with sound as its only modality. It answers with samples: they become a WAV file."""

    name: ClassVar[str] = "gemini_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "speed")
        format_ = "pcm" if request.format == "pcm" else "wav"
        if request.format not in (None, "wav", "pcm"):
            dropped.append("response_format")
        voice = request.voice or "Kore"
        text = f"{request.instructions}: {request.input}" if request.instructions else request.input
        chosen = {"prebuiltVoiceConfig": {"voiceName": voices.GOOGLE.get(voice, voice)}}
        config = {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": chosen}}
        extra = options(request)
        body = {
            **extra,
            "contents": [{"role": "user", "parts": [{"text": text}]}],
            "generationConfig": {**config, **_part(extra, "generationConfig")},
        }
        return _coded(request, body, format_, dropped, lambda found: _gemini_sound(found, format_))


def _gemini_parts(found: Mapping[str, Any]) -> list[Any]:
    candidates = found.get("candidates")
    first = candidates[0] if isinstance(candidates, list) and candidates else None
    content = first.get("content") if isinstance(first, dict) else None
    parts = content.get("parts") if isinstance(content, dict) else None
    return parts if isinstance(parts, list) else []


def _gemini_sound(found: dict[str, Any], format_: str) -> bytes:
    """The samples of all parts. Raises the error that the answer is, or APIResponseValidationError, without any."""
    pieces, rate = [], 24000
    for part in _gemini_parts(found):
        inline = part.get("inlineData") if isinstance(part, dict) else None
        if isinstance(inline, dict):
            pieces.append(base64_bytes(text_at(inline, "data")))
            _, _, said = str(inline.get("mimeType")).partition("rate=")
            rate = int(said) if said.isdecimal() and len(said) < 7 else rate
    if not pieces:
        if found.get("error"):
            raise failures.read_document(found)
        raise APIResponseValidationError(
            "the model answered without sound: is it one that speaks?", body=found
        )
    samples = b"".join(pieces)
    return samples if format_ == "pcm" else wav(samples, rate)


class Minimax(Failing):
    """The sound is hexadecimal. A failure comes under status 200, as `base_resp`."""

    name: ClassVar[str] = "t2a_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "instructions")
        format_ = format_of(request, dict.fromkeys(("mp3", "wav", "pcm", "flac")), "mp3", dropped)
        extra = options(request)
        voice: dict[str, Any] = {"voice_id": _MINIMAX_VOICES.get(request.voice or "alloy", request.voice)}
        if request.speed is not None:
            voice["speed"] = request.speed
        body = {
            **extra,
            "model": target.model,
            "text": request.input,
            "stream": False,
            "output_format": "hex",
            "voice_setting": {**_part(extra, "voice_setting"), **voice},
            "audio_setting": {**_part(extra, "audio_setting"), "format": format_},
        }
        return _coded(request, body, format_, dropped, _minimax_sound)


_MINIMAX_VOICES: Final = {
    "alloy": "male-qn-qingse", "echo": "male-qn-jingying", "fable": "female-shaonv", "onyx": "male-qn-badao",
    "nova": "female-yujie", "shimmer": "female-tianmei",
}  # fmt: skip


_MINIMAX_STATUS: Final = {
    1002: 429,
    1004: 401,
    1008: 402,
    1026: 400,
    1027: 400,
    1039: 429,
    2013: 400,
    2049: 401,
}
"""Its codes, https://platform.minimax.io/docs/api-reference/errorcode, as what HTTP has for them."""
_MINIMAX_CONTENT: Final = (1026, 1027)


def _minimax_sound(found: dict[str, Any]) -> bytes:
    said = found.get("base_resp")
    code = said.get("status_code") if isinstance(said, dict) else None
    if isinstance(code, int) and code:
        error = failures.read_document(found, _MINIMAX_STATUS.get(code, 500))
        if code in _MINIMAX_CONTENT:
            raise ContentPolicyViolationError(error.message, code=str(code), body=found)
        raise error
    try:
        return bytes.fromhex(text_at(found, "data", "audio"))
    except ValueError:
        raise APIResponseValidationError("the upstream's audio is no hexadecimal text") from None


class Voxtral(Failing):
    """OpenAI's body, JSON in return."""

    name: ClassVar[str] = "voxtral_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "speed", "instructions")
        format_ = format_of(request, dict.fromkeys(("mp3", "wav", "pcm", "flac", "opus")), "mp3", dropped)
        body: dict[str, Any] = {"model": target.model, "input": request.input}
        body |= {"voice": request.voice} if request.voice else {}
        body |= {"response_format": format_} if request.format else {}
        body = {**options(request), **body}
        return _coded(
            request, body, format_, dropped, lambda found: base64_bytes(text_at(found, "audio_data"))
        )


class Melo(Failing):
    """The voice is a speaker of a language ("EN-US"); the sound is MP3."""

    name: ClassVar[str] = "melo_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "instructions")
        if request.format not in (None, "mp3"):
            dropped.append("response_format")
        body: dict[str, Any] = {"language": "EN", **options(request), "text": request.input}
        body |= {} if request.speed is None else {"speed": request.speed}
        body |= {"speaker": request.voice} if request.voice else {}
        return _coded(request, body, "mp3", dropped, lambda found: base64_bytes(text_at(found, "audio")))


CODED: Final = (Google(), Gemini(), Minimax(), Voxtral(), Melo())
