"""Gemini's own format as what clients speak to us: with Google's SDK, to any provider's models."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from gateways import KEY
from servers import RunningGateway, Upstream, running

CHAT = {
    "id": "c",
    "model": "gpt-4o",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello there"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
GOOGLE = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP", "index": 0}
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
    "modelVersion": "gemini-2.5-flash",
}
VECTORS = {
    "object": "list",
    "model": "e",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    def row(name: str, model: str, base: str) -> dict[str, Any]:
        return {
            "model_name": name,
            "litellm_params": {"model": model, "api_base": base, "api_key": "sk-up", "num_retries": 0},
        }

    models = [
        row("gpt", "openai/gpt-4o", upstream.base),
        row("flash", "gemini/gemini-2.5-flash", upstream.base + "/v1beta"),
        row("vectors", "openai/text-embedding-3-small", upstream.base),
        {"model_name": "echo", "litellm_params": {"model": "mock/echo"}},
    ]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


@pytest.fixture(name="client")
def fixture_client(gateway: RunningGateway) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{gateway.port}", api_version="v1beta")
    client = genai.Client(api_key=KEY, http_options=options)
    yield client
    client.close()


def play(upstream: Upstream, document: dict[str, Any]) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(document).encode())


def test_googles_sdk_talks_to_another_providers_model(client: genai.Client, upstream: Upstream) -> None:
    play(upstream, CHAT)
    found = client.models.generate_content(
        model="gpt",
        contents="Hello",
        config=types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=9),
    )
    assert (found.text, found.usage_metadata.total_token_count) == ("Hello there", 7)
    sent = json.loads(upstream.requests[-1][2])
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert (sent["model"], sent["max_tokens"]) == ("gpt-4o", 9)


def test_googles_sdk_streams_another_providers_model(client: genai.Client) -> None:
    pieces = list(client.models.generate_content_stream(model="echo", contents="one two three"))
    assert "".join(piece.text or "" for piece in pieces) == "one two three"
    assert pieces[-1].usage_metadata.total_token_count > 0


def test_googles_format_travels_as_it_came(client: genai.Client, upstream: Upstream) -> None:
    play(upstream, GOOGLE)
    found = client.models.generate_content(model="flash", contents="Hello")
    assert found.text == "Hi"
    line, headers, body = upstream.requests[-1]
    assert line.startswith("POST /v1beta/models/gemini-2.5-flash:generateContent ")
    assert headers["x-goog-api-key"] == "sk-up"
    assert json.loads(body).keys() == {"contents"}


def test_googles_stream_travels_as_it_came(client: genai.Client, upstream: Upstream) -> None:
    events = b"".join(b"data: " + json.dumps(GOOGLE).encode() + b"\r\n\r\n" for _ in range(2))
    upstream.reply(200, {"content-type": "text/event-stream"}, events)
    pieces = list(client.models.generate_content_stream(model="flash", contents="Hello"))
    assert [piece.text for piece in pieces] == ["Hi", "Hi"]
    assert upstream.requests[-1][0].startswith(
        "POST /v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse "
    )


def test_a_stream_without_events_is_an_array(gateway: RunningGateway) -> None:
    path = "/v1beta/models/echo:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "one two"}]}]}
    status, headers, data = gateway.request(path, body, {"authorization": f"Bearer {KEY}"})
    rows = json.loads(data)
    assert (status, headers["content-type"]) == (200, "application/json")
    parts = [
        part for row in rows for c in row.get("candidates", []) for part in c["content"].get("parts", [])
    ]
    assert "".join(part.get("text", "") for part in parts) == "one two"


def test_tools_go_both_ways(client: genai.Client, upstream: Upstream) -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    play(upstream, {**CHAT, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    declaration = types.FunctionDeclaration(
        name="weather",
        parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}),
    )
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])
    found = client.models.generate_content(model="gpt", contents="Weather?", config=config)
    (asked,) = found.function_calls
    assert (asked.name, asked.args) == ("weather", {"city": "Rome"})
    (tool,) = json.loads(upstream.requests[-1][2])["tools"]
    assert tool["function"]["name"] == "weather"


def test_embeddings(client: genai.Client, upstream: Upstream) -> None:
    play(upstream, VECTORS)
    found = client.models.embed_content(model="vectors", contents="Hello")
    assert [one.values for one in found.embeddings] == [[0.5, 0.25]]
    assert json.loads(upstream.requests[-1][2])["input"] in ("Hello", ["Hello"])


def test_one_embedding(gateway: RunningGateway, upstream: Upstream) -> None:
    play(upstream, VECTORS)
    body = {"content": {"parts": [{"text": "Hello"}]}}
    headers = {"authorization": f"Bearer {KEY}"}
    status, _, data = gateway.request("/v1beta/models/vectors:embedContent", body, headers)
    assert (status, json.loads(data)) == (200, {"embedding": {"values": [0.5, 0.25]}})


def test_tokens_are_counted(client: genai.Client) -> None:
    found = client.models.count_tokens(model="gpt", contents="one two three four")
    assert 2 <= found.total_tokens <= 20


@pytest.mark.parametrize(("key", "status"), [(KEY, 200), ("sk-wrong", 401), ("", 401)])
def test_a_key_in_the_address_is_taken(gateway: RunningGateway, key: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = json.dumps({"contents": [{"parts": [{"text": "hi"}]}]})
    connection.request("POST", f"/v1beta/models/echo:generateContent?key={key}", body)
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize(
    ("model", "status", "reason"), [("nobody", 404, "NOT_FOUND"), ("gpt", 429, "RESOURCE_EXHAUSTED")]
)
def test_errors_are_googles(
    client: genai.Client, upstream: Upstream, model: str, status: int, reason: str
) -> None:
    upstream.reply(429, {}, b'{"error":{"message":"slow down"}}')
    with pytest.raises(errors.APIError) as caught:
        client.models.generate_content(model=model, contents="Hello")
    assert (caught.value.code, caught.value.status) == (status, reason)
