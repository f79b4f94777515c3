"""Ollama's own format as what clients speak to us, to any provider's models, and as what we speak to its servers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.server.callers import matches
from servers import KEY, RunningGateway, Upstream, running

ASKED = [{"role": "user", "content": "hi"}]
CHAT = {
    "id": "c",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
}
LINES = (
    b'{"model":"qwen3","message":{"role":"assistant","content":"","thinking":"Hm"},"done":false}\n',
    b'{"model":"qwen3","message":{"role":"assistant","content":"Hello"},"done":false}\n',
    b'{"model":"qwen3","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",'
    b'"prompt_eval_count":5,"eval_count":2}\n',
)
VECTORS = {"model": "e", "embeddings": [[0.5, 0.25]], "prompt_eval_count": 1}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    def row(name: str, model: str, **more: Any) -> dict[str, Any]:
        params = {"model": model, "api_base": upstream.base + "/v1", "api_key": "k", "num_retries": 0, **more}
        return {"model_name": name, "litellm_params": params}

    models = [
        row("gpt", "openai/gpt-4o", temperature=0),
        row("plain", "ollama/qwen3"),
        row("vectors", "openai/text-embedding-3-small"),
        row("qwen", "ollama_chat/qwen3", num_ctx=4096),
    ]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


def answers(upstream: Upstream, body: Any, kind: str = "application/json", status: int = 200) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    upstream.reply(status, {"content-type": kind}, data)


def sent(upstream: Upstream) -> tuple[str, dict[str, Any]]:
    line, _, body = upstream.requests[-1]
    return line.split()[1], json.loads(body)


def test_a_client_of_ollama_reaches_openai(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, CHAT)
    status, headers, data = gateway.request("/api/chat", {"model": "gpt", "messages": ASKED, "stream": False})
    assert (status, headers["content-type"]) == (200, "application/json")
    document = json.loads(data)
    assert document["message"] == {"role": "assistant", "content": "Hello"}
    assert (document["prompt_eval_count"], document["eval_count"]) == (5, 2)
    assert sent(upstream)[1]["messages"] == ASKED


@pytest.mark.parametrize("asked", [{}, {"stream": None}, {"stream": True}])
def test_a_stream_comes_unasked(gateway: RunningGateway, upstream: Upstream, asked: dict[str, Any]) -> None:
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
    last = {
        "id": "c",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": CHAT["usage"],
    }
    events = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in (chunk, last))
    answers(upstream, events + b"data: [DONE]\n\n", "text/event-stream")
    status, headers, data = gateway.request("/api/chat", {"model": "gpt", "messages": ASKED, **asked})
    assert (status, headers["content-type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in data.splitlines()]
    assert [line["message"]["content"] for line in lines] == ["Hello", ""]
    assert lines[-1]["done"] is True
    assert lines[-1]["eval_count"] == 2
    assert sent(upstream)[1]["stream"] is True


def test_a_client_of_openai_reaches_ollama(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, b"".join(LINES), "application/x-ndjson")
    body = {"model": "qwen", "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    status, headers, data = gateway.request("/v1/chat/completions", body)
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    chunks = [json.loads(line[6:]) for line in data.decode().split("\n\n") if line.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Hm"
    assert chunks[-1]["usage"]["total_tokens"] == 7
    path, asked = sent(upstream)
    assert path == "/api/chat"
    assert asked["options"] == {"num_ctx": 4096}


def test_ollama_to_ollama_passes_byte_for_byte(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, b"".join(LINES), "application/x-ndjson")
    status, _, data = gateway.request("/api/chat", {"model": "plain", "messages": ASKED, "keep_alive": "5m"})
    assert (status, data) == (200, b"".join(LINES))
    assert sent(upstream)[1]["keep_alive"] == "5m"


def test_settings_of_a_deployment_hold_for_clients_of_ollama(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    answers(upstream, b"".join(LINES), "application/x-ndjson")
    assert gateway.request("/api/chat", {"model": "qwen", "messages": ASKED})[0] == 200
    assert sent(upstream)[1]["options"] == {"num_ctx": 4096}
    asked = {"model": "qwen", "messages": ASKED, "options": {"num_ctx": 1, "seed": 2}}
    assert gateway.request("/api/chat", asked)[0] == 200
    assert sent(upstream)[1]["options"] == {"num_ctx": 1, "seed": 2}
    answers(upstream, CHAT)
    assert gateway.request("/api/chat", {"model": "gpt", "messages": ASKED, "stream": False})[0] == 200
    assert sent(upstream)[1]["temperature"] == 0


def test_limits_that_this_format_does_not_have_are_not_believed(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    answers(upstream, CHAT)
    body = {
        "model": "gpt",
        "messages": ASKED,
        "stream": False,
        "max_tokens": 1,
        "options": {"num_predict": 99},
    }
    assert gateway.request("/api/chat", body)[0] == 200
    asked = sent(upstream)[1]
    assert asked.get("max_completion_tokens", asked.get("max_tokens")) == 99


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["plain", "qwen"])
def test_an_answer_may_name_the_model_that_was_asked_for(
    upstream: Upstream, tmp_path: Path, model: str, stream: bool
) -> None:
    params = {"model": "ollama/qwen3", "api_base": upstream.base, **({"seed": 1} if model == "qwen" else {})}
    config = {
        "model_list": [{"model_name": model, "litellm_params": params}],
        "general_settings": {"master_key": KEY, "model_name_in_response": "requested"},
    }
    with running(config, tmp_path) as gateway:
        kind = "application/x-ndjson" if stream else "application/json"
        answers(upstream, b"".join(LINES) if stream else LINES[-1], kind)
        status, _, data = gateway.request("/api/chat", {"model": model, "messages": ASKED, "stream": stream})
    assert status == 200
    lines = [json.loads(line) for line in data.splitlines()]
    assert len(lines) == (len(LINES) if stream else 1)
    assert {line["model"] for line in lines} == {model}


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_a_stream_that_breaks_off_says_so(gateway: RunningGateway, upstream: Upstream, path: str) -> None:
    answers(upstream, b"".join(LINES[:2]), "application/x-ndjson")
    status, _, data = gateway.request(path, {"model": "qwen", "messages": ASKED, "stream": True})
    assert status == 200
    assert b"error" in data
    assert b'"done":true' not in data
    assert b"[DONE]" not in data


def test_errors_are_in_ollamas_words(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, {"error": "model 'qwen3' not found"}, status=404)
    status, _, data = gateway.request("/api/chat", {"model": "qwen", "messages": ASKED})
    assert status == 404
    assert "not found" in json.loads(data)["error"]
    status, _, data = gateway.request(
        "/api/chat", {"model": "qwen", "messages": ASKED}, {"authorization": "Bearer x"}
    )
    assert status == 401
    assert isinstance(json.loads(data)["error"], str)


def test_an_error_in_the_first_line_is_told_by_the_status(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    answers(upstream, b'{"error":"model requires more system memory"}\n', "application/x-ndjson")
    status, _, data = gateway.request("/api/chat", {"model": "qwen", "messages": ASKED})
    assert status == 500
    assert "memory" in json.loads(data)["error"]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
def test_keys_for_model_calls_may_come_here(path: str) -> None:
    assert matches(path, "llm_api_routes")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_of_ollama_reaches_any_provider(
    gateway: RunningGateway, upstream: Upstream, stream: bool
) -> None:
    text = {
        "id": "c",
        "choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}],
        "usage": CHAT["usage"],
    }
    if stream:
        answers(
            upstream, b"data: " + json.dumps(text).encode() + b"\n\ndata: [DONE]\n\n", "text/event-stream"
        )
    else:
        answers(upstream, text)
    asked = {"model": "plain", "prompt": "hi", **({} if stream else {"stream": False})}
    status, _, data = gateway.request("/api/generate", asked)
    assert status == 200, data
    lines = [json.loads(line) for line in data.splitlines()]
    assert "".join(line["response"] for line in lines) == "Hello"
    assert lines[-1]["done"] is True
    assert lines[-1]["eval_count"] == 2
    path, body = sent(upstream)
    assert path == "/v1/completions"
    assert body["prompt"] == "hi"


def test_embeddings_go_both_ways(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, VECTORS)
    status, _, data = gateway.request("/v1/embeddings", {"model": "qwen", "input": "a"})
    assert status == 200
    assert json.loads(data)["data"][0]["embedding"] == [0.5, 0.25]
    assert sent(upstream) == ("/api/embed", {"model": "qwen3", "input": "a", "options": {"num_ctx": 4096}})
    answers(
        upstream,
        {"object": "list", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 1}},
    )
    status, _, data = gateway.request("/api/embed", {"model": "vectors", "input": ["a"]})
    assert status == 200
    assert json.loads(data)["embeddings"] == [[0.5]]
