"""The functions, on the built-in provider and on an upstream of each shape: what is sent, what comes back."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import openai
import pydantic
import pytest

import headgate
from servers import Upstream

ASKED = [{"role": "user", "content": "Hello there"}]
JSON = {"content-type": "application/json"}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
GENERATED = {
    "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
    "modelVersion": "gemini-2.5-flash",
}  # fmt: skip
SHAPES = {"openai/gpt-4o": CHAT, "anthropic/claude-sonnet-4-5": MESSAGE, "gemini/gemini-2.5-flash": GENERATED}


def answer(upstream: Upstream, body: Any, status: int = 200, **headers: str) -> None:
    upstream.reply(status, {**JSON, **headers}, json.dumps(body).encode())


def refuse(upstream: Upstream, status: int, message: str = "no", **fields: Any) -> None:
    answer(upstream, {"error": {"message": message, "type": "x", **fields}}, status, **{"retry-after": "0"})


def turns(upstream: Upstream, *bodies: tuple[int, Any]) -> None:
    """One answer after another; the last one stays."""
    left = list(bodies)

    def script(_: bytes) -> list[bytes]:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        raw = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after: 0\r\nconnection: close\r\n"
        return [head.encode() + f"content-length: {len(raw)}\r\n\r\n".encode() + raw]

    upstream.script = script


def sent(upstream: Upstream) -> Any:
    return json.loads(upstream.requests[-1][2])


def at(upstream: Upstream, model: str = "openai/gpt-4o", **more: Any) -> Any:
    return headgate.completion(model, ASKED, api_base=upstream.base, api_key="sk-secret", **more)


# the built-in provider


def test_completion_and_its_object() -> None:
    response = headgate.completion("mock/echo", ASKED)
    assert (
        response.choices[0].message.content == response["choices"][0]["message"]["content"] == "Hello there"
    )
    assert response.object == "chat.completion"
    assert response.usage.total_tokens == response.usage.prompt_tokens + response.usage.completion_tokens
    assert response.choices[0].message.tool_calls is None


async def test_acompletion_and_its_stream() -> None:
    assert (await headgate.acompletion("mock/echo", ASKED)).choices[0].message.content == "Hello there"
    stream = await headgate.acompletion("mock/echo", ASKED, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_text_completion_and_embedding() -> None:
    assert headgate.text_completion("Say it", "mock/echo").choices[0].text == "Say it"
    streamed = headgate.text_completion("Say it", "mock/echo", stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed if chunk.choices) == "Say it"
    several = headgate.text_completion(["one", "two three"], "mock/echo")
    assert [(choice.index, choice.text) for choice in several.choices] == [(0, "one"), (1, "two three")]
    vectors = headgate.embedding("mock/any", ["red", "blue", "red"])
    assert vectors.data[0]["embedding"] == vectors.data[2]["embedding"] != vectors.data[1]["embedding"]


def test_batch_completion_keeps_the_order_and_puts_errors_in_place() -> None:
    answers = headgate.batch_completion("mock/echo", [ASKED, [{"role": "user", "content": "b"}]])
    assert [one.choices[0].message.content for one in answers] == ["Hello there", "b"]
    failed = headgate.batch_completion("mock/error-401", [ASKED, ASKED], num_retries=0)
    assert [type(one) for one in failed] == [headgate.AuthenticationError] * 2


def test_mock_response_stands_in_for_any_provider() -> None:
    assert (
        headgate.completion("openai/gpt-4o", ASKED, mock_response="Yes").choices[0].message.content == "Yes"
    )
    stream = headgate.completion("openai/gpt-4o", ASKED, mock_response="Yes, of course", stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == "Yes, of course"


@pytest.mark.parametrize("prefix", ["litellm", "headgate"])
@pytest.mark.parametrize(
    "name",
    ["RateLimitError", "ContextWindowExceededError", "InternalServerError", "ServiceUnavailableError"],
)
def test_magic_mock_responses_raise(prefix: str, name: str) -> None:
    with pytest.raises(getattr(headgate, name)):
        headgate.completion("openai/gpt-4o", ASKED, mock_response=f"{prefix}.{name}")


def test_a_mock_response_that_is_an_error_is_raised() -> None:
    with pytest.raises(ValueError, match="mine"):
        headgate.completion("openai/gpt-4o", ASKED, mock_response=ValueError("mine"))


def test_mock_tool_calls() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    choice = headgate.completion("openai/gpt-4o", ASKED, mock_tool_calls=[call]).choices[0]
    assert choice.finish_reason == "tool_calls"
    made = choice.message.tool_calls[0]
    assert (made.id, made.function.name, made.function.arguments) == ("c1", "look", '{"a": 1}')


def test_mock_timeout() -> None:
    with pytest.raises(headgate.Timeout):
        headgate.completion("openai/gpt-4o", ASKED, mock_timeout=True, timeout=0.01, num_retries=0)


@pytest.mark.parametrize("model", [None, "", 7, "nonsense/model", "unheard-of"])
def test_a_model_that_is_none_is_a_bad_request(model: Any) -> None:
    with pytest.raises(headgate.BadRequestError) as caught:
        headgate.completion(model, ASKED)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("work", "param"),
    [
        (lambda: headgate.completion("mock/echo"), "messages"),
        (lambda: headgate.text_completion(model="mock/echo"), "prompt"),
        (lambda: headgate.embedding("mock/echo"), "input"),
        (lambda: headgate.completion("mock/echo", ASKED, num_retries="many"), "num_retries"),
        (lambda: headgate.completion("mock/echo", ASKED, max_retries=1.5), "max_retries"),
        (lambda: headgate.completion("mock/echo", ASKED, stream="yes"), "stream"),
        (lambda: headgate.completion("mock/echo", ASKED, drop_params="maybe"), "drop_params"),
        (lambda: headgate.completion("mock/echo", ASKED, api_base=7), "api_base"),
        (lambda: headgate.completion("mock/echo", ASKED, extra_headers="a: b"), "extra_headers"),
        (lambda: headgate.completion("mock/echo", ASKED, extra_body=[1]), "extra_body"),
        (lambda: headgate.completion("mock/echo", ASKED, fallbacks="openai/gpt-4o"), "fallbacks"),
        (
            lambda: headgate.completion("mock/echo", ASKED, additional_drop_params="stop"),
            "additional_drop_params",
        ),
        (lambda: headgate.completion("mock/echo", ASKED, temperature=float("nan")), "temperature"),
        (lambda: headgate.completion("mock/echo", ASKED, temperature=float("inf")), "temperature"),
        (lambda: headgate.completion("mock/echo", ASKED, timeout="soon"), "timeout"),
    ],
)
def test_what_is_missing_or_can_not_be_meant_is_named(work: Callable[[], Any], param: str) -> None:
    with pytest.raises(headgate.BadRequestError) as caught:
        work()
    assert caught.value.param == param


# upstreams


@pytest.mark.parametrize("model", SHAPES)
def test_every_shape_answers_alike(upstream: Upstream, model: str) -> None:
    answer(upstream, SHAPES[model])
    response = at(upstream, model)
    assert response.choices[0].message.content == "Hi"
    assert response.choices[0].finish_reason == "stop"
    assert response.usage.completion_tokens > 0
    assert response._hidden_params["custom_llm_provider"] == model.split("/")[0]
    assert "sk-secret" in " ".join(upstream.requests[-1][1].values())


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"])
def test_what_a_model_can_not_take_is_refused_or_dropped(upstream: Upstream, model: str) -> None:
    answer(upstream, SHAPES[model])
    with pytest.raises(headgate.UnsupportedParamsError) as caught:
        at(upstream, model, logit_bias={"1": 5})
    assert caught.value.param == "logit_bias"
    assert not upstream.requests
    response = at(upstream, model, logit_bias={"1": 5}, drop_params=True)
    assert response._hidden_params["dropped_params"] == ["logit_bias"]
    assert "logit_bias" not in sent(upstream)


def test_drop_params_of_the_module(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(upstream, MESSAGE)
    monkeypatch.setattr(headgate, "drop_params", True, raising=False)
    at(upstream, "anthropic/claude-sonnet-4-5", logit_bias={"1": 5})
    with pytest.raises(headgate.UnsupportedParamsError):
        at(upstream, "anthropic/claude-sonnet-4-5", logit_bias={"1": 5}, drop_params=False)


def test_additional_drop_params(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    at(upstream, temperature=0.5, seed=4, additional_drop_params=["seed"])
    assert sent(upstream) == {"model": "gpt-4o", "messages": ASKED, "temperature": 0.5}


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_counted_upstream(upstream: Upstream, retries: int) -> None:
    refuse(upstream, 429)
    with pytest.raises(headgate.RateLimitError) as caught:
        at(upstream, num_retries=retries)
    assert len(upstream.requests) == retries + 1
    assert caught.value.num_retries == retries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_failure_that_stays_is_not_tried_again(upstream: Upstream, status: int) -> None:
    refuse(upstream, status)
    with pytest.raises(headgate.HeadgateError) as caught:
        at(upstream, num_retries=3)
    assert (len(upstream.requests), caught.value.status_code) == (1, status)


def test_a_retry_that_succeeds(upstream: Upstream) -> None:
    turns(upstream, (500, {"error": {"message": "no"}}), (200, CHAT))
    assert at(upstream).choices[0].message.content == "Hi"
    assert len(upstream.requests) == 2


def test_retries_of_the_module(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(upstream, 503)
    monkeypatch.setattr(headgate, "num_retries", 1, raising=False)
    with pytest.raises(headgate.ServiceUnavailableError):
        at(upstream)
    assert len(upstream.requests) == 2


def test_a_fallback_by_name(upstream: Upstream) -> None:
    refuse(upstream, 500)
    response = at(upstream, num_retries=0, fallbacks=["mock/echo"])
    assert response.choices[0].message.content == "Hello there"
    assert response._hidden_params["custom_llm_provider"] == "mock"


def test_a_fallback_with_changed_parameters(upstream: Upstream) -> None:
    turns(upstream, (500, {"error": {"message": "no"}}), (200, CHAT))
    at(upstream, num_retries=0, seed=1, fallbacks=[{"model": "openai/gpt-4o-mini", "temperature": 0.1}])
    assert [json.loads(body)["model"] for _, _, body in upstream.requests] == ["gpt-4o", "gpt-4o-mini"]
    assert (sent(upstream)["temperature"], sent(upstream)["seed"]) == (0.1, 1)


def test_a_fallback_to_another_provider_keeps_no_credential(upstream: Upstream) -> None:
    refuse(upstream, 500)
    fallback = {"model": "anthropic/claude-sonnet-4-5", "api_base": upstream.base}
    with pytest.raises(headgate.HeadgateError):
        at(upstream, num_retries=0, fallbacks=[fallback])
    last = upstream.requests[-1]
    assert last[0].startswith("POST /v1/messages ")
    assert "sk-secret" not in str(last)


def test_a_longer_model_for_a_prompt_that_does_not_fit(upstream: Upstream) -> None:
    refuse(upstream, 400, "This model's maximum context length is 8 tokens", code="context_length_exceeded")
    response = at(upstream, context_window_fallback_dict={"openai/gpt-4o": "mock/echo"})
    assert response._hidden_params["custom_llm_provider"] == "mock"
    with pytest.raises(headgate.ContextWindowExceededError):
        at(upstream, context_window_fallback_dict={"openai/other": "mock/echo"})


def test_longer_models_of_the_module(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"openai/gpt-4o": ["mock/echo"]}]
    monkeypatch.setattr(headgate, "context_window_fallbacks", rows, raising=False)
    refuse(upstream, 400, "too long", code="context_length_exceeded")
    assert at(upstream).choices[0].message.content == ASKED[0]["content"]


def test_a_timeout(upstream: Upstream) -> None:
    upstream.script = lambda _: [b""]
    with pytest.raises(headgate.Timeout):
        at(upstream, timeout=0.05, num_retries=0)
    with pytest.raises(headgate.BadRequestError, match="'timeout' must be a number"):
        at(upstream, timeout="soon")


class Place(pydantic.BaseModel):
    name: str
    people: int = 0


def test_a_pydantic_class_becomes_a_strict_schema(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    at(upstream, response_format=Place)
    form = sent(upstream)["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "Place",
        True,
    )
    schema = form["json_schema"]["schema"]
    assert schema["required"] == ["name", "people"]
    assert schema["additionalProperties"] is False
    assert "default" not in schema["properties"]["people"]


def test_a_response_format_that_is_a_dictionary_stays(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    at(upstream, response_format={"type": "json_object"})
    assert sent(upstream)["response_format"] == {"type": "json_object"}


def test_extra_headers_and_extra_body(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    at(upstream, extra_headers={"X-Mine": "1"}, extra_body={"top_k": 4}, vendor_thing=[1])
    assert upstream.requests[-1][1]["x-mine"] == "1"
    assert sent(upstream) == {"model": "gpt-4o", "messages": ASKED, "top_k": 4, "vendor_thing": [1]}


def test_a_header_can_not_be_broken_out_of(upstream: Upstream) -> None:
    with pytest.raises(headgate.BadRequestError) as caught:
        at(upstream, extra_headers={"X-Mine": "1\r\nX-Other: 2"})
    assert caught.value.param == "extra_headers"


@pytest.mark.parametrize("name", ["api_base", "base_url"])
def test_both_names_of_the_address(upstream: Upstream, name: str) -> None:
    answer(upstream, CHAT)
    address = f"{upstream.base}/v1"
    headgate.completion("openai/gpt-4o", ASKED, api_key="sk-a", **{name: address})
    assert upstream.requests[-1][0] == "POST /v1/chat/completions HTTP/1.1"


def test_keys_of_the_module(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(upstream, CHAT)
    monkeypatch.setattr(headgate, "api_base", upstream.base, raising=False)
    monkeypatch.setattr(headgate, "openai_key", "sk-module", raising=False)
    headgate.completion("openai/gpt-4o", ASKED)
    assert upstream.requests[-1][1]["authorization"] == "Bearer sk-module"


def test_embeddings_of_an_upstream(upstream: Upstream) -> None:
    row = {"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}
    answer(
        upstream,
        {"object": "list", "data": [row], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}},
    )
    made = headgate.embedding("openai/text-embedding-3-small", "a", api_base=upstream.base, api_key="sk-a")
    assert made.data[0]["embedding"] == [0.5, 1.0]
    assert upstream.requests[-1][0] == "POST /embeddings HTTP/1.1"


def test_what_a_response_says_of_its_way(upstream: Upstream) -> None:
    answer(upstream, CHAT, **{"x-ratelimit-remaining-requests": "9"})
    hidden = at(upstream, litellm_call_id="mine")._hidden_params
    assert hidden["litellm_call_id"] == "mine"
    assert hidden["api_base"] == upstream.base
    assert hidden["provider_response_model"] == "gpt-4o-2024-08-06"
    assert hidden["additional_headers"]["x-ratelimit-remaining-requests"] == "9"
    assert hidden["response_cost"] == pytest.approx(1000 * 2.5e-6 + 100 * 1e-5)
    assert "sk-secret" not in repr(hidden)


def test_a_key_that_the_provider_repeats_is_not_shown(upstream: Upstream) -> None:
    refuse(upstream, 401, "Incorrect API key provided: sk-secret", code="invalid_api_key")
    with pytest.raises(headgate.AuthenticationError) as caught:
        at(upstream)
    assert "sk-secret" not in f"{caught.value} {caught.value!r} {caught.value.body}"


@pytest.mark.parametrize(
    ("status", "theirs"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_classes_of_openai_catch_ours(upstream: Upstream, status: int, theirs: type[Exception]) -> None:
    refuse(upstream, status)
    with pytest.raises(theirs) as caught:
        at(upstream, num_retries=0)
    assert isinstance(caught.value, headgate.HeadgateError)


# threads and loops


def test_synchronous_calls_from_several_threads() -> None:
    heard: dict[str, str] = {}

    def ask(text: str) -> None:
        response = headgate.completion("mock/echo", [{"role": "user", "content": text}])
        heard[text] = response.choices[0].message.content

    threads = [threading.Thread(target=ask, args=(f"word {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert heard == {f"word {number}": f"word {number}" for number in range(8)}


async def test_a_synchronous_call_inside_a_running_loop() -> None:
    assert headgate.completion("mock/echo", ASKED).choices[0].message.content == "Hello there"
    stream = headgate.completion("mock/echo", ASKED, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello there"


def test_one_loop_after_another(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    for _ in range(2):
        work = headgate.acompletion("openai/gpt-4o", ASKED, api_base=upstream.base, api_key="sk-a")
        assert asyncio.run(work).choices[0].message.content == "Hi"


def test_two_clients_know_nothing_of_each_other(upstream: Upstream) -> None:
    answer(upstream, CHAT)
    one = headgate.Client(env={"OPENAI_API_KEY": "sk-one", "OPENAI_BASE_URL": upstream.base})
    asyncio.run(one.call("chat", "openai/gpt-4o", {"messages": ASKED}))
    assert upstream.requests[-1][1]["authorization"] == "Bearer sk-one"
    with pytest.raises(headgate.AuthenticationError, match="OPENAI_API_KEY"):
        asyncio.run(headgate.Client(env={}).call("chat", "openai/gpt-4o", {"messages": ASKED}))
