"""Speech: what OpenAI's request becomes for each upstream, and what their answers become, by documented shapes."""

import json
import struct
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import (
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    HeadgateError,
    InternalServerError,
    RateLimitError,
)
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.wire import ir
from headgate.wire.audio import SPEECH
from headgate.wire.audio.sound import audio_seconds, samples_of, wav
from headgate.wire.audio.speech_openai import CLIENT, Reader, Writer
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import (
    AudioPiece,
    AudioUsage,
    SpeechDone,
    SpeechEvent,
    SpeechReply,
    SpeechRequest,
    TranscriptFailure,
)
from headgate.wire.outgoing import Sent, Step, Wire, address

KEYS = st.sampled_from(
    "audioContent candidates content parts inlineData data mimeType error base_resp status_code audio audio_data "
    "usageMetadata promptTokenCount".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def asked(dialect: str, **fields: Any) -> Sent[SpeechReply]:
    request = CLIENT.read_request({"model": "alias", "input": "Hi there", **fields})
    return SPEECH[dialect].write_request(request, Target(model="m"))


def wire(dialect: str, **fields: Any) -> Wire:
    return asked(dialect, **fields).step.wire


def body(dialect: str, **fields: Any) -> Any:
    sent = wire(dialect, **fields).body
    assert isinstance(sent, bytes)
    return json.loads(sent)


def answered(dialect: str, answer: Any, **fields: Any) -> SpeechReply:
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    reply = asked(dialect, **fields).step.then({}, data)
    assert isinstance(reply, SpeechReply)
    return reply


# --- the callers' side -----------------------------------------------------------------------------------


def test_a_request_with_all_that_openai_documents() -> None:
    given = {
        "model": "gpt-4o-mini-tts", "input": "Hi", "voice": "coral", "response_format": "wav", "speed": 2,
        "instructions": "cheerful", "stream_format": "sse", "own": {"a": 1},
    }  # fmt: skip
    request = CLIENT.read_request(given)
    assert request == SpeechRequest(
        model="gpt-4o-mini-tts", input="Hi", voice="coral", format="wav", speed=2,
        instructions="cheerful", stream_format="sse", extra={"openai": {"own": {"a": 1}}},
    )  # fmt: skip
    sent = SPEECH["openai_speech"].write_request(request, Target(model="gpt-4o-mini-tts"))
    assert isinstance(sent.step.wire.body, bytes) and json.loads(sent.step.wire.body) == given
    assert sent.dropped == []


def test_a_voice_of_ones_own_is_an_object() -> None:
    assert body("openai_speech", voice={"id": "voice_1"})["voice"] == {"id": "voice_1"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": 1}, "input"),
        ({"input": "x", "voice": 1}, "voice"),
        ({"input": "x", "voice": {}}, "voice.id"),
        ({"input": "x", "speed": "fast"}, "speed"),
        ({"input": "x", "stream_format": "ndjson"}, "stream_format"),
        ({"input": "x", "model": 1}, "model"),
    ],
)
def test_a_request_that_can_not_be_read(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        CLIENT.read_request(fields)
    assert caught.value.param == param


EVENTS = st.lists(st.binary(min_size=1, max_size=20).map(AudioPiece), max_size=5)
USAGE = st.none() | st.builds(
    lambda read, said: AudioUsage(tokens=ir.Usage(input=read, output=said, total=read + said)),
    st.integers(0, 99),
    st.integers(0, 99),
)


@given(EVENTS, USAGE, st.integers(min_value=1, max_value=30))
def test_a_stream_of_sound_is_read_as_it_was_written(
    pieces: list[SpeechEvent], usage: AudioUsage | None, size: int
) -> None:
    events = [*pieces, SpeechDone(usage)]
    data, reader = Writer().write(events), Reader()
    found = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert [*found, *reader.close()] == events


def test_a_stream_of_sound_that_was_cut_or_failed() -> None:
    reader = Reader()
    assert reader.feed(Writer().write([AudioPiece(b"x")])) == [AudioPiece(b"x")]
    (failure,) = reader.close()
    assert isinstance(failure, TranscriptFailure)
    failed = Writer().write([TranscriptFailure(RateLimitError("slow down", type="rate_limit_error"))])
    (failure,) = Reader().feed(failed)
    assert isinstance(failure, TranscriptFailure) and "slow down" in failure.error.message
    (failure,) = Reader().feed(b'data: {"type":"speech.audio.delta","audio":"%%"}\n\n')
    assert isinstance(failure, TranscriptFailure)
    assert isinstance(failure.error, APIResponseValidationError)


# --- upstreams whose answer is the sound -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["openai_speech", "together_speech", "deepgram_speak", "eleven_speech", "polly_speech", "azure_ssml"],
)
def test_sound_is_passed_on_as_it_comes(name: str) -> None:
    step = asked(name, voice="alloy").step
    assert step.raw
    reply = step.then({"content-type": "audio/mpeg"}, b"")
    assert isinstance(reply, SpeechReply)
    assert (reply.audio, reply.content_type, reply.usage) == (b"", "audio/mpeg", AudioUsage(characters=8))
    other = step.then({"content-type": "application/octet-stream"}, b"x")
    assert isinstance(other, SpeechReply)
    assert (other.audio, other.content_type) == (b"x", "audio/mpeg")


def test_documented_together() -> None:
    assert body("together_speech", voice="tara", response_format="pcm")["response_format"] == "raw"
    assert body("together_speech", voice="tara", response_format="mp3")["response_format"] == "mp3"


@pytest.mark.parametrize(
    ("model", "voice", "whole"),
    [
        ("aura-2-thalia-en", None, "aura-2-thalia-en"),
        ("aura-2-thalia-en", "alloy", "aura-2-thalia-en"),
        ("aura-2", "aura-2-zeus-en", "aura-2-zeus-en"),
        ("aura-asteria-en", "aura-2-zeus-en", "aura-asteria-en"),
        ("aura-2", "zeus", "aura-2-zeus-en"),
        ("aura-2", "sirio-es", "aura-2-sirio-es"),
        ("aura-asteria-en", None, "aura-asteria-en"),
    ],
)
def test_documented_deepgram_has_the_voice_in_the_model(model: str, voice: str | None, whole: str) -> None:
    request = SpeechRequest(model="a", input="x", voice=voice)
    sent = SPEECH["deepgram_speak"].write_request(request, Target(model=model))
    assert dict(sent.step.wire.query)["model"] == whole


@pytest.mark.parametrize(
    ("format_", "query"),
    [
        (None, {"encoding": "mp3"}),
        ("opus", {"encoding": "opus", "container": "ogg"}),
        ("wav", {"encoding": "linear16", "container": "wav"}),
        ("pcm", {"encoding": "linear16", "container": "none"}),
        ("flac", {"encoding": "flac"}),
    ],
)
def test_documented_deepgram_formats(format_: str | None, query: dict[str, str]) -> None:
    sent = wire("deepgram_speak", response_format=format_, sample_rate=24000, speed=1.5)
    assert dict(sent.query) == {"model": "m", **query, "sample_rate": "24000", "speed": "1.5"}
    assert sent.body == b'{"text":"Hi there"}'


def test_documented_deepgram_counts_the_characters() -> None:
    reply = asked("deepgram_speak").step.then({"dg-char-count": "24"}, b"")
    assert isinstance(reply, SpeechReply)
    assert reply.usage.characters == 24


def test_documented_elevenlabs() -> None:
    sent = asked(
        "eleven_speech", voice="Alloy", response_format="opus", speed=1.1, instructions="sad",
        voice_settings={"stability": 0.5}, enable_logging=False, seed=1,
    )  # fmt: skip
    row, _ = resolve("elevenlabs/m")
    assert address(url_of(row, "speech", "m", None), sent.step.wire) == (
        "https://api.elevenlabs.io/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM"
        "?output_format=opus_48000_128&enable_logging=false"
    )
    assert isinstance(sent.step.wire.body, bytes)
    assert json.loads(sent.step.wire.body) == {
        "text": "Hi there",
        "model_id": "m",
        "voice_settings": {"stability": 0.5, "speed": 1.1},
        "seed": 1,
    }
    assert sent.dropped == ["instructions"]
    assert dict(wire("eleven_speech", voice="v", response_format="ulaw_8000").query) == {
        "output_format": "ulaw_8000"
    }


def test_documented_elevenlabs_wants_a_voice_that_stays_in_its_place() -> None:
    with pytest.raises(BadRequestError, match="voice: required"):
        asked("eleven_speech")
    base = "https://h.test/v1/text-to-speech"
    assert address(base, wire("eleven_speech", voice="../x?y")).startswith(base + "/..%2Fx%3Fy?")
    with pytest.raises(BadRequestError, match="can't be part of an address"):
        address(base, wire("eleven_speech", voice=".."))


def test_documented_xai() -> None:
    sent = asked(
        "tts_speech", voice="eve", response_format="wav", instructions="sad", language="en", speed=1.5
    )
    assert isinstance(sent.step.wire.body, bytes)
    assert json.loads(sent.step.wire.body) == {
        "text": "Hi there", "voice_id": "eve", "language": "en", "output_format": {"codec": "wav"}, "speed": 1.5
    }  # fmt: skip
    assert sent.dropped == ["instructions"]
    own = body("tts_speech", output_format={"codec": "mulaw", "sample_rate": 8000})
    assert own == {
        "text": "Hi there",
        "language": "auto",
        "output_format": {"codec": "mulaw", "sample_rate": 8000},
    }


def test_documented_polly() -> None:
    sent = asked("polly_speech", voice="nova", response_format="pcm", speed=2, SampleRate="16000")
    assert isinstance(sent.step.wire.body, bytes)
    assert json.loads(sent.step.wire.body) == {
        "Engine": "m", "OutputFormat": "pcm", "Text": "Hi there", "TextType": "text", "VoiceId": "Ruth",
        "SampleRate": "16000",
    }  # fmt: skip
    assert sent.dropped == ["speed"]
    assert asked("polly_speech", response_format="flac").dropped == ["response_format"]
    assert body("polly_speech", input="<speak>a</speak>")["TextType"] == "ssml"
    reply = sent.step.then({"x-amzn-requestcharacters": "8"}, b"")
    assert isinstance(reply, SpeechReply)
    assert (reply.content_type, reply.usage.characters) == ("audio/pcm", 8)


def test_documented_azure_speech() -> None:
    sent = wire("azure_ssml", voice="fable", speed=1.2, input="a <b> & 'c'\x00", response_format="opus")
    assert sent.body == (
        b"<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xml:lang='en-GB'>"
        b"<voice name='en-GB-RyanNeural'><prosody rate='+20%'>a &lt;b&gt; &amp; 'c' </prosody></voice></speak>"
    )
    assert sent.content_type == "application/ssml+xml"
    assert sent.headers["x-microsoft-outputformat"] == "ogg-48khz-16bit-mono-opus"
    assert wire("azure_ssml", input="<speak>x</speak>").body == b"<speak>x</speak>"
    hostile = wire("azure_ssml", voice="x'><y z='").body
    assert isinstance(hostile, bytes) and b"'><y" not in hostile


@pytest.mark.parametrize(
    "base", [None, "https://eastus.api.cognitive.microsoft.com", "https://eastus.tts.speech.microsoft.com"]
)
def test_documented_addresses_of_azure_speech(base: str | None) -> None:
    row, _ = resolve("azure_speech/m")
    base = base or "https://eastus.api.cognitive.microsoft.com"
    assert url_of(row, "speech", "m", base) == "https://eastus.tts.speech.microsoft.com/cognitiveservices/v1"
    assert url_of(row, "transcriptions", "m", base).startswith(
        "https://eastus.stt.speech.microsoft.com/speech/"
    )
    assert url_of(row, "speech", "m", "https://own.test") == "https://own.test/cognitiveservices/v1"


# --- upstreams whose answer holds the sound --------------------------------------------------------------


def test_documented_google() -> None:
    sent = body(
        "google_tts", voice="de-DE-Wavenet-A", speed=1.5, response_format="opus", audioConfig={"pitch": 2}
    )
    assert sent == {
        "input": {"text": "Hi there"},
        "voice": {"languageCode": "de-DE", "name": "de-DE-Wavenet-A"},
        "audioConfig": {"audioEncoding": "OGG_OPUS", "speakingRate": 1.5, "pitch": 2},
    }
    assert body("google_tts", input=" <speak>a</speak>")["input"] == {"ssml": " <speak>a</speak>"}
    sound = b64encode(wav(b"abcd", 24000)).decode()
    assert answered("google_tts", {"audioContent": sound}, response_format="pcm").audio == b"abcd"
    assert answered("google_tts", {"audioContent": sound}, response_format="wav").audio == wav(b"abcd", 24000)
    assert asked("google_tts", response_format="aac").dropped == ["response_format"]


def test_documented_gemini() -> None:
    sent = body("gemini_speech", voice="Puck", instructions="Say cheerfully")
    assert sent == {
        "contents": [{"role": "user", "parts": [{"text": "Say cheerfully: Hi there"}]}],
        "generationConfig": {
            "responseModalities": ["AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
        },
    }
    part = {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=16000", "data": b64encode(b"abcd").decode()}}
    answer = {
        "candidates": [{"content": {"parts": [part, part]}}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 50, "totalTokenCount": 53},
    }
    reply = answered("gemini_speech", answer)
    assert (reply.audio, reply.content_type) == (wav(b"abcdabcd", 16000), "audio/wav")
    assert reply.usage.tokens == ir.Usage(input=3, output=50, total=53, audio_output=50)
    assert answered("gemini_speech", answer, response_format="pcm").audio == b"abcdabcd"
    assert asked("gemini_speech", response_format="mp3", speed=2).dropped == ["speed", "response_format"]
    row, _ = resolve("gemini/tts")
    assert url_of(row, "speech", "tts", None).endswith("/v1beta/models/tts:generateContent")
    with pytest.raises(APIResponseValidationError, match="without sound"):
        answered("gemini_speech", {"candidates": [{"content": {"parts": [{"text": "no"}]}}]})


def test_documented_minimax() -> None:
    sent = body("t2a_speech", voice="English_Graceful_Lady", speed=1.5, audio_setting={"sample_rate": 32000})
    assert sent == {
        "model": "m", "text": "Hi there", "stream": False, "output_format": "hex",
        "voice_setting": {"voice_id": "English_Graceful_Lady", "speed": 1.5},
        "audio_setting": {"sample_rate": 32000, "format": "mp3"},
    }  # fmt: skip
    fine = {"status_code": 0, "status_msg": "success"}
    assert (
        answered("t2a_speech", {"data": {"audio": "00ff10", "status": 2}, "base_resp": fine}).audio
        == b"\x00\xff\x10"
    )
    with pytest.raises(APIResponseValidationError, match="hexadecimal"):
        answered("t2a_speech", {"data": {"audio": "zz"}, "base_resp": fine})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1002, RateLimitError),
        (1004, AuthenticationError),
        (2013, BadRequestError),
        (1026, ContentPolicyViolationError),
        (9, InternalServerError),
    ],
)
def test_documented_minimax_fails_under_status_200(code: int, kind: type[HeadgateError]) -> None:
    with pytest.raises(kind, match="went wrong"):
        answered("t2a_speech", {"base_resp": {"status_code": code, "status_msg": "went wrong"}})


def test_documented_mistral_and_hyperbolic() -> None:
    assert body("voxtral_speech", voice="v", response_format="wav", ref_audio="x") == {
        "model": "m", "input": "Hi there", "voice": "v", "response_format": "wav", "ref_audio": "x"
    }  # fmt: skip
    assert (
        answered("voxtral_speech", {"audio_data": "AAAA"}, response_format="wav").content_type == "audio/wav"
    )
    assert body("melo_speech", voice="EN-US", speed=2) == {
        "text": "Hi there", "language": "EN", "speaker": "EN-US", "speed": 2
    }  # fmt: skip
    assert answered("melo_speech", {"audio": "AAAA"}).audio == b"\x00\x00\x00"
    with pytest.raises(APIResponseValidationError, match="base64"):
        answered("melo_speech", {"audio": "%"})


@pytest.mark.parametrize(
    "name", ["google_tts", "gemini_speech", "t2a_speech", "voxtral_speech", "melo_speech"]
)
@given(answer=JSON)
def test_any_answer_is_sound_or_an_error(name: str, answer: Any) -> None:
    try:
        reply = answered(name, answer)
    except HeadgateError:
        return
    assert isinstance(reply.audio, bytes)


@pytest.mark.parametrize("name", list(SPEECH))
def test_a_caller_can_neither_name_another_model_nor_another_text(name: str) -> None:
    keys = ["text", "Text", "model_id", "Engine", "contents", "input", "model", "speech"]
    request = CLIENT.read_request({"model": "a", "input": "Hi there", "voice": "v"})
    plain = SPEECH[name].write_request(request, Target(model="m")).step.wire
    request.extra = {"openai": dict.fromkeys(keys, "other")}
    given = SPEECH[name].write_request(request, Target(model="m")).step.wire
    assert isinstance(plain.body, bytes) and isinstance(given.body, bytes)
    if plain.content_type == "application/json":
        assert json.loads(plain.body).items() <= json.loads(given.body).items()
    assert dict(plain.query).items() <= dict(given.query).items()


@pytest.mark.parametrize("name", list(SPEECH))
@given(
    fields=st.dictionaries(
        st.sampled_from(
            [
                "voice",
                "response_format",
                "speed",
                "instructions",
                "generationConfig",
                "voice_settings",
                "audioConfig",
                "audio_setting",
            ]
        ),
        JSON,
    )
)
def test_any_request_is_written_or_refused(name: str, fields: dict[str, Any]) -> None:
    try:
        sent = asked(name, **fields)
    except BadRequestError as error:
        assert error.param
        return
    assert isinstance(sent.step, Step) and isinstance(sent.step.wire.body, bytes)


# --- WAV -------------------------------------------------------------------------------------------------


@given(st.binary(max_size=100).map(lambda data: data[: len(data) // 2 * 2]))
def test_samples_become_a_file_and_back(samples: bytes) -> None:
    file = wav(samples, 24000)
    assert samples_of(file) == samples
    assert struct.unpack("<I", file[4:8])[0] == len(file) - 8
    if samples:
        assert audio_seconds(file, len(file)) == len(samples) / 48000
