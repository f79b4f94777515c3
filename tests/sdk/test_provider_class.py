"""A program written for LiteLLM works after `import headgate as litellm`."""

import json
import socket
from typing import Any

import pytest
from provider_class import Answer, ChatProvider, ProviderError

from servers import Upstream


def provider(upstream: Upstream, model: str = "openai/gpt-4o") -> ChatProvider:
    settings = {
        "CHAT_MODEL": model,
        "API_KEY": "sk-a",
        "API_BASE": upstream.base,
        "MAX_TOKENS": "9",
        "TOP_P": "0.5",
    }
    return ChatProvider(settings)


def play(upstream: Upstream, message: dict[str, Any], finish: str = "stop", **more: Any) -> None:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **more}
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(body).encode())


def test_an_answer_with_usage(upstream: Upstream) -> None:
    play(upstream, {"content": "Hi"}, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3})
    assert provider(upstream).chat("Hello", [("system", "Be brief")]) == Answer("Hi", [], "stop", 3)
    sent = json.loads(upstream.requests[-1][2])
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hello"},
    ]
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"]) == (9, 0.7, 0.5)
    assert upstream.requests[-1][1]["authorization"] == "Bearer sk-a"


def test_an_answer_without_usage(upstream: Upstream) -> None:
    play(upstream, {"content": "Hi"})
    assert provider(upstream).chat("Hello").tokens == 0


@pytest.mark.parametrize("arguments", ["", None, "{}"])
def test_tool_calls_with_and_without_arguments(upstream: Upstream, arguments: str | None) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": arguments}}
    play(upstream, {"content": None, "tool_calls": [call]}, "tool_calls")
    assert provider(upstream).chat("Hello", tools=["look"]) == Answer("", [("look", {})], "tool_calls", 0)


def test_the_same_program_on_anthropic(upstream: Upstream) -> None:
    body = {
        "id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
        "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {"a": 1}}],
        "usage": {"input_tokens": 3, "output_tokens": 4},
    }  # fmt: skip
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(body).encode())
    answer = provider(upstream, "anthropic/claude-sonnet-4-5").chat("Hello", tools=["look"])
    assert answer == Answer("", [("look", {"a": 1})], "tool_calls", 7)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "the key was refused"),
        (429, "too many requests"),
        (400, "the request was refused"),
        (500, "the provider failed"),
    ],
)
def test_failures_are_mapped_without_the_providers_words(
    upstream: Upstream, status: int, reason: str
) -> None:
    body = b'{"error":{"message":"internal detail of the provider","type":"x"}}'
    upstream.reply(status, {"content-type": "application/json"}, body)
    with pytest.raises(ProviderError, match=f"^{reason}$"):
        provider(upstream).chat("Hello")


def test_a_provider_that_hangs(upstream: Upstream) -> None:
    upstream.script = lambda _: [b""]
    with pytest.raises(ProviderError, match="no answer in time"):
        provider(upstream).chat("Hello")


def test_a_provider_that_sends_garbage(upstream: Upstream) -> None:
    upstream.script = lambda _: [b"garbage\r\n\r\n"]
    with pytest.raises(ProviderError, match="can't be reached"):
        provider(upstream).chat("Hello")


def test_a_provider_that_is_not_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = {
            "CHAT_MODEL": "openai/x",
            "API_BASE": f"http://127.0.0.1:{closed.getsockname()[1]}",
            "API_KEY": "a",
        }
        with pytest.raises(ProviderError, match="can't be reached"):
            ChatProvider(settings).chat("Hello")
