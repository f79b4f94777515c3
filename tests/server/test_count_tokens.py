"""Counting tokens behind a running gateway: who is asked, in which words, and what is said where nobody counts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from servers import KEY, RunningGateway, Upstream, running

MESSAGES = "/v1/messages/count_tokens"
GOOGLE = "/v1beta/models/{}:countTokens"
RESPONSES = "/v1/responses/input_tokens"
ASKED = {"messages": [{"role": "user", "content": "Hello"}]}
ANSWERS = {
    "claude": {"input_tokens": 7},
    "gemini": {"totalTokens": 7},
    "gpt": {"object": "response.input_tokens", "input_tokens": 7},
    "converse": {"inputTokens": 7},
    "vertex": {"totalTokens": 7},
    "vertex-claude": {"input_tokens": 7},
}
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
VERTEX = "/v1/projects/p/locations/l"


@pytest.fixture(name="upstream", scope="module")
def fixture_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(name="gateway", scope="module")
def fixture_gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    def row(name: str, model: str, base: str = "", **more: Any) -> dict[str, Any]:
        params = {"model": model, "api_base": upstream.base + base, "api_key": "sk-up", **more}
        return {"model_name": name, "litellm_params": params}

    models = [
        row("claude", "anthropic/claude-sonnet-4-5", temperature=0.5, max_tokens=9),
        row("gemini", "gemini/gemini-2.5-flash", "/v1beta"),
        row("gpt", "openai/gpt-5", "/v1"),
        row("converse", f"bedrock/{SONNET}"),
        row("vertex", "vertex_ai/gemini-2.5-flash", VERTEX),
        row("vertex-claude", "vertex_ai/claude-sonnet-4-5@20250929", VERTEX),
        row("groq", "groq/llama-3.3-70b"),
        row("mixed", "groq/llama-3.3-70b"),
        row("mixed", "gemini/gemini-2.5-flash", "/v1beta"),
    ]
    config = {"model_list": models, "general_settings": {"master_key": KEY}}
    with running(config, tmp_path_factory.mktemp("count")) as served:
        yield served


def play(upstream: Upstream, document: Any, status: int = 200) -> None:
    upstream.requests.clear()
    upstream.reply(status, {"content-type": "application/json"}, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("model", "path", "where"),
    [
        ("claude", "/v1/messages/count_tokens", lambda body: body["messages"][0]["content"]),
        (
            "gemini",
            "/v1beta/models/gemini-2.5-flash:countTokens",
            lambda body: body["generateContentRequest"]["contents"][0]["parts"][0]["text"],
        ),
        ("gpt", "/v1/responses/input_tokens", lambda body: body["input"]),
        (
            "converse",
            "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens",
            lambda body: body["input"]["converse"]["messages"][0]["content"][0]["text"],
        ),
        (
            "vertex",
            f"{VERTEX}/publishers/google/models/gemini-2.5-flash:countTokens",
            lambda body: body["contents"][0]["parts"][0]["text"],
        ),
        (
            "vertex-claude",
            f"{VERTEX}/publishers/anthropic/models/count-tokens:rawPredict",
            lambda body: body["messages"][0]["content"],
        ),
    ],
)
def test_each_provider_is_asked_in_its_own_words(
    gateway: RunningGateway, upstream: Upstream, model: str, path: str, where: Callable[[Any], Any]
) -> None:
    play(upstream, ANSWERS[model])
    status, headers, data = gateway.request(MESSAGES, {"model": model, **ASKED})
    assert (status, json.loads(data)) == (200, {"input_tokens": 7})
    assert headers["x-headgate-count"] == "provider"
    line, _, body = upstream.requests[-1]
    assert line == f"POST {path} HTTP/1.1"
    assert "Hello" in json.dumps(where(json.loads(body)))


def test_a_body_that_its_provider_would_refuse_is_not_sent(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    play(upstream, ANSWERS["claude"])
    gateway.request(MESSAGES, {"model": "claude", **ASKED})
    assert json.loads(upstream.requests[-1][2]).keys() == {"model", "messages"}


def test_the_model_of_partners_is_named_in_the_body(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, ANSWERS["vertex-claude"])
    gateway.request(MESSAGES, {"model": "vertex-claude", **ASKED})
    sent = json.loads(upstream.requests[-1][2])
    assert (sent["model"], sent["anthropic_version"]) == ("claude-sonnet-4-5@20250929", "vertex-2023-10-16")


def test_betas_of_the_client_go_along(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, ANSWERS["vertex-claude"])
    headers = {"anthropic-beta": "context-management-2025-06-27"}
    gateway.request(MESSAGES, {"model": "vertex-claude", **ASKED}, headers)
    assert upstream.requests[-1][1]["anthropic-beta"] == headers["anthropic-beta"]


@pytest.mark.parametrize("model", ANSWERS)
def test_every_client_is_answered_in_its_own_words(
    gateway: RunningGateway, upstream: Upstream, model: str
) -> None:
    play(upstream, ANSWERS[model])
    google = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    status, _, data = gateway.request(GOOGLE.format(model), google)
    assert (status, json.loads(data)) == (200, {"totalTokens": 7})
    status, _, data = gateway.request(RESPONSES, {"model": model, "input": "Hello"})
    assert (status, json.loads(data)) == (200, {"object": "response.input_tokens", "input_tokens": 7})


def test_the_inner_request_names_the_providers_model(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, ANSWERS["gemini"])
    inner = {"model": "models/gemini", "contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    gateway.request(GOOGLE.format("gemini"), {"generateContentRequest": inner})
    sent = json.loads(upstream.requests[-1][2])["generateContentRequest"]
    assert sent == {**inner, "model": "models/gemini-2.5-flash"}


@pytest.mark.parametrize(
    ("model", "status"), [("converse", 400), ("vertex", 404), ("gpt", 429), ("claude", 500), ("claude", 401)]
)
def test_where_the_provider_fails_it_is_estimated(
    gateway: RunningGateway, upstream: Upstream, model: str, status: int
) -> None:
    play(upstream, {"message": "The provided model doesn't support counting tokens."}, status)
    found, headers, data = gateway.request(MESSAGES, {"model": model, **ASKED})
    assert (found, headers["x-headgate-count"]) == (200, "estimate")
    assert json.loads(data)["input_tokens"] > 0
    assert len(upstream.requests) == 1


def test_a_failed_count_does_not_make_the_model_rest(gateway: RunningGateway, upstream: Upstream) -> None:
    (one,) = gateway.gateway.snapshot.lookup("gpt").deployments
    before = list(one.track.fails)
    play(upstream, {"error": {"message": "no"}}, 500)
    gateway.request(MESSAGES, {"model": "gpt", **ASKED})
    assert list(one.track.fails) == before


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request_error"), (404, "not_found_error"), (413, "request_too_large")]
)
def test_what_is_wrong_with_a_request_is_told_in_the_providers_words(
    gateway: RunningGateway, upstream: Upstream, status: int, kind: str
) -> None:
    play(upstream, {"type": "error", "error": {"type": kind, "message": "not like this"}}, status)
    found, _, data = gateway.request(MESSAGES, {"model": "claude", **ASKED})
    assert found == status
    assert "not like this" in json.loads(data)["error"]["message"]


def test_of_a_group_the_one_that_counts_is_asked(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, ANSWERS["gemini"])
    _, headers, _ = gateway.request(MESSAGES, {"model": "mixed", **ASKED})
    assert headers["x-headgate-count"] == "provider"


def test_who_does_not_count_is_not_asked(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, {})
    status, headers, _ = gateway.request(MESSAGES, {"model": "groq", **ASKED})
    assert (status, headers["x-headgate-count"], upstream.requests) == (200, "estimate", [])


@pytest.mark.parametrize(
    "body",
    [
        ASKED,
        {"prompt": "Hello"},
        {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
        {"system": "Be brief.", **ASKED},
    ],
)
def test_litellms_page(gateway: RunningGateway, upstream: Upstream, body: dict[str, Any]) -> None:
    play(upstream, ANSWERS["claude"])
    status, _, data = gateway.request("/utils/token_counter", {"model": "claude", **body})
    told = {
        "total_tokens": 7,
        "request_model": "claude",
        "model_used": "claude-sonnet-4-5",
        "tokenizer_type": "anthropic_api",
    }
    assert (status, json.loads(data)) == (200, told)
    play(upstream, {}, 500)
    _, headers, data = gateway.request("/utils/token_counter", {"model": "claude", **body})
    assert (json.loads(data)["tokenizer_type"], headers["x-headgate-count"]) == ("estimate", "estimate")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (MESSAGES, ASKED, "model"),
        (MESSAGES, {"model": "claude"}, "messages"),
        (MESSAGES, {"model": "claude", "messages": 1}, "messages"),
        (RESPONSES, {"model": "gpt", "input": 1}, "input"),
        (GOOGLE.format("gemini"), {"contents": 1}, "contents"),
        ("/utils/token_counter", {"model": "claude"}, "messages"),
        (MESSAGES, b"{", ""),
    ],
)
def test_bad_requests_say_what_is_wrong(
    gateway: RunningGateway, upstream: Upstream, path: str, body: Any, param: str
) -> None:
    play(upstream, {})
    status, _, data = gateway.request(path, body)
    assert (status, upstream.requests) == (400, [])
    assert param in json.loads(data)["error"]["message"]


def test_a_key_that_may_not_use_the_model_counts_nothing(gateway: RunningGateway) -> None:
    status, _, _ = gateway.request(MESSAGES, {"model": "claude", **ASKED}, {"authorization": "Bearer sk-x"})
    assert status == 401


@pytest.mark.parametrize("model", ["claude", "converse", "gpt", "groq"])
def test_the_vendors_own_clients_count(gateway: RunningGateway, upstream: Upstream, model: str) -> None:
    play(upstream, ANSWERS.get(model, {}))
    base = f"http://127.0.0.1:{gateway.port}"
    hers = anthropic.Anthropic(api_key=KEY, base_url=base, max_retries=0)
    his = openai.OpenAI(api_key=KEY, base_url=base + "/v1", max_retries=0)
    with hers, his:
        counted = [
            hers.messages.count_tokens(model=model, messages=[{"role": "user", "content": "Hello"}]),
            his.responses.input_tokens.count(model=model, input="Hello"),
        ]
    assert all(one.input_tokens == 7 if model in ANSWERS else one.input_tokens > 0 for one in counted)


def test_the_page_is_there_without_a_folder_of_its_own(gateway: RunningGateway, tmp_path: Path) -> None:
    status, _, _ = gateway.request("/messages/count_tokens", {"model": "groq", **ASKED})
    assert status == 200
