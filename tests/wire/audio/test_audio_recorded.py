"""Recorded calls of speech and transcription: what we would have sent, and what the answers say."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import recorded
from headgate.providers.address import url_of
from headgate.providers.registry import resolve
from headgate.wire.audio import SPEECH, TRANSCRIPTIONS
from headgate.wire.audio.sound import Meter, audio_seconds
from headgate.wire.audio.speech_openai import CLIENT as SPEAKING
from headgate.wire.audio.transcript import write
from headgate.wire.audio.transcription_openai import CLIENT as LISTENING
from headgate.wire.dialect import Target
from headgate.wire.ir_audio import SpeechReply, TranscriptionReply, TranscriptionRequest
from headgate.wire.multipart import Field, FileData, FileStart, Parser, Part, boundary_of
from headgate.wire.outgoing import Form, Wire, address, framed

pytestmark = pytest.mark.skipif(
    not recorded.ROOT.exists(), reason="the recorded traffic is not beside the project"
)

ROWS = {"cohere": None, **recorded.PROVIDERS, "deepgram": "deepgram", "elevenlabs": "elevenlabs"}
THEIR_FIELDS = {"model_id": "model", "language_code": "language"}


def records(api: str) -> Iterator[Any]:
    if not recorded.ROOT.exists():
        return
    for line in (recorded.ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["api"] == api and entry["provider"] in ROWS:
            yield pytest.param(json.loads((recorded.ROOT / entry["file"]).read_text()), id=entry["id"])


def body_of(message: dict[str, Any]) -> bytes:
    if "body_base64" in message:
        return b64decode(message["body_base64"])
    body = message["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def dialect_of(record: dict[str, Any], operation: str, default: str) -> str:
    row = ROWS[record["provider"]]
    if row is None:
        return "plain_transcriptions"
    return resolve(f"{row}/m")[0].dialects.get(operation, default)


def url(record: dict[str, Any], operation: str, wire: Wire) -> str:
    row, _ = resolve(f"{ROWS[record['provider']]}/m")
    return address(url_of(row, wire.operation or operation, "m", None), wire)


def form(content_type: str, body: bytes) -> tuple[list[tuple[str, str]], Part | None, bytes]:
    parser = Parser(boundary_of(content_type))
    events = [event for at in range(0, len(body), 4099) for event in parser.feed(body[at : at + 4099])]
    parser.close()
    fields = [(event.part.name, event.text) for event in events if isinstance(event, Field)]
    file = next((event.part for event in events if isinstance(event, FileStart)), None)
    return fields, file, b"".join(event.data for event in events if isinstance(event, FileData))


def transcribe(record: dict[str, Any], request: TranscriptionRequest, model: str) -> TranscriptionReply:
    """The reply of the recorded answer; the request must be the recorded one."""
    operation = "translations" if "translations" in record["request"]["url"] else "transcriptions"
    dialect = TRANSCRIPTIONS[dialect_of(record, operation, "openai_transcriptions")]
    step = dialect.write_request(request, Target(model=model)).step
    reply = step.then({"content-type": "application/json"}, body_of(record["response"]))
    assert isinstance(reply, TranscriptionReply)
    return reply


FORMS = [one for one in records("transcription") if "body_base64" in one.values[0]["request"]]
MULTIPART = [one for one in FORMS if "multipart" in one.values[0]["request"]["headers"]["content-type"]]
RAW = [one for one in records("transcription") if "/listen" in one.values[0]["request"]["url"]]


@pytest.mark.parametrize("record", MULTIPART)
def test_a_recorded_form_is_what_we_would_send(record: dict[str, Any]) -> None:
    content_type = record["request"]["headers"]["content-type"]
    theirs, file, sound = form(content_type, body_of(record["request"]))
    ours = LISTENING.read_request([(THEIR_FIELDS.get(key, key), value) for key, value in theirs], file)
    name = dialect_of(record, "transcriptions", "openai_transcriptions")
    wire = TRANSCRIPTIONS[name].write_request(ours, Target(model=ours.model)).step.wire
    assert isinstance(wire.body, Form)
    laid_out = framed(wire, b"ours", file)
    body = laid_out.before + sound + laid_out.after
    fields, sent, same = form(laid_out.content_type, body)
    assert sorted(fields) == sorted(theirs)
    assert same == sound
    assert file is not None and sent is not None
    assert (sent.name, sent.filename) == (file.name, file.filename)
    if ROWS[record["provider"]] is not None:
        assert url(record, "transcriptions", wire) == record["request"]["url"]


@pytest.mark.parametrize(
    "record", [one for one in records("transcription") if one.values[0]["response"]["status"] == 200]
)
def test_a_recorded_transcript_is_read(record: dict[str, Any]) -> None:
    reply = transcribe(record, TranscriptionRequest(model="m"), "m")
    answer = json.loads(body_of(record["response"]))
    text = (
        answer["text"]
        if "text" in answer
        else answer["results"]["channels"][0]["alternatives"][0]["transcript"]
    )
    assert reply.text == text
    seconds = answer.get("duration", answer.get("metadata", {}).get("duration"))
    assert reply.duration == seconds
    if seconds is not None:
        assert reply.usage is not None and reply.usage.seconds == seconds
        assert "-->" in write(reply, "srt")[1].decode()
        verbose = json.loads(write(reply, "verbose_json")[1])
        assert verbose["words"] and verbose["segments"] and verbose["duration"] == seconds


@pytest.mark.parametrize("record", [one for one in MULTIPART if one.values[0]["provider"] == "openai"])
def test_a_recorded_transcript_of_openai_is_written_as_it_came(record: dict[str, Any]) -> None:
    reply = transcribe(record, TranscriptionRequest(model="m"), "m")
    _, body = write(reply, None)
    assert json.loads(body) == json.loads(body_of(record["response"]))


@pytest.mark.parametrize("record", RAW)
def test_a_recorded_call_by_query_is_what_we_would_send(record: dict[str, Any]) -> None:
    asked = dict(parse_qsl(urlsplit(record["request"]["url"]).query))
    request = LISTENING.read_request(
        [(key, value) for key, value in asked.items() if key != "model"], Part("file", "a.wav", "audio/wav")
    )
    step = TRANSCRIPTIONS["deepgram_listen"].write_request(request, Target(model=asked["model"])).step
    parts = urlsplit(url(record, "transcriptions", step.wire))
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == record["request"]["url"].partition("?")[0]
    assert asked.items() <= dict(parse_qsl(parts.query)).items()
    assert framed(step.wire, b"", request.file).content_type == "audio/wav"
    assert framed(step.wire, b"", request.file).file
    reply = step.then({}, body_of(record["response"]))
    assert isinstance(reply, TranscriptionReply)
    assert reply.words and reply.segments
    assert " ".join(word.word for word in reply.words) == reply.text


@pytest.mark.parametrize("record", FORMS)
def test_the_length_of_a_recorded_file(record: dict[str, Any]) -> None:
    """As long as the upstream says, to the second that it rounds to."""
    request, answer = record["request"], json.loads(body_of(record["response"]))
    sound = body_of(request)
    if "multipart" in request["headers"]["content-type"]:
        sound = form(request["headers"]["content-type"], sound)[2]
    meter = Meter()
    for at in range(0, len(sound), 1000):
        meter.feed(sound[at : at + 1000])
    assert meter.seconds is not None
    assert meter.seconds == audio_seconds(sound, len(sound))
    used = answer.get("usage") or {}
    said = answer.get("duration", answer.get("metadata", {}).get("duration", used.get("seconds")))
    if said is not None:
        assert abs(meter.seconds - said) < 1


@pytest.mark.parametrize("record", list(records("speech")))
def test_recorded_speech(record: dict[str, Any]) -> None:
    body, asked = (
        json.loads(body_of(record["request"])),
        dict(parse_qsl(urlsplit(record["request"]["url"]).query)),
    )
    format_ = "wav" if asked.get("container") == "wav" else None
    model = body.get("model", asked.get("model", "m"))
    given = {"input": body["text"], "model": model} if "text" in body else body
    request = SPEAKING.read_request({**given, **({"response_format": format_} if format_ else {})})
    dialect = SPEECH[dialect_of(record, "speech", "openai_speech")]
    step = dialect.write_request(request, Target(model=model)).step
    assert isinstance(step.wire.body, bytes) and json.loads(step.wire.body) == body
    sent, said = urlsplit(url(record, "speech", step.wire)), urlsplit(record["request"]["url"])
    assert (sent.netloc, sent.path) == (said.netloc, said.path)
    assert sorted(parse_qsl(sent.query)) == sorted(parse_qsl(said.query))
    headers = {name.lower(): value for name, value in record["response"]["headers"].items()}
    answer = body_of(record["response"])
    reply = step.then(headers, answer)
    assert isinstance(reply, SpeechReply)
    assert reply.content_type == ("audio/wav" if format_ else "audio/mpeg")
    assert reply.usage.characters == len(request.input)
    if step.raw:
        assert reply.audio == answer
    assert (audio_seconds(reply.audio, len(reply.audio)) or 0) > 0.5
