"""Idempotency-Key: one upstream call and one ledger row, however often a call is repeated."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateways import KEY
from headgate.wire.multipart import Part, Writer
from servers import RunningGateway, Upstream, running

ANSWER = (
    b'{"id":"c","model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}'
)
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
EVENTS = [
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%d"}}]}\n\n' % number
    for number in range(5)
] + [b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"]


@pytest.fixture(name="upstream")
def fixture_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    upstream.reply(200, {"content-type": "application/json"}, ANSWER)
    yield upstream
    upstream.stop()


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Any) -> Iterator[RunningGateway]:
    row = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "sk-up", "num_retries": 0}
    config = {
        "model_list": [{"model_name": "m", "litellm_params": row}],
        "general_settings": {"master_key": KEY},
    }
    with running(config, tmp_path) as served:
        yield served


def ask(gateway: RunningGateway, key: str, body: dict[str, Any] = BODY) -> tuple[int, bytes]:
    headers = {"authorization": f"Bearer {KEY}", "idempotency-key": key}
    status, _, data = gateway.request("/v1/chat/completions", body, headers)
    return status, data


def rows(gateway: RunningGateway) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {KEY}"}
    found = json.loads(gateway.request("/spend/logs/v2", None, headers, "GET")[2])["data"]
    return [row for row in found if row["call_type"] == "chat"]


def test_a_repeated_call_gets_the_stored_answer(gateway: RunningGateway, upstream: Upstream) -> None:
    assert [ask(gateway, "one") for _ in range(3)] == [(200, ANSWER)] * 3
    assert ask(gateway, "two") == (200, ANSWER)
    assert len(upstream.requests) == 2
    assert len(rows(gateway)) == 2


def test_the_same_key_for_something_else_is_refused(gateway: RunningGateway, upstream: Upstream) -> None:
    assert ask(gateway, "one")[0] == 200
    status, data = ask(gateway, "one", {**BODY, "temperature": 1})
    assert (status, json.loads(data)["error"]["code"]) == (409, "idempotency_conflict")
    assert len(upstream.requests) == 1


def test_calls_at_once_are_one(gateway: RunningGateway, upstream: Upstream) -> None:
    gate = threading.Barrier(8)

    def one(_: int) -> tuple[int, bytes]:
        gate.wait()
        return ask(gateway, "together")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [(200, ANSWER)] * 8
    assert len(upstream.requests) == 1
    assert len(rows(gateway)) == 1


def test_a_stream_is_repeated_from_its_first_event(gateway: RunningGateway, upstream: Upstream) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    upstream.script = lambda _: [head, *EVENTS]
    body = {**BODY, "stream": True}
    assert [ask(gateway, "stream", body) for _ in range(2)] == [(200, b"".join(EVENTS))] * 2
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_may_pass_is_not_stored(
    gateway: RunningGateway, upstream: Upstream, status: int
) -> None:
    upstream.reply(status, {}, b'{"error":{"message":"later"}}')
    assert ask(gateway, "again")[0] == status
    upstream.reply(200, {"content-type": "application/json"}, ANSWER)
    assert ask(gateway, "again") == (200, ANSWER)


def test_a_failure_that_stays_is_stored(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(400, {}, b'{"error":{"message":"wrong"}}')
    assert [ask(gateway, "wrong")[0] for _ in range(2)] == [400, 400]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_none_is_refused(gateway: RunningGateway, key: str) -> None:
    status, data = ask(gateway, key)
    assert (status, json.loads(data)["error"]["param"]) == (400, "Idempotency-Key")


# --- uploads ---------------------------------------------------------------------------------------------

AUTH = {"authorization": f"Bearer {KEY}"}
WAYS = {
    "sound": ("/v1/audio/transcriptions", "file", "whisper", b'{"text":"Hi."}'),
    "picture": ("/v1/images/edits", "image", "draw", b'{"data":[{"b64_json":"AA=="}]}'),
}
LARGE = b"\x89PNG" + bytes(range(256)) * 12_000


@pytest.fixture(name="uploads")
def fixture_uploads(upstream: Upstream, tmp_path: Any) -> Iterator[RunningGateway]:
    models = {"whisper": "openai/whisper-1", "draw": "openai/gpt-image-1"}
    rows = [
        {
            "model_name": name,
            "litellm_params": {
                "model": model,
                "api_base": upstream.base,
                "api_key": "sk-up",
                "num_retries": 0,
            },
        }
        for name, model in models.items()
    ]
    with running({"model_list": rows, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


def send(
    gateway: RunningGateway, way: str, data: bytes, boundary: bytes, *, key: str = "one", prompt: str = "p"
) -> tuple[int, bytes]:
    path, name, model, _ = WAYS[way]
    form = Writer(boundary)
    body = form.head(Part(name, "a.bin", "image/png")) + data + form.tail
    body += form.field("model", model) + form.field("prompt", prompt) + form.end()
    headers = {**AUTH, "idempotency-key": key, "content-type": form.content_type}
    status, _, answer = gateway.request(path, body, headers)
    return status, answer


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", [b"\x89PNG", LARGE], ids=["small", "large"])
def test_an_upload_is_made_once(uploads: RunningGateway, upstream: Upstream, way: str, data: bytes) -> None:
    answer = WAYS[way][-1]
    upstream.reply(200, {"content-type": "application/json"}, answer)
    boundaries = (b"first", b"second", b"third")  # clients choose another one for each request
    assert [send(uploads, way, data, one) for one in boundaries] == [(200, answer)] * 3
    for other in ({"data": data + b"!"}, {"data": data, "prompt": "q"}):
        status, said = send(uploads, way, boundary=b"first", **other)
        assert (status, json.loads(said)["error"]["code"]) == (409, "idempotency_conflict")
    assert len(upstream.requests) == 1
    assert data in upstream.requests[0][2]
    assert send(uploads, way, data, b"first", key="two") == (200, answer)
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("way", WAYS)
def test_uploads_at_once_are_one(uploads: RunningGateway, upstream: Upstream, way: str) -> None:
    gate, answer = threading.Barrier(4), WAYS[way][-1]
    upstream.reply(200, {"content-type": "application/json"}, answer)

    def one(number: int) -> tuple[int, bytes]:
        gate.wait()
        return send(uploads, way, LARGE, b"boundary-%d" % number)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [(200, answer)] * 4
    assert len(upstream.requests) == 1


def test_an_upload_that_failed_for_now_is_sent_anew(uploads: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(503, {}, b'{"error":{"message":"later"}}')
    assert send(uploads, "picture", LARGE, b"b")[0] == 503
    upstream.reply(200, {"content-type": "application/json"}, WAYS["picture"][-1])
    assert send(uploads, "picture", LARGE, b"b")[0] == 200
    assert all(LARGE in body for _, _, body in upstream.requests)


def test_an_upload_that_is_none_is_refused_each_time(uploads: RunningGateway, upstream: Upstream) -> None:
    for _ in range(2):
        status, _, said = uploads.request(
            "/v1/audio/transcriptions",
            b"junk",
            {**AUTH, "idempotency-key": "one", "content-type": "text/plain"},
        )
        assert (status, json.loads(said)["error"]["param"]) == (400, "request_body")
    assert send(uploads, "sound", b"sound", b"b", key="k" * 256)[0] == 400
    assert upstream.requests == []
