"""LiteLLM's router settings as they stand in a config.yaml, by what they do to calls; and what can't be meant."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateways import KEY
from headgate.server.config.load import check
from servers import RunningGateway, Upstream, running

ADMIN = {"authorization": f"Bearer {KEY}"}
Rows = list[dict[str, Any]]


def answer(word: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": word}, "finish_reason": "stop"}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": None}).encode()


@pytest.fixture(name="pair")
def fixture_pair() -> Iterator[tuple[Upstream, Upstream]]:
    made = Upstream(), Upstream()
    for upstream, word in zip(made, ("first", "second"), strict=True):
        upstream.reply(200, {"content-type": "application/json"}, answer(word))
    yield made
    for upstream in made:
        upstream.stop()


Pair = tuple[Upstream, Upstream]


def row(name: str, upstream: Upstream, **params: Any) -> dict[str, Any]:
    given = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "sk-up", **params}
    return {"model_name": name, "litellm_params": given}


def refuse(upstream: Upstream, status: int, message: str = "no", **more: Any) -> None:
    upstream.reply(status, {}, json.dumps({"error": {"message": message, **more}}).encode())


@pytest.fixture(name="serve")
def fixture_serve(tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def serve(rows: Rows, router: dict[str, Any], **more: Any) -> Iterator[RunningGateway]:
        config = {
            "model_list": rows,
            "router_settings": router,
            "general_settings": {"master_key": KEY},
            **more,
        }
        with running(config, tmp_path) as gateway:
            yield gateway

    return serve


def ask(gateway: RunningGateway, model: str = "m", **more: Any) -> str:
    """What was said, or the status."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
    status, _, data = gateway.request("/v1/chat/completions", body, ADMIN)
    document = json.loads(data)
    return str(document["choices"][0]["message"]["content"]) if status == 200 else str(status)


@pytest.mark.parametrize("block", ["router_settings", "litellm_settings"])
@pytest.mark.parametrize(
    ("settings", "failure"),
    [
        ({"fallbacks": [{"m": ["n"]}]}, {"status": 500}),
        ({"fallbacks": [{"*": ["n"]}]}, {"status": 500}),
        ({"default_fallbacks": ["n"]}, {"status": 500}),
        (
            {"context_window_fallbacks": [{"m": ["n"]}]},
            {
                "status": 400,
                "message": "maximum context length is 8 tokens",
                "code": "context_length_exceeded",
            },
        ),
        (
            {"content_policy_fallbacks": [{"m": ["n"]}]},
            {"status": 400, "message": "content policy", "code": "content_policy_violation"},
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_fallbacks(
    serve: Callable[..., Any], pair: Pair, block: str, settings: dict[str, Any], failure: dict[str, Any]
) -> None:
    refuse(pair[0], **failure)
    router = {"num_retries": 0, **(settings if block == "router_settings" else {})}
    more = {"litellm_settings": settings} if block == "litellm_settings" else {}
    with serve([row("m", pair[0]), row("n", pair[1])], router, **more) as gateway:
        assert ask(gateway) == "second"


@pytest.mark.parametrize(
    ("key", "settings", "status"),
    [
        ("mock_testing_fallbacks", {"fallbacks": [{"m": ["n"]}]}, 500),
        ("mock_testing_rate_limit_error", {"fallbacks": [{"m": ["n"]}]}, 429),
        ("mock_testing_context_fallbacks", {"context_window_fallbacks": [{"m": ["n"]}]}, 400),
        ("mock_testing_content_policy_fallbacks", {"content_policy_fallbacks": [{"m": ["n"]}]}, 400),
    ],
)
def test_fallbacks_are_tried_without_a_failure(
    serve: Callable[..., Any], pair: Pair, key: str, settings: dict[str, Any], status: int
) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "a"}], key: True}
    with serve([row("m", pair[0]), row("n", pair[1]), row("alone", pair[1])], settings) as gateway:
        code, _, data = gateway.request("/v1/chat/completions", asked, ADMIN)
        assert (code, json.loads(data)["choices"][0]["message"]["content"]) == (200, "second")
        assert (pair[0].requests, key.encode() in pair[1].requests[0][2]) == ([], False)
        code, _, data = gateway.request("/v1/chat/completions", {**asked, "model": "alone"}, ADMIN)
        assert (code, f"{key}: 'alone' was not asked" in json.loads(data)["error"]["message"]) == (
            status,
            True,
        )
        assert gateway.request("/v1/chat/completions", {**asked, key: False}, ADMIN)[0] == 200
        assert gateway.request("/v1/chat/completions", {**asked, key: "yes"}, ADMIN)[0] == 400


def test_a_row_may_bring_its_own_answer(serve: Callable[..., Any], pair: Pair) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    rows = [
        row("said", pair[0], mock_response="From the file"),
        row("calls", pair[0], mock_tool_calls=[call]),
        row("late", pair[0], mock_timeout=True, timeout=0.05),
        row("asked", pair[0]),
    ]
    with serve(rows, {"num_retries": 0}) as gateway:
        assert ask(gateway, "said") == "From the file"
        body = {"model": "calls", "messages": [{"role": "user", "content": "a"}]}
        found = json.loads(gateway.request("/v1/chat/completions", body, ADMIN)[2])["choices"][0]
        assert found["message"]["tool_calls"][0]["function"]["name"] == "f"
        assert ask(gateway, "late") == "408"
        body = {"model": "said", "messages": [{"role": "user", "content": "a"}], "stream": True}
        status, headers, data = gateway.request("/v1/chat/completions", body, ADMIN)
        assert (status, b"From" in data, headers["x-headgate-provider"]) == (200, True, "mock")
        assert pair[0].requests == []
        calls = json.loads(gateway.request("/spend/logs", None, ADMIN, "GET")[2])
        assert {one["spend"] for one in calls if one["model_group"] == "said"} == {0.000225}
        assert ask(gateway, "asked") == "first"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("RateLimitError", 429, "429"),
        ("InternalServerError", 500, "500"),
        ("ServiceUnavailableError", 503, "503"),
        ("ContextWindowExceededError", 400, "context_length_exceeded"),
    ],
)
def test_a_mock_response_may_be_an_error(
    serve: Callable[..., Any], pair: Pair, name: str, status: int, code: str
) -> None:
    with serve([row("m", pair[0]), row("set", pair[0], mock_response=f"litellm.{name}")], {}) as gateway:
        body = {"model": "m", "messages": [], "mock_response": f"litellm.{name}", "num_retries": 0}
        for asked in (body, {"model": "set", "messages": [], "num_retries": 0}):
            found, _, data = gateway.request("/v1/chat/completions", asked, ADMIN)
            assert (found, json.loads(data)["error"]["code"]) == (status, code)


def test_fallbacks_in_a_circle_end_and_max_fallbacks_bounds_them(
    serve: Callable[..., Any], pair: Pair
) -> None:
    for upstream in pair:
        refuse(upstream, 500)
    rows = [row("m", pair[0]), row("n", pair[1]), row("o", pair[1])]
    circle = [{"m": ["n"]}, {"n": ["m", "o"]}]
    with serve(rows, {"num_retries": 0, "fallbacks": circle, "max_fallbacks": 1}) as gateway:
        assert ask(gateway) == "500"
        assert [len(upstream.requests) for upstream in pair] == [1, 1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({"weight": 0}, {"weight": 1}, ["second"]),
        ({"weight": 1}, {"weight": 1}, ["first", "second"]),
        ({"rpm": 0}, {"rpm": 900}, ["second"]),
        ({"tpm": 100}, {"tpm": 0}, ["first"]),
        ({"order": 1}, {"order": 2}, ["first"]),
    ],
    ids=str,
)
def test_weights_and_order(
    serve: Callable[..., Any], pair: Pair, first: dict[str, Any], second: dict[str, Any], expected: list[str]
) -> None:
    with serve([row("m", pair[0], **first), row("m", pair[1], **second)], {}) as gateway:
        assert sorted({ask(gateway) for _ in range(24)}) == expected


def test_a_cooldown_and_allowed_fails(serve: Callable[..., Any], pair: Pair) -> None:
    refuse(pair[0], 500)
    rows = [row("m", pair[0], order=1), row("m", pair[1], order=2)]
    with serve(rows, {"allowed_fails": 1, "cooldown_time": 60}) as gateway:
        assert {ask(gateway) for _ in range(10)} == {"second"}
        assert len(pair[0].requests) == 2


def test_allowed_fails_by_class(serve: Callable[..., Any], pair: Pair) -> None:
    refuse(pair[0], 500)
    rows = [row("m", pair[0], order=1), row("m", pair[1], order=2)]
    policy = {"InternalServerErrorAllowedFails": 4}
    with serve(rows, {"allowed_fails_policy": policy, "cooldown_time": 60}) as gateway:
        assert {ask(gateway) for _ in range(10)} == {"second"}
        assert len(pair[0].requests) == 5


def test_retry_policies(serve: Callable[..., Any], pair: Pair) -> None:
    refuse(pair[0], 500)
    refuse(pair[1], 400)
    settings = {
        "retry_policy": {"InternalServerErrorRetries": 0},
        "model_group_retry_policy": {"n": {"BadRequestErrorRetries": 1}},
    }
    with serve([row("m", pair[0]), row("n", pair[1])], settings) as gateway:
        assert (ask(gateway), ask(gateway, "n")) == ("500", "400")
        assert [len(upstream.requests) for upstream in pair] == [1, 2]


def test_tags(serve: Callable[..., Any], pair: Pair) -> None:
    rows = [row("m", pair[0], tags=["free"]), row("m", pair[1], tags=["paid", "default"])]
    with serve(rows, {"enable_tag_filtering": True}) as gateway:
        assert {ask(gateway) for _ in range(8)} == {"second"}
        assert {ask(gateway, tags=["free"]) for _ in range(8)} == {"first"}
        assert {ask(gateway, metadata={"tags": ["paid"]}) for _ in range(8)} == {"second"}
        assert ask(gateway, tags=["nobody"]) == "400"
        made = json.loads(gateway.request("/key/generate", {"tags": ["free"]}, ADMIN)[2])["key"]
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        _, _, data = gateway.request("/v1/chat/completions", body, {"authorization": f"Bearer {made}"})
        assert b"first" in data


def test_regions(serve: Callable[..., Any], pair: Pair) -> None:
    rows = [row("m", pair[0], region_name="us-east-1"), row("m", pair[1], region_name="eu-west-1")]
    with serve(rows, {}) as gateway:
        asked = {"metadata": {"allowed_model_region": "eu"}}
        made = json.loads(gateway.request("/key/generate", asked, ADMIN)[2])["key"]
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {made}"}
        for _ in range(8):
            assert b"second" in gateway.request("/v1/chat/completions", body, headers)[2]


def test_rows_of_a_team_are_for_its_calls(serve: Callable[..., Any], pair: Pair) -> None:
    theirs = row("m", pair[1], order=1) | {"model_info": {"team_id": "t1"}}
    with serve([row("m", pair[0], order=2), theirs], {}) as gateway:
        assert {ask(gateway) for _ in range(8)} == {"first"}
        gateway.request("/team/new", {"team_id": "t1"}, ADMIN)
        made = json.loads(gateway.request("/key/generate", {"team_id": "t1"}, ADMIN)[2])["key"]
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {made}"}
        for _ in range(8):
            assert b"second" in gateway.request("/v1/chat/completions", body, headers)[2]


def test_pictures_go_to_models_that_see(serve: Callable[..., Any], pair: Pair) -> None:
    blind = row("m", pair[0]) | {"model_info": {"supports_vision": False}}
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with serve([blind, row("m", pair[1])], {"enable_pre_call_checks": True}) as gateway:
        seen = [{"role": "user", "content": [part]}]
        assert {ask(gateway, messages=seen) for _ in range(8)} == {"second"}
        assert {ask(gateway) for _ in range(24)} == {"first", "second"}


def test_an_alias_and_a_pattern(serve: Callable[..., Any], pair: Pair) -> None:
    rows = [row("m", pair[0]), row("openai/*", pair[1], model="openai/*")]
    with serve(rows, {"model_group_alias": {"fast": "m"}}) as gateway:
        assert (ask(gateway, "fast"), ask(gateway, "openai/gpt-5")) == ("first", "second")


def test_pre_call_checks(serve: Callable[..., Any], pair: Pair) -> None:
    small = row("m", pair[0]) | {"model_info": {"max_input_tokens": 10}}
    with serve([small, row("m", pair[1])], {"enable_pre_call_checks": True}) as gateway:
        long = [{"role": "user", "content": "word " * 100}]
        assert {ask(gateway, messages=long) for _ in range(8)} == {"second"}
        assert {ask(gateway) for _ in range(24)} == {"first", "second"}


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"routing_strategy": "the-best"}, "routing_strategy"),
        ({"fallbacks": [{"m": ["nobody"]}]}, "fallbacks"),
        ({"model_group_alias": {"a": "nobody"}}, "model_group_alias"),
        ({"retry_policy": {"SomeErrorRetries": 1}}, "retry_policy"),
        ({"allowed_fails_policy": {"TimeoutErrorAllowedFails": -1}}, "allowed_fails_policy"),
        ({"on_stream_break": "hold(x)"}, "on_stream_break"),
        ({"hedge_after": "p0"}, "hedge_after"),
        ({"cooldown_time": -1}, "cooldown_time"),
        ({"sticky": "moon"}, "sticky"),
    ],
    ids=lambda value: str(value),
)
def test_settings_that_can_not_be_meant_are_refused_with_their_line(
    tmp_path: Path, settings: dict[str, Any], part: str
) -> None:
    file = tmp_path / "config.yaml"
    model = {"model_name": "m", "litellm_params": {"model": "mock/echo"}}
    file.write_text(yaml.safe_dump({"model_list": [model], "router_settings": settings}))
    (problem,) = check(file, {})
    assert problem.severity == "error"
    assert part in problem.path
    assert problem.line


@pytest.mark.parametrize("weight", [-1, "heavy"])
def test_weights_that_can_not_be_meant_are_refused(tmp_path: Path, weight: Any) -> None:
    file = tmp_path / "config.yaml"
    model = {"model_name": "m", "litellm_params": {"model": "mock/echo", "weight": weight}}
    file.write_text(yaml.safe_dump({"model_list": [model]}))
    assert [problem.severity for problem in check(file, {})] == ["error"]
