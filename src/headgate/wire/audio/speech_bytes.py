"""Upstreams whose answer to a speech request is the sound itself, so that it can be passed on while it comes.

OpenAI https://platform.openai.com/docs/api-reference/audio/createSpeech (so too Azure OpenAI, Groq), Together
https://docs.together.ai/reference/audio-speech, Deepgram https://developers.deepgram.com/reference/text-to-speech-api,
ElevenLabs https://elevenlabs.io/docs/api-reference/text-to-speech/convert, xAI
https://docs.x.ai/developers/model-capabilities/audio/text-to-speech, Amazon Polly
https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html, Azure Speech
https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech.
"""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar, Final

from headgate.wire.audio.shape import (
    Failing,
    characters,
    encode,
    format_of,
    left_out,
    media_type,
    pairs,
    voice_of,
)
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import SpeechReply, SpeechRequest, options
from headgate.wire.outgoing import Sent, Step, Wire


def sounding(
    request: SpeechRequest, wire: Wire, format_: str, dropped: list[str], counted: str = ""
) -> Sent[SpeechReply]:
    """`counted` is the answer's header that says how many characters are paid for."""

    def then(headers: Mapping[str, str], body: bytes) -> SpeechReply:
        used = characters(request, headers, counted)
        return SpeechReply(audio=body, content_type=media_type(headers, format_), usage=used)

    return Sent(step=Step(wire=wire, then=then, raw=True), dropped=dropped)


class OpenAI(Failing):
    """OpenAI's own body. `values` maps a format to the name that the upstream has for it."""

    def __init__(self, name: str, values: Mapping[str, str]) -> None:
        self.name = name
        self._values = values

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        voice = {"id": request.voice} if request.custom else request.voice
        body: dict[str, Any] = {"model": target.model, "input": request.input, "voice": voice}
        body["response_format"] = self._values.get(request.format or "", request.format)
        body |= {key: getattr(request, key) for key in ("speed", "instructions", "stream_format")}
        body = {key: value for key, value in body.items() if value is not None}
        wire = Wire(body=encode({**options(request), **body}))
        return sounding(request, wire, request.format or "mp3", [])


class Speak(Failing):
    """Everything but the text is a query parameter; the voice is part of the model's name."""

    name: ClassVar[str] = "deepgram_speak"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "instructions")
        format_ = format_of(request, _SPEAK, "mp3", dropped)
        query: dict[str, Any] = {**_SPEAK[format_], **options(request)}
        query["model"] = _voiced(target.model, request.voice)
        if request.speed is not None:
            query["speed"] = request.speed
        wire = Wire(
            body=encode({"text": request.input}),
            query=tuple(pair for key, value in query.items() for pair in pairs(key, value)),
        )
        return sounding(request, wire, format_, dropped, "dg-char-count")


_SPEAK: Final[Mapping[str, Mapping[str, str]]] = {
    "mp3": {"encoding": "mp3"},
    "opus": {"encoding": "opus", "container": "ogg"},
    "aac": {"encoding": "aac"},
    "flac": {"encoding": "flac"},
    "wav": {"encoding": "linear16", "container": "wav"},
    "pcm": {"encoding": "linear16", "container": "none"},
}
_WHOLE: Final = re.compile(r"aura(-\d+)?-[a-z]+-[a-z]{2}")


def _voiced(model: str, voice: str | None) -> str:
    """The model's name where it has its voice, else the voice's where that is a whole name of this model, else both.

    A voice never leads to another model: they differ in price.
    """
    if not voice or _WHOLE.fullmatch(model):
        return model
    if voice.startswith(f"{model}-"):
        return voice
    return f"{model}-{voice}" if voice[-3:-2] == "-" else f"{model}-{voice}-en"


class Eleven(Failing):
    """The voice's id is in the path. OpenAI's names stand for voices that sound alike."""

    name: ClassVar[str] = "eleven_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        """Raises BadRequestError without a voice."""
        voice, extra = voice_of(request), options(request)
        body = {key: value for key, value in extra.items() if key not in _ELEVEN_QUERY}
        if request.speed is not None:
            body["voice_settings"] = {**(body.get("voice_settings") or {}), "speed": request.speed}
        asked = request.format or "mp3"
        query = {"output_format": _ELEVEN.get(asked, asked)}
        query |= {key: extra[key] for key in _ELEVEN_QUERY if key in extra}
        wire = Wire(
            body=encode({**body, "text": request.input, "model_id": target.model}),
            path_suffix=(_ELEVEN_VOICES.get(voice.lower(), voice),),
            query=tuple(pair for key, value in query.items() for pair in pairs(key, value)),
        )
        return sounding(request, wire, asked.partition("_")[0], left_out(request, "instructions"))


_ELEVEN: Final = {"mp3": "mp3_44100_128", "pcm": "pcm_24000", "opus": "opus_48000_128", "wav": "wav_44100"}
"""PCM at OpenAI's rate, since nothing in the answer tells it. Formats of ElevenLabs' own pass as they are."""
_ELEVEN_QUERY: Final = ("output_format", "enable_logging", "optimize_streaming_latency")
_ELEVEN_VOICES: Final = {
    "alloy": "21m00Tcm4TlvDq8ikWAM", "amber": "5Q0t7uMcjvnagumLfvZi", "ash": "AZnzlk1XvdvUeBnXmlld",
    "august": "D38z5RcWu1voky8WS1ja", "blue": "2EiwWnXFnvU5JabPnv8n", "coral": "9BWtsMINqrJLrRacOk9x",
    "lily": "EXAVITQu4vr4xnSDxMaL", "onyx": "29vD33N1CtxCmqQRPOHJ", "sage": "CwhRBWXzGAHq8TQ4Fs17",
    "verse": "CYw3kZ02Hs0563khs1Fj",
}  # fmt: skip


class Tts(Failing):
    """One model, so its name is not said."""

    name: ClassVar[str] = "tts_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "instructions")
        format_ = format_of(request, _TTS, "mp3", dropped)
        body = {
            "language": "auto",
            "output_format": {"codec": format_},
            **options(request),
            "text": request.input,
        }
        body |= {
            key: value for key, value in (("voice_id", request.voice), ("speed", request.speed)) if value
        }
        return sounding(request, Wire(body=encode(body)), format_, dropped)


_TTS: Final = dict.fromkeys(("mp3", "wav", "pcm", "mulaw", "alaw"))


class Polly(Failing):
    """The model's name is the engine. A text that begins with `<speak` is SSML."""

    name: ClassVar[str] = "polly_speech"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "speed", "instructions")
        format_ = format_of(request, _POLLY, "mp3", dropped)
        voice = voice_of(request, "Joanna")
        body = {
            **options(request),
            "Engine": target.model,
            "OutputFormat": _POLLY[format_],
            "Text": request.input,
            "TextType": "ssml" if is_ssml(request.input) else "text",
            "VoiceId": _POLLY_VOICES.get(voice, voice),
        }
        return sounding(request, Wire(body=encode(body)), format_, dropped, "x-amzn-requestcharacters")


_POLLY: Final = {"mp3": "mp3", "ogg": "ogg_vorbis", "ogg_vorbis": "ogg_vorbis", "pcm": "pcm"}
_POLLY_VOICES: Final = {
    "alloy": "Joanna", "echo": "Matthew", "fable": "Amy", "onyx": "Brian", "nova": "Ruth", "shimmer": "Salli"
}  # fmt: skip


class Ssml(Failing):
    """The body is SSML, made of the text where that is none."""

    name: ClassVar[str] = "azure_ssml"

    def write_request(self, request: SpeechRequest, target: Target) -> Sent[SpeechReply]:
        dropped = left_out(request, "instructions")
        format_ = format_of(request, _SSML, "mp3", dropped)
        text = request.input if is_ssml(request.input) else _ssml(request)
        headers = {"x-microsoft-outputformat": _SSML[format_], "user-agent": "headgate"}
        wire = Wire(body=text.encode(), content_type="application/ssml+xml", headers=headers)
        return sounding(request, wire, format_, dropped)


_SSML: Final = {
    "mp3": "audio-24khz-48kbitrate-mono-mp3",
    "opus": "ogg-48khz-16bit-mono-opus",
    "wav": "riff-24khz-16bit-mono-pcm",
    "pcm": "raw-24khz-16bit-mono-pcm",
}
_SSML_VOICES: Final = {
    "alloy": "en-US-JennyNeural", "echo": "en-US-GuyNeural", "fable": "en-GB-RyanNeural",
    "onyx": "en-US-DavisNeural", "nova": "en-US-AmberNeural", "shimmer": "en-US-AriaNeural",
}  # fmt: skip


_NO_XML: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def is_ssml(text: str) -> bool:
    return text.lstrip().startswith("<speak")


def _ssml(request: SpeechRequest) -> str:
    voice = voice_of(request, "en-US-AriaNeural")
    voice = _SSML_VOICES.get(voice, voice)
    language = "-".join(voice.split("-")[:2]) if voice.count("-") >= 2 else "en-US"
    text = _NO_XML.sub(" ", escape(request.input, quote=False))
    if request.speed is not None:
        text = f"<prosody rate='{round((request.speed - 1) * 100):+d}%'>{text}</prosody>"
    return (
        f"<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='{escape(language)}'>"
        f"<voice name='{escape(voice)}'>{text}</voice></speak>"
    )


BYTES: Final = (
    OpenAI("openai_speech", {}),
    OpenAI("together_speech", {"pcm": "raw"}),
    Speak(),
    Eleven(),
    Tts(),
    Polly(),
    Ssml(),
)
