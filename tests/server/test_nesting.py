"""Values that are nested deeply travel, or are refused, in whatever place they stand: never an error of ours.

How deep is too deep differs between versions of Python; both sides of each limit are tried.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from servers import KEY, RunningGateway, Upstream, running

AWS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "aws_region_name": "us-east-1"}
MODELS: dict[str, dict[str, Any]] = {
    "mock": {"model": "mock/echo"},
    "openai": {"model": "openai/gpt-4o"},
    "responses": {"model": "openai/responses/gpt-4o"},
    "claude": {"model": "anthropic/claude-sonnet-4-5"},
    "gemini": {"model": "gemini/gemini-2.5-pro"},
    "converse": {"model": "bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", **AWS},
    "cohere": {"model": "cohere/command-a"},
    "ollama": {"model": "ollama_chat/llama3"},
    "mistral": {"model": "mistral/mistral-large-latest"},
    "groq": {"model": "groq/llama"},
    "triton": {"model": "triton/llama"},
}
DEEP = "DEEP"
DEPTHS = (300, 450, 950, 1_500, 5_000, 9_500, 60_000)
HI = {"role": "user", "content": "Hi"}
OBJECT = {"type": "object", "properties": {"a": DEEP}}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": DEEP}}]}
CHAT: dict[str, dict[str, Any]] = {
    "parameter": {"temperature": DEEP},
    "unknown parameter": {"x_own": DEEP},
    "metadata": {"metadata": {"a": DEEP}},
    "message": {"messages": [{**HI, "x": DEEP}]},
    "content": {"messages": [{"role": "user", "content": DEEP}]},
    "tool": {"tools": [{"type": "function", "function": {"name": "f", "parameters": OBJECT}}]},
    "schema": {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": OBJECT}}},
}
ROOMS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: ("/v1/chat/completions", {"messages": [HI], **fields}) for name, fields in CHAT.items()},
    "Anthropic's tool": (
        "/v1/messages",
        {"max_tokens": 5, "messages": [HI], "tools": [{"name": "f", "input_schema": OBJECT}]},
    ),
    "Anthropic's call of a tool": ("/v1/messages", {"max_tokens": 5, "messages": [HI, USED]}),
    "Anthropic's count": ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": DEEP}]}),
    "Responses' input": ("/v1/responses", {"input": [{"role": "user", "content": DEEP}]}),
    "Responses' tool": (
        "/v1/responses",
        {"input": "Hi", "tools": [{"type": "function", "name": "f", "parameters": OBJECT}]},
    ),
    "embeddings": ("/v1/embeddings", {"input": DEEP}),
    "completions": ("/v1/completions", {"prompt": DEEP}),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    upstream = Upstream()
    upstream.reply(400, {"content-type": "application/json"}, b'{"error":{"message":"no"}}')
    rows = [
        {"model_name": name, "litellm_params": {"api_base": upstream.base, "api_key": "sk-up", **params}}
        for name, params in MODELS.items()
    ]
    config = {
        "model_list": rows,
        "general_settings": {"master_key": KEY, "max_request_size_mb": 2},
        "litellm_settings": {"num_retries": 0, "drop_params": True},
    }
    with running(config, tmp_path_factory.mktemp("gateway")) as served:
        yield served
    upstream.stop()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("room", ROOMS)
def test_what_is_nested_deeply_is_no_bug(gateway: RunningGateway, room: str, model: str) -> None:
    path, fields = ROOMS[room]
    body = json.dumps({"model": model, **fields}).encode()
    assert body.count(b'"DEEP"') == 1
    for depth in DEPTHS:
        for value in (b"[" * depth + b"]" * depth, b'{"properties":' * depth + b"1" + b"}" * depth):
            status, _, data = gateway.request(path, body.replace(b'"DEEP"', value))
            assert status in (200, 400, 404), data[:200]  # 404: not every provider has embeddings
