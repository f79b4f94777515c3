"""Transcription: what OpenAI's form becomes for each upstream and what their answers become, by documented shapes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import (
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    HeadgateError,
    UnsupportedParamsError,
)
from headgate.wire import ir
from headgate.wire.audio import TRANSCRIPTIONS, captions, transcript
from headgate.wire.audio.transcription_openai import CLIENT
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import AudioUsage, TranscriptionReply, TranscriptionRequest
from headgate.wire.multipart import Part
from headgate.wire.outgoing import Form, Sent, Step, framed

TRANSLATING = [f"{name}_transcriptions" for name in ("openai", "caption", "verbose", "together")]
FILE = Part("file", "a.mp3", "audio/mpeg")


def asked(dialect: str, *fields: tuple[str, str], translate: bool = False) -> Sent[TranscriptionReply]:
    request = CLIENT.read_request([("model", "alias"), *fields], FILE, translate=translate)
    return TRANSCRIPTIONS[dialect].write_request(request, Target(model="m"))


def form(dialect: str, *fields: tuple[str, str], translate: bool = False) -> list[tuple[str, str]]:
    body = asked(dialect, *fields, translate=translate).step.wire.body
    assert isinstance(body, Form)
    return sorted(body.fields)


def answered(dialect: str, answer: Any, *fields: tuple[str, str]) -> TranscriptionReply:
    data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
    reply = asked(dialect, *fields).step.then({"content-type": "application/json"}, data)
    assert isinstance(reply, TranscriptionReply)
    return reply


# --- the callers' side -----------------------------------------------------------------------------------


def test_a_form_with_all_that_openai_documents() -> None:
    fields = [
        ("model", "gpt-4o-transcribe"), ("language", "en"), ("prompt", "p"), ("response_format", "verbose_json"),
        ("temperature", "0.2"), ("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment"),
        ("include[]", "logprobs"), ("stream", "true"), ("chunking_strategy", "auto"),
        ("known_speaker_names[]", "a"), ("known_speaker_names[]", "b"),
    ]  # fmt: skip
    request = CLIENT.read_request(fields, FILE)
    assert request == TranscriptionRequest(
        model="gpt-4o-transcribe", language="en", prompt="p", format="verbose_json", temperature=0.2,
        granularities=["word", "segment"], include=["logprobs"], stream=True, file=FILE,
        extra={"openai": {"chunking_strategy": "auto", "known_speaker_names[]": ["a", "b"]}},
    )  # fmt: skip
    sent = TRANSCRIPTIONS["openai_transcriptions"].write_request(request, Target(model="gpt-4o-transcribe"))
    assert isinstance(sent.step.wire.body, Form)
    assert sorted(sent.step.wire.body.fields) == sorted(fields)
    assert sent.dropped == []


def test_a_list_without_brackets_and_empty_fields() -> None:
    request = CLIENT.read_request(
        [
            ("model", "m"),
            ("timestamp_granularities", "word"),
            ("language", ""),
            ("temperature", ""),
            ("stream", ""),
        ]
    )
    assert request == TranscriptionRequest(model="m", granularities=["word"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("response_format", "xml"),
        ("temperature", "hot"),
        ("temperature", "nan"),
        ("temperature", "-1"),
        ("stream", "maybe"),
        ("timestamp_granularities", "letter"),
    ],
)
def test_a_field_that_can_not_be_read(name: str, value: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        CLIENT.read_request([(name, value)])
    assert caught.value.param == name


def test_a_field_that_comes_twice() -> None:
    with pytest.raises(BadRequestError, match="model: expected one value"):
        CLIENT.read_request([("model", "a"), ("model", "b")])


FIELDS = st.fixed_dictionaries(
    {"model": st.sampled_from(["m"])},
    optional={
        "language": st.sampled_from(["en", "de"]),
        "prompt": st.text(min_size=1, max_size=9),
        "response_format": st.sampled_from(transcript.FORMATS),
        "temperature": st.sampled_from(["0.0", "0.5", "1.0"]),
        "stream": st.just("true"),
        "chunking_strategy": st.text(max_size=9),
    },
)
LISTS = st.lists(st.sampled_from(["word", "segment"]), unique=True, max_size=2)


@given(FIELDS, LISTS, st.lists(st.text(max_size=5), max_size=3))
def test_a_form_is_written_as_it_was_read(
    fields: dict[str, str], granularities: list[str], names: list[str]
) -> None:
    form = [
        *fields.items(),
        *(("timestamp_granularities[]", one) for one in granularities),
        *(("known_speaker_names[]", name) for name in names),
    ]
    request = CLIENT.read_request(form, FILE)
    body = TRANSCRIPTIONS["openai_transcriptions"].write_request(request, Target(model="m")).step.wire.body
    assert isinstance(body, Form)
    asked_for = [
        (key, "json" if (key, value) == ("response_format", "text") else value) for key, value in form
    ]
    assert sorted(body.fields) == sorted(asked_for)


# --- multipart upstreams ---------------------------------------------------------------------------------


def test_the_file_goes_last_under_its_own_name() -> None:
    sent = asked("openai_transcriptions")
    laid_out = framed(sent.step.wire, b"bb", FILE)
    assert laid_out.content_type == "multipart/form-data; boundary=bb"
    assert laid_out.file
    assert laid_out.before.endswith(
        b'--bb\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n'
    )
    assert laid_out.after == b"\r\n--bb--\r\n"
    with pytest.raises(BadRequestError, match="file: required"):
        framed(sent.step.wire, b"bb", None)


def test_documented_groq_has_no_captions_so_times_are_asked_for() -> None:
    fields = ("language", "de"), ("response_format", "srt"), ("stream", "true")
    assert form("verbose_transcriptions", *fields) == [
        ("language", "de"), ("model", "m"), ("response_format", "verbose_json")
    ]  # fmt: skip
    assert transcript.write(answered("verbose_transcriptions", {"text": "Hi."}), "text")[1] == b"Hi.\n"
    reply = answered("verbose_transcriptions", VERBOSE, *fields)
    assert transcript.write(reply, "srt") == (
        "text/plain; charset=utf-8",
        b"1\n00:00:00,000 --> 00:00:01,500\nHello there.\n\n2\n00:00:01,500 --> 00:00:03,000\nAnd you?\n\n",
    )


VERBOSE = {
    "task": "transcribe", "language": "english", "duration": 3.0, "text": "Hello there. And you?",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.5, "text": " Hello there.", "tokens": [1, 2], "temperature": 0.0,
         "avg_logprob": -0.1, "compression_ratio": 1.1, "no_speech_prob": 0.0},
        {"id": 1, "seek": 0, "start": 1.5, "end": 3.0, "text": " And you?", "tokens": [3], "temperature": 0.0,
         "avg_logprob": -0.1, "compression_ratio": 1.1, "no_speech_prob": 0.0},
    ],
    "words": [{"word": "Hello", "start": 0.0, "end": 0.4}],
    "usage": {"type": "duration", "seconds": 3.0},
    "x_groq": {"id": "r"},
}  # fmt: skip


def test_documented_verbose_json_comes_out_as_it_went_in() -> None:
    reply = answered("openai_transcriptions", VERBOSE, ("response_format", "verbose_json"))
    assert json.loads(transcript.write(reply, "verbose_json")[1]) == VERBOSE
    assert reply.usage == AudioUsage(seconds=3.0)


def test_documented_usage_in_tokens_comes_out_as_it_went_in() -> None:
    usage = {
        "type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
        "output_tokens": 45, "total_tokens": 59,
    }  # fmt: skip
    answer = {"text": "Hi", "logprobs": [{"token": "Hi", "logprob": -0.1, "bytes": [72]}], "usage": usage}
    reply = answered("openai_transcriptions", answer)
    assert reply.usage == AudioUsage(tokens=ir.Usage(input=14, output=45, total=59, audio_input=10))
    assert json.loads(transcript.write(reply, "json")[1]) == answer


def test_documented_diarized_json_comes_out_as_it_went_in() -> None:
    answer = {
        "task": "transcribe",
        "duration": 2.0,
        "text": "Hi. Yes.",
        "usage": {"type": "duration", "seconds": 2.0},
        "segments": [
            {
                "type": "transcript.text.segment",
                "id": "seg_001",
                "start": 0.0,
                "end": 1.0,
                "text": "Hi.",
                "speaker": "A",
            },
            {
                "type": "transcript.text.segment",
                "id": "seg_002",
                "start": 1.0,
                "end": 2.0,
                "text": "Yes.",
                "speaker": "agent",
            },
        ],
    }
    reply = answered("openai_transcriptions", answer, ("response_format", "diarized_json"))
    assert json.loads(transcript.write(reply, "diarized_json")[1]) == answer


def test_text_is_asked_for_as_json_which_has_the_usage() -> None:
    for name in ("openai_transcriptions", "verbose_transcriptions"):
        assert form(name, ("response_format", "text")) == [("model", "m"), ("response_format", "json")]
    answer = {"text": "Hi.", "usage": {"type": "duration", "seconds": 2}}
    reply = answered("openai_transcriptions", answer, ("response_format", "text"))
    assert transcript.write(reply, "text") == ("text/plain; charset=utf-8", b"Hi.\n")
    assert reply.usage == AudioUsage(seconds=2.0)


def test_documented_cost_and_further_fields_stay() -> None:
    usage = {
        "type": "tokens",
        "total_tokens": 49,
        "input_tokens": 37,
        "output_tokens": 12,
        "cost": 0.00010625,
    }
    answer = {
        "text": "Hi.",
        "language": "en",
        "duration": 3.7,
        "words": [{"word": "Hi.", "start": 0.1, "end": 0.4}],
        "usage": usage,
    }
    assert json.loads(transcript.write(answered("openai_transcriptions", answer), None)[1]) == answer


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
def test_an_answer_that_is_no_json_comes_out_as_it_went_in(kind: str) -> None:
    texts = {
        "text": "Hello.\n",
        "srt": "1\n00:00:00,000 --> 00:00:02,000\nHello.\n\n\n",
        "vtt": "WEBVTT\n\n00:00.000 --> 00:02.000\nHello.\n\n",
    }
    reply = transcript.read({"content-type": "text/plain"}, texts[kind].encode(), kind)
    assert transcript.write(reply, kind)[1].decode() == texts[kind]
    assert reply.text == "Hello."
    assert reply.duration == (None if kind == "text" else 2.0)


def test_documented_mistral() -> None:
    assert form("voxtral_transcriptions", ("response_format", "verbose_json"), ("prompt", "p")) == [
        ("model", "m"), ("timestamp_granularities", "segment")
    ]  # fmt: skip
    assert asked("voxtral_transcriptions", ("prompt", "p")).dropped == ["prompt"]
    fields = ("response_format", "diarized_json"), ("timestamp_granularities[]", "word"), ("stream", "true")
    assert form("voxtral_transcriptions", *fields) == [
        ("diarize", "true"), ("model", "m"), ("stream", "true"), ("timestamp_granularities", "word")
    ]  # fmt: skip
    answer = {
        "model": "voxtral-mini-2507",
        "text": "Hi.",
        "language": "en",
        "segments": [
            {
                "text": "Hi.",
                "start": 0,
                "end": 1.1,
                "type": "transcription_segment",
                "speaker_id": "speaker_1",
            }
        ],
        "usage": {"prompt_audio_seconds": 2, "prompt_tokens": 4, "total_tokens": 10, "completion_tokens": 6},
    }
    reply = answered("voxtral_transcriptions", answer)
    assert reply.usage == AudioUsage(seconds=2.0, tokens=ir.Usage(input=4, output=6, total=10))
    assert reply.segments is not None and reply.segments[0].speaker == "speaker_1"
    diarized = json.loads(transcript.write(reply, "diarized_json")[1])
    assert diarized["segments"] == [
        {
            "type": "transcript.text.segment",
            "id": "seg_001",
            "start": 0,
            "end": 1.1,
            "text": "Hi.",
            "speaker": "speaker_1",
        }
    ]


def test_documented_elevenlabs() -> None:
    fields = (
        ("language", "en"),
        ("response_format", "diarized_json"),
        ("num_speakers", "2"),
        ("temperature", "0"),
    )
    assert form("scribe_transcriptions", *fields) == [
        ("diarize", "true"), ("language_code", "en"), ("model_id", "m"), ("num_speakers", "2"),
        ("temperature", "0.0"), ("timestamps_granularity", "word"),
    ]  # fmt: skip
    answer = {
        "language_code": "en", "language_probability": 1, "text": "Hi there. (laughs) Yes",
        "words": [
            {"text": "Hi", "start": 0.1, "end": 0.3, "type": "word", "speaker_id": "speaker_0", "logprob": 0},
            {"text": " ", "start": 0.3, "end": 0.4, "type": "spacing", "speaker_id": "speaker_0"},
            {"text": "there.", "start": 0.4, "end": 0.8, "type": "word", "speaker_id": "speaker_0"},
            {"text": "(laughs)", "start": 0.8, "end": 1.0, "type": "audio_event", "speaker_id": "speaker_0"},
            {"text": "Yes", "start": 1.0, "end": 1.5, "type": "word", "speaker_id": "speaker_1"},
        ],
    }  # fmt: skip
    reply = answered("scribe_transcriptions", answer)
    assert reply.words is not None and [word.word for word in reply.words] == ["Hi", "there.", "Yes"]
    assert (reply.duration, reply.usage) == (1.5, None)
    assert transcript.settled(reply, 2.5) == AudioUsage(seconds=2.5)
    assert transcript.settled(reply) == AudioUsage(seconds=1.5)
    turns = json.loads(transcript.write(reply, "diarized_json")[1])["segments"]
    assert [(one["text"], one["speaker"]) for one in turns] == [
        ("Hi there.", "speaker_0"),
        ("Yes", "speaker_1"),
    ]
    several = {
        "transcripts": [{**answer, "text": "a"}, {"text": "b", "words": []}],
        "audio_duration_secs": 9.5,
    }
    reply = answered("scribe_transcriptions", several)
    assert (reply.text, reply.duration) == ("a\nb", 9.5)


def test_documented_fireworks_tells_speakers_apart_by_words() -> None:
    assert form("caption_transcriptions", ("response_format", "vtt")) == [
        ("model", "m"),
        ("response_format", "vtt"),
    ]
    assert form("caption_transcriptions", ("response_format", "diarized_json")) == [
        ("diarize", "true"), ("model", "m"), ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
    ]  # fmt: skip


def test_documented_together_says_who_spoke_beside_the_segments() -> None:
    fields = ("response_format", "diarized_json"), ("max_speakers", "5")
    assert form("together_transcriptions", *fields) == [
        ("diarize", "true"), ("max_speakers", "5"), ("model", "m"), ("response_format", "verbose_json")
    ]  # fmt: skip
    said = [
        {"word": "Hello.", "start": 6.2, "end": 11.3, "id": 0, "speaker_id": "SPEAKER_01"},
        {"word": "Oh,", "start": 11.8, "end": 11.9, "id": 1, "speaker_id": "SPEAKER_00"},
    ]
    spoken = [
        {"id": at, "speaker_id": one["speaker_id"], "start": 0, "end": 1, "text": "", "words": [one]}
        for at, one in enumerate(said)
    ]
    reply = answered("together_transcriptions", {**VERBOSE, "speaker_segments": spoken}, *fields)
    assert [(one.text, one.speaker) for one in captions.by_speaker(reply)] == [
        ("Hello.", "SPEAKER_01"), ("Oh,", "SPEAKER_00")
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(TRANSCRIPTIONS))
@pytest.mark.parametrize("number", [b"1" + b"0" * 400, b"1e300"])
def test_a_number_beyond_all_reason(name: str, number: bytes) -> None:
    word = b'{"word":"a","text":"a","start":%s,"end":%s}' % (number, number)
    answer = (
        b'{"text":"a","status":"completed","duration":%s,"audio_duration":%s,"words":[%s],"usage":{"seconds":%s},'
        b'"RecognitionStatus":"Success","Offset":%s,"metadata":{"duration":%s},"results":{"channels":[]}}'
    ) % (number, number, word, number, number, number)
    step: Any = asked(name).step
    step = then(step, {"upload_url": "u"}) if name == "assembly_transcript" else step
    with pytest.raises(
        APIResponseValidationError, match=r"beyond all reason|100-nanosecond|expected an integer"
    ):
        step.then({}, answer)


def test_documented_upstreams_with_fewer_fields() -> None:
    fields = ("temperature", "0.5"), ("prompt", "p"), ("response_format", "json")
    assert form("plain_transcriptions", *fields) == [("model", "m"), ("temperature", "0.5")]
    assert asked("plain_transcriptions", *fields).dropped == ["prompt"]
    assert form("stt_transcriptions", ("language", "en"), ("keyterm", "x")) == [
        ("keyterm", "x"),
        ("language", "en"),
    ]


@pytest.mark.parametrize("name", TRANSLATING)
def test_a_translation_is_the_same_form(name: str) -> None:
    assert form(name, translate=True) == [("model", "m")]


@pytest.mark.parametrize("name", sorted(TRANSCRIPTIONS.keys() - set(TRANSLATING)))
def test_a_translation_that_the_upstream_has_not(name: str) -> None:
    with pytest.raises(BadRequestError, match="no translations"):
        asked(name, translate=True)


def then(step: Any, answer: Any) -> Any:
    return step.then({}, json.dumps(answer).encode())


# --- whatever comes --------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    "text words segments usage duration start end id speaker results channels alternatives transcript utterances "
    "status metadata RecognitionStatus NBest DisplayText Offset error upload_url transcripts language task".split()
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "completed", "error", "queued", "Success"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=15,
)


@pytest.mark.parametrize("name", sorted(TRANSCRIPTIONS))
@given(answer=JSON)
def test_any_answer_is_a_transcript_or_an_error(name: str, answer: Any) -> None:
    step: Any = asked(name).step
    if name == "assembly_transcript":
        step = then(step, {"upload_url": "u"})
    try:
        reply = then(step, answer)
    except HeadgateError as error:
        assert error.message
        return
    if isinstance(reply, Step):
        return
    for kind in transcript.FORMATS:
        try:
            assert isinstance(transcript.write(reply, kind)[1], bytes)
        except UnsupportedParamsError as error:
            assert error.param == "response_format"


@given(st.binary(max_size=50), st.sampled_from(sorted(TRANSCRIPTIONS)))
def test_bytes_that_are_no_json(data: bytes, name: str) -> None:
    try:
        asked(name).step.then({}, data)
    except HeadgateError as error:
        assert error.message


def test_an_error_of_any_upstream() -> None:
    for name in TRANSCRIPTIONS:
        error = TRANSCRIPTIONS[name].read_error(
            401, {}, b'{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}'
        )
        assert isinstance(error, AuthenticationError) and "Invalid credentials" in error.message
