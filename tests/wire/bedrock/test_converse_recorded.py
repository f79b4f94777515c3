"""Every recorded exchange in Converse's format goes through the dialect and means the same afterwards."""

import json
import random
from base64 import b64decode
from typing import Any

import pytest

import recorded
from headgate.errors import HeadgateError
from headgate.wire import eventstream, ir
from headgate.wire.anthropic import DIALECT as ANTHROPIC
from headgate.wire.bedrock import DIALECT
from headgate.wire.dialect import Dialect, Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT as CHAT

recorded.needed()

FRAME = Frame(id="ours", created=1, model="ours", stream_usage=True)
FILES = sorted((recorded.ROOT / "dev" / "aws-bedrock").glob("aws-bedrock.converse.*.json"))
RECORDS = [json.loads(path.read_bytes()) for path in FILES]
GOOD = [record for record in RECORDS if record["response"]["status"] == 200]
WHOLE = [record for record in GOOD if isinstance(record["response"].get("body"), dict)]
STREAMS = [record for record in GOOD if "body_base64" in record["response"]]
BAD = [record for record in RECORDS if record["response"]["status"] != 200]


def each(records: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("record", records, ids=lambda record: record["id"])


def test_the_recordings_are_there() -> None:
    assert len(WHOLE) >= 30
    assert len(STREAMS) >= 15
    assert len(BAD) >= 5


def written(record: dict[str, Any]) -> ir.Written:
    request = DIALECT.read_request(record["request"]["body"])
    return DIALECT.write_request(request, Target(model=record["model"]))


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what says nothing: empty values, turns that could be one, the two names of thinking, and
    how the text of a schema is spaced."""
    body = json.loads(json.dumps(body))
    messages: list[Any] = []
    for message in body["messages"]:
        if messages and messages[-1]["role"] == message["role"]:
            messages[-1]["content"] += message["content"]
        else:
            messages.append(message)
    body["messages"] = messages
    fields = body.get("additionalModelRequestFields") or {}
    if isinstance(fields.get("reasoning_config"), dict):
        fields["thinking"] = fields.pop("reasoning_config")
    node = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
    if node:
        node["schema"] = json.loads(node["schema"])
    config = body.get("inferenceConfig", {})
    body["inferenceConfig"] = {key: value for key, value in config.items() if value != []}
    return {key: value for key, value in body.items() if value not in ({}, [])}


@each(RECORDS)
def test_a_request_is_written_as_it_came(record: dict[str, Any]) -> None:
    again = written(record)
    assert again.dropped == []
    assert plain(again.body) == plain(record["request"]["body"])


@each(WHOLE)
def test_an_answer_is_written_as_it_came(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    reply = DIALECT.read_reply(json.dumps(body).encode())
    assert json.loads(DIALECT.write_reply(reply, FRAME)) == body
    assert DIALECT.glance(json.dumps(body).encode()).usage == reply.usage


@each(WHOLE)
def test_a_whole_answer_says_the_same_as_a_stream(record: dict[str, Any]) -> None:
    reply = DIALECT.read_reply(json.dumps(record["response"]["body"]).encode(), written(record).echo)
    data = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reader = DIALECT.stream_reader()
    assert said(fold([*reader.feed(data), *reader.close()])) == said(reply)


def data_of(record: dict[str, Any]) -> bytes:
    return b64decode(record["response"]["body_base64"])


def frames(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    return [(m.name, json.loads(m.payload)) for m in eventstream.Decoder().feed(data)]


def read(dialect: Dialect, data: bytes, echo: ir.Echo | None, sizes: list[int]) -> list[ir.Event]:
    reader = dialect.stream_reader(echo)
    out: list[ir.Event] = []
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        out += reader.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    return [*out, *reader.close()]


def expected(data: bytes) -> dict[str, Any]:
    """What the frames say, read the simplest way."""
    text = thought = signature = ""
    calls: dict[int, list[str]] = {}
    stop, usage = None, None
    for name, event in frames(data):
        at = event.get("contentBlockIndex", 0)
        use = event.get("start", {}).get("toolUse")
        if use and use.get("type") != "server_tool_use":
            calls[at] = [use["name"], ""]
        delta = event.get("delta", {})
        text += delta.get("text", "")
        thought += delta.get("reasoningContent", {}).get("text", "")
        signature += delta.get("reasoningContent", {}).get("signature", "")
        if at in calls:
            calls[at][1] += delta.get("toolUse", {}).get("input", "")
        stop = event.get("stopReason", stop)
        usage = event.get("usage", usage) if name == "metadata" else usage
    assert usage is not None
    read, wrote = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    return {
        "text": text,
        "thought": thought,
        "signature": signature,
        "calls": [(name, json.loads(text or "{}")) for name, text in calls.values()],
        "raw": stop,
        "tokens": (usage["inputTokens"] + read + wrote, usage["outputTokens"]),
    }


def said(reply: ir.Reply) -> dict[str, Any]:
    (choice,) = reply.choices
    blocks = choice.turn.blocks
    thoughts = [block for block in blocks if isinstance(block, ir.Thinking)]
    assert choice.finish is not None
    assert reply.usage is not None
    return {
        "text": "".join(block.text for block in blocks if isinstance(block, ir.Text)),
        "thought": "".join(block.text for block in thoughts),
        "signature": "".join(block.signature or "" for block in thoughts),
        "calls": [(b.name, json.loads(b.arguments)) for b in blocks if isinstance(b, ir.ToolCall)],
        "raw": choice.finish.raw,
        "tokens": (reply.usage.input, reply.usage.output),
    }


@each(STREAMS)
def test_a_stream_says_what_its_events_say_in_any_chunking(record: dict[str, Any]) -> None:
    data, echo = data_of(record), written(record).echo
    whole = read(DIALECT, data, echo, [len(data)])
    assert read(DIALECT, data, echo, [1]) == whole
    assert read(DIALECT, data, echo, random.Random(7).choices(range(1, 90), k=50)) == whole
    assert said(fold(whole)) == expected(data)
    assert isinstance(whole[0], ir.ReplyStart)
    assert isinstance(whole[-1], ir.ReplyEnd)


@each(STREAMS)
def test_a_stream_is_written_so_that_it_reads_the_same(record: dict[str, Any]) -> None:
    data, echo = data_of(record), written(record).echo
    events = read(DIALECT, data, echo, [len(data)])
    again = DIALECT.stream_writer(FRAME).write(events)
    assert fold(read(DIALECT, again, echo, [33])) == fold(events)


@each(STREAMS)
def test_the_sniffer_sees_usage_and_end(record: dict[str, Any]) -> None:
    data = data_of(record)
    sniffer = DIALECT.sniffer()
    for at in range(0, len(data), 11):
        assert not sniffer.done
        sniffer.feed(data[at : at + 11])
    assert sniffer.done
    assert sniffer.ended
    assert sniffer.error is None
    assert sniffer.usage == fold(read(DIALECT, data, None, [len(data)])).usage


@each(BAD)
def test_an_error_keeps_its_words(record: dict[str, Any]) -> None:
    response = record["response"]
    body = json.dumps(response["body"]).encode()
    error = DIALECT.read_error(response["status"], response["headers"], body)
    assert error.message == response["body"]["message"]
    assert 400 <= error.status_code < 500
    with pytest.raises(HeadgateError) as raised:
        DIALECT.read_reply(body)
    assert raised.value.message == error.message


# --- through other formats and back ----------------------------------------------------------------------

OTHERS: dict[str, Dialect] = {"chat": CHAT, "anthropic": ANTHROPIC}


def shown(reply: ir.Reply) -> dict[str, Any]:
    """What is left in another format: not the spelling of the stop reason."""
    seen = said(reply)
    finish = reply.choices[0].finish
    return {**seen, "raw": finish.reason if finish else None}


@pytest.mark.parametrize("other", OTHERS)
@each(WHOLE)
def test_an_answer_means_the_same_in_another_format(record: dict[str, Any], other: str) -> None:
    reply = DIALECT.read_reply(json.dumps(record["response"]["body"]).encode(), written(record).echo)
    dialect = OTHERS[other]
    assert shown(dialect.read_reply(dialect.write_reply(reply, FRAME))) == shown(reply)


@pytest.mark.parametrize("other", OTHERS)
@each(STREAMS)
def test_a_stream_means_the_same_in_another_format(record: dict[str, Any], other: str) -> None:
    data, dialect = data_of(record), OTHERS[other]
    events = read(DIALECT, data, written(record).echo, [17])
    again = read(dialect, dialect.stream_writer(FRAME).write(events), None, [13])
    assert shown(fold(again)) == shown(fold(events))


@pytest.mark.parametrize("other", OTHERS)
@each([record for record in WHOLE if "reasoning_signature" in record["features"]])
def test_signed_reasoning_comes_back_signed(record: dict[str, Any], other: str) -> None:
    """An answer, shown to a client of another format, and sent back by it with the next question."""
    body = record["response"]["body"]
    node = body["output"]["message"]["content"][0]
    dialect = OTHERS[other]
    reply = DIALECT.read_reply(json.dumps(body).encode(), written(record).echo)
    shown_ = json.loads(dialect.write_reply(reply, FRAME))
    message = (
        shown_["choices"][0]["message"]
        if other == "chat"
        else {"role": "assistant", "content": shown_["content"]}
    )
    asked = {
        "model": "m",
        "max_tokens": 9000,
        "messages": [{"role": "user", "content": "a"}, message, {"role": "user", "content": "b"}],
    }
    again = DIALECT.write_request(dialect.read_request(asked), Target(model=record["model"]))
    assert again.body["messages"][1]["content"][0] == node
