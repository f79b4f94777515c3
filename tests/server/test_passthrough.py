"""A provider's own API through us: our key in, the provider's out, bytes untouched, cost booked where it is told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from servers import KEY, RunningGateway, Upstream, running

CHAT = (
    b'{"id":"c","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},'
    b'"finish_reason":"stop"}],  "usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}'
)
STREAM = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
    b'"model":"claude-3-haiku-20240307","content":[],"stop_reason":null,"usage":{"input_tokens":1000,'
    b'"output_tokens":1}}}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":100}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
AUTH = {"authorization": f"Bearer {KEY}"}


def row(name: str, model: str, key: str, base: str) -> dict[str, Any]:
    params = {"model": model, "api_key": key, "api_base": base, "use_in_pass_through": True}
    return {"model_name": name, "litellm_params": params}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Any) -> Iterator[RunningGateway]:
    config = {
        "model_list": [
            row("gpt", "openai/gpt-4o", "sk-openai-upstream", upstream.base + "/v1"),
            row("claude", "anthropic/claude-3-haiku-20240307", "sk-ant-upstream", upstream.base),
        ],
        "general_settings": {
            "master_key": KEY,
            "pass_through_endpoints": [
                {
                    "path": "/v9/score",
                    "target": upstream.base + "/score",
                    "headers": {"x-token": "own"},
                    "include_subpath": True,
                    "methods": ["POST"],
                    "cost_per_request": 0.25,
                },
                {"path": "/status", "target": upstream.base + "/up", "auth": False, "forward_headers": False},
            ],
        },
    }
    with running(config, tmp_path) as served:
        yield served


def spent(gateway: RunningGateway) -> float:
    rows = json.loads(gateway.request("/spend/logs/v2", None, AUTH, "GET")[2])["data"]
    return float(sum(row["spend"] for row in rows))


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/openai/chat/completions"])
def test_the_answer_comes_as_it_is_and_is_booked(
    gateway: RunningGateway, upstream: Upstream, path: str
) -> None:
    upstream.reply(200, {"content-type": "application/json", "x-own": "yes"}, CHAT)
    body = b'{"model": "gpt-4o",  "odd": [1,2 ,3]}'
    status, headers, data = gateway.request(path, body, {**AUTH, "x-more": "1"})
    assert (status, data, headers["x-own"]) == (200, CHAT, "yes")
    ((line, sent, asked),) = upstream.requests
    assert (line, asked) == ("POST /v1/chat/completions HTTP/1.1", body)
    assert (sent["authorization"], sent["x-more"]) == ("Bearer sk-openai-upstream", "1")
    assert KEY not in str(sent)
    assert spent(gateway) == pytest.approx(1000 * 2.5e-6 + 100 * 10e-6)


def test_a_stream_comes_as_it_is_and_is_booked(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "text/event-stream"}, STREAM)
    body = {"model": "claude-3-haiku-20240307", "stream": True, "max_tokens": 200, "messages": []}
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    status, _, data = gateway.request("/anthropic/v1/messages", body, headers)
    assert (status, data) == (200, STREAM)
    line, sent, _ = upstream.requests[0]
    assert (line, sent["x-api-key"]) == ("POST /v1/messages HTTP/1.1", "sk-ant-upstream")
    assert sent["anthropic-version"] == "2023-06-01"
    assert spent(gateway) == pytest.approx(1000 * 0.25e-6 + 100 * 1.25e-6)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_every_method_and_the_query_travel(gateway: RunningGateway, upstream: Upstream, method: str) -> None:
    upstream.reply(200, {"content-type": "application/json"}, b'{"data":[]}')
    status, _, data = gateway.request("/openai/files?limit=2&after=a%2Fb", None, AUTH, method)
    assert (status, data) == (200, b'{"data":[]}')
    assert upstream.requests[0][0] == f"{method} /v1/files?limit=2&after=a%2Fb HTTP/1.1"


def test_an_error_of_the_provider_comes_as_it_is(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(418, {"content-type": "application/json"}, b'{"error":"short and stout"}')
    status, _, data = gateway.request("/openai/v1/anything", {"a": 1}, AUTH)
    assert (status, data) == (418, b'{"error":"short and stout"}')


def test_without_a_key_nothing_is_asked(gateway: RunningGateway, upstream: Upstream) -> None:
    status, _, _ = gateway.request("/openai/v1/models", None, {"authorization": "Bearer sk-wrong"}, "GET")
    assert (status, upstream.requests) == (401, [])


def test_a_key_keeps_to_its_models_and_its_budget(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, CHAT)
    limits = {"models": ["openai/gpt-4o"], "max_budget": 0.004}
    made = json.loads(gateway.request("/key/generate", limits, AUTH)[2])
    own = {"authorization": f"Bearer {made['key']}"}
    path = "/openai/v1/chat/completions"
    assert gateway.request(path, {"model": "gpt-4o-mini", "max_tokens": 1}, own)[0] == 403
    status, _, data = gateway.request(path, {"model": "gpt-4o", "max_tokens": 100}, own)
    assert status == 200, data
    assert gateway.request(path, {"model": "gpt-4o", "max_tokens": 100}, own)[0] == 422
    assert len(upstream.requests) == 1


def test_a_model_counts_as_the_group_that_it_serves(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, CHAT)
    limits = {"models": ["gpt", "openai/o3"], "model_rpm_limit": {"gpt": 1, "openai/o3": 1}}
    made = json.loads(gateway.request("/key/generate", limits, AUTH)[2])
    own = {"authorization": f"Bearer {made['key']}"}
    asked = ["gpt-4o", "gpt-4o", "o3", "o3"]
    statuses = [gateway.request("/openai/v1/chat/completions", {"model": model}, own)[0] for model in asked]
    assert statuses == [200, 429, 200, 429]
    rows = json.loads(gateway.request("/spend/logs/v2", None, AUTH, "GET")[2])["data"]
    assert {row["model_group"] for row in rows if row["spend"]} == {"gpt", "openai/o3"}


def test_a_provider_s_budget_holds(upstream: Upstream, tmp_path: Any) -> None:
    upstream.reply(200, {"content-type": "application/json"}, CHAT)
    config = {
        "model_list": [row("gpt", "openai/gpt-4o", "sk-openai-upstream", upstream.base + "/v1")],
        "router_settings": {"provider_budget_config": {"openai": {"budget_limit": 0.004}}},
        "general_settings": {"master_key": KEY},
    }
    asked = {"model": "gpt-4o", "max_tokens": 100}
    with running(config, tmp_path) as served:
        assert [served.request("/openai/v1/chat/completions", asked, AUTH)[0] for _ in range(2)] == [200, 429]
        assert (
            served.request("/v1/chat/completions", {**asked, "model": "gpt", "messages": []}, AUTH)[0] == 429
        )
    assert len(upstream.requests) == 1


def test_a_provider_without_a_credential_says_what_is_missing(gateway: RunningGateway) -> None:
    status, _, data = gateway.request("/groq/v1/chat", {"model": "command-r"}, AUTH)
    assert status == 401
    assert b"GROQ_API_KEY" in data


def test_configured_paths(gateway: RunningGateway, upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "text/plain"}, b"ok")
    assert gateway.request("/v9/score/deep?x=1", b"raw", AUTH)[2] == b"ok"
    line, sent, asked = upstream.requests[0]
    assert (line, asked, sent["x-token"]) == ("POST /score/deep?x=1 HTTP/1.1", b"raw", "own")
    assert "authorization" not in sent
    assert spent(gateway) == 0.25
    assert gateway.request("/v9/score", None, AUTH, "GET")[0] == 405
    assert gateway.request("/status", None, {"x-secret": "mine"}, "GET")[2] == b"ok"
    assert "x-secret" not in upstream.requests[-1][1]


def test_a_path_of_nobody_is_not_found(gateway: RunningGateway) -> None:
    assert gateway.request("/nobody/v1/chat", {}, AUTH)[0] == 404
