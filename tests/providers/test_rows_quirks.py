"""What rows change in a body: keys, values, what is refused."""

import re
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from provided import quirked

from headgate.errors import (
    UnsupportedParamsError,
)
from headgate.providers.quirks import plan, run
from headgate.providers.registry import resolve
from headgate.providers.rows import ROWS


@pytest.mark.parametrize(("given", "sent"), [(1.7, 1.0), (-1, 0.0), (0.5, 0.5), ("hot", "hot"), (None, None)])
def test_numbers_are_clamped(given: Any, sent: Any) -> None:
    assert quirked("zai/glm-5", {"temperature": given})[0] == {"temperature": sent}


def test_roles_are_renamed() -> None:
    messages = [{"role": "developer", "content": "a"}, {"role": "user", "content": "developer"}]
    body, _ = quirked("zai/glm-5", {"messages": messages})
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "developer"


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        ("openai/o3", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai/gpt-5", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("openai/gpt-4o", {"max_tokens": 5}, {"max_tokens": 5}),
        ("openai/o3", {"max_tokens": 5, "max_completion_tokens": 6}, {"max_completion_tokens": 6}),
        ("deepseek/m", {"max_completion_tokens": 5}, {"max_tokens": 5}),
        ("mistral/m", {"seed": 1, "user": "u"}, {"random_seed": 1}),
        ("mistral/m", {"tool_choice": "required"}, {"tool_choice": "any"}),
        ("mistral/m", {"tool_choice": "auto"}, {"tool_choice": "auto"}),
        ("mistral/mistral-small-2603", {"reasoning_effort": "low"}, {"reasoning_effort": "high"}),
        ("mistral/mistral-medium-3-5", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
        ("mistral/zai-glm-5-3", {"reasoning_effort": "medium"}, {"reasoning_effort": "high"}),
        ("zai/GLM-5.3-Flash", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "max"}),
        ("moonshot/kimi-k3.1-pro", {"reasoning_effort": "medium"}, {"reasoning_effort": "high"}),
        ("openai/gpt-6-luna", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("groq/qwen/qwen3-32b", {"reasoning_effort": "low"}, {"reasoning_effort": "default"}),
        ("groq/openai/gpt-oss-20b", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}),
        ("dashscope/qwen3-32b", {"n": 1}, {"n": 1, "enable_thinking": False}),
        ("dashscope/qwen3-235b-a22b", {"enable_thinking": True}, {"enable_thinking": True}),
        ("dashscope/qwen3-32b", {"stream": True}, {"stream": True}),
        ("dashscope/qwen-plus", {"n": 1}, {"n": 1}),
    ],
)
def test_keys_and_values_by_the_providers_name(model: str, given: Any, sent: Any) -> None:
    assert quirked(model, given) == (sent, [])


@pytest.mark.parametrize(
    ("model", "key", "value"),
    [
        ("cerebras/m", "logit_bias", {"1": 2}),
        ("groq/m", "logprobs", True),
        ("mistral/m", "logprobs", True),
        ("perplexity/m", "tools", [{"type": "function"}]),
        ("xai/grok-4", "stop", ["a"]),
        ("xai/grok-4.6", "presence_penalty", 1),
        ("xai/grok-4-0709", "reasoning_effort", "high"),
        ("xai/grok-4.20-0309-reasoning", "reasoning_effort", "high"),
        ("mistral/devstral-2512", "reasoning_effort", "high"),
        ("openai/gpt-6-astra", "stop", ["a"]),
        ("openai/gpt-5.6-sol", "frequency_penalty", 1),
    ],
)
def test_a_refused_key_is_an_error_or_left_out(model: str, key: str, value: Any) -> None:
    with pytest.raises(UnsupportedParamsError) as caught:
        quirked(model, {key: value})
    assert caught.value.param == key
    assert quirked(model, {key: value, "a": 1}, drop=True) == ({"a": 1}, [key])


def test_a_refused_key_that_says_nothing_is_left_out_without_a_word() -> None:
    assert quirked("groq/m", {"logprobs": False, "a": 1})[0] == {"a": 1}


def test_an_allowed_key_is_sent_whatever_the_row_says() -> None:
    row, name = resolve("groq/m")
    envelope = {"logprobs": Raw(b"true")}
    assert run(plan(row, name, ["logprobs"]), envelope, row, False) == []
    assert "logprobs" in envelope


def test_nulls_are_taken_out_of_messages_but_content_stays() -> None:
    messages = [{"role": "assistant", "content": None, "name": None}]
    assert quirked("groq/m", {"messages": messages})[0]["messages"] == [
        {"role": "assistant", "content": None}
    ]


def test_strict_is_taken_out_of_tools() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True}}
    sent, _ = quirked("xai/grok-4", {"tools": [tool]})
    assert sent["tools"] == [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
@pytest.mark.parametrize("key", ["messages", "tools", "tool_choice", "stop"])
@pytest.mark.parametrize("value", [None, 1, "x", [1], {"a": []}, [{"function": 1}], [{"content": [1]}]])
def test_malformed_values_never_break_a_quirk(row: Any, key: str, value: Any) -> None:
    envelope = {key: Raw(msgspec.json.encode(value))}
    run(plan(row, "grok-4"), envelope, row, True)


@pytest.mark.parametrize(
    ("model", "given", "shown"),
    [
        ("groq/m", {"n": 2}, "only 1"),
        ("deepinfra/m", {"tool_choice": "required"}, '"auto" or "none"'),
        ("deepinfra/m", {"tool_choice": {"type": "function"}}, '"auto" or "none"'),
        ("lm_studio/m", {"response_format": {"type": "json_object"}}, "'response_format.type'"),
        ("openai/o3", {"temperature": 0.5}, "only 1"),
        ("azure/gpt-5-mini", {"temperature": 0}, "only 1"),
        ("openai/gpt-5.6-luna", {"temperature": 0}, "while it reasons"),
        ("azure/gpt-6-astra", {"top_p": 0.5}, "while it reasons"),
        ("openai/gpt-5.1-codex", {"logprobs": True}, "while it reasons"),
        ("moonshot/kimi-k3", {"temperature": 0.6}, "only 1"),
        ("moonshot/kimi-k2.6", {"top_p": 1}, "only 0.95"),
    ],
)
def test_a_refused_value_is_an_error_or_left_out(model: str, given: dict[str, Any], shown: str) -> None:
    (key,) = given
    with pytest.raises(UnsupportedParamsError, match=re.escape(shown)) as caught:
        quirked(model, given)
    assert caught.value.param == key
    assert quirked(model, {**given, "a": 1}, drop=True) == ({"a": 1}, [key])


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("groq/m", {"n": 1}),
        ("openai/o3", {"temperature": 1.0}),
        ("openai/gpt-5.1", {"temperature": 0.2}),
        ("openai/gpt-5.4-mini", {"temperature": 0.2, "reasoning_effort": "none"}),
        ("openai/gpt-6-luna", {"temperature": 0.2, "reasoning_effort": "none"}),
        ("openai/gpt-6-luna", {"temperature": 0.2, "reasoning": {"effort": "none"}}),
        ("openai/gpt-5.6-sol", {"temperature": 1.0, "top_p": 1, "logprobs": False}),
        ("openai/gpt-5.3-chat-latest", {"temperature": 0.2}),
        ("moonshot/kimi-k2.6", {"temperature": 0.6}),
        ("moonshot/kimi-k2-thinking", {"temperature": 0.3}),
        ("xai/grok-4-1-fast-non-reasoning", {"stop": ["a"], "presence_penalty": 1}),
        ("xai/grok-4.3", {"reasoning_effort": "low"}),
        ("xai/grok-3-mini", {"reasoning_effort": "low"}),
        ("openai/gpt-5-chat-latest", {"temperature": 0.2, "stop": ["a"]}),
        ("lm_studio/m", {"response_format": {"type": "json_schema"}}),
        ("lm_studio/m", {"response_format": "odd"}),
        ("zai/glm-5", {"tool_choice": None}),
    ],
)
def test_a_value_that_is_taken_is_sent_as_it_is(model: str, given: dict[str, Any]) -> None:
    assert quirked(model, given) == (given, [])


def test_an_allowed_value_is_sent_whatever_the_row_says() -> None:
    row, name = resolve("groq/m")
    envelope = {"n": Raw(b"3")}
    assert run(plan(row, name, ["n"]), envelope, row, False) == []
    assert bytes(envelope["n"]) == b"3"


@pytest.mark.parametrize("asked", [{"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}])
def test_sampling_is_refused_once_a_model_is_asked_to_reason(asked: dict[str, Any]) -> None:
    body = {"temperature": 0.2, **asked}
    with pytest.raises(UnsupportedParamsError, match="'temperature' while it reasons"):
        quirked("openai/gpt-5.2", body)
    assert quirked("openai/gpt-5.2", body, drop=True) == (asked, ["temperature"])
