"""What the gateway does beside choosing: copies, stickiness, health, explanations, bounded deployments; over HTTP."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateways import KEY
from servers import RunningGateway, Upstream, running

ADMIN = {"authorization": f"Bearer {KEY}"}


def answer(model: str = "m") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    return json.dumps({"id": "c", "model": model, "choices": [choice], "usage": usage}).encode()


@pytest.fixture(name="upstreams")
def fixture_upstreams() -> Iterator[list[Upstream]]:
    """Two that answer."""
    made = [Upstream(), Upstream()]
    for upstream in made:
        upstream.reply(200, {"content-type": "application/json"}, answer())
    yield made
    for upstream in made:
        upstream.stop()


def row(name: str, upstream: Upstream, info: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    params = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "sk-up", **more}
    return {"model_name": name, "litellm_params": params, "model_info": info or {}}


@pytest.fixture(name="serve")
def fixture_serve(tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def serve(rows: list[dict[str, Any]], **settings: Any) -> Iterator[RunningGateway]:
        general = {"master_key": KEY, **settings.pop("general_settings", {})}
        with running({"model_list": rows, "general_settings": general, **settings}, tmp_path) as gateway:
            yield gateway

    return serve


def ask(gateway: RunningGateway, model: str = "m", **more: Any) -> tuple[int, dict[str, str], Any]:
    headers = {**ADMIN, **more.pop("headers", {})}
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **more}
    status, found, data = gateway.request("/v1/chat/completions", body, headers)
    return status, found, json.loads(data)


def get(gateway: RunningGateway, path: str) -> tuple[int, Any]:
    status, _, data = gateway.request(path, None, ADMIN, "GET")
    return status, json.loads(data)


def test_a_copy_goes_to_the_silent_model_and_costs_the_client_nothing(
    serve: Callable[..., Any], upstreams: list[Upstream]
) -> None:
    first, second = upstreams
    with serve([row("m", first, silent_model="shadow"), row("shadow", second)]) as gateway:
        made = json.loads(gateway.request("/key/generate", {"max_budget": 1}, ADMIN)[2])["key"]
        assert ask(gateway, headers={"authorization": f"Bearer {made}"})[0] == 200
        while not second.requests:
            get(gateway, "/health/liveliness")
        while len(rows := get(gateway, "/spend/logs/v2")[1]["data"]) < 2:
            pass
        assert {(r["model_group"], r["cause"]) for r in rows} == {("m", "first"), ("shadow", "mirror")}
        (mine,) = get(gateway, f"/spend/logs/v2?api_key={made}")[1]["data"]
        assert mine["model_group"] == "m"


@pytest.mark.parametrize("sticky", ["user", "session"])
def test_calls_of_one_keep_to_one_deployment(
    serve: Callable[..., Any], upstreams: list[Upstream], sticky: str
) -> None:
    first, second = upstreams
    with serve([row("m", first), row("m", second)], router_settings={"sticky": sticky}) as gateway:
        for number in range(12):
            more = {"user": f"u{number}"} if sticky == "user" else {"litellm_session_id": f"s{number}"}
            before = len(first.requests), len(second.requests)
            assert [ask(gateway, **more)[0] for _ in range(4)] == [200] * 4
            grown = len(first.requests) - before[0], len(second.requests) - before[1]
            assert sorted(grown) == [0, 4]
        assert first.requests
        assert second.requests


def test_health_is_asked_and_said_by_row(serve: Callable[..., Any], upstreams: list[Upstream]) -> None:
    first, second = upstreams
    second.reply(401, {}, b'{"error":{"message":"bad key"}}')
    rows = [row("m", first, {"id": "good"}), row("m", second, {"id": "bad"})]
    with serve(rows) as gateway:
        found = get(gateway, "/health")[1]
        assert [one["model_id"] for one in found["healthy_endpoints"]] == ["good"]
        assert [one["model_id"] for one in found["unhealthy_endpoints"]] == ["bad"]
        assert "bad key" in found["unhealthy_endpoints"][0]["error"]
        assert get(gateway, "/health/services")[1]["services"]["database"] == "healthy"
        assert get(gateway, "/health/services?service=nope")[0] == 404


def test_what_the_health_check_found_keeps_calls_away(
    serve: Callable[..., Any], upstreams: list[Upstream]
) -> None:
    first, second = upstreams
    second.reply(401, {}, b'{"error":{"message":"bad key"}}')
    settings = {"background_health_checks": True, "enable_health_check_routing": True}
    rows = [row("m", first, {"id": "good"}), row("m", second, {"id": "bad"})]
    with serve(rows, general_settings=settings, router_settings={"disable_cooldowns": True}) as gateway:
        while len(get(gateway, "/health")[1]["unhealthy_endpoints"]) != 1:
            pass
        asked = len(second.requests)
        while get(gateway, "/router/state")[1]["m"]["deployments"][1]["reason"] == "":
            pass
        assert {ask(gateway)[1]["x-litellm-model-id"] for _ in range(20)} == {"good"}
        assert len(second.requests) <= asked + 1


def test_an_administrator_is_told_the_decision(serve: Callable[..., Any], upstreams: list[Upstream]) -> None:
    first, second = upstreams
    rows = [row("m", first, {"id": "a"}, weight=3), row("m", second, {"id": "b", "blocked": True})]
    with serve(
        rows, litellm_settings={"fallbacks": [{"m": ["n"]}]}, model_list=[*rows, row("n", first)]
    ) as gateway:
        explain = {"x-headgate-explain": "1"}
        told = json.loads(ask(gateway, headers=explain)[1]["x-headgate-decision"])
        assert (told["group"], told["strategy"], told["fallbacks"]) == ("m", "simple-shuffle", ["n"])
        assert [(one["id"], one["why_not"]) for one in told["candidates"]] == [("a", ""), ("b", "blocked")]
        made = json.loads(gateway.request("/key/generate", {}, ADMIN)[2])["key"]
        _, headers, _ = ask(gateway, headers={**explain, "authorization": f"Bearer {made}"})
        assert "x-headgate-decision" not in headers


def test_the_state_of_every_deployment_is_shown(serve: Callable[..., Any], upstreams: list[Upstream]) -> None:
    first, second = upstreams
    second.reply(429, {"retry-after": "30"}, b'{"error":{"message":"slow down"}}')
    with serve([row("m", first, {"id": "a"}), row("m", second, {"id": "b"})]) as gateway:
        while not second.requests:
            assert ask(gateway)[0] == 200
        a, b = get(gateway, "/router/state")[1]["m"]["deployments"]
        assert (a["state"], a["in_flight"], a["failures_this_minute"]) == ("well", 0, 0)
        assert (b["state"], b["reason"]) == ("resting", "RateLimitError")
        assert 20 < b["seconds_left"] <= 30
        rows = get(gateway, "/spend/logs/v2")[1]["data"]
        (leg,) = next(one["legs"] for one in rows if one["legs"])
        assert leg[:3] == ["b", "first", "RateLimitError"]


def test_calls_beyond_what_a_deployment_takes_wait(
    serve: Callable[..., Any], upstreams: list[Upstream]
) -> None:
    first, _ = upstreams
    most = 0

    with serve([row("m", first, max_parallel_requests=2)]) as gateway:
        with ThreadPoolExecutor(16) as pool:
            futures = [pool.submit(ask, gateway) for _ in range(40)]
            while not all(future.done() for future in futures):
                most = max(most, get(gateway, "/router/state")[1]["m"]["deployments"][0]["in_flight"])
        assert {future.result()[0] for future in futures} == {200}
        assert most <= 2
