"""Every recorded exchange in the Messages format goes through the dialect and comes out the same."""

import base64
import json
from typing import Any

import msgspec
import pytest

import recorded
from headgate import errors
from headgate.wire import failures, ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold

WIRE = recorded.ROOT
FRAME = Frame(id="msg_ours", created=0, model="ours")


def _records() -> list[tuple[str, dict[str, Any]]]:
    paths = [
        *WIRE.glob("dev/anthropic/anthropic.messages.*.json"),
        *WIRE.glob("dev/anthropic/anthropic.count_tokens.*.json"),
        *WIRE.glob("dev/google-vertex/google-vertex.messages.*.json"),
        *WIRE.glob("dev/aws-bedrock/aws-bedrock.invoke.*.json"),
        *WIRE.glob("responses_only/anthropic/*.json"),
        *WIRE.glob("responses_only/aws-bedrock/*messages*.json"),
    ]
    return [(path.stem, json.loads(path.read_bytes())) for path in sorted(paths)]


def _model(record: dict[str, Any]) -> str:
    """The body's, else the one in the address, as Vertex and Bedrock have it."""
    body = record["request"]["body"]
    parts = record["request"]["url"].split("/")
    named = [part for part in parts if "claude" in part]
    return str(body.get("model") or (named[0] if named else ""))


def _frames(data: bytes) -> list[bytes]:
    """Payloads of an AWS event stream."""
    out = []
    while data:
        total, head = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        out.append(data[12 + head : total - 4])
        data = data[total:]
    return out


def _stream(record: dict[str, Any]) -> bytes | None:
    response = record["response"]
    chunks = response.get("chunks")
    if response.get("body_base64"):
        payloads = [json.loads(frame) for frame in _frames(base64.b64decode(response["body_base64"]))]
        chunks = [base64.b64decode(item["bytes"]).decode() for item in payloads if "bytes" in item]
    if chunks:
        return "".join(f"data: {chunk}\n\n" for chunk in chunks).encode()
    return response["sse"].encode() if response.get("sse") else None


def _is_message(body: Any) -> bool:
    return isinstance(body, dict) and body.get("type") == "message" and "content" in body


RECORDS = _records()
REQUESTS = [
    (name, record)
    for name, record in RECORDS
    if isinstance((record.get("request") or {}).get("body"), dict)
    and "messages" in record["request"]["body"]
    and ("/messages" in record["request"]["url"] or "claude" in _model(record))
]
REPLIES = [(name, record) for name, record in RECORDS if _is_message(record["response"].get("body"))]
STREAMS = [
    (name, stream)
    for name, record in RECORDS
    if (stream := _stream(record)) is not None and b'"message_start"' in stream
]
FAILURES = [
    (name, record)
    for name, record in RECORDS
    if isinstance(record["response"].get("status"), int) and record["response"]["status"] >= 400
]

pytestmark = pytest.mark.skipif(not WIRE.is_dir(), reason="no recorded traffic here")


def _each(cases: list[tuple[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", [case for _, case in cases], ids=[name for name, _ in cases])


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Consecutive messages of one side as one, which is what the API makes of them."""
    out: list[dict[str, Any]] = []
    for message in messages:
        if out and out[-1]["role"] == message["role"]:
            out[-1] = {**out[-1], "content": [*_list(out[-1]["content"]), *_list(message["content"])]}
        else:
            out.append(message)
    return out


def _list(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def test_the_recordings_are_there() -> None:
    assert len(REQUESTS) >= 100
    assert len(REPLIES) >= 60
    assert len(STREAMS) >= 45
    assert len(FAILURES) >= 6


@_each(REQUESTS)
def test_request_survives(case: dict[str, Any]) -> None:
    model = _model(case)
    body = {**case["request"]["body"], "model": model}
    written = DIALECT.write_request(DIALECT.read_request(body), Target(model=model))
    expected = {**body, "messages": _merged(body["messages"])}
    if not expected.get("stream"):
        expected.pop("stream", None)
    if "max_tokens" not in body:
        del written.body["max_tokens"]
    assert written.body == expected
    assert written.dropped == []
    assert written.echo is None


@_each(REPLIES)
def test_whole_reply_survives(case: dict[str, Any]) -> None:
    body = msgspec.json.encode(case["response"]["body"])
    reply = DIALECT.read_reply(body)
    expected = {"stop_sequence": None, **case["response"]["body"]}
    assert json.loads(DIALECT.write_reply(reply, FRAME)) == expected
    assert fold(unfold(reply)) == reply
    assert DIALECT.glance(body).usage == reply.usage
    assert DIALECT.glance(body).model == reply.model


@_each(STREAMS)
def test_stream_is_the_same_for_any_chunking_and_through_the_writer(case: bytes) -> None:
    reply = fold(_read(case, len(case)))
    assert reply.choices[0].finish is not None
    assert fold(_read(case, 1)) == reply
    assert fold(_read(case, 7)) == reply
    writer = DIALECT.stream_writer(FRAME)
    again = b"".join(writer.write([event]) for event in _read(case, len(case)))
    assert fold(_read(again, len(again))) == reply
    assert fold(unfold(reply)) == reply


@_each(STREAMS)
def test_stream_becomes_a_whole_reply_with_the_same_meaning(case: bytes) -> None:
    reply = fold(_read(case, len(case)))
    for block in reply.choices[0].turn.blocks:
        if isinstance(block, ir.ToolCall):
            block.arguments = msgspec.json.encode(msgspec.json.decode(block.arguments)).decode()
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@_each([(name, stream) for name, stream in STREAMS if stream.startswith(b"event:")])
def test_sniffer_sees_what_the_reader_sees(case: bytes) -> None:
    reply = fold(_read(case, len(case)))
    for size in (1, 13, 4096):
        sniffer = DIALECT.sniffer()
        for at in range(0, len(case), size):
            sniffer.feed(case[at : at + size])
        assert (sniffer.usage, sniffer.model, sniffer.ended) == (reply.usage, reply.model, True)
        assert sniffer.error is None


@_each(FAILURES)
def test_errors_keep_their_class_and_words(case: dict[str, Any]) -> None:
    status, body = case["response"]["status"], case["response"]["body"]
    error = DIALECT.read_error(status, {}, msgspec.json.encode(body))
    assert type(error) is errors.for_status(status)
    assert error.message == failures.words_of(body).message != ""


def _read(stream: bytes, size: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(stream), size) for event in reader.feed(stream[at : at + size])]
    return [*events, *reader.close()]
