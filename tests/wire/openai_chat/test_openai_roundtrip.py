"""Chat ↔ IR loses nothing: what is read is written the same, and what is written is read the same."""

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import chat_bodies, chunked, json_objects, json_values, messages, replies

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT

FRAME = Frame(id="ours", created=1, model="ours", stream_usage=True)
few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def events_of(pieces: list[bytes], echo: ir.Echo | None = None) -> list[ir.Event]:
    reader = DIALECT.stream_reader(echo)
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


@few
@given(chat_bodies)
def test_a_request_is_written_as_it_was_read(body: dict[str, Any]) -> None:
    request = DIALECT.read_request(body)
    written = DIALECT.write_request(request, Target(model=body["model"]))
    assert written.body == body
    assert written.dropped == []
    assert DIALECT.read_request(written.body) == request


@few
@given(st.lists(messages, min_size=1, max_size=2), st.data())
def test_any_json_in_a_request_is_kept_or_refused_with_its_place(
    rows: list[Any], data: st.DataObject
) -> None:
    """A value anywhere in a message or at the top is replaced by any JSON."""
    row = data.draw(st.sampled_from(rows))
    row[data.draw(st.sampled_from([*row, "content", "tool_calls", "images"]))] = data.draw(json_values)
    body = {"model": "m", "messages": rows}
    body[data.draw(st.sampled_from(["tools", "stop", "n", "thinking", "tool_choice", "response_format"]))] = (
        data.draw(json_values)
    )
    try:
        request = DIALECT.read_request(body)
    except BadRequestError as error:
        assert error.param
        assert error.param.split("[")[0].split(".")[0] in body
    else:
        assert DIALECT.write_request(request, Target(model="m")).body == body


@few
@given(json_objects)
def test_any_object_is_a_request_or_a_bad_one(body: dict[str, Any]) -> None:
    try:
        DIALECT.read_request(body)
    except BadRequestError as error:
        assert error.param


@few
@given(replies())
def test_a_reply_is_read_as_it_was_written(reply: ir.Reply) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@few
@given(replies(), st.data())
def test_any_json_in_a_reply_is_kept_or_refused(reply: ir.Reply, data: st.DataObject) -> None:
    document = json.loads(DIALECT.write_reply(reply, FRAME))
    node = data.draw(st.sampled_from([document, document["choices"][0], document["choices"][0]["message"]]))
    key = data.draw(st.sampled_from([key for key in node if key not in ("id", "model", "created", "index")]))
    node[key] = data.draw(json_values)
    body = msgspec.json.encode(document)
    DIALECT.glance(body)
    try:
        read = DIALECT.read_reply(body)
    except HeadgateError:
        return
    assert json.loads(DIALECT.write_reply(read, FRAME)) == document


@few
@given(replies(stream=True), st.data())
def test_a_stream_carries_a_reply(reply: ir.Reply, data: st.DataObject) -> None:
    written = DIALECT.stream_writer(FRAME).write(unfold(reply))
    assert fold(events_of(data.draw(chunked(written)))) == reply


@few
@given(replies(stream=True))
def test_a_stream_says_the_same_byte_by_byte(reply: ir.Reply) -> None:
    written = DIALECT.stream_writer(FRAME).write(unfold(reply))
    assert events_of([written[at : at + 1] for at in range(len(written))]) == events_of([written])


@few
@given(st.lists(json_objects | json_values, max_size=4), st.booleans())
def test_any_chunks_end_in_an_answer_or_a_failure(chunks: list[Any], done: bool) -> None:
    stream = b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)
    check_grammar(events_of([stream + (b"data: [DONE]\n\n" if done else b"")]))


@few
@given(replies(stream=True), st.data())
def test_damaged_deltas_never_break_the_grammar(reply: ir.Reply, data: st.DataObject) -> None:
    rows = DIALECT.stream_writer(FRAME).write(unfold(reply)).split(b"\n\n")
    at = data.draw(st.integers(0, len(rows) - 3))
    chunk = json.loads(rows[at][6:])
    node = data.draw(st.sampled_from([chunk, *chunk["choices"], *(row["delta"] for row in chunk["choices"])]))
    known = [*node, "content", "tool_calls", "thinking_blocks", "audio", "provider_specific_fields", "usage"]
    node[data.draw(st.sampled_from(known))] = data.draw(json_values)
    rows[at] = b"data: " + msgspec.json.encode(chunk)
    check_grammar(events_of([b"\n\n".join(rows)]))


@few
@given(st.binary(max_size=60))
def test_any_bytes_end_in_an_answer_or_a_failure(data: bytes) -> None:
    check_grammar(events_of([data]))
    check_grammar(events_of([b"data: " + data + b"\n\n"]))


def check_grammar(events: list[ir.Event]) -> None:
    """One start, blocks counted from 0, deltas only in open blocks, and exactly one end."""
    assert isinstance(events[-1], ir.ReplyEnd | ir.StreamFailure)
    assert sum(isinstance(event, ir.ReplyEnd | ir.StreamFailure) for event in events) == 1
    open_blocks: set[tuple[int, int]] = set()
    counts: dict[int, int] = {}
    for event in events:
        if isinstance(event, ir.BlockStart):
            assert event.index == counts.get(event.choice, 0)
            counts[event.choice] = event.index + 1
            open_blocks.add((event.choice, event.index))
        elif isinstance(event, ir.BlockDelta | ir.CitationDelta):
            assert (event.choice, event.index) in open_blocks
        elif isinstance(event, ir.BlockStop):
            open_blocks.remove((event.choice, event.index))
    if isinstance(events[-1], ir.ReplyEnd):
        assert not open_blocks
        fold(events)
