"""A whole answer of a chat server, told to a client that asked for a stream.

Servers leave out or misspell what a whole answer should have; a stream of it is well formed all the same.
"""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import replies

from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT

FRAME = Frame(id="ours", created=7, model="mine", stream_usage=True)
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def answer(message: dict[str, Any], finish: Any = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    top = {"id": "1", "object": "chat.completion", "created": 5, "model": "m"}
    return {**top, "choices": [choice], **more}


def streamed(document: dict[str, Any]) -> bytes:
    reply = DIALECT.read_reply(json.dumps(document).encode())
    return DIALECT.stream_writer(FRAME).write(unfold(reply))


def chunks_of(data: bytes) -> list[dict[str, Any]]:
    *rows, last = data.decode().strip().split("\n\n")
    assert last == "data: [DONE]"
    return [json.loads(row.removeprefix("data: ")) for row in rows]


def finish(data: bytes) -> list[Any]:
    rows = [choice["finish_reason"] for chunk in chunks_of(data) for choice in chunk["choices"]]
    return [reason for reason in rows if reason is not None]


def test_a_call_without_a_content_key() -> None:
    """The key is often left out beside tool calls."""
    data = streamed(answer({"tool_calls": [CALL]}, "tool_calls"))
    deltas = [choice["delta"] for chunk in chunks_of(data) for choice in chunk["choices"]]
    opening = next(delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta)
    assert (opening["index"], opening["id"], opening["type"]) == (0, "c", "function")
    reader = DIALECT.stream_reader()
    blocks = fold([*reader.feed(data), *reader.close()]).choices[0].turn.blocks
    assert blocks == [ir.ToolCall("c", "f", '{"a": 1}')]
    assert finish(data) == ["tool_calls"]


def test_a_call_without_a_type_has_one_in_the_stream() -> None:
    data = streamed(answer({"content": None, "tool_calls": [{k: CALL[k] for k in ("id", "function")}]}))
    calls = [
        choice["delta"]["tool_calls"][0]
        for chunk in chunks_of(data)
        for choice in chunk["choices"]
        if "tool_calls" in choice["delta"]
    ]
    assert calls[0]["type"] == "function"
    assert all("type" not in call for call in calls[1:])


@pytest.mark.parametrize("kind", ["chat", "text_completion", "", None])
def test_every_chunk_is_a_chunk(kind: str | None) -> None:
    document = answer({"content": "hi"}, object=kind)
    if kind is None:
        del document["object"]
    assert {chunk["object"] for chunk in chunks_of(streamed(document))} == {"chat.completion.chunk"}


@pytest.mark.parametrize("told", [None, "", 5])
def test_an_answer_without_a_reason_has_stopped(told: Any) -> None:
    assert finish(streamed(answer({"content": "hi"}, told))) == ["stop"]


@pytest.mark.parametrize("content", [{"a": 1}, 5, True])
def test_odd_content_is_told_once_and_as_text(content: Any) -> None:
    data = streamed(answer({"content": content}))
    told = [choice["delta"].get("content", "") for chunk in chunks_of(data) for choice in chunk["choices"]]
    assert all(isinstance(text, str) for text in told)
    assert json.loads("".join(told)) == content


def test_the_role_is_always_assistant() -> None:
    data = streamed(answer({"role": "model", "content": "hi"}))
    roles = [choice["delta"].get("role") for chunk in chunks_of(data) for choice in chunk["choices"]]
    assert set(roles) == {"assistant", None}


def test_what_a_server_adds_still_comes_through() -> None:
    document = answer({"content": "hi", "x_message": 1}, citations=["u"], system_fingerprint="fp")
    document["choices"][0]["x_choice"] = 2
    chunks = chunks_of(streamed(document))
    assert {chunk["system_fingerprint"] for chunk in chunks} == {"fp"}
    assert [chunk["citations"] for chunk in chunks if "citations" in chunk] == [["u"]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["delta"]["x_message"] for choice in choices if "x_message" in choice["delta"]] == [1]
    assert [choice["x_choice"] for choice in choices if "x_choice" in choice] == [2]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(replies(), st.data())
def test_whatever_is_left_out_the_stream_is_well_formed(reply: ir.Reply, data: st.DataObject) -> None:
    document = json.loads(DIALECT.write_reply(reply, FRAME))
    for key in data.draw(st.sets(st.sampled_from(["id", "object", "created", "model", "usage"]))):
        document.pop(key, None)
    for choice in document["choices"]:
        for key in data.draw(st.sets(st.sampled_from(["role", "content", "refusal", "annotations"]))):
            choice["message"].pop(key, None)
        for key in data.draw(st.sets(st.sampled_from(["index", "finish_reason", "logprobs"]))):
            choice.pop(key, None)
    written = streamed(document)
    assert {chunk["object"] for chunk in chunks_of(written)} == {"chat.completion.chunk"}
    assert len(finish(written)) == len({choice.index for choice in reply.choices})
