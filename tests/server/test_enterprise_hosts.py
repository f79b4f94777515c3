"""watsonx.ai, SageMaker and Hugging Face's endpoints behind the gateway: what is sent, what the client gets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.wire import eventstream
from servers import KEY, RunningGateway, Upstream, running

ASKED = [{"role": "user", "content": "hi"}]
CHAT = {
    "id": "c",
    "model_id": "ibm/granite",
    "model": "ibm/granite",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
CHUNKS = (
    {
        "id": "c",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}, "finish_reason": None}],
    },
    {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"id": "c", "choices": [], "usage": CHAT["usage"]},
)


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    def row(name: str, model: str, **more: Any) -> dict[str, Any]:
        params = {"model": model, "api_base": upstream.base, "api_key": "k", "num_retries": 0, **more}
        return {"model_name": name, "litellm_params": params}

    models = [
        row("granite", "watsonx/ibm/granite", project_id="p", api_key=None, token="k"),
        row("own", "watsonx/deployment/d1", project_id="p", api_key=None, token="k"),
        row("text", "sagemaker/llama-endpoint", model_id="component-1"),
        row("chat", "sagemaker_chat/llama-endpoint"),
        row("tei", "huggingface/BAAI/bge-m3"),
    ]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


def answers(upstream: Upstream, body: Any, kind: str = "application/json", status: int = 200) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    upstream.reply(status, {"content-type": kind}, data)


def sent(upstream: Upstream) -> tuple[str, dict[str, Any]]:
    line, _, body = upstream.requests[-1]
    return line.split()[1], json.loads(body)


def heard(data: bytes) -> tuple[str, list[dict[str, Any]]]:
    assert data.endswith(b"data: [DONE]\n\n") or b'"finish_reason":"stop"' in data.replace(b": ", b":")
    rows = [line[6:] for line in data.decode().split("\n") if line.startswith("data: {")]
    chunks = [json.loads(row) for row in rows]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas), chunks


def test_a_chat_of_watsonx(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, CHAT)
    status, _, data = gateway.request(
        "/v1/chat/completions", {"model": "granite", "messages": ASKED, "stream": False}
    )
    assert status == 200
    assert json.loads(data)["choices"] == CHAT["choices"]
    path, body = sent(upstream)
    assert path == "/ml/v1/text/chat?version=2024-03-13"
    assert body == {"model_id": "ibm/granite", "messages": ASKED, "project_id": "p"}


def test_a_stream_of_watsonx(gateway: RunningGateway, upstream: Upstream) -> None:
    events = [
        b"id: %d\nevent: message\ndata: %b\n\n" % (at, json.dumps(one).encode())
        for at, one in enumerate(CHUNKS)
    ]
    answers(upstream, b"".join(events), "text/event-stream")
    body = {"model": "own", "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    status, _, data = gateway.request("/v1/chat/completions", body)
    assert status == 200
    text, chunks = heard(data)
    assert text == "Hello"
    assert chunks[-1]["usage"] == CHAT["usage"]
    path, asked = sent(upstream)
    assert path == "/ml/v1/deployments/d1/text/chat_stream?version=2024-03-13"
    assert asked == {"messages": ASKED}


def test_an_error_of_watsonx(gateway: RunningGateway, upstream: Upstream) -> None:
    said = {
        "errors": [{"code": "model_not_supported", "message": "no such model"}],
        "trace": "t",
        "status_code": 404,
    }
    answers(upstream, said, status=404)
    status, _, data = gateway.request("/v1/chat/completions", {"model": "granite", "messages": ASKED})
    assert status == 404
    assert "no such model" in json.loads(data)["error"]["message"]


def test_embeddings_of_watsonx(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, {"results": [{"embedding": [0.5]}], "input_token_count": 3})
    status, _, data = gateway.request("/v1/embeddings", {"model": "granite", "input": "a"})
    assert status == 200
    assert json.loads(data)["data"][0]["embedding"] == [0.5]
    assert json.loads(data)["usage"]["prompt_tokens"] == 3
    path, body = sent(upstream)
    assert path == "/ml/v1/text/embeddings?version=2024-03-13"
    assert body == {"model_id": "ibm/granite", "inputs": ["a"], "project_id": "p"}


@pytest.mark.parametrize(
    ("model", "answer"),
    [("text", [{"generated_text": "Hello"}]), ("chat", {**CHAT, "object": "chat.completion"})],
)
def test_sagemaker_answers_whole(
    gateway: RunningGateway, upstream: Upstream, model: str, answer: Any
) -> None:
    answers(upstream, answer)
    body = {"model": model, "messages": ASKED, "max_tokens": 5}
    status, _, data = gateway.request("/v1/chat/completions", body)
    assert status == 200
    assert json.loads(data)["choices"][0]["message"]["content"] == "Hello"
    path, asked = sent(upstream)
    assert path == "/endpoints/llama-endpoint/invocations"
    assert "stream" not in asked
    if model == "text":
        assert asked == {"inputs": "hi", "parameters": {"max_new_tokens": 5}}
        assert upstream.requests[-1][1]["x-amzn-sagemaker-inference-component"] == "component-1"


TOKENS = (
    {"token": {"id": 1, "text": "Hel", "special": False}, "generated_text": None},
    {"token": {"id": 2, "text": "lo", "special": False}, "generated_text": "Hello", "details": None},
)
FRAMES = "application/vnd.amazon.eventstream"


def framed(inside: bytes, size: int) -> bytes:
    """The container's bytes in frames of that size: they end anywhere."""
    headers = {":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
    parts = [inside[at : at + size] for at in range(0, len(inside), size)]
    return b"".join(eventstream.encode({**headers, ":message-type": "event"}, part) for part in parts)


@pytest.mark.parametrize("size", [3, 1000])
@pytest.mark.parametrize(("before", "after"), [(b"data: ", b"\n\n"), (b"", b"\n")], ids=["sse", "lines"])
@pytest.mark.parametrize(("model", "events"), [("text", TOKENS), ("chat", CHUNKS)])
def test_sagemaker_streams(
    gateway: RunningGateway,
    upstream: Upstream,
    model: str,
    events: Any,
    before: bytes,
    after: bytes,
    size: int,
) -> None:
    inside = b"".join(before + json.dumps(event).encode() + after for event in events)
    answers(upstream, framed(inside, size), FRAMES)
    body = {"model": model, "messages": ASKED, "stream": True, "max_tokens": 5}
    status, headers, data = gateway.request("/v1/chat/completions", body)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert heard(data)[0] == "Hello"
    path, asked = sent(upstream)
    assert path == "/endpoints/llama-endpoint/invocations-response-stream"
    assert asked["stream"] is True


@pytest.mark.parametrize(
    ("model", "answer"),
    [("text", [{"generated_text": "Hello"}]), ("text", {"generated_text": "Hello"}), ("chat", CHAT)],
)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_container_of_sagemaker_that_has_no_stream(
    gateway: RunningGateway, upstream: Upstream, model: str, answer: Any, wrapped: bool
) -> None:
    inside = json.dumps(answer).encode()
    answers(upstream, framed(inside, 10) if wrapped else inside, FRAMES if wrapped else "application/json")
    body = {"model": model, "messages": ASKED, "stream": True}
    _, _, data = gateway.request("/v1/chat/completions", body)
    assert heard(data)[0] == "Hello"


@pytest.mark.parametrize("begun", [False, True])
def test_a_stream_of_sagemaker_that_fails(gateway: RunningGateway, upstream: Upstream, begun: bool) -> None:
    told = {"Message": "the container has gone", "ErrorCode": "StreamBroken"}
    failure = eventstream.exception("ModelStreamError", json.dumps(told).encode())
    first = b"data: " + json.dumps(CHUNKS[0]).encode() + b"\n\n"
    answers(upstream, (framed(first, 1000) if begun else b"") + failure, FRAMES)
    status, _, data = gateway.request(
        "/v1/chat/completions", {"model": "chat", "messages": ASKED, "stream": True}
    )
    assert status == (200 if begun else 500)
    assert b"the container has gone" in data
    assert b"[DONE]" not in data


def test_text_completions_of_sagemaker(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, [{"generated_text": "one plus two equals three"}])
    status, _, data = gateway.request("/v1/completions", {"model": "text", "prompt": "one plus two equals"})
    assert status == 200
    assert json.loads(data)["choices"][0]["text"] == " three"


@pytest.mark.parametrize("model", ["tei", "chat"])
def test_embeddings_of_endpoints(gateway: RunningGateway, upstream: Upstream, model: str) -> None:
    answers(upstream, [[0.5, 1.0], [2.0, 3.0]])
    status, _, data = gateway.request("/v1/embeddings", {"model": model, "input": ["a", "b"]})
    assert status == 200
    assert [row["embedding"] for row in json.loads(data)["data"]] == [[0.5, 1.0], [2.0, 3.0]]
    path, body = sent(upstream)
    assert path == ("/" if model == "tei" else "/endpoints/llama-endpoint/invocations")
    assert body == {"inputs": ["a", "b"]}
