"""What recordings don't show: parallel calls, free-text tools, several messages, and JSON of any shape."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recorded
from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold
from headgate.wire.responses import DIALECT

FRAME = Frame(id="id1", created=1, model="m")
TARGET = Target(model="m")


def written(events: list[ir.Event]) -> list[dict[str, Any]]:
    return recorded.events(DIALECT.stream_writer(FRAME).write(events))


def test_parallel_calls_keep_their_arguments() -> None:
    events: list[ir.Event] = [
        ir.ReplyStart(id="r", model="m"),
        ir.BlockStart(0, 0, ir.ToolCall(id="1", name="f")),
        ir.BlockStart(0, 1, ir.ToolCall(id="2", name="g")),
        ir.BlockDelta(0, 1, "arguments", '{"b":'),
        ir.BlockDelta(0, 0, "arguments", '{"a":1}'),
        ir.BlockDelta(0, 1, "arguments", "2}"),
        ir.ChoiceEnd(0, ir.Finish(reason="tool_calls")),
        ir.ReplyEnd(),
    ]
    final = written(events)[-1]["response"]
    assert [(item["name"], item["arguments"]) for item in final["output"]] == [
        ("f", '{"a":1}'),
        ("g", '{"b":2}'),
    ]
    reader = DIALECT.stream_reader()
    found = fold(reader.feed(DIALECT.stream_writer(FRAME).write(events)) + reader.close())
    assert [block.arguments for block in found.choices[0].turn.blocks] == ['{"a":1}', '{"b":2}']


def test_tools_of_free_text_go_both_ways() -> None:
    items = [
        {"role": "user", "content": "patch it"},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
    ]
    tool = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    read = DIALECT.read_request({"model": "m", "input": items, "tools": [tool]})
    body = DIALECT.write_request(read, TARGET).body
    assert body["input"][1:] == items[1:]
    assert body["tools"] == [tool]


def test_messages_stay_apart_and_keep_what_is_theirs() -> None:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}], "id": "u1"},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "b", "annotations": []}],
            "id": "m1",
            "phase": "commentary",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "c", "annotations": []}],
            "id": "m2",
        },
    ]
    read = DIALECT.read_request({"model": "m", "input": items})
    assert [turn.role for turn in read.turns] == ["user", "assistant"]
    assert DIALECT.write_request(read, TARGET).body["input"] == items


def test_another_vendors_seal_survives_the_way_there_and_back() -> None:
    thought = ir.Thinking(text="hm", signature="sig.with.dots==", family="anthropic")
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[thought]))])
    (item,) = json.loads(DIALECT.write_reply(reply, FRAME))["output"]
    read = DIALECT.read_request({"model": "m", "input": [item]})
    (again,) = read.turns[0].blocks
    assert isinstance(again, ir.Thinking)
    assert (again.text, again.signature, again.family) == ("hm", "sig.with.dots==", "anthropic")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                """type role content text annotations summary output input call_id name arguments item part response
            output_index content_index delta status error usage id model encrypted_content tools tool_choice
            reasoning format image_url file_data title url""".split()
            ),
            inner
            | st.sampled_from(
                """message reasoning function_call custom_tool_call function_call_output output_text input_text
            input_image input_file refusal summary_text assistant user system completed failed function custom
            web_search json_schema""".split()
            ),
            max_size=6,
        )
    ),
    max_leaves=25,
)
KINDS = st.sampled_from(
    [
        f"response.{kind}"
        for kind in """created output_item.added output_item.done content_part.added output_text.delta
        refusal.delta reasoning_summary_text.delta function_call_arguments.delta completed failed incomplete
        output_text.annotation.added""".split()
    ]
)


@settings(max_examples=400)
@given(
    st.dictionaries(
        st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning", "metadata"]), values
    )
)
def test_requests_of_any_shape_are_read_or_refused(body: dict[str, Any]) -> None:
    try:
        read = DIALECT.read_request({"model": "m", **body})
    except BadRequestError as error:
        assert error.message
        return
    DIALECT.write_request(read, TARGET)


@settings(max_examples=400)
@given(values)
def test_answers_of_any_shape_are_read_or_refused(body: Any) -> None:
    data = json.dumps(body).encode()
    DIALECT.glance(data)
    try:
        read = DIALECT.read_reply(data)
    except HeadgateError:
        return
    DIALECT.write_reply(read, FRAME)


@settings(max_examples=400)
@given(st.lists(st.tuples(KINDS, values), max_size=6))
def test_streams_of_any_shape_are_read_or_refused(events: list[tuple[str, Any]]) -> None:
    nodes = [
        {**(value if isinstance(value, dict) else {"delta": value}), "type": kind} for kind, value in events
    ]
    data = b"".join(f"event: {node['type']}\ndata: {json.dumps(node)}\n\n".encode() for node in nodes)
    sniffer, reader, writer = DIALECT.sniffer(), DIALECT.stream_reader(), DIALECT.stream_writer(FRAME)
    sniffer.feed(data)
    try:
        found = reader.feed(data) + reader.close()
    except HeadgateError:
        return
    assert isinstance(found[-1], ir.StreamFailure | ir.ReplyEnd)
    writer.write(event for event in found if not isinstance(event, ir.StreamFailure))


@pytest.mark.parametrize("output", ["x", [3], {"a": 1}], ids=str)
def test_an_answer_that_is_none_does_not_look_like_one(output: Any) -> None:
    body = {"id": "r", "object": "response", "status": "completed", "model": "m", "output": output}
    with pytest.raises(APIResponseValidationError):
        DIALECT.read_reply(json.dumps(body).encode())


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_watched_stream_may_lack_its_last_blank_line(size: int, end: bytes, last: bool) -> None:
    """Wherever the event has its kind."""
    response = {
        "model": "m",
        "output": [{"text": "x" * 900}],
        "usage": {"input_tokens": 2, "output_tokens": 1},
    }
    kind = {"type": "response.completed"}
    event = {"response": response, **kind} if last else {**kind, "response": response, "sequence_number": 4}
    data = b"data: " + json.dumps(event).encode() + end
    sniffer = DIALECT.sniffer()
    for at in range(0, len(data), size):
        sniffer.feed(data[at : at + size])
    assert sniffer.ended and sniffer.usage is not None
    assert (sniffer.usage.input, sniffer.usage.output) == (2, 1)


@pytest.mark.parametrize("error", ["boom", {"message": "boom", "code": 503}])
def test_an_error_of_any_shape_in_a_watched_stream(error: Any) -> None:
    sniffer = DIALECT.sniffer()
    sniffer.feed(b"data: " + json.dumps({"error": error, "code": 503}).encode() + b"\n\n")
    assert sniffer.error is not None
    assert (sniffer.error.message, sniffer.error.status_code) == ("boom", 503)
