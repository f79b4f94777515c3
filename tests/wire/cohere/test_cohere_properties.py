"""What the dialect writes it reads back equal; and no input, however odd, gets more than a named error."""

import contextlib
import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.cohere import DIALECT
from headgate.wire.cohere.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold

FRAME = Frame(id="ours", created=0, model="ours")
word = st.text("abcXYZ019_", min_size=1, max_size=8)
prose = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
counts = st.integers(0, 10**6)

notes = st.fixed_dictionaries(
    {"start": st.integers(0, 5), "end": st.integers(5, 9), "text": prose, "sources": st.just([])},
    optional={"x": word},
)


@st.composite
def texts(draw: st.DrawFn, at: int) -> ir.Text:
    found = [
        ir.Citation(start=node["start"], end=node["end"], extra={"cohere": {**node, "content_index": at}})
        for node in draw(st.lists(notes, max_size=2))
    ]
    return ir.Text(draw(prose), citations=found or None)


thoughts = st.builds(ir.Thinking, prose)
plans = st.builds(lambda text: ir.Text(text, extra={"cohere": {"tool_plan": True}}), prose)
calls = st.builds(ir.ToolCall, id=word, name=word, arguments=st.sampled_from(["{}", '{"a": "ö"}', "{"]))


@st.composite
def replies(draw: st.DrawFn) -> ir.Reply:
    """Answers in the dialect's normal form: content, plan, calls."""
    kinds = draw(st.lists(st.booleans(), max_size=3))
    blocks: list[ir.Block] = [draw(texts(at) if kind else thoughts) for at, kind in enumerate(kinds)]
    blocks += draw(st.lists(plans, max_size=1))
    found = draw(st.lists(calls, max_size=2))
    read = draw(counts)
    usage = ir.Usage(
        input=read + draw(counts),
        output=draw(counts),
        cache_read=draw(st.none() | st.just(read)),
        reasoning=draw(st.none() | counts),
    )
    raw = "TOOL_CALL" if found else draw(st.sampled_from(["COMPLETE", "MAX_TOKENS"]))
    reason: Any = {"TOOL_CALL": "tool_calls", "COMPLETE": "stop", "MAX_TOKENS": "length"}[raw]
    choice = ir.Choice(
        turn=ir.Turn(role="assistant", blocks=[*blocks, *found]),
        finish=ir.Finish(reason=reason, raw=raw, family="cohere"),
    )
    return ir.Reply(choices=[choice], id=draw(word), usage=draw(st.none() | st.just(usage)))


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    edges = [0, *sorted(draw(st.lists(st.integers(0, len(data)), max_size=6))), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(replies())
def test_a_reply_that_is_written_reads_the_same(reply: ir.Reply) -> None:
    empty = not reply.choices[0].turn.blocks
    found = DIALECT.read_reply(DIALECT.write_reply(reply, FRAME))
    if empty:  # an answer must hold something: an empty text
        assert found.choices[0].turn.blocks == [ir.Text("")]
    else:
        assert found == reply


@given(replies(), st.data())
def test_a_stream_that_is_written_reads_the_same(reply: ir.Reply, data: st.DataObject) -> None:
    written = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    events: list[ir.Event] = []
    for piece in data.draw(cut(written)):
        events += reader.feed(piece)
        sniffer.feed(piece)
    found = fold([*events, *reader.close()])
    if not reply.choices[0].turn.blocks:
        found.choices[0].turn.blocks = []
    assert found == reply
    assert sniffer.ended
    assert sniffer.usage == reply.usage


# --- anything --------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    """model messages role content type text thinking image_url url detail tool_plan tool_calls tool_call_id id
    function name arguments parameters citations start end sources content_index document data index delta message
    finish_reason usage tokens billed_units input_tokens output_tokens cached_tokens logprobs token_ids error
    response_format json_schema stop_sequences tools tool_choice texts images inputs embeddings float meta""".split()
)
WORDS = st.sampled_from(
    """text thinking image_url document user assistant system tool function json_object REQUIRED TOOL_CALL
    message-start content-start content-delta tool-plan-delta tool-call-start tool-call-delta tool-call-end
    citation-start message-end PLAN THINKING_CONTENT""".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
        optional={
            "content": st.text(max_size=3) | st.lists(st.dictionaries(KEYS, JSON, max_size=3), max_size=2),
            "tool_calls": JSON,
            "citations": JSON,
            "tool_plan": JSON,
        },
    ),
    min_size=1,
    max_size=3,
)


@given(st.dictionaries(KEYS, JSON, max_size=6), MESSAGES)
def test_any_request_is_written_or_refused_by_name(body: dict[str, Any], messages: Any) -> None:
    try:
        request = DIALECT.read_request({**body, "messages": messages})
    except BadRequestError as error:
        assert error.param
        return
    DIALECT.write_request(request, Target(model="m"))


@given(st.dictionaries(KEYS, JSON, max_size=6), st.dictionaries(KEYS, JSON, max_size=5))
def test_any_answer_is_read_or_refused(body: dict[str, Any], message: dict[str, Any]) -> None:
    data = json.dumps({**body, "message": message}).encode()
    DIALECT.glance(data)
    DIALECT.read_error(500, {}, data)
    with contextlib.suppress(HeadgateError):
        DIALECT.write_reply(DIALECT.read_reply(data), FRAME)
    EMBEDDINGS.glance(data)
    with contextlib.suppress(HeadgateError):
        EMBEDDINGS.write_reply(EMBEDDINGS.read_reply(data), FRAME)
    with contextlib.suppress(HeadgateError):
        EMBEDDINGS.write_request(EMBEDDINGS.read_request(body), Target(model="m"))


EVENTS = st.fixed_dictionaries(
    {"type": WORDS},
    optional={
        "index": st.integers(0, 3) | JSON,
        "delta": st.fixed_dictionaries({}, optional={"message": st.dictionaries(KEYS, JSON, max_size=4)})
        | JSON,
        "logprobs": JSON,
    },
)


@given(st.lists(EVENTS, max_size=8))
def test_any_stream_is_read_or_refused(events: list[dict[str, Any]]) -> None:
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    sniffer = DIALECT.sniffer()
    sniffer.feed(data)
    DIALECT.is_opening(data)
    reader = DIALECT.stream_reader()
    with contextlib.suppress(HeadgateError):
        found = [*reader.feed(data), *reader.close()]
        DIALECT.stream_writer(FRAME).write(found)
        fold(found)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    DIALECT.glance(data)
    DIALECT.sniffer().feed(data)
    with contextlib.suppress(HeadgateError):
        DIALECT.read_reply(data)
    reader = DIALECT.stream_reader()
    with contextlib.suppress(HeadgateError):
        reader.feed(data)
        reader.close()
