"""LiteLLM's Router: groups, retries, fallbacks, cooldowns, tags, and a model list that changes while calls run."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import headgate
from headgate import Router
from servers import Upstream

HELLO = [{"role": "user", "content": "Hello"}]


def answer(text: str = "Hi") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    return json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage}).encode()


@pytest.fixture(name="pair")
def fixture_pair() -> Iterator[tuple[Upstream, Upstream]]:
    """Two that answer, each with its own word."""
    made = Upstream(), Upstream()
    for upstream, word in zip(made, ("first", "second"), strict=True):
        upstream.reply(200, {"content-type": "application/json"}, answer(word))
    yield made
    for upstream in made:
        upstream.stop()


Pair = tuple[Upstream, Upstream]


def row(name: str, upstream: Upstream, id: str = "", **params: Any) -> dict[str, Any]:  # noqa: A002
    given = {"model": "openai/gpt-4o", "api_base": upstream.base, "api_key": "sk-up", **params}
    return {"model_name": name, "litellm_params": given, "model_info": {"id": id} if id else {}}


def refuse(upstream: Upstream, status: int, message: str = "no", **more: Any) -> None:
    body = {"error": {"message": message, **more}}
    upstream.reply(status, {"content-type": "application/json"}, json.dumps(body).encode())


def said(response: Any) -> str:
    return str(response.choices[0].message.content)


def test_calls_of_a_group_are_shared(pair: Pair) -> None:
    router = Router([row("m", pair[0], "a"), row("m", pair[1], "b")])
    found = {said(router.completion("m", HELLO)) for _ in range(40)}
    assert found == {"first", "second"}
    hidden = router.completion("m", HELLO)._hidden_params
    assert (hidden["model_group"], hidden["model_id"] in ("a", "b")) == ("m", True)


@pytest.mark.parametrize(
    ("more", "expected"), [({"weight": 1}, "second"), ({"order": 1}, "second"), ({"rpm": 10}, "second")]
)
def test_weights_and_order(pair: Pair, more: dict[str, Any], expected: str) -> None:
    first = {"order": 2} if "order" in more else {}
    router = Router([row("m", pair[0], **first), row("m", pair[1], **more)])
    assert {said(router.completion("m", HELLO)) for _ in range(20)} == {expected}


def piece(word: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": word}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def test_a_request_says_what_happens_when_its_stream_breaks(pair: Pair) -> None:
    kind = {"content-type": "text/event-stream"}
    pair[0].reply(200, kind, piece("Hel"))
    pair[1].reply(200, kind, piece("Hello", "stop") + b"data: [DONE]\n\n")
    router = Router([row("m", pair[0], order=1), row("m", pair[1], order=2)], cooldown_time=0)

    def heard(**more: Any) -> str:
        chunks = router.completion("m", HELLO, stream=True, **more)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    assert heard(on_stream_break="restart") == "HelHello"
    with pytest.raises(headgate.APIConnectionError):
        heard()


@pytest.mark.parametrize(
    ("name", "value"),
    [("on_stream_break", "never"), ("on_stream_break", 5), ("priority", 256), ("priority", "1")],
)
def test_what_a_request_can_not_mean_is_refused(pair: Pair, name: str, value: Any) -> None:
    with pytest.raises(headgate.BadRequestError, match=name):
        Router([row("m", pair[0])]).completion("m", HELLO, **{name: value})


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_a_failure_goes_to_another_deployment(pair: Pair, status: int) -> None:
    refuse(pair[0], status)
    router = Router([row("m", pair[0], order=1), row("m", pair[1], order=2)])
    assert said(router.completion("m", HELLO)) == "second"


def test_what_failed_rests(pair: Pair) -> None:
    refuse(pair[0], 429)
    router = Router([row("m", pair[0], "a"), row("m", pair[1], "b")], cooldown_time=60)
    for _ in range(20):
        assert said(router.completion("m", HELLO)) == "second"
    assert len(pair[0].requests) == 1
    states = {one["id"]: one["state"] for one in router.state()["m"]}
    assert states == {"a": "resting", "b": "well"}
    assert router.get_available_deployment("m")["model_info"]["id"] == "b"
    router.reset()
    assert {one["state"] for one in router.state()["m"]} == {"well"}


def test_when_all_rest_the_time_is_told(pair: Pair) -> None:
    for upstream in pair:
        refuse(upstream, 429)
    router = Router([row("m", pair[0]), row("m", pair[1])], cooldown_time=60, num_retries=3)
    with pytest.raises(headgate.RateLimitError):
        router.completion("m", HELLO)
    with pytest.raises(headgate.RateLimitError, match="Try again in") as caught:
        router.completion("m", HELLO)
    assert 50 < (caught.value.retry_after or 0) <= 60


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"fallbacks": [{"m": ["n"]}]}, {"status": 500}),
        ({"fallbacks": [{"m": [{"model": "n", "temperature": 0.5}]}]}, {"status": 500}),
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
)
def test_fallbacks(pair: Pair, settings: dict[str, Any], error: dict[str, Any]) -> None:
    refuse(pair[0], **error)
    router = Router([row("m", pair[0]), row("n", pair[1])], num_retries=0, **settings)
    assert said(router.completion("m", HELLO)) == "second"


def test_fallbacks_of_one_call(pair: Pair) -> None:
    refuse(pair[0], 500)
    router = Router([row("m", pair[0]), row("n", pair[1])], num_retries=0)
    with pytest.raises(headgate.InternalServerError):
        router.completion("m", HELLO)
    assert said(router.completion("m", HELLO, fallbacks=["n"])) == "second"


def test_a_row_may_bring_its_own_answer(pair: Pair) -> None:
    router = Router([row("m", pair[0], mock_response="From the list")])
    assert said(router.completion("m", HELLO)) == "From the list"
    assert said(router.completion("m", HELLO, mock_response="From the call")) == "From the call"
    assert pair[0].requests == []


def test_fallbacks_are_tried_without_a_failure(pair: Pair) -> None:
    router = Router([row("m", pair[0]), row("n", pair[1])], fallbacks=[{"m": ["n"]}])
    assert said(router.completion("m", HELLO, mock_testing_fallbacks=True)) == "second"
    assert pair[0].requests == []


def test_a_request_that_is_wrong_is_not_tried_elsewhere(pair: Pair) -> None:
    refuse(pair[0], 400)
    router = Router([row("m", pair[0]), row("n", pair[1])], fallbacks=[{"m": ["n"]}])
    with pytest.raises(headgate.BadRequestError):
        router.completion("m", HELLO)
    assert not pair[1].requests


def test_fallbacks_in_a_circle_end(pair: Pair) -> None:
    for upstream in pair:
        refuse(upstream, 500)
    circle = [{"m": ["n"]}, {"n": ["m"]}]
    router = Router([row("m", pair[0]), row("n", pair[1])], num_retries=0, fallbacks=circle)
    with pytest.raises(headgate.InternalServerError):
        router.completion("m", HELLO)
    assert [len(upstream.requests) for upstream in pair] == [1, 1]


def test_retry_policies_by_class_and_by_group(pair: Pair) -> None:
    refuse(pair[0], 500)
    policy = {"InternalServerErrorRetries": 0}
    router = Router([row("m", pair[0])], retry_policy=policy, num_retries=5)
    with pytest.raises(headgate.InternalServerError):
        router.completion("m", HELLO)
    assert len(pair[0].requests) == 1
    refuse(pair[1], 400)
    router = Router([row("n", pair[1])], model_group_retry_policy={"n": {"BadRequestErrorRetries": 1}})
    with pytest.raises(headgate.BadRequestError):
        router.completion("n", HELLO)
    assert len(pair[1].requests) == 2


def test_tags(pair: Pair) -> None:
    rows = [row("m", pair[0], tags=["free"]), row("m", pair[1], tags=["paid", "default"])]
    router = Router(rows, enable_tag_filtering=True)
    assert {said(router.completion("m", HELLO)) for _ in range(10)} == {"second"}
    free = {"metadata": {"tags": ["free"]}}
    assert {said(router.completion("m", HELLO, **free)) for _ in range(10)} == {"first"}
    with pytest.raises(headgate.BadRequestError, match="tags"):
        router.completion("m", HELLO, metadata={"tags": ["nobody"]})


def test_aliases_patterns_and_ids(pair: Pair) -> None:
    rows = [row("m", pair[0], "a"), row("m", pair[1], "b"), row("openai/*", pair[1], model="openai/*")]
    router = Router(rows, model_group_alias={"fast": "m"})
    assert said(router.completion("fast", HELLO)) in ("first", "second")
    assert said(router.completion("openai/gpt-5", HELLO)) == "second"
    assert json.loads(pair[1].requests[-1][2])["model"] == "gpt-5"
    assert {said(router.completion("a", HELLO)) for _ in range(5)} == {"first"}
    with pytest.raises(headgate.NotFoundError, match="Invalid model name"):
        router.completion("nobody", HELLO)


def test_the_model_list_changes(pair: Pair) -> None:
    router = Router([row("m", pair[0], "a")])
    assert said(router.completion("m", HELLO)) == "first"
    router.upsert_deployment(row("m", pair[1], "a"))
    assert said(router.completion("m", HELLO)) == "second"
    router.add_deployment(row("n", pair[0], "b"))
    assert (router.get_model_names(), router.get_model_ids()) == (["m", "n"], ["a", "b"])
    assert router.get_deployment("b")["model_name"] == "n"
    assert router.delete_deployment("b")["model_name"] == "n"
    assert router.delete_deployment("b") is None
    router.set_model_list([row("other", pair[0])])
    assert [one["model_name"] for one in router.model_list] == ["other"]
    with pytest.raises(headgate.BadRequestError):
        router.set_model_list([{"model_name": "x"}])
    assert router.get_model_names() == ["other"]


async def test_streams_and_batches(pair: Pair) -> None:
    router = Router([{"model_name": "m", "litellm_params": {"model": "mock/echo"}}, row("n", pair[0])])
    stream = await router.acompletion("m", [{"role": "user", "content": "one two"}], stream=True)
    assert "".join([c.choices[0].delta.content or "" async for c in stream]) == "one two"
    found = await router.abatch_completion(["m", "n", "nobody"], HELLO)
    assert [said(one) for one in found[:2]] == ["Hello", "first"]
    assert isinstance(found[2], headgate.NotFoundError)
    fastest = await router.abatch_completion_fastest_response("nobody, n", HELLO)
    assert said(fastest) == "first"


async def test_code_between_a_prompt_and_a_suffix(pair: Pair) -> None:
    router = Router([row("code", pair[0], model="mistral/codestral-latest")])
    assert said(await router.afim_completion("code", "def f(", suffix="return 1")) == "first"
    assert (
        said(await asyncio.to_thread(router.fim_completion, "code", "def f(", suffix="return 1")) == "first"
    )
    sent = json.loads(pair[0].requests[0][2])
    assert (sent["model"], sent["prompt"], sent["suffix"]) == ("codestral-latest", "def f(", "return 1")


def test_threads_and_loops_share_a_router(pair: Pair) -> None:
    router = Router([row("m", pair[0]), row("m", pair[1])])

    def from_a_loop(_: int) -> str:
        return said(asyncio.run(router.acompletion("m", HELLO)))

    def from_a_thread(_: int) -> str:
        return said(router.completion("m", HELLO))

    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(from_a_loop, range(8)), *pool.map(from_a_thread, range(8))]
    assert set(found) <= {"first", "second"}
    assert [one["in_flight"] for one in router.state()["m"]] == [0, 0]


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"fallbaks": []}, TypeError, "fallbacks"),
        ({"routing_strategy": "best"}, headgate.BadRequestError, "must be one of"),
        ({"fallbacks": [{"m": ["nobody"]}]}, headgate.BadRequestError, "nobody"),
        ({"redis_host": "localhost"}, headgate.BadRequestError, "redis_host"),
        ({"client_ttl": 10}, headgate.BadRequestError, "client_ttl"),
        ({"num_retries": "x"}, headgate.BadRequestError, "num_retries must be a whole number"),
        ({"max_fallbacks": -1}, headgate.BadRequestError, "max_fallbacks"),
        ({"timeout": "a"}, headgate.BadRequestError, "timeout must be seconds"),
        ({"cooldown_time": float("nan")}, headgate.BadRequestError, "cooldown_time"),
        ({"fallbacks": {"m": ["n"]}}, headgate.BadRequestError, "fallbacks must be a list such as"),
        ({"fallbacks": [{"m": "n"}]}, headgate.BadRequestError, "fallbacks must be a list such as"),
        ({"retry_policy": {"TimeoutRetries": 1}}, headgate.BadRequestError, "TimeoutErrorRetries"),
        ({"allowed_fails_policy": {"x": 1}}, headgate.BadRequestError, "RateLimitErrorAllowedFails"),
        ({"model_group_retry_policy": {"m": {"x": 1}}}, headgate.BadRequestError, "by group"),
        ({"routing_strategy_args": {"tll": 1}}, headgate.BadRequestError, "lowest_latency_buffer"),
        ({"model_group_alias": ["m"]}, headgate.BadRequestError, "a dictionary"),
    ],
)
def test_settings_that_can_not_be_meant(
    pair: Pair, settings: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Router([row("m", pair[0])], **settings)


_NONE = """assistants_config search_tools redis_url redis_host caching_groups polling_interval default_priority
    default_litellm_params fallback_access_check timeout plugins retry_policy allowed_fails_policy cooldown_time
    routing_groups default_fallbacks"""
_FALSE = "cache_responses set_verbose ignore_invalid_deployments enable_pre_call_checks"
DEFAULTS_OF_LITELLM: dict[str, Any] = {
    **dict.fromkeys(_NONE.split()),
    **dict.fromkeys(_FALSE.split(), False),
    "cache_kwargs": {},
    "model_group_alias": {},
    "model_group_retry_policy": {},
    "routing_strategy_args": {},
    "fallbacks": [],
    "context_window_fallbacks": [],
    "client_ttl": 3600,
    "deployment_affinity_ttl_seconds": 3600,
    "tag_routing_prefix": "",
    "debug_level": "INFO",
    "retry_after": 0,
    "routing_strategy": "simple-shuffle",
}


def test_litellms_own_defaults_are_taken(pair: Pair) -> None:
    router = Router([row("m", pair[0])], **DEFAULTS_OF_LITELLM)
    assert said(router.completion("m", HELLO)) == "first"


def test_policies_may_be_objects(pair: Pair) -> None:
    pair[0].reply(500, {"content-type": "application/json"}, b'{"error": {"message": "down"}}')
    policy = headgate.RetryPolicy(InternalServerErrorRetries=0, TimeoutErrorRetries=None)
    fails = headgate.AllowedFailsPolicy(InternalServerErrorAllowedFails=5)
    router = Router([row("m", pair[0])], retry_policy=policy, allowed_fails_policy=fails)
    before = len(pair[0].requests)
    with pytest.raises(headgate.InternalServerError):
        router.completion("m", HELLO)
    assert len(pair[0].requests) == before + 1
    with pytest.raises(TypeError, match="TimeoutErrorRetries"):
        headgate.RetryPolicy(TimeoutRetries=1)


def test_every_row_has_an_id(pair: Pair) -> None:
    router = Router([row("m", pair[0]), row("m", pair[1], "mine"), row("n/*", pair[1], model="openai/*")])
    ids = [one["model_info"].get("id") for one in router.get_model_list()]
    assert ids[0] and ids[1:] == ["mine", None]
    assert router.get_model_ids("m") == ids[:2]
    assert router.get_deployment(ids[0])["litellm_params"]["api_base"] == pair[0].base
    assert router.delete_deployment(ids[0])["model_name"] == "m"
    assert router.get_model_ids("m") == ["mine"]
