"""What a call would cost, what would be sent for it and where it would go next; nobody is called."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from servers import KEY, RunningGateway, running

SECRET = "sk-upstream-0a1b2c3d4e5f"


def _row(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": SECRET, **params}}


PRICES = {
    "input_cost_per_token": 1e-3,
    "output_cost_per_token": 2e-3,
    "cache_read_input_token_cost": 1e-4,
    "cache_creation_input_token_cost": 5e-4,
    "output_cost_per_reasoning_token": 3e-3,
}
CONFIG = {
    "model_list": [
        _row("gpt", "openai/gpt-x", **PRICES, extra_headers={"x-team": "hush-hush"}),
        _row("claude", "anthropic/claude-sonnet-4-5"),
        _row("gemini", "gemini/gemini-2.5-flash"),
        _row("keyed", "openai/gpt-x", api_base=f"https://u:{SECRET}@x.io/v1?api-version=2&code={SECRET}"),
        _row("unpriced", "openai/model-that-nobody-knows"),
    ],
    "router_settings": {
        "fallbacks": [{"gpt": ["claude", {"model": "gemini", "temperature": 0}]}],
        "context_window_fallbacks": [{"gpt": ["gemini"]}],
        "default_fallbacks": ["unpriced"],
    },
    "general_settings": {"master_key": KEY},
}
HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module", name="gateway")
def fixture_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running(CONFIG, tmp_path_factory.mktemp("estimates")) as served:
        yield served


def ask(gateway: RunningGateway, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {key}"}
    status, _, data = gateway.request(path, body, headers, "GET" if body is None else "POST")
    assert SECRET.encode() not in data
    assert b"hush-hush" not in data
    return status, json.loads(data)


def test_an_estimate_by_part_and_by_period(gateway: RunningGateway) -> None:
    body = {
        "model": "gpt",
        "input_tokens": 100,
        "output_tokens": 50,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 10,
        "reasoning_tokens": 5,
        "num_requests_per_day": 10,
    }
    status, found = ask(gateway, "/cost/estimate", body)
    assert status == 200, found
    each = {name.removesuffix("_per_request"): found[name] for name in found if name.endswith("_per_request")}
    assert each == {
        "cost": 0.182,
        "input_cost": 0.077,
        "output_cost": 0.105,
        "cache_read_cost": 0.002,
        "cache_creation_cost": 0.005,
        "reasoning_cost": 0.015,
        "margin_cost": 0.0,
    }
    assert (found["daily_cost"], found["daily_input_cost"], found["monthly_cost"]) == (1.82, 0.77, None)
    assert {name: found[name] for name in PRICES} == PRICES
    assert {name: found[name] for name in body} == body
    assert found["provider"] == "openai"


def test_an_estimate_of_what_is_not_served(gateway: RunningGateway) -> None:
    body = {"model": "gpt-4o", "input_tokens": 10, "output_tokens": 1}
    status, found = ask(gateway, "/cost/estimate", body)
    assert (status, found["provider"], found["cost_per_request"] > 0) == (200, "openai", True)
    assert ask(gateway, "/cost/estimate", {**body, "model": "unpriced"})[0] == 404
    key = ask(gateway, "/key/generate", {"models": ["claude"]})[1]["key"]
    for name in ("gpt", "nothing"):
        assert ask(gateway, "/cost/estimate", {**body, "model": name}, key)[0] == 403
    assert ask(gateway, "/cost/estimate", {**body, "model": "claude"}, key)[0] == 200


def test_what_would_be_sent(gateway: RunningGateway) -> None:
    chat = {"model": "gpt", "messages": HI, "temperature": 0.5}
    status, found = ask(
        gateway, "/utils/transform_request", {"call_type": "completion", "request_body": chat}
    )
    assert (status, found["raw_request_api_base"]) == (200, "https://api.openai.com/v1/chat/completions")
    assert found["raw_request_body"] == {**chat, "model": "gpt-x"}
    lines = found["raw_request_headers"]
    assert (lines["authorization"], lines["x-team"]) == ("***", "***")
    assert lines["content-type"] == "application/json"
    assert found["error"] is None


@pytest.mark.parametrize(
    ("kind", "model", "body", "end", "part"),
    [
        ("acompletion", "claude", {"messages": HI}, "/v1/messages", {"model": "claude-sonnet-4-5"}),
        ("anthropic_messages", "gpt", {"messages": HI, "max_tokens": 5}, "/v1/chat/completions", {}),
        ("completion", "gemini", {"messages": HI}, ":generateContent", {}),
        ("completion", "gemini", {"messages": HI, "stream": True}, "GenerateContent?alt=sse", {}),
        ("embedding", "gpt", {"input": "Hi"}, "/v1/embeddings", {"input": "Hi", "model": "gpt-x"}),
        ("responses", "gpt", {"input": "Hi"}, "/v1/responses", {"input": "Hi"}),
        ("moderation", "gpt", {"input": "Hi"}, "/v1/moderations", {"input": "Hi"}),
        ("text_completion", "gpt", {"prompt": "Hi"}, "/v1/completions", {"prompt": "Hi"}),
    ],
)
def test_what_would_be_sent_in_other_formats(
    gateway: RunningGateway, kind: str, model: str, body: dict[str, Any], end: str, part: dict[str, Any]
) -> None:
    asked = {"call_type": kind, "request_body": {"model": model, **body}}
    status, found = ask(gateway, "/utils/transform_request", asked)
    assert (status, found.get("raw_request_api_base", "")[-len(end) :]) == (200, end), found
    assert part.items() <= found["raw_request_body"].items()


def test_an_address_is_shown_without_its_secrets(gateway: RunningGateway) -> None:
    asked = {"call_type": "completion", "request_body": {"model": "keyed", "messages": HI}}
    base = ask(gateway, "/utils/transform_request", asked)[1]["raw_request_api_base"]
    assert base == "https://x.io/v1?api-version=2&code=***"


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/cost/estimate", {}, 400, "model"),
        ("/cost/estimate", {"model": "gpt"}, 400, "input_tokens"),
        ("/cost/estimate", {"model": "gpt", "input_token": 1}, 400, "input_token"),
        ("/cost/estimate", {"model": "gpt", "input_tokens": -1}, 400, "input_tokens"),
        (
            "/cost/estimate",
            {"model": "gpt", "input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 2},
            400,
            "cache_read_input_tokens",
        ),
        (
            "/cost/estimate",
            {"model": "gpt", "input_tokens": 1, "output_tokens": 1, "reasoning_tokens": 2},
            400,
            "reasoning_tokens",
        ),
        ("/utils/transform_request", {}, 400, "call_type"),
        ("/utils/transform_request", {"call_type": "completion"}, 400, "request_body"),
        (
            "/utils/transform_request",
            {"call_type": "completions", "request_body": {"model": "gpt"}},
            400,
            "call_type",
        ),
        (
            "/utils/transform_request",
            {"call_type": "completion", "request_body": {"messages": HI}},
            400,
            "request_body.model",
        ),
        (
            "/utils/transform_request",
            {"call_type": "completion", "request_body": {"model": "gpd", "messages": HI}},
            404,
            "model",
        ),
        (
            "/utils/transform_request",
            {"call_type": "completion", "request_body": {"model": "claude", "messages": "Hi"}},
            400,
            "messages",
        ),
        ("/fallback/gpt?fallback_type=some", None, 400, "fallback_type"),
        ("/fallback/gpt?kind=some", None, 400, "kind"),
        ("/fallback/gpd", None, 404, "model"),
        ("/fallback/claude?fallback_type=content_policy", None, 404, "model"),
    ],
)
def test_what_can_not_be_meant_is_named(
    gateway: RunningGateway, path: str, body: Any, status: int, param: str
) -> None:
    found = ask(gateway, path, body)
    assert (found[0], found[1]["error"]["param"]) == (status, param), found


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        ("gpt", ["claude", "gemini"]),
        ("gpt?fallback_type=context_window", ["gemini"]),
        ("claude", ["unpriced"]),
    ],
)
def test_fallbacks_are_those_of_the_configuration(
    gateway: RunningGateway, query: str, targets: list[str]
) -> None:
    status, found = ask(gateway, f"/fallback/{query}")
    assert (status, found["fallback_models"]) == (200, targets)
