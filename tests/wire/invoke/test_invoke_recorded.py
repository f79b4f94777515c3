"""Every recorded exchange of InvokeModel goes through the dialect of its maker and means the same afterwards."""

import json
from base64 import b64decode
from typing import Any

import pytest

import recorded
from headgate.core.dialects import dialect
from headgate.providers.registry import resolve
from headgate.wire import eventstream, ir
from headgate.wire.dialect import Dialect, Frame, Target
from headgate.wire.embeddings import EmbeddingsReply
from headgate.wire.fold import fold, unfold

recorded.needed()

FRAME = Frame(id="ours", created=1, model="ours", stream_usage=True)
FILES = sorted((recorded.ROOT / "dev" / "aws-bedrock").glob("aws-bedrock.invoke.*.json"))
RECORDS = [json.loads(path.read_bytes()) for path in FILES]


def is_embedding(record: dict[str, Any]) -> bool:
    return not {"inputText", "texts", "taskType"}.isdisjoint(record["request"]["body"]) and (
        "textGenerationConfig" not in record["request"]["body"]
    )


def is_chat(record: dict[str, Any]) -> bool:
    return not is_embedding(record) and "rerank" not in record["model"] and "invalid" not in record["model"]


def spoken(record: dict[str, Any]) -> Dialect:
    return dialect(resolve(f"bedrock/invoke/{record['model']}")[0].dialect)


def each(records: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("record", records, ids=lambda record: record["id"])


CHAT = [record for record in RECORDS if is_chat(record)]
GOOD = [record for record in CHAT if record["response"]["status"] == 200]
WHOLE = [record for record in GOOD if isinstance(record["response"].get("body"), dict)]
STREAMS = [record for record in GOOD if "body_base64" in record["response"]]
CLAUDE = [r for r in CHAT if "claude" in r["model"] and "anthropic_version" in r["request"]["body"]]
EMBEDDINGS = [record for record in RECORDS if is_embedding(record)]


def test_the_recordings_are_there() -> None:
    assert len(WHOLE) >= 20
    assert len(STREAMS) >= 15
    assert len(CLAUDE) >= 15
    assert len(EMBEDDINGS) >= 5


def written(record: dict[str, Any]) -> ir.Written:
    inner = spoken(record)
    request = inner.read_request(record["request"]["body"])
    return inner.write_request(request, Target(model=record["model"]))


@each(CLAUDE)
def test_a_request_to_claude_is_written_as_it_came(record: dict[str, Any]) -> None:
    body = json.loads(json.dumps(record["request"]["body"]))
    messages: list[Any] = []
    for message in body["messages"]:
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += [{"type": "text", "text": message["content"]}]
        else:
            messages.append(message)
    again = written(record)
    assert again.dropped == []
    assert again.headers == {}
    assert again.body == {**body, "messages": messages}


NAMES = {"max_new_tokens": "maxTokens"}


def plain(value: Any) -> Any:
    """Without what says nothing."""
    if not isinstance(value, dict):
        return value
    fields = {NAMES.get(key, key): plain(item) for key, item in value.items()}
    quiet = {"stream", "schemaVersion", "num_generations"}
    return {key: item for key, item in fields.items() if item != [] and (key not in quiet or item == 2)}


@each([record for record in CHAT if record not in CLAUDE])
def test_a_request_to_another_model_is_written_as_it_came(record: dict[str, Any]) -> None:
    again = written(record)
    if spoken(record).name != "bedrock_openai":
        assert again.dropped == []
    assert plain(again.body) == plain(record["request"]["body"])


def text_of(reply: ir.Reply) -> str:
    return "".join(block.text for block in reply.choices[0].turn.blocks if isinstance(block, ir.Text))


TEXTS = {
    "completion": lambda body: body["completion"],
    "results": lambda body: body["results"][0]["outputText"],
    "generation": lambda body: body["generation"],
    "outputs": lambda body: body["outputs"][0]["text"],
    "generations": lambda body: body["generations"][0]["text"],
    "completions": lambda body: body["completions"][0]["data"]["text"],
    "text": lambda body: body["text"],
    "content": lambda body: "".join(part.get("text", "") for part in body["content"]),
    "output": lambda body: "".join(part.get("text", "") for part in body["output"]["message"]["content"]),
    "choices": lambda body: body["choices"][0]["message"]["content"],
}


@each(WHOLE)
def test_an_answer_says_what_its_body_says(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    reply = spoken(record).read_reply(json.dumps(body).encode(), written(record).echo)
    key = next(key for key in TEXTS if key in body)
    assert text_of(reply) == TEXTS[key](body)
    finish = reply.choices[0].finish
    assert finish is not None
    if "max_tokens_cut" in record["features"]:
        assert finish.reason == "length"
    if "tool_call" in record["features"]:
        assert finish.reason == "tool_calls"


def data_of(record: dict[str, Any]) -> bytes:
    return b64decode(record["response"]["body_base64"])


def events_of(inner: Dialect, data: bytes, size: int, echo: ir.Echo | None = None) -> list[ir.Event]:
    reader = inner.stream_reader(echo)
    out = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*out, *reader.close()]


def documents(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(b64decode(json.loads(m.payload)["bytes"])) for m in eventstream.Decoder().feed(data)]


def piece(event: dict[str, Any]) -> str:
    """The text of one chunk, whoever made it."""
    delta = event.get("delta") or event.get("contentBlockDelta", {}).get("delta") or {}
    return str(
        event.get("outputText") or event.get("generation") or event.get("completion") or event.get("text")
        or delta.get("text") or ""
    )  # fmt: skip


@each(STREAMS)
def test_a_stream_says_what_its_chunks_say_in_any_chunking(record: dict[str, Any]) -> None:
    inner, data, echo = spoken(record), data_of(record), written(record).echo
    whole = events_of(inner, data, len(data), echo)
    assert events_of(inner, data, 1, echo) == whole
    reply = fold(whole)
    chunks = documents(data)
    assert text_of(reply) == "".join(map(piece, chunks))
    assert isinstance(whole[-1], ir.ReplyEnd)
    metrics = chunks[-1].get("amazon-bedrock-invocationMetrics")
    assert reply.usage is not None
    if metrics:
        assert reply.usage.input == metrics["inputTokenCount"]
        billed = [event["usage"]["output_tokens"] for event in chunks if event.get("type") == "message_delta"]
        assert reply.usage.output == (billed[-1] if billed else metrics["outputTokenCount"])


@each(STREAMS)
def test_a_stream_is_written_so_that_it_reads_the_same(record: dict[str, Any]) -> None:
    inner, data = spoken(record), data_of(record)
    first = fold(events_of(inner, data, len(data)))
    again = fold(events_of(inner, inner.stream_writer(FRAME).write(unfold(first)), 19))
    assert text_of(again) == text_of(first)
    assert again.choices[0].finish is not None
    assert first.choices[0].finish is not None
    assert again.choices[0].finish.reason == first.choices[0].finish.reason
    calls = [[b for b in r.choices[0].turn.blocks if isinstance(b, ir.ToolCall)] for r in (first, again)]
    assert calls[0] == calls[1]


@each([record for record in STREAMS if "guardrail" not in json.dumps(documents(data_of(record)))])
def test_the_sniffer_sees_usage_and_end(record: dict[str, Any]) -> None:
    inner, data = spoken(record), data_of(record)
    sniffer = inner.sniffer()
    for at in range(0, len(data), 11):
        sniffer.feed(data[at : at + 11])
    assert sniffer.ended
    assert sniffer.error is None
    assert sniffer.usage == fold(events_of(inner, data, len(data))).usage


@each([record for record in RECORDS if record["response"]["status"] != 200])
def test_an_error_keeps_its_words(record: dict[str, Any]) -> None:
    response = record["response"]
    inner = dialect("bedrock_anthropic")
    error = inner.read_error(response["status"], response["headers"], json.dumps(response["body"]).encode())
    assert error.message == response["body"]["message"]
    assert error.status_code == response["status"]


@each(EMBEDDINGS)
def test_embeddings(record: dict[str, Any]) -> None:
    inner: Any = dialect("bedrock_embeddings")
    request = inner.read_request(record["request"]["body"])
    model = record["model"] if "inference-profile" not in record["model"] else "titan-embed-text-v2"
    again = inner.write_request(request, Target(model=model))
    assert again.dropped == []
    assert again.body == record["request"]["body"]
    body = record["response"]["body"]
    reply: EmbeddingsReply = inner.read_reply(json.dumps(body).encode())
    assert len(reply.vectors) == len(request.input)
    assert all(len(vector) > 100 for vector in reply.vectors)
    if "inputTextTokenCount" in body:
        assert reply.usage == ir.Usage(input=body["inputTextTokenCount"])
        assert inner.glance(json.dumps(body).encode()).usage == reply.usage
