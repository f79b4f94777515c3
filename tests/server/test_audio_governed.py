"""Sound under budgets, keys, retries and hedges; signed requests; clients that are slow."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.core.sound import Heard
from headgate.wire.audio.sound import wav
from headgate.wire.multipart import Part, Writer
from servers import KEY, RunningGateway, Upstream, running

SOUND = wav(bytes(8000), 2000)
SAY = {"model": "tts", "input": "Hi there", "voice": "alloy"}


@pytest.fixture(name="upstream")
def fixture_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


def row(upstream: Upstream, name: str, model: str, **params: Any) -> dict[str, Any]:
    info = params.pop("info", {})
    given = {"model": model, "api_base": upstream.base, "api_key": "sk-up", "num_retries": 0, **params}
    return {"model_name": name, "litellm_params": given, "model_info": info}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    cloud = {
        "api_key": None,
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "wJalrXUtnFEMI",
        "aws_region_name": "eu-west-1",
    }
    models = [
        row(upstream, "tts", "openai/tts-1", input_cost_per_character=0.001),
        row(upstream, "whisper", "openai/whisper-1", info={"input_cost_per_second": 0.01}),
        row(upstream, "again", "openai/whisper-1", num_retries=2),
        row(upstream, "polly", "aws_polly/neural", **cloud),
        row(upstream, "google", "vertex_ai/chirp", api_key="google-key"),
        row(upstream, "gemini", "vertex_ai/gemini-2.5-flash-preview-tts", api_key="google-key"),
    ]
    config = {
        "model_list": models,
        "general_settings": {"master_key": KEY, "store_prompts_in_spend_logs": True},
    }
    with running(config, tmp_path) as served:
        yield served


def form(*fields: tuple[str, str]) -> tuple[bytes, dict[str, str]]:
    writer = Writer(b"theirs")
    body = b"".join(writer.field(*field) for field in fields)
    body += writer.head(Part("file", "a.wav", "audio/wav")) + SOUND + writer.tail + writer.end()
    return body, {"content-type": writer.content_type}


def key_of(gateway: RunningGateway, **limits: Any) -> dict[str, str]:
    made = json.loads(gateway.request("/key/generate", limits)[2])
    return {"authorization": f"Bearer {made['key']}"}


def heard(gateway: RunningGateway, model: str, key: dict[str, str]) -> tuple[int, bytes]:
    body, kind = form(("model", model))
    status, _, data = gateway.request("/v1/audio/transcriptions", body, {**key, **kind})
    return status, data


def test_a_strict_budget_holds_for_speech(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "audio/mpeg"}, b"sound")
    key = key_of(gateway, max_budget=0.3)
    spent = 0
    while (answer := gateway.request("/v1/audio/speech", SAY, key))[0] == 200:
        spent += 1
        assert spent < 50
    assert answer[0] == 429 or json.loads(answer[2])["error"]["code"] == "budget_exceeded"
    assert 0 < spent * 0.008 <= 0.3


def test_a_strict_budget_holds_for_files(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, b'{"text":"Hi."}')
    status, data = heard(gateway, "whisper", key_of(gateway, max_budget=0.01))
    assert json.loads(data)["error"]["code"] == "budget_exceeded", (status, data)
    assert not upstream.requests
    assert heard(gateway, "whisper", key_of(gateway, max_budget=1))[0] == 200


def test_a_key_that_is_for_other_models_or_paths(gateway: RunningGateway, upstream: Upstream) -> None:
    assert heard(gateway, "whisper", key_of(gateway, models=["tts"]))[0] == 403
    assert heard(gateway, "whisper", key_of(gateway, allowed_routes=["/v1/audio/speech"]))[0] == 403
    assert not upstream.requests
    upstream.reply(200, {"content-type": "application/json"}, b'{"text":"Hi."}')
    assert heard(gateway, "whisper", key_of(gateway, allowed_routes=["llm_api_routes"]))[0] == 200


def test_a_file_is_sent_again(gateway: RunningGateway, upstream: Upstream) -> None:
    answers = [b"HTTP/1.1 500 X\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"]
    answers += answers
    answers.append(
        b"HTTP/1.1 200 X\r\ncontent-type: application/json\r\ncontent-length: 14\r\nconnection: close\r\n\r\n"
        b'{"text":"Hi."}'
    )
    upstream.script = lambda _: [answers.pop(0)]
    status, data = heard(gateway, "again", {})
    assert (status, json.loads(data)["text"]) == (200, "Hi.")
    assert [SOUND in body for _, _, body in upstream.requests] == [True] * 3


def test_polly_is_signed(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "audio/mpeg", "x-amzn-requestcharacters": "8"}, b"sound")
    status, headers, data = gateway.request("/v1/audio/speech", {**SAY, "model": "polly"})
    assert (status, headers["content-type"], data) == (200, "audio/mpeg", b"sound")
    line, sent, body = upstream.requests[-1]
    assert line == "POST /v1/speech HTTP/1.1"
    assert "/eu-west-1/polly/aws4_request" in sent["authorization"]
    assert json.loads(body) == {
        "Engine": "neural",
        "OutputFormat": "mp3",
        "Text": "Hi there",
        "TextType": "text",
        "VoiceId": "Joanna",
    }


def test_googles_voices_and_gemini(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, b'{"audioContent":"c291bmQ="}')
    status, headers, data = gateway.request(
        "/v1/audio/speech", {**SAY, "model": "google", "voice": "en-GB-X-A"}
    )
    assert (status, headers["content-type"], data) == (200, "audio/mpeg", b"sound")
    line, sent, body = upstream.requests[-1]
    assert (line.split(" ")[1], sent["x-goog-api-key"]) == ("/v1/text:synthesize", "google-key")
    assert json.loads(body)["voice"] == {"languageCode": "en-GB", "name": "en-GB-X-A"}
    part = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    document = {"candidates": [{"content": {"parts": [part]}}]}
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(document).encode())
    status, headers, data = gateway.request(
        "/v1/audio/speech", {**SAY, "model": "gemini", "response_format": "wav"}
    )
    assert (status, headers["content-type"], data[:4]) == (200, "audio/wav", b"RIFF")
    assert upstream.requests[-1][0].split(" ")[1].endswith(":generateContent")


def test_health_checks_speak_and_listen(gateway: RunningGateway, upstream: Upstream) -> None:
    def script(body: bytes) -> list[bytes]:
        kind, data = (
            (b"audio/mpeg", b"sound") if b'"input"' in body else (b"application/json", b'{"text":""}')
        )
        head = b"HTTP/1.1 200 X\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        return [head % (kind, len(data)) + data]

    upstream.script = script
    for model in ("tts", "whisper"):
        status, _, data = gateway.request(f"/health?model={model}", method="GET")
        assert (status, json.loads(data)["unhealthy_count"]) == (200, 0), data
    paths = [line.split(" ")[1] for line, _, _ in upstream.requests]
    assert paths == ["/audio/speech", "/audio/transcriptions"]


def test_speech_is_made_once_for_an_idempotency_key(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "audio/mpeg"}, b"sound")
    again = {"idempotency-key": "once"}
    answers = [gateway.request("/v1/audio/speech", SAY, again) for _ in range(2)]
    assert [(status, headers["content-type"], data) for status, headers, data in answers] == [
        (200, "audio/mpeg", b"sound")
    ] * 2
    assert len(upstream.requests) == 1


def test_sound_that_breaks_is_not_repeated(gateway: RunningGateway, upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/ogg\r\ntransfer-encoding: chunked\r\n\r\n"
    upstream.script = lambda _: [head, b"3\r\none\r\n"]
    with pytest.raises(http.client.IncompleteRead):
        gateway.request("/v1/audio/speech", SAY, {"idempotency-key": "broken"})


@pytest.mark.parametrize(
    ("operation", "cost"),
    [
        ("characters", 2 * 0.008),
        ("tokens", 0.000001),  # the loser's text; nobody knows how long the winner's sound is
        ("seconds", 2 * 0.02),
        ("unknown", 0),
    ],
)
def test_who_loses_a_hedge_is_paid_for(
    upstream: Upstream, tmp_path: Path, operation: str, cost: float
) -> None:
    prices: dict[str, tuple[str, dict[str, float]]] = {
        "characters": ("openai/tts-1", {"input_cost_per_character": 0.001}),
        "tokens": ("openai/unheard", {"input_cost_per_token": 0.0000005, "output_cost_per_token": 0.0}),
        "seconds": ("openai/whisper-1", {"input_cost_per_second": 0.01}),
        "unknown": ("openai/unheard", {}),
    }
    model, info = prices[operation]
    silent = Upstream()
    silent.script = lambda _: [b""]  # hangs
    upstream.reply(200, {"content-type": "audio/mpeg"}, b"sound")
    rows = [row(one, "m", model, order=order, info=info) for order, one in enumerate((silent, upstream))]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY},
        "router_settings": {"hedge_after": 0.05},
    }
    try:
        with running(config, tmp_path) as gateway:
            if operation == "seconds":
                upstream.reply(200, {"content-type": "application/json"}, b'{"text":"Hi."}')
                status, data = heard(gateway, "m", {})
            else:
                status, _, data = gateway.request("/v1/audio/speech", {**SAY, "model": "m"})
            assert status == 200, data
            (found,) = json.loads(gateway.request("/spend/logs/v2", method="GET")[2])["data"]
        assert len(silent.requests) == len(upstream.requests) == 1
        assert found["spend"] == pytest.approx(cost), found
    finally:
        silent.stop()


def test_who_leaves_pays_for_what_was_made(gateway: RunningGateway, upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n"
    upstream.script = lambda _: [head, b"3\r\none\r\n", b""]  # and hangs
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    connection.request("POST", "/v1/audio/speech", json.dumps(SAY), {"authorization": f"Bearer {KEY}"})
    answer = connection.getresponse()
    assert answer.read(3) == b"one"
    answer.close()
    connection.close()
    assert upstream.closed.wait(10)
    (found,) = json.loads(gateway.request("/spend/logs/v2", method="GET")[2])["data"]
    assert (found["status"], found["spend"]) == ("failure", 0.008)


def test_a_client_that_listens_slowly_holds_the_upstream_back(
    gateway: RunningGateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused, pause = threading.Event(), Heard.pause

    def noted(answer: Heard) -> None:
        paused.set()
        pause(answer)

    monkeypatch.setattr(Heard, "pause", noted)
    piece = b"%x\r\n%b\r\n" % (65536, bytes(65536))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/pcm\r\ntransfer-encoding: chunked\r\n\r\n"
    upstream.script = lambda _: [head, *[piece] * 800, b"0\r\n\r\n"]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("POST", "/v1/audio/speech", json.dumps(SAY), {"authorization": f"Bearer {KEY}"})
    answer = connection.getresponse()
    assert paused.wait(20)
    assert len(answer.read()) == 800 * 65536
    connection.close()
