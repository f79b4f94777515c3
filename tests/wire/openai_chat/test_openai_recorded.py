"""Recorded chat traffic of all OpenAI-shaped providers, through the IR and back."""

import json
from typing import Any

import pytest

import recorded
from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT

if not recorded.ROOT.exists():
    pytest.skip("the recorded traffic is not beside the project", allow_module_level=True)

FRAME = Frame(id="none", created=1, model="m", stream_usage=True)
RECORDS = [
    record
    for record in recorded.records()
    if record["api"] == "chat"
    and "/api/chat" not in record["request"]["url"]
    and record["response"]["status"] == 200
]
REQUESTS = [record for record in RECORDS if isinstance(record["request"].get("body"), dict)]
WHOLE = [record for record in RECORDS if isinstance(record["response"].get("body"), dict)]
STREAMS = [record for record in RECORDS if "sse" in record["response"]]


def even(value: Any) -> Any:
    """Without what means the same: absent and null, one text in a list and as a string."""
    if isinstance(value, dict):
        kept = {key: even(inner) for key, inner in value.items() if inner is not None}
        if isinstance(kept.get("image_url"), str):
            kept["image_url"] = {"url": kept["image_url"]}
        content = kept.get("content")
        if kept.get("role") == "assistant" and isinstance(content, list):
            texts = [part for part in content if isinstance(part, dict) and set(part) == {"type", "text"}]
            if len(texts) == len(content):
                kept["content"] = "".join(part["text"] for part in texts)
        if kept.get("role") == "assistant" and not kept.get("content"):
            kept.pop("content", None)
        return kept
    return [even(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("record", REQUESTS, ids=lambda record: record["id"])
def test_requests_come_back_equal(record: dict[str, Any]) -> None:
    body = record["request"]["body"]
    try:
        request = DIALECT.read_request(body)
    except HeadgateError as error:
        assert error.param
        return
    written = DIALECT.write_request(request, Target(model=body.get("model", "")))
    expected = even({**body, "model": body.get("model", "")})
    if isinstance(expected.get("stop"), str):
        expected["stop"] = [expected["stop"]]
    if "max_completion_tokens" in expected:
        expected["max_tokens"] = expected.pop("max_completion_tokens")
    if expected.get("stream") is False:
        del expected["stream"]
    if expected.get("tool_choice") == "any":
        expected["tool_choice"] = "required"
    for tool in expected.get("tools", ()):
        tool.setdefault("type", "function")
    assert written.dropped == []
    assert even(written.body) == expected


@pytest.mark.parametrize("record", WHOLE, ids=lambda record: record["id"])
def test_replies_come_back_equal(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    if "error" in body and not body.get("choices"):
        with pytest.raises(HeadgateError):
            DIALECT.read_reply(json.dumps(body).encode())
        return
    written = json.loads(DIALECT.write_reply(DIALECT.read_reply(json.dumps(body).encode()), FRAME))
    for choice in written["choices"]:
        (choice.get("logprobs") or {}).pop("refusal", None)
    expected = {"object": "chat.completion", **body, "id": body.get("id") or "none"}
    for choice in expected["choices"]:
        (choice.get("logprobs") or {}).pop("refusal", None)
        for call in choice["message"].get("tool_calls") or []:
            call.setdefault("type", "function")
    assert even(written) == even(expected)


def read(data: bytes, size: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.close()]


@pytest.mark.parametrize("record", STREAMS, ids=lambda record: record["id"])
def test_streams_read_byte_by_byte_and_written_again_are_the_same(record: dict[str, Any]) -> None:
    data = record["response"]["sse"].encode()
    events = read(data, len(data))
    if any(isinstance(event, ir.StreamFailure) for event in events):
        assert b'"error"' in data
        return
    whole = fold(events)
    assert fold(read(data, 1)) == whole
    again = fold(read(DIALECT.stream_writer(FRAME).write(events), 10_000))
    assert [c.finish for c in again.choices] == [c.finish for c in whole.choices]
    assert texts(again) == texts(whole)
    assert again.usage == whole.usage


def texts(reply: ir.Reply) -> list[Any]:
    return [
        (type(block).__name__, getattr(block, "text", None) or getattr(block, "arguments", None))
        for choice in reply.choices
        for block in choice.turn.blocks
        if getattr(block, "text", None) or isinstance(block, ir.ToolCall)
    ]
