"""Every recorded Responses exchange: requests, answers and streams are read, and written again say the same."""

import json
import random
from typing import Any

import pytest

import recorded
from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT as ANTHROPIC
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT as CHAT
from headgate.wire.responses import DIALECT

recorded.needed()

FRAME = Frame(id="id1", created=1, model="m", stream_usage=True)


def _records() -> list[dict[str, Any]]:
    found = []
    for line in (recorded.ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["api"] == "responses":
            record = json.loads((recorded.ROOT / entry["file"]).read_text())
            if record["request"]["method"] == "POST" and isinstance(record["request"].get("body"), dict):
                found.append({**record, "id": entry["id"]})
    return found


RECORDS = _records()
STREAMS = [one for one in RECORDS if "sse" in one["response"]]
WHOLES = [
    one
    for one in RECORDS
    if isinstance(one["response"].get("body"), dict) and one["response"]["body"].get("output") is not None
]
REFUSED = [one for one in RECORDS if one["response"]["status"] >= 400]


def name(record: dict[str, Any]) -> str:
    return str(record["id"])


def said(blocks: list[ir.Block]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for block in blocks:
        match block:
            case ir.Text():
                found.append(("text", block.text))
            case ir.ToolCall():
                found.append(("call", (block.id, block.name, block.arguments)))
            case ir.Thinking():
                found.append(("thinking", (block.text, bool(block.signature))))  # sealed anew each time
            case ir.Refusal():
                found.append(("refusal", block.text))
            case ir.Opaque():
                found.append(("opaque", block.value.get("type")))
            case _:
                found.append(("other", type(block).__name__))
    return found


def full(value: Any) -> Any:
    """Without what says nothing."""
    if isinstance(value, dict):
        return {key: full(inner) for key, inner in value.items() if inner is not None}
    return [full(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("record", RECORDS, ids=name)
def test_a_request_is_written_as_it_was_read(record: dict[str, Any]) -> None:
    body = full(record["request"]["body"])
    read = DIALECT.read_request(body)
    written = DIALECT.write_request(read, Target(model=body.get("model", "m")))
    assert written.dropped == []
    again = DIALECT.read_request(written.body)
    assert said([b for t in again.turns for b in t.blocks]) == said([b for t in read.turns for b in t.blocks])
    for key in body.keys() - {"input", "tools", "instructions"}:
        if body[key] not in (None, False, [], {}):
            assert full(written.body.get(key)) == body[key], key
    assert [tool.get("name") for tool in written.body.get("tools") or []] == [
        tool.get("name") for tool in body.get("tools") or []
    ]


@pytest.mark.parametrize("record", WHOLES, ids=name)
def test_an_answer_says_what_was_recorded(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    found = DIALECT.read_reply(json.dumps(body).encode())
    texts = [
        part["text"]
        for item in body["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] in ("output_text", "text", "input_text")
    ]
    calls = [item["name"] for item in body["output"] if item["type"] == "function_call"]
    blocks = found.choices[0].turn.blocks
    assert [block.text for block in blocks if isinstance(block, ir.Text)] == texts
    assert [block.name for block in blocks if isinstance(block, ir.ToolCall)] == calls
    if usage := body.get("usage"):
        assert found.usage is not None
        assert (found.usage.input, found.usage.output) == (usage["input_tokens"], usage["output_tokens"])
        glance = DIALECT.glance(json.dumps(body).encode())
        assert (glance.usage, glance.model) == (found.usage, body.get("model"))
    again = DIALECT.read_reply(DIALECT.write_reply(found, FRAME))
    assert said(again.choices[0].turn.blocks) == said(blocks)


def cut(data: bytes, seed: int) -> list[bytes]:
    dice, pieces = random.Random(seed), []
    while data:
        size = dice.randint(1, 200)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@pytest.mark.parametrize("record", STREAMS, ids=name)
def test_a_stream_is_the_answer_that_it_ends_with(record: dict[str, Any]) -> None:
    data = record["response"]["sse"].encode()
    final = next(
        (
            event["response"]
            for event in reversed(recorded.events(data))
            if event.get("type") in ("response.completed", "response.incomplete")
        ),
        None,
    )
    outcomes = []
    for pieces in ([data], cut(data, 1), cut(data, 2)):
        reader = DIALECT.stream_reader()
        events = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
        sniffer = DIALECT.sniffer()
        for piece in pieces:
            sniffer.feed(piece)
        assert sniffer.ended == (final is not None)
        if final is None:
            assert isinstance(events[-1], ir.StreamFailure)
            with pytest.raises(HeadgateError):
                fold(events)
            continue
        found = fold(events)
        assert sniffer.usage == found.usage
        outcomes.append(found)
    if final is None:
        return
    whole = DIALECT.read_reply(json.dumps(final).encode())
    assert outcomes[0] == outcomes[1] == outcomes[2]
    if final["output"]:
        told = said(whole.choices[0].turn.blocks)  # one provider leaves out of it what it has streamed
        assert said(outcomes[0].choices[0].turn.blocks)[: len(told)] == told
    assert (outcomes[0].usage, outcomes[0].choices[0].finish) == (whole.usage, whole.choices[0].finish)


@pytest.mark.parametrize("record", STREAMS, ids=name)
def test_a_stream_that_is_written_reads_the_same(record: dict[str, Any]) -> None:
    reader = DIALECT.stream_reader()
    events = reader.feed(record["response"]["sse"].encode()) + reader.close()
    if isinstance(events[-1], ir.StreamFailure):
        return
    written = DIALECT.stream_writer(FRAME).write(events)
    again = DIALECT.stream_reader()
    found = fold(again.feed(written) + again.close())
    assert said(found.choices[0].turn.blocks) == said(fold(events).choices[0].turn.blocks)
    numbers = [event["sequence_number"] for event in recorded.events(written)]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("record", REFUSED, ids=name)
def test_an_error_is_told(record: dict[str, Any]) -> None:
    response = record["response"]
    error = DIALECT.read_error(response["status"], {}, recorded.answer_bytes(record))
    assert error.message


def words(blocks: list[ir.Block]) -> str:
    return "".join(block.text for block in blocks if isinstance(block, ir.Text | ir.Refusal))


@pytest.mark.parametrize("dialect", [CHAT, ANTHROPIC], ids=["chat", "anthropic"])
@pytest.mark.parametrize("record", [*WHOLES, *STREAMS], ids=name)
def test_other_formats_are_told_the_same(record: dict[str, Any], dialect: Any) -> None:
    if "sse" in record["response"]:
        reader = DIALECT.stream_reader()
        events = reader.feed(record["response"]["sse"].encode()) + reader.close()
        if isinstance(events[-1], ir.StreamFailure):
            return
        found = fold(events)
    else:
        found = DIALECT.read_reply(json.dumps(record["response"]["body"]).encode())
    told = dialect.read_reply(dialect.write_reply(found, FRAME))
    blocks, others = found.choices[0].turn.blocks, told.choices[0].turn.blocks
    assert words(others) == words(blocks)
    calls = [b.name for b in blocks if isinstance(b, ir.ToolCall)]
    assert [b.name for b in others if isinstance(b, ir.ToolCall)] == calls
    events = list(unfold(found))
    stream = dialect.stream_writer(FRAME).write(events)
    assert stream
