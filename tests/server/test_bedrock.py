"""Bedrock behind a running gateway: recorded answers, whole and as event streams, reach clients of other formats."""

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest

import recorded
from headgate.core.dialects import dialect
from headgate.errors import for_status
from headgate.providers.registry import resolve
from headgate.wire import eventstream, ir
from headgate.wire.fold import fold
from servers import KEY, RunningGateway, Upstream, an_upstream, running

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
FILES = sorted((recorded.ROOT / "dev" / "aws-bedrock").glob("*.json")) if recorded.ROOT.exists() else []
RECORDS = [
    record
    for record in (json.loads(path.read_bytes()) for path in FILES)
    if record["api"] == "converse"
    or (record["api"] == "invoke" and "anthropic_version" in record["request"]["body"])
]
FRAMES = "application/vnd.amazon.eventstream"


upstream = an_upstream("module")


@pytest.fixture(scope="module")
def gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    row = {
        "model_name": "bedrock/*",
        "litellm_params": {"model": "bedrock/*", "api_base": upstream.base, "api_key": "sk-upstream-secret"},
    }
    config = {
        "model_list": [row],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "drop_params": True},
    }
    with running(config, tmp_path_factory.mktemp("bedrock")) as served:
        yield served


def play(upstream: Upstream, record: dict[str, Any]) -> None:
    response = record["response"]
    kind = FRAMES if "body_base64" in response else "application/json"
    upstream.reply(response["status"], {**response["headers"], "content-type": kind}, answer(record))


def answer(record: dict[str, Any]) -> bytes:
    response = record["response"]
    if "body_base64" in response:
        return b64decode(response["body_base64"])
    return json.dumps(response["body"]).encode()


def ask(gateway: RunningGateway, record: dict[str, Any], path: str) -> tuple[int, bytes]:
    """Asks as the recording did; tools that Converse's answer may call are not declared again."""
    way = "invoke/" if record["api"] == "invoke" else ""
    body = {
        "model": f"bedrock/{way}{record['model']}",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": "body_base64" in record["response"],
    }
    if path.endswith("completions"):
        body["stream_options"] = {"include_usage": True}
    status, _, data = gateway.request(path, body)
    return status, data


def said(record: dict[str, Any]) -> tuple[str, list[tuple[str, Any]], tuple[int, int]]:
    """Text, calls and tokens, as the dialect reads them; its own tests hold it to the recording."""
    way = "invoke/" if record["api"] == "invoke" else ""
    spoken = dialect(resolve("bedrock/" + way + record["model"])[0].dialect)
    reader = spoken.stream_reader()
    framed = "body_base64" in record["response"]
    reply = (
        fold([*reader.feed(answer(record)), *reader.close()]) if framed else spoken.read_reply(answer(record))
    )
    blocks = reply.choices[0].turn.blocks
    text = "".join(block.text for block in blocks if isinstance(block, ir.Text))
    calls = [(b.name, json.loads(b.arguments)) for b in blocks if isinstance(b, ir.ToolCall)]
    assert reply.usage is not None
    return text, calls, (reply.usage.input, reply.usage.output)


GOOD = [record for record in RECORDS if record["response"]["status"] == 200]


@pytest.mark.parametrize("record", GOOD, ids=lambda record: record["id"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_recorded_answers_mean_the_same_to_other_clients(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any], path: str
) -> None:
    play(upstream, record)
    status, data = ask(gateway, record, path)
    assert status == 200, data
    framed = "body_base64" in record["response"]
    documents = recorded.events(data) if framed else [json.loads(data)]
    heard = (
        recorded.said_by_chat(documents)
        if path.endswith("completions")
        else recorded.said_by_anthropic(documents, framed)
    )
    assert (heard.text, heard.calls, heard.tokens) == said(record)
    line, headers, _ = upstream.requests[-1]
    assert line.split()[1].startswith("/model/")
    assert line.split()[1].endswith("-stream") is framed
    assert headers["authorization"] == "Bearer sk-upstream-secret"


@pytest.mark.parametrize(
    "record", [r for r in RECORDS if r["response"]["status"] != 200], ids=lambda record: record["id"]
)
def test_recorded_errors_keep_their_class_and_words(
    gateway: RunningGateway, upstream: Upstream, record: dict[str, Any]
) -> None:
    play(upstream, record)
    status, data = ask(gateway, record, "/v1/chat/completions")
    said_ = record["response"]["body"]["message"]
    assert said_ in json.loads(data)["error"]["message"]
    expected = 401 if "security token" in said_ else record["response"]["status"]
    assert for_status(status) is for_status(expected)


CONVERSE = {"model": f"bedrock/{SONNET}", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
OPENING = eventstream.event("messageStart", b'{"role":"assistant"}')
PIECE = eventstream.event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hel"}}')
THROTTLED = eventstream.exception("throttlingException", b'{"message":"slow down"}')


def test_an_exception_before_any_content_is_told_by_the_status(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    upstream.reply(200, {"content-type": FRAMES}, OPENING + THROTTLED)
    status, _, data = gateway.request("/v1/chat/completions", CONVERSE)
    assert status == 429
    assert b"slow down" in data


@pytest.mark.parametrize("end", [THROTTLED, b"", PIECE[:20], PIECE[:-1] + b"\x00"])
def test_a_stream_that_breaks_never_looks_complete(
    gateway: RunningGateway, upstream: Upstream, end: bytes
) -> None:
    upstream.reply(200, {"content-type": FRAMES}, OPENING + PIECE + end)
    _, _, data = gateway.request("/v1/chat/completions", CONVERSE)
    assert b"Hel" in data
    assert b'"error"' in data
    assert b"[DONE]" not in data


def test_embeddings(gateway: RunningGateway, upstream: Upstream) -> None:
    reply = json.dumps({"embedding": [0.5, 0.25], "inputTextTokenCount": 3}).encode()
    upstream.reply(200, {"content-type": "application/json"}, reply)
    body = {"model": "bedrock/amazon.titan-embed-text-v2:0", "input": "a", "dimensions": 256}
    status, _, data = gateway.request("/v1/embeddings", body)
    assert status == 200, data
    assert json.loads(data)["data"][0]["embedding"] == [0.5, 0.25]
    assert json.loads(data)["usage"]["prompt_tokens"] == 3
    line, _, sent = upstream.requests[-1]
    assert line.split()[1] == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert json.loads(sent) == {"inputText": "a", "dimensions": 256}
