"""/api/generate: recorded exchanges, and what its fields become in a conversation."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import counts, words

import recorded
from headgate.errors import APIConnectionError, APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.ollama.generate import DIALECT
from headgate.wire.openai_chat import DIALECT as CHAT

FRAME = Frame(id="i", created=1, model="m")
RECORDS = [
    record
    for path in sorted((recorded.ROOT / "dev" / "ollama").glob("*.json"))
    if "/api/generate" in (record := json.loads(path.read_bytes()))["request"]["url"]
]


def events(data: bytes, size: int) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    out = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*out, *reader.close()]


def text_of(reply: ir.Reply) -> str:
    return "".join(block.text for block in reply.choices[0].turn.blocks if isinstance(block, ir.Text))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_recorded_requests(record: dict[str, Any]) -> None:
    body = record["request"]["body"]
    request = DIALECT.read_request(body)
    written = DIALECT.write_request(request, Target(model=body["model"]))
    assert written.dropped == []
    assert written.body["prompt"] == body["prompt"]
    assert written.body.get("options") == (body.get("options") or None)
    to_chat = CHAT.write_request(request, Target(model="m"))
    assert to_chat.dropped == []
    assert to_chat.body["messages"] == [{"role": "user", "content": body["prompt"]}]


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_recorded_answers(record: dict[str, Any], size: int) -> None:
    data = recorded.answer_bytes(record)
    lines = recorded.lines(data) if "ndjson" in record["response"] else [record["response"]["body"]]
    reply = fold(events(data, size)) if "ndjson" in record["response"] else DIALECT.read_reply(data)
    assert text_of(reply) == "".join(line["response"] for line in lines)
    assert reply.model == lines[0]["model"]
    last = lines[-1]
    assert reply.usage == ir.Usage(input=last.get("prompt_eval_count", 0), output=last["eval_count"])
    again = json.loads(DIALECT.write_reply(reply, FRAME))
    assert again["response"] == text_of(reply)
    assert again["context"] == last["context"]
    written = recorded.lines(DIALECT.stream_writer(FRAME).write(unfold(reply)))
    assert "".join(line["response"] for line in written) == text_of(reply)
    assert [line["done"] for line in written] == [False] * (len(written) - 1) + [True]


def test_system_and_pictures() -> None:
    body = {
        "model": "m",
        "system": "Be brief",
        "prompt": "What is it?",
        "images": ["iVBORw0KGgo="],
        "format": "json",
    }
    request = DIALECT.read_request(body)
    assert [turn.role for turn in request.turns] == ["system", "user"]
    assert request.stream
    assert DIALECT.write_request(request, Target(model="m")).body == {**body, "stream": True}


def test_what_has_no_twin_is_reported_elsewhere_and_kept_here() -> None:
    body = {"model": "m", "prompt": "a", "suffix": "b", "raw": True, "context": [1], "stream": False}
    request = DIALECT.read_request(body)
    assert DIALECT.write_request(request, Target(model="m")).body == body
    assert sorted(CHAT.write_request(request, Target(model="m")).dropped) == ["context", "raw", "suffix"]


def test_calls_have_no_place() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f"}}
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    request = CHAT.read_request({"model": "m", "messages": talk, "tools": [tool]})
    assert DIALECT.write_request(request, Target(model="m")).dropped == ["tools", "messages[1]: only text"]


@pytest.mark.parametrize(("field", "value"), [("prompt", 1), ("system", []), ("images", "x"), ("options", 1)])
def test_errors_point_at_the_place(field: str, value: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        DIALECT.read_request({"model": "m", "prompt": "a", field: value})
    assert caught.value.param == field


def test_failures() -> None:
    with pytest.raises(HeadgateError, match="no memory"):
        DIALECT.read_reply(b'{"error":"no memory"}')
    with pytest.raises(APIConnectionError):
        fold(events(b'{"model":"m","response":"a","done":false}\n', 3))
    with pytest.raises(APIResponseValidationError):
        DIALECT.read_reply(b"<html>")
    line = DIALECT.stream_writer(FRAME).write([ir.StreamFailure(APIConnectionError("gone"))])
    assert json.loads(line) == {"error": "gone"}


@given(st.lists(words, max_size=1), words, counts, counts)
def test_replies_come_back_whole_and_streamed(
    thoughts: list[str], text: str, input_: int, output: int
) -> None:
    blocks: list[ir.Block] = [*(ir.Thinking(text=thought) for thought in thoughts), ir.Text(text)]
    reply = ir.Reply(
        model="m",
        created=5,
        choices=[
            ir.Choice(
                turn=ir.Turn(role="assistant", blocks=blocks, flat=not thoughts),
                finish=ir.Finish(reason="stop"),
            )
        ],
        usage=ir.Usage(input=input_, output=output),
    )
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply
    written = DIALECT.stream_writer(FRAME).write(unfold(reply))
    assert text_of(DIALECT.read_reply(written)) == text
    reply.choices[0].turn.flat = False
    assert fold(events(written, 5)) == reply
