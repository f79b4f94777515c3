"""Every recorded exchange in Cohere's format goes through the dialect and means the same afterwards."""

import json
import random
from typing import Any

import pytest

import recorded
from headgate.errors import HeadgateError, for_status
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT as ANTHROPIC
from headgate.wire.cohere import DIALECT
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT as CHAT

recorded.needed()

FRAME = Frame(id="id1", created=1, model="m", stream_usage=True)


def _records() -> list[dict[str, Any]]:
    found = []
    for line in (recorded.ROOT / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["provider"] == "cohere" and entry["api"] == "chat":
            record = json.loads((recorded.ROOT / entry["file"]).read_text())
            if record["request"]["url"].endswith("/v2/chat"):
                found.append({**record, "id": entry["id"]})
    return found


RECORDS = _records()
GOOD = [one for one in RECORDS if one["response"]["status"] == 200]
WHOLES = [one for one in GOOD if isinstance(one["response"].get("body"), dict)]
STREAMS = [one for one in GOOD if "sse" in one["response"]]
REFUSED = [one for one in RECORDS if one["response"]["status"] >= 400]


def name(record: dict[str, Any]) -> str:
    return str(record["id"])


def test_the_recordings_are_there() -> None:
    assert len(WHOLES) >= 10
    assert len(STREAMS) >= 5
    assert len(REFUSED) >= 2


def full(value: Any) -> Any:
    """Without what says nothing."""
    if isinstance(value, dict):
        return {key: full(inner) for key, inner in value.items() if inner is not None}
    return [full(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("record", RECORDS, ids=name)
def test_a_request_is_written_as_it_was_read(record: dict[str, Any]) -> None:
    body = full(record["request"]["body"])
    written = DIALECT.write_request(DIALECT.read_request(body), Target(model=body["model"]))
    assert written.dropped == []
    assert {"stream": False, **written.body} == {"stream": False, **body}


@pytest.mark.parametrize("record", [*WHOLES, *STREAMS], ids=name)
def test_a_chat_client_s_request_is_understood(record: dict[str, Any]) -> None:
    """What Cohere's client asked, asked by a client of OpenAI's, reaches Cohere with the same words."""
    asked = DIALECT.read_request(record["request"]["body"])
    chat = CHAT.write_request(asked, Target(model="m"))
    assert set(chat.dropped) <= {"documents"}
    written = DIALECT.write_request(CHAT.read_request(chat.body), Target(model="m"))
    assert written.dropped == []
    again = DIALECT.read_request(written.body)
    assert _words(again) == _words(asked)
    assert [tool.name for tool in again.tools or ()] == [tool.name for tool in asked.tools or ()]


def _words(request: ir.Request) -> list[Any]:
    """Of each turn what is said, called and answered."""
    found: list[Any] = []
    for turn in request.turns:
        for block in turn.blocks:
            match block:
                case ir.Text() if block.text:
                    found.append((turn.role, block.text))
                case ir.Thinking():
                    found.append((turn.role, block.text))
                case ir.ToolCall():
                    found.append((block.id, block.name, block.arguments or "{}"))
                case ir.ToolResult():
                    texts = [one.text for one in block.content if isinstance(one, ir.Text)]
                    found.append((block.call_id, texts))
                case ir.Image():
                    found.append((block.source.value, block.detail))
    return sorted(found, key=str)  # a plan stands after the content


@pytest.mark.parametrize("record", WHOLES, ids=name)
def test_a_reply_is_written_as_it_was_read(record: dict[str, Any]) -> None:
    body = record["response"]["body"]
    found = DIALECT.read_reply(json.dumps(body).encode())
    assert json.loads(DIALECT.write_reply(found, FRAME)) == body
    assert fold(unfold(found)) == found
    glance = DIALECT.glance(json.dumps(body).encode())
    assert (glance.usage, glance.error) == (found.usage, None)


def pieces(data: bytes, seed: int) -> list[bytes]:
    dice, cut = random.Random(seed), []
    while data:
        size = dice.randint(1, 300)
        cut.append(data[:size])
        data = data[size:]
    return cut


def events_of(chunks: list[bytes]) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.close()


def outcome(chunks: list[bytes]) -> Any:
    try:
        return fold(events_of(chunks))
    except HeadgateError as error:
        return type(error), error.message


@pytest.mark.parametrize("record", STREAMS, ids=name)
def test_a_stream_says_the_same_however_it_is_cut(record: dict[str, Any]) -> None:
    data = recorded.answer_bytes(record)
    whole = outcome([data])
    bytewise = [data[at : at + 1] for at in range(len(data))]
    for chunks in (bytewise, pieces(data, 1), pieces(data, 2)):
        assert outcome(chunks) == whole
        sniffer = DIALECT.sniffer()
        for chunk in chunks:
            sniffer.feed(chunk)
        failed = not isinstance(whole, ir.Reply)
        assert sniffer.done
        assert (sniffer.ended, sniffer.error is not None) == (not failed, failed)
        if isinstance(whole, ir.Reply):
            assert sniffer.usage == whole.usage


def whole_of(record: dict[str, Any]) -> dict[str, Any]:
    """The answer that a stream adds up to, put together the simplest way."""
    message: dict[str, Any] = {"role": "assistant"}
    reply: dict[str, Any] = {"message": message}
    content: dict[int, dict[str, Any]] = {}
    calls: dict[int, dict[str, Any]] = {}
    for event in recorded.events(recorded.answer_bytes(record)):
        kind, index = event["type"], event.get("index")
        told = event.get("delta", {}).get("message", {})
        if kind == "message-start":
            reply["id"] = event["id"]
        elif kind == "content-start":
            content[index] = dict(told["content"])
        elif kind == "content-delta":
            for key, text in told["content"].items():
                content[index][key] += text
        elif kind == "tool-plan-delta":
            message["tool_plan"] = message.get("tool_plan", "") + told["tool_plan"]
        elif kind == "tool-call-start":
            calls[index] = told["tool_calls"]
        elif kind == "tool-call-delta":
            calls[index]["function"]["arguments"] += told["tool_calls"]["function"]["arguments"]
        elif kind == "citation-start":
            message.setdefault("citations", []).append(told["citations"])
        elif kind == "message-end":
            reply.update(event["delta"])
    if content:
        message["content"] = list(content.values())
    if calls:
        message["tool_calls"] = list(calls.values())
    return reply


def fails(record: dict[str, Any]) -> bool:
    return "error" in recorded.events(recorded.answer_bytes(record))[-1]["delta"]


@pytest.mark.parametrize("record", [one for one in STREAMS if not fails(one)], ids=name)
def test_a_stream_is_the_reply_that_it_adds_up_to(record: dict[str, Any]) -> None:
    found = fold(events_of([recorded.answer_bytes(record)]))
    assert found == DIALECT.read_reply(json.dumps(whole_of(record)).encode())
    written = DIALECT.stream_writer(FRAME).write(unfold(found))
    assert fold(events_of([written])) == found


@pytest.mark.parametrize("record", [one for one in STREAMS if fails(one)], ids=name)
def test_an_answer_that_fails_in_its_stream_is_no_answer(record: dict[str, Any]) -> None:
    events = events_of([recorded.answer_bytes(record)])
    assert isinstance(events[-1], ir.StreamFailure)
    assert "invalid tool generation" in events[-1].error.message
    assert DIALECT.stream_writer(FRAME).write(events).count(b'"ERROR"') == 1


@pytest.mark.parametrize("record", [one for one in STREAMS if not fails(one)], ids=name)
def test_a_stream_that_is_written_has_the_recorded_events(record: dict[str, Any]) -> None:
    data = recorded.answer_bytes(record)
    written = recorded.events(DIALECT.stream_writer(FRAME).write(events_of([data])))
    kinds = [event["type"] for event in recorded.events(data)]
    assert sorted(event["type"] for event in written if event["type"] != "tool-call-delta") == sorted(
        kind for kind in kinds if kind != "tool-call-delta"
    )
    assert written[0]["id"] == recorded.events(data)[0]["id"]


def test_the_beginning_of_a_stream_is_told_from_its_content() -> None:
    data = recorded.answer_bytes(STREAMS[1]).partition(b"event: content-delta")
    assert DIALECT.is_opening(data[0])
    assert not DIALECT.is_opening(data[1] + data[2])
    failed = next(recorded.answer_bytes(one) for one in STREAMS if fails(one))
    assert DIALECT.is_opening(failed[failed.index(b"event: message-end") :])


@pytest.mark.parametrize("record", REFUSED, ids=name)
def test_an_error_is_told(record: dict[str, Any]) -> None:
    status = record["response"]["status"]
    error = DIALECT.read_error(status, {}, recorded.answer_bytes(record))
    assert error.message == record["response"]["body"]["message"]
    assert isinstance(error, for_status(status))


def heard(blocks: list[ir.Block]) -> dict[str, Any]:
    return {
        "text": "".join(block.text for block in blocks if isinstance(block, ir.Text)),
        "thought": "".join(block.text for block in blocks if isinstance(block, ir.Thinking)),
        "calls": [
            (b.id, b.name, json.loads(b.arguments or "{}")) for b in blocks if isinstance(b, ir.ToolCall)
        ],
        "addresses": [c.url for b in blocks if isinstance(b, ir.Text) for c in b.citations or () if c.url],
    }


@pytest.mark.parametrize("dialect", [CHAT, ANTHROPIC], ids=["chat", "anthropic"])
@pytest.mark.parametrize("record", [*WHOLES, *(s for s in STREAMS if not fails(s))], ids=name)
def test_other_formats_are_told_the_same(record: dict[str, Any], dialect: Any) -> None:
    body = record["response"].get("body") or whole_of(record)
    found = DIALECT.read_reply(json.dumps(body).encode())
    told = dialect.read_reply(dialect.write_reply(found, FRAME))
    reader = dialect.stream_reader()
    streamed = fold(reader.feed(dialect.stream_writer(FRAME).write(unfold(found))) + reader.close())
    for reply in (told, streamed):
        assert heard(reply.choices[0].turn.blocks) == heard(found.choices[0].turn.blocks)
        assert reply.usage is not None
        assert found.usage is not None
        assert (reply.usage.input, reply.usage.output) == (found.usage.input, found.usage.output)
        assert reply.usage.cache_read == found.usage.cache_read
    back = DIALECT.read_reply(DIALECT.write_reply(told, FRAME))
    assert heard(back.choices[0].turn.blocks) == heard(found.choices[0].turn.blocks)
