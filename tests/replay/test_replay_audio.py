"""Recorded speech and transcriptions through a running gateway: what is sent and what comes back mean the same."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import recorded
from headgate.wire.audio.sound import wav
from headgate.wire.multipart import Field, FileData, Parser, Part, Writer, boundary_of
from servers import KEY, RunningGateway, Upstream, running

recorded.needed()

RECORDS = [record for record in recorded.sounds() if recorded.reason_no_sound(record) is None]
SPOKEN = [pytest.param(one, id=one["id"]) for one in RECORDS if one["api"] == "speech"]
HEARD = [pytest.param(one, id=one["id"]) for one in RECORDS if one["api"] == "transcription"]
NAMES = {
    "model_id": "model",
    "language_code": "language",
    "timestamps_granularity": "timestamp_granularities",
}
"""Names of form fields as OpenAI's callers say them."""


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    names = sorted(set(recorded.SOUNDING.values()))
    rows = [
        {
            "model_name": f"{name}/*",
            "litellm_params": {
                "model": f"{name}/*",
                "api_base": upstream.base,
                "api_key": "sk-upstream-secret",
            },
        }
        for name in names
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0},
    }
    with running(config, tmp_path_factory.mktemp("replay")) as served:
        yield served


def play(upstream: Upstream, record: dict[str, Any]) -> None:
    response = record["response"]
    body = response.get("body_base64")
    kind = response["headers"].get("content-type", "application/json")
    data = base64.b64decode(body) if body else recorded.answer_bytes(record)
    upstream.reply(response["status"], {"content-type": kind}, data)


def asked(record: dict[str, Any]) -> tuple[dict[str, list[str]], bytes]:
    """Parameters of a recorded transcription in OpenAI's words, and the file."""
    request = record["request"]
    body = base64.b64decode(request.get("body_base64", ""))
    kind = {name.lower(): value for name, value in request["headers"].items()}.get("content-type", "")
    found: dict[str, list[str]] = dict(parse_qs(urlsplit(request["url"]).query))
    if not kind.startswith("multipart/"):
        return found, body
    parser, sound = Parser(boundary_of(kind)), b""
    for event in parser.feed(body):
        if isinstance(event, Field):
            found.setdefault(NAMES.get(event.part.name, event.part.name), []).append(event.text)
        elif isinstance(event, FileData):
            sound += event.data
    return found, sound or wav(bytes(8000), 2000)


def answered(status: int, data: bytes, record: dict[str, Any]) -> bool:
    """Whether the recording succeeded; the error of one that did not is told under its status."""
    if record["response"]["status"] < 300:
        assert status == 200, data
        return True
    assert status >= 400 and json.loads(data)["error"]["message"]
    assert b"sk-upstream-secret" not in data
    return False


@pytest.mark.parametrize("record", SPOKEN)
def test_recorded_speech(gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]) -> None:
    play(upstream, record)
    request, url = record["request"]["body"], urlsplit(record["request"]["url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    text = request.get("input", request.get("text"))
    rest = {name: value for name, value in request.items() if name not in ("input", "text", "model_id")}
    model = query.get("model") or request.get("model") or request.get("model_id") or "model"
    body = {**rest, "input": text, "model": f"{recorded.SOUNDING[record['provider']]}/{model}"}
    if "/text-to-speech/" in url.path:
        body["voice"] = url.path.partition("/text-to-speech/")[2].partition("/")[0]
    if query.get("container") == "wav":
        body["response_format"] = "wav"
    status, headers, data = gateway.request("/v1/audio/speech", body)
    if not answered(status, data, record):
        return
    response = record["response"]
    sound = response.get("body_base64") or response["body"].get("audio_data")
    assert data == base64.b64decode(sound)
    assert headers["content-type"].startswith("audio/")
    line, _, sent = upstream.requests[-1]
    assert json.loads(sent).items() >= {k: v for k, v in request.items() if k != "model"}.items()
    assert parse_qs(urlsplit(line.split(" ")[1]).query).items() >= parse_qs(url.query).items()


@pytest.mark.parametrize("record", HEARD)
def test_recorded_transcriptions(gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]) -> None:
    play(upstream, record)
    found, sound = asked(record)
    found["model"] = [f"{recorded.SOUNDING[record['provider']]}/{found.get('model', ['whisper-1'])[0]}"]
    writer = Writer(b"ours")
    form = b"".join(writer.field(name, value) for name, values in found.items() for value in values)
    form += writer.head(Part("file", "a.wav", "audio/wav")) + sound + writer.tail + writer.end()
    kind = "translations" if "/translations" in record["request"]["url"] else "transcriptions"
    status, _, data = gateway.request(f"/v1/audio/{kind}", form, {"content-type": writer.content_type})
    if not answered(status, data, record):
        return
    assert json.loads(data)["text"] == text_of(record["response"]["body"])
    assert sound in upstream.requests[-1][2]


def text_of(body: Any) -> str:
    if "results" in body:
        return str(body["results"]["channels"][0]["alternatives"][0]["transcript"])
    return str(body["text"])
