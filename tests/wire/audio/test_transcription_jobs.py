"""Upstreams that take the file as the body, or a job that is asked after, by documented shapes."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.wire.audio import TRANSCRIPTIONS
from headgate.wire.audio.transcription_openai import CLIENT
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import AudioUsage, Segment, TranscriptionReply, TranscriptionRequest, Word
from headgate.wire.multipart import Part
from headgate.wire.outgoing import FORWARD_FILE, Form, Sent, address, framed

FILE = Part("file", "a.mp3", "audio/mpeg")


def asked(dialect: str, *fields: tuple[str, str]) -> Sent[TranscriptionReply]:
    request = CLIENT.read_request([("model", "alias"), *fields], FILE)
    return TRANSCRIPTIONS[dialect].write_request(request, Target(model="m"))


def answered(dialect: str, answer: Any) -> TranscriptionReply:
    reply = then(asked(dialect).step, answer)
    assert isinstance(reply, TranscriptionReply)
    return reply


# --- the file as the body --------------------------------------------------------------------------------


def test_documented_deepgram() -> None:
    sent = asked(
        "deepgram_listen", ("response_format", "diarized_json"), ("prompt", "p"), ("smart_format", "true")
    )
    assert dict(sent.step.wire.query) == {
        "model": "m", "punctuate": "true", "detect_language": "true", "utterances": "true", "diarize": "true",
        "smart_format": "true",
    }  # fmt: skip
    assert sent.dropped == ["prompt"]
    assert framed(sent.step.wire, b"", FILE).content_type == "audio/mpeg"
    repeated = asked("deepgram_listen", ("language", "de"), ("keyterm", "a b"), ("keyterm", "c&d"))
    url = address("https://h.test/v1/listen", repeated.step.wire)
    assert parse_qsl(url.partition("?")[2])[-3:-1] == [("keyterm", "a b"), ("keyterm", "c&d")]
    assert "detect_language" not in url


def test_documented_deepgram_speakers_and_language() -> None:
    word = {"word": "hi", "punctuated_word": "Hi.", "start": 0.0, "end": 0.5, "confidence": 1, "speaker": 0}
    answer = {
        "metadata": {"duration": 2.5, "channels": 1},
        "results": {
            "channels": [
                {
                    "detected_language": "de",
                    "alternatives": [
                        {
                            "transcript": "Hi. Yes.",
                            "words": [
                                word,
                                {
                                    **word,
                                    "word": "yes",
                                    "punctuated_word": "Yes.",
                                    "start": 1.0,
                                    "end": 1.5,
                                    "speaker": 1,
                                },
                            ],
                        }
                    ],
                }
            ],
            "utterances": [{"start": 0.0, "end": 1.5, "transcript": "Hi. Yes.", "speaker": 0, "words": []}],
        },
    }
    reply = answered("deepgram_listen", answer)
    assert reply == TranscriptionReply(
        text="Hi. Yes.",
        task="transcribe",
        language="de",
        duration=2.5,
        words=[
            Word(word="Hi.", start=0.0, end=0.5, speaker="A"),
            Word(word="Yes.", start=1.0, end=1.5, speaker="B"),
        ],
        segments=[Segment(id=0, text="Hi. Yes.", start=0.0, end=1.5, speaker="A")],
        usage=AudioUsage(seconds=2.5),
    )


def test_documented_azure_short_audio() -> None:
    sent = asked("azure_short_audio", ("language", "de"))
    assert sent.step.wire.body is FORWARD_FILE
    assert dict(sent.step.wire.query) == {"language": "de-DE", "format": "detailed"}
    answer = {
        "RecognitionStatus": "Success", "Offset": 5000000, "Duration": 20000000,
        "NBest": [{"Confidence": 0.9, "Display": "Hallo."}],
    }  # fmt: skip
    reply = answered("azure_short_audio", answer)
    assert (reply.text, reply.duration) == ("Hallo.", 2.5)
    assert reply.segments == [Segment(id=0, text="Hallo.", start=0.5, end=2.5)]
    with pytest.raises(BadRequestError, match="NoMatch"):
        answered("azure_short_audio", {"RecognitionStatus": "NoMatch"})
    with pytest.raises(APIResponseValidationError, match="RecognitionStatus 'Error'"):
        answered("azure_short_audio", {"RecognitionStatus": "Error"})


# --- jobs ------------------------------------------------------------------------------------------------


def then(step: Any, answer: Any) -> Any:
    return step.then({}, json.dumps(answer).encode())


def test_documented_assemblyai_uploads_starts_and_asks() -> None:
    row, _ = resolve("assemblyai/m")
    step = asked(
        "assembly_transcript",
        ("response_format", "diarized_json"),
        ("punctuate", "false"),
        ("speakers_expected", "2"),
    ).step
    assert (
        address(url_of(row, step.wire.operation, "m", None), step.wire)
        == "https://api.assemblyai.com/v2/upload"
    )
    assert framed(step.wire, b"", FILE).content_type == "application/octet-stream"
    step = then(step, {"upload_url": "https://cdn.test/1"})
    assert json.loads(step.wire.body) == {
        "audio_url": "https://cdn.test/1", "speech_models": ["m"], "language_detection": True, "speaker_labels": True,
        "punctuate": False, "speakers_expected": 2,
    }  # fmt: skip
    base = url_of(row, step.wire.operation or "transcriptions", "m", None)
    assert address(base, step.wire) == "https://api.assemblyai.com/v2/transcript"
    for status in ("queued", "processing"):
        step = then(step, {"id": "t/1", "status": status})
        assert address(base, step.wire) == "https://api.assemblyai.com/v2/transcript/t%2F1"
        assert (step.wire.method, step.wire.body, step.after) == ("GET", b"", 3.0)
    spoken = {"text": "Hi.", "start": 100, "end": 1500, "confidence": 1, "speaker": "A"}
    done = {
        "id": "t/1", "status": "completed", "text": "Hi.", "audio_duration": 2, "language_code": "en_us",
        "words": [spoken], "utterances": [{**spoken, "words": [spoken]}],
    }  # fmt: skip
    assert then(step, done) == TranscriptionReply(
        text="Hi.", task="transcribe", language="en_us", duration=2,
        words=[Word(word="Hi.", start=0.1, end=1.5, speaker="A")],
        segments=[Segment(id=0, text="Hi.", start=0.1, end=1.5, speaker="A")],
        usage=AudioUsage(seconds=2),
    )  # fmt: skip


def test_documented_assemblyai_job_that_fails() -> None:
    step = then(asked("assembly_transcript", ("language", "en")).step, {"upload_url": "u"})
    assert json.loads(step.wire.body)["language_code"] == "en"
    with pytest.raises(BadRequestError, match="does not appear to contain audio"):
        then(step, {"id": "1", "status": "error", "error": "File does not appear to contain audio"})
    with pytest.raises(APIResponseValidationError, match="status 'odd' is unknown"):
        then(step, {"id": "1", "status": "odd"})
    with pytest.raises(HeadgateError, match="went away"):
        then(step, {"error": "went away"})


def test_a_caller_can_neither_name_another_model_nor_another_file() -> None:
    fields = ("speech_model", "dear"), ("speech_models", "dear"), ("audio_url", "http://inside.test")
    step = then(asked("assembly_transcript", *fields).step, {"upload_url": "u"})
    assert json.loads(step.wire.body) == {
        "speech_models": ["m"],
        "language_detection": True,
        "audio_url": "u",
    }
    request = TranscriptionRequest(model="a", extra={"openai": {"model": "dear", "model_id": "dear"}})
    sent = TRANSCRIPTIONS["deepgram_listen"].write_request(request, Target(model="m"))
    assert dict(sent.step.wire.query)["model"] == "m"
    for name, key in (("openai_transcriptions", "model"), ("scribe_transcriptions", "model_id")):
        form = TRANSCRIPTIONS[name].write_request(request, Target(model="m")).step.wire.body
        assert isinstance(form, Form)
        assert dict(form.fields)[key] == "m"


def test_documented_assemblyai_model_of_old() -> None:
    sent = TRANSCRIPTIONS["assembly_transcript"].write_request(
        TranscriptionRequest(model="b"), Target(model="best")
    )
    assert json.loads(then(sent.step, {"upload_url": "u"}).wire.body)["speech_model"] == "best"
