"""What the dialect writes it reads back equal, for every value in its normal form; and bad input is named."""

import copy
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold

MODEL = "claude-sonnet-4-6"
FRAME = Frame(id="msg_ours", created=0, model="ours")

word = st.text("abcdefXYZ019_-", min_size=1, max_size=12)
# no lone surrogates, not only white space
prose = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(lambda text: bool(text.strip()))
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
whole = st.integers(0, 10**6)
maybe_whole = st.none() | whole
cache = st.none() | st.builds(ir.Cache, st.none() | st.sampled_from(["5m", "1h"]))
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=5)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(word, inner, max_size=2)
)
objects = st.dictionaries(word, values, max_size=3)
# keys that no format has
extra = st.none() | st.dictionaries(word.map("x_{}".format), values, min_size=1, max_size=2).map(
    lambda fields: {"anthropic": fields}
)
arguments = objects.map(lambda value: msgspec.json.encode(value).decode())

citations = st.builds(
    ir.Citation,
    url=prose,
    title=st.none() | prose,
    cited_text=prose,
    extra=word.map(
        lambda proof: {"anthropic": {"type": "web_search_result_location", "encrypted_index": proof}}
    ),
) | st.builds(
    ir.Citation,
    title=prose,
    cited_text=prose,
    extra=whole.map(lambda at: {"anthropic": {"type": "char_location", "start_char_index": at}}),
)
texts = st.builds(
    ir.Text,
    text=prose,
    citations=st.none() | st.lists(citations, min_size=1, max_size=2),
    cache=cache,
    extra=extra,
)
sources = st.one_of(
    st.builds(ir.Source, st.just("data"), word, st.sampled_from(["image/png", "image/jpeg"])),
    st.builds(ir.Source, st.just("url"), word.map("https://example.com/{}".format)),
    st.builds(ir.Source, st.just("id"), word, family=st.just("anthropic")),
)
images = st.builds(ir.Image, sources, cache=cache, extra=extra)
documents = st.builds(
    ir.File,
    st.one_of(
        st.builds(ir.Source, st.just("data"), word, st.just("application/pdf")),
        st.builds(ir.Source, st.just("text"), anything, st.just("text/plain")),
        st.builds(ir.Source, st.just("url"), word.map("https://example.com/{}".format)),
    ),
    name=st.none() | prose,
    context=st.none() | prose,
    citations=st.none() | st.booleans(),
    cache=cache,
    extra=extra,
)
opaque = st.builds(
    lambda kind, fields: ir.Opaque(family="anthropic", value={**fields, "type": kind}),
    st.sampled_from(["search_result", "web_search_tool_result", "tomorrows_block"]),
    objects,
)
signed = st.builds(ir.Thinking, text=anything, signature=word, family=st.just("anthropic"))
sealed = st.builds(ir.Thinking, redacted=word, family=st.just("anthropic"))
calls = st.builds(ir.ToolCall, id=word, name=word, arguments=arguments, cache=cache, extra=extra)


@st.composite
def results(draw: st.DrawFn) -> ir.ToolResult:
    flat = draw(st.booleans())
    inner = st.lists(st.one_of(st.builds(ir.Text, prose), images, documents), max_size=2)
    content = [ir.Text(draw(anything))] if flat else draw(inner)
    return ir.ToolResult(
        call_id=draw(word),
        content=content,
        is_error=draw(st.none() | st.booleans()),
        cache=draw(cache),
        flat=flat,
        extra=draw(extra),
    )


@st.composite
def user_turns(draw: st.DrawFn) -> ir.Turn:
    if draw(st.booleans()):
        return ir.Turn(role="user", blocks=[ir.Text(draw(prose))], flat=True)
    blocks = [
        *draw(st.lists(results(), max_size=2)),
        *draw(st.lists(texts | images | documents | opaque, max_size=3)),
    ]
    return ir.Turn(role="user", blocks=blocks or [ir.Text("x")], extra=draw(extra))


@st.composite
def assistant_turns(draw: st.DrawFn) -> ir.Turn:
    blocks = [
        *draw(st.lists(signed | sealed, max_size=2)),
        *draw(st.lists(texts, max_size=2)),
        *draw(st.lists(calls, max_size=2)),
    ]
    return ir.Turn(role="assistant", blocks=blocks or [ir.Text("y")])


@st.composite
def conversations(draw: st.DrawFn) -> list[ir.Turn]:
    turns: list[ir.Turn] = []
    if draw(st.booleans()):
        turns.append(
            ir.Turn(role="system", blocks=[ir.Text(draw(prose))], flat=True)
            if draw(st.booleans())
            else ir.Turn(role="system", blocks=draw(st.lists(texts, min_size=1, max_size=2)))
        )
    for _ in range(draw(st.integers(0, 2))):
        turns += [draw(user_turns()), draw(assistant_turns())]
    return [*turns, draw(user_turns())]


tools = st.builds(
    ir.Tool,
    name=word,
    description=st.none() | anything,
    parameters=objects.map(lambda fields: {"type": "object", "properties": fields}),
    strict=st.none() | st.just(False),
    cache=cache,
    extra=extra,
)
hosted = st.builds(
    lambda fields: ir.HostedTool(
        family="anthropic", value={**fields, "type": "web_search_20250305"}, kind="web_search"
    ),
    objects,
)
reasonings = st.one_of(
    st.builds(ir.Reasoning, budget=st.integers(1024, 2000), effort=st.none() | st.just("low")),
    st.builds(
        ir.Reasoning, adaptive=st.just(True), effort=st.none() | word, visible=st.none() | st.booleans()
    ),
    st.builds(ir.Reasoning, effort=word, adaptive=st.just(False)),
    st.just(ir.Reasoning(budget=0)),
).filter(lambda wish: wish.effort not in ("none", "minimal"))
formats = st.builds(
    lambda fields: ir.OutputFormat(
        kind="schema", schema={"type": "object", "properties": fields, "additionalProperties": False}
    ),
    st.dictionaries(word, st.just({"type": "string"}), max_size=2),
)


@st.composite
def requests(draw: st.DrawFn) -> ir.Request:
    some_tools = draw(
        st.none() | st.lists(tools | hosted, min_size=1, max_size=2, unique_by=msgspec.json.encode)
    )
    choice = None
    if some_tools:
        choice = draw(st.none() | st.builds(ir.ToolChoice, mode=st.sampled_from(["auto", "none"])))
    parallel = draw(st.none() | st.booleans()) if choice is not None and choice.mode == "auto" else None
    return ir.Request(
        model=MODEL,
        turns=draw(conversations()),
        tools=some_tools,
        tool_choice=choice,
        parallel_tools=parallel,
        max_tokens=draw(st.integers(4096, 9999)),
        stop=draw(st.none() | st.lists(prose, min_size=1, max_size=2)),
        output=draw(st.none() | formats),
        reasoning=draw(st.none() | reasonings),
        user=draw(st.none() | word.map("u_{}".format)),
        service_tier=draw(st.sampled_from([None, "auto", "standard_only"])),
        stream=draw(st.booleans()),
        extra=draw(extra),
    )


def _marks(value: Any) -> int:
    if isinstance(value, dict):
        return ("cache_control" in value) + sum(map(_marks, value.values()))
    return sum(map(_marks, value)) if isinstance(value, list) else 0


@settings(max_examples=150, deadline=None)
@given(requests())
def test_a_request_is_read_back_equal(request: ir.Request) -> None:
    before = copy.deepcopy(request)
    written = DIALECT.write_request(request, Target(model=MODEL))
    assert written.dropped == []
    assert request == before, "writing changed the request"
    again = DIALECT.read_request(msgspec.json.decode(msgspec.json.encode(written.body)))
    if _marks(written.body) < 4:
        assert again == request


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.lists(texts | calls | signed | results())))
)
def test_any_order_of_turns_becomes_alternating_ones(parts: list[tuple[Any, list[ir.Block]]]) -> None:
    turns = [ir.Turn(role=role, blocks=blocks) for role, blocks in parts]
    body = DIALECT.write_request(ir.Request(model=MODEL, turns=turns), Target(model=MODEL)).body
    roles = [message["role"] for message in body["messages"]]
    assert all(first != second for first, second in pairwise(roles))
    assert all(message["content"] for message in body["messages"])
    assert _marks(body) <= 4


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | anything,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "text",
                    "role",
                    "content",
                    "source",
                    "id",
                    "name",
                    "input",
                    "cache_control",
                    "citations",
                ]
            )
            | word,
            inner
            | st.sampled_from(["text", "image", "document", "tool_use", "tool_result", "thinking", "user"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = (
    "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format", "metadata",
    "max_tokens", "stop_sequences", "temperature", "top_k", "stream", "service_tier", "cache_control",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4))
def test_any_json_is_read_or_refused_by_name(body: dict[str, Any]) -> None:
    try:
        request = DIALECT.read_request({"model": "m", "messages": [], **body})
    except BadRequestError as error:
        assert error.param
        assert error.message.startswith(error.param)
        return
    msgspec.json.encode(DIALECT.write_request(request, Target(model="m")).body)


@settings(max_examples=200, deadline=None)
@given(
    json_values | st.fixed_dictionaries({"content": json_values, "usage": json_values}), st.binary(max_size=8)
)
def test_any_answer_is_read_or_refused(document: Any, junk: bytes) -> None:
    for body in (msgspec.json.encode(document), msgspec.json.encode(document) + junk):
        with suppress(HeadgateError):
            DIALECT.write_reply(DIALECT.read_reply(body), FRAME)
        DIALECT.glance(body)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
                 "message_delta", "message_stop", "ping", "error", "tomorrows_event"]
            ),
            st.dictionaries(
                st.sampled_from(["index", "delta", "content_block", "message", "usage", "error"]), json_values
            ),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_any_stream_ends_in_an_answer_or_a_failure(events: list[tuple[str, dict[str, Any]]]) -> None:
    data = b"".join(
        f"event: {name}\n".encode() + b"data: " + msgspec.json.encode({**fields, "type": name}) + b"\n\n"
        for name, fields in events
    )
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    sniffer.feed(data)
    out = [*reader.feed(data), *reader.close()]
    assert isinstance(out[-1], ir.ReplyEnd | ir.StreamFailure)
    assert sum(isinstance(event, ir.ReplyEnd | ir.StreamFailure) for event in out) == 1
    assert DIALECT.stream_writer(FRAME).write(out)


usages = st.builds(
    lambda fresh, read, written, long, rest: ir.Usage(
        input=fresh + (read or 0) + (written or 0),
        cache_read=read,
        cache_write=written,
        cache_write_long=None if long is None else min(long, written or 0),
        **rest,
    ),
    whole, maybe_whole, maybe_whole, maybe_whole,
    st.fixed_dictionaries(
        {"output": whole},
        optional={
            "reasoning": whole,
            "web_searches": whole,
            "service_tier": st.sampled_from(["standard", "batch"]),
            "extra": extra,
        },
    ),
)  # fmt: skip


@st.composite
def replies(draw: st.DrawFn) -> ir.Reply:
    blocks: list[ir.Block] = draw(st.lists(st.one_of(texts, calls, signed, sealed, opaque), max_size=4))
    for block in blocks:
        if isinstance(block, ir.Text | ir.ToolCall):
            block.cache = None
    if any(isinstance(block, ir.ToolCall) for block in blocks):
        finish = ir.Finish(reason="tool_calls", raw="tool_use", family="anthropic")
    else:
        finish = draw(
            st.sampled_from(
                [
                    ir.Finish(reason="stop", raw="end_turn", family="anthropic"),
                    ir.Finish(reason="stop", raw="stop_sequence", family="anthropic", sequence="X"),
                    ir.Finish(reason="length", raw="model_context_window_exceeded", family="anthropic"),
                    ir.Finish(reason="pause", raw="pause_turn", family="anthropic"),
                    ir.Finish(reason="content_filter", raw="refusal", family="anthropic"),
                ]
            )
        )
    return ir.Reply(
        choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=blocks), finish=finish)],
        id=draw(word),
        model=draw(word),
        usage=draw(usages),
        extra=draw(
            st.none() | st.fixed_dictionaries({"anthropic": st.just({"container": None, "stop_details": {}})})
        ),
    )


@settings(max_examples=150, deadline=None)
@given(replies())
def test_a_reply_is_read_back_equal(reply: ir.Reply) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@settings(max_examples=150, deadline=None)
@given(replies(), st.integers(1, 40))
def test_a_stream_is_read_back_equal_for_any_chunking(reply: ir.Reply, size: int) -> None:
    data = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert fold([*events, *reader.close()]) == reply


@settings(max_examples=60, deadline=None)
@given(replies(), st.data())
def test_a_stream_cut_anywhere_fails(reply: ir.Reply, data: st.DataObject) -> None:
    stream = DIALECT.stream_writer(FRAME).write(unfold(reply))
    end = stream.rindex(b'data: {"type":"message_stop"')
    reader = DIALECT.stream_reader()
    events = [*reader.feed(stream[: data.draw(st.integers(0, end))]), *reader.close()]
    assert isinstance(events[-1], ir.StreamFailure)
    assert not any(isinstance(event, ir.ReplyEnd) for event in events)


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"properties": {"a": deep}}
    tool = ir.Tool(name="t", parameters={"type": "object", **deep}, strict=True)
    for request in (
        ir.Request(model=MODEL, turns=[], tools=[tool]),
        ir.Request(model=MODEL, turns=[], output=ir.OutputFormat(kind="schema", schema=deep)),
    ):
        with pytest.raises(BadRequestError, match="nested"):
            DIALECT.write_request(request, Target(model=MODEL))
    with pytest.raises(APIResponseValidationError):
        DIALECT.read_reply(b"[" * 100_000)
