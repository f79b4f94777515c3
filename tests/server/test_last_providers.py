"""GigaChat, SAP, GitHub Copilot, Oracle and Petals behind the gateway: what is sent, what the client gets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from servers import KEY, RunningGateway, Upstream, running

ASKED = [{"role": "user", "content": "hi"}]
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
PIECES = (
    {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hello"}}]},
    {
        "id": "c",
        "model": "m",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": USAGE,
    },
)
TEXT = {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hello"}]}
COUNTS = {"promptTokens": 5, "completionTokens": 2, "totalTokens": 7}
ORACLE = {
    "modelId": "m",
    "chatResponse": {
        "apiFormat": "GENERIC",
        "choices": [{"index": 0, "message": TEXT, "finishReason": "stop"}],
        "usage": COUNTS,
    },
}
WHOLE = {"giga": CHAT, "sap": {"final_result": CHAT}, "own": CHAT, "copilot": CHAT, "oracle": ORACLE}
STREAMED: dict[str, tuple[Any, ...]] = {
    "giga": PIECES,
    "sap": tuple({"final_result": piece} for piece in PIECES),
    "own": PIECES,
    "copilot": PIECES,
    "oracle": ({"index": 0, "message": TEXT}, {"index": 0, "finishReason": "stop", "usage": COUNTS}),
}
TARGETS = {
    "giga": "/chat/completions",
    "sap": "/v2/inference/deployments/d1/v2/completion",
    "own": "/v2/inference/deployments/d2/chat/completions?api-version=2024-10-21",
    "copilot": "/chat/completions",
    "oracle": "/20231130/actions/chat",
}
TOKENS = {
    "/oauth": {"access_token": "tok.one", "expires_in": 1800},
    "/oauth/token": {"access_token": "tok.one", "expires_in": 1800},
    "/files": {"id": "file-1", "object": "file"},
    "/v2/lm/deployments?scenarioId=orchestration&status=RUNNING": {"resources": [{"id": "d7"}]},
    "/copilot": {"token": "tok.one", "expires_at": 4_000_000_000},
}


@pytest.fixture(name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path: Path) -> Iterator[RunningGateway]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    base = upstream.base
    sap = {"client_id": "c", "client_secret": "sap-shh", "auth_url": base, "resource_group": "g"}
    who = {"oci_tenancy": "t", "oci_user": "u", "oci_fingerprint": "f", "oci_key": pem}

    def row(name: str, model: str, **more: Any) -> dict[str, Any]:
        params = {"model": model, "api_base": base, "num_retries": 0, **more}
        return {"model_name": name, "litellm_params": params}

    models = [
        row("giga", "gigachat/GigaChat-2", api_key="key-shh", auth_url=base + "/oauth"),
        row("sap", "sap/gpt-4o", **sap, api_base=base + "/v2/inference/deployments/d1"),
        row("own", "sap/deployment/d2", **sap),
        row("found", "sap/gpt-4o", **sap, api_base=None, service_key=json.dumps(key_of(base))),
        row("copilot", "github_copilot/gpt-4o", api_key="key-shh", github_token_url=base + "/copilot"),
        row("oracle", "oci/meta.llama", **who, oci_compartment_id="ocid1.c"),
        row("cohere", "oci/cohere.command-r", **who, oci_compartment_id="ocid1.c"),
        row("petals", "petals/meta-llama/Llama-3", extra_body={"session_id": "a b"}),
    ]
    with running({"model_list": models, "general_settings": {"master_key": KEY}}, tmp_path) as served:
        yield served


def key_of(base: str) -> dict[str, Any]:
    """What of SAP's service key tells the API."""
    return {"serviceurls": {"AI_API_URL": base}}


def answers(upstream: Upstream, body: bytes, kind: str, status: int = 200) -> None:
    """Tokens to who asks for one, the body to all others."""

    def script(_: bytes) -> list[bytes]:
        target = upstream.requests[-1][0].split()[1]
        token = TOKENS.get(target)
        data = body if token is None else json.dumps(token).encode()
        line = f"HTTP/1.1 {200 if token else status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
        return [line.encode() + data]

    upstream.script = script


@pytest.mark.parametrize("name", WHOLE)
def test_a_documented_exchange(gateway: RunningGateway, upstream: Upstream, name: str) -> None:
    answers(upstream, json.dumps(WHOLE[name]).encode(), "application/json")
    status, _, data = gateway.request(
        "/v1/chat/completions", {"model": name, "messages": ASKED, "max_tokens": 5}
    )
    assert status == 200, data
    told = json.loads(data)
    assert told["choices"][0]["message"]["content"] == "Hello"
    assert told["usage"]["total_tokens"] == 7
    line, headers, body = upstream.requests[-1]
    assert line.split()[1] == TARGETS[name]
    signed = 'Signature version="1",keyId="t/u/f"' if name == "oracle" else "Bearer tok.one"
    assert headers["authorization"].startswith(signed)
    sent = json.loads(body)
    if name in ("sap", "own"):
        assert headers["ai-resource-group"] == "g"
    if name == "oracle":
        assert sent["compartmentId"] == "ocid1.c"
        assert sent["servingMode"]["modelId"] == "meta.llama"
        assert headers["content-length"] == str(len(body))
    assert ("model" in sent) is (name in ("giga", "copilot"))


@pytest.mark.parametrize("name", STREAMED)
def test_a_documented_stream(gateway: RunningGateway, upstream: Upstream, name: str) -> None:
    rows = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in STREAMED[name]]
    answers(upstream, b"".join([*rows, b"data: [DONE]\n\n"]), "text/event-stream")
    body = {"model": name, "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    status, _, data = gateway.request("/v1/chat/completions", body)
    assert status == 200, data
    assert data.endswith(b"data: [DONE]\n\n")
    chunks = [json.loads(row[6:]) for row in data.decode().split("\n") if row.startswith("data: {")]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
    assert any((chunk.get("usage") or {}).get("total_tokens") == 7 for chunk in chunks)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("giga", {"status": 429, "message": "Too many requests"}),
        (
            "sap",
            {"error": {"request_id": "r", "code": 429, "message": "Too many requests", "location": "LLM"}},
        ),
        ("oracle", {"code": "TooManyRequests", "message": "Too many requests"}),
    ],
)
def test_a_documented_error(gateway: RunningGateway, upstream: Upstream, name: str, error: Any) -> None:
    answers(upstream, json.dumps(error).encode(), "application/json", 429)
    status, _, data = gateway.request("/v1/chat/completions", {"model": name, "messages": ASKED})
    assert status == 429
    assert "Too many requests" in json.loads(data)["error"]["message"]


def test_saps_deployment_is_looked_up(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, json.dumps(WHOLE["sap"]).encode(), "application/json")
    for _ in range(2):
        status, _, data = gateway.request("/v1/chat/completions", {"model": "found", "messages": ASKED})
        assert status == 200, data
    targets = [line.split()[1] for line, _, _ in upstream.requests]
    assert targets == [
        "/oauth/token",
        "/v2/lm/deployments?scenarioId=orchestration&status=RUNNING",
        "/v2/inference/deployments/d7/v2/completion",
        "/v2/inference/deployments/d7/v2/completion",
    ]


def test_pictures_for_gigachat_are_uploaded(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, json.dumps(CHAT).encode(), "application/json")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}, picture]}]
    status, _, data = gateway.request("/v1/chat/completions", {"model": "giga", "messages": messages})
    assert status == 200, data
    (_, headers, form), (_, _, body) = upstream.requests[-2:]
    assert headers["content-type"].startswith("multipart/form-data; boundary=")
    assert headers["authorization"] == "Bearer tok.one"
    assert b'name="purpose"\r\n\r\ngeneral\r\n' in form
    assert b"\r\n\r\n\x89PNG\r\n\r\n" in form
    assert json.loads(body)["messages"] == [{"role": "user", "content": "hi", "attachments": ["file-1"]}]


def test_a_caller_cannot_choose_the_compartment(gateway: RunningGateway, upstream: Upstream) -> None:
    answers(upstream, json.dumps(ORACLE).encode(), "application/json")
    body = {"model": "oracle", "messages": ASKED, "compartmentId": "other", "drop_params": True}
    assert gateway.request("/v1/chat/completions", body)[0] == 200
    assert json.loads(upstream.requests[-1][2])["compartmentId"] == "ocid1.c"


def test_oracles_cohere_vectors_and_ranks(gateway: RunningGateway, upstream: Upstream) -> None:
    said = {"modelId": "m", "chatResponse": {"text": "Hello", "finishReason": "COMPLETE", "usage": COUNTS}}
    answers(upstream, json.dumps(said).encode(), "application/json")
    status, _, data = gateway.request("/v1/chat/completions", {"model": "cohere", "messages": ASKED})
    assert status == 200, data
    assert json.loads(data)["choices"][0]["message"]["content"] == "Hello"
    assert json.loads(upstream.requests[-1][2])["chatRequest"]["message"] == "hi"

    answers(upstream, b'{"embeddings":[[0.5]],"inputTextTokenCounts":[3],"modelId":"m"}', "application/json")
    status, _, data = gateway.request("/v1/embeddings", {"model": "cohere", "input": "a"})
    assert status == 200, data
    assert json.loads(data)["data"][0]["embedding"] == [0.5]
    sent = json.loads(upstream.requests[-1][2])
    assert (sent["inputs"], sent["compartmentId"]) == (["a"], "ocid1.c")

    answers(
        upstream, b'{"documentRanks":[{"index":0,"relevanceScore":0.5}],"modelId":"m"}', "application/json"
    )
    status, _, data = gateway.request("/v1/rerank", {"model": "cohere", "query": "q", "documents": ["a"]})
    assert status == 200, data
    assert json.loads(data)["results"][0]["relevance_score"] == 0.5
    assert upstream.requests[-1][0].split()[1] == "/20231130/actions/rerankText"


@pytest.mark.parametrize("stream", [False, True])
def test_a_documented_form_of_petals(gateway: RunningGateway, upstream: Upstream, stream: bool) -> None:
    answers(upstream, json.dumps({"ok": True, "outputs": "Hello"}).encode(), "application/json")
    body = {"model": "petals", "messages": [{"role": "user", "content": "a&b=ä"}], "max_tokens": 5}
    status, _, data = gateway.request("/v1/chat/completions", {**body, "temperature": 0.5, "stream": stream})
    assert status == 200, data
    assert b"Hello" in data
    line, headers, sent = upstream.requests[-1]
    assert line.split()[1] == "/api/v1/generate"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(sent.decode())) == {
        "model": "meta-llama/Llama-3",
        "inputs": "a&b=ä",
        "max_new_tokens": "5",
        "temperature": "0.5",
        "do_sample": "1",
        "session_id": "a b",
    }


def test_a_documented_failure_of_petals(gateway: RunningGateway, upstream: Upstream) -> None:
    said = {"ok": False, "traceback": "Traceback:\n  File x\nRuntimeError: no servers hold this block\n"}
    answers(upstream, json.dumps(said).encode(), "application/json")
    status, _, data = gateway.request("/v1/chat/completions", {"model": "petals", "messages": ASKED})
    assert status >= 500
    message = json.loads(data)["error"]["message"]
    assert "no servers hold this block" in message
    assert "File x" not in message
