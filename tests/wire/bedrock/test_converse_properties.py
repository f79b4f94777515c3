"""What the dialect writes it reads back equal, for answers and streams of any content; and nothing crashes it."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import json_objects, json_values, names, words

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError, RateLimitError
from headgate.wire import eventstream, ir
from headgate.wire.bedrock import DIALECT
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
FRAME = Frame(id="ours", created=1, model="ours")

given_ = json_values.filter(lambda value: value is not None)
extra = st.none() | st.builds(lambda value: {"bedrock": {"x_one": value}}, given_)
arguments = json_objects.map(lambda value: json.dumps(value, separators=(",", ":")))
citations = st.builds(
    ir.Citation,
    title=st.none() | words,
    cited_text=st.none() | words,
    url=st.none() | words.map("https://example.com/{}".format),
)
texts = st.builds(ir.Text, text=words, citations=st.none() | st.lists(citations, min_size=1, max_size=2))
calls = st.builds(ir.ToolCall, id=names, name=names, arguments=arguments, extra=st.none())
thoughts = st.one_of(
    st.builds(ir.Thinking, text=words, signature=st.none() | words, family=st.just("bedrock")),
    st.builds(ir.Thinking, redacted=st.sampled_from(["AAAA", "ZGF0YQ=="]), family=st.just("bedrock")),
)
opaque = st.builds(
    lambda fields: ir.Opaque(family="bedrock", value={"toolUse": {"type": "server_tool_use", **fields}}),
    st.fixed_dictionaries({"toolUseId": names, "name": names, "input": json_objects}),
)
counts = st.none() | st.integers(0, 99)


@st.composite
def replies(draw: st.DrawFn) -> ir.Reply:
    blocks = draw(st.lists(texts | calls | thoughts | opaque, min_size=1, max_size=4))
    called = any(isinstance(block, ir.ToolCall) for block in blocks)
    raw = "tool_use" if called else draw(st.sampled_from(["end_turn", "max_tokens", "guardrail_intervened"]))
    reason = {"tool_use": "tool_calls", "end_turn": "stop", "max_tokens": "length"}.get(raw, "content_filter")
    usage = ir.Usage(
        input=draw(st.integers(200, 999)),
        output=draw(st.integers(0, 99)),
        total=draw(st.integers(0, 2000)),
        cache_read=draw(counts),
        cache_write=draw(counts),
    )
    finish = ir.Finish(reason=reason, raw=raw, family="bedrock")  # type: ignore[arg-type]
    choice = ir.Choice(turn=ir.Turn(role="assistant", blocks=blocks), finish=finish)
    return ir.Reply(choices=[choice], usage=usage, extra={"bedrock": {"metrics": {"latencyMs": 5}}})


def even(reply: ir.Reply) -> ir.Reply:
    """Arguments and held blocks as their values: JSON may be spelled in several ways."""
    for block in reply.choices[0].turn.blocks:
        if isinstance(block, ir.ToolCall):
            block.arguments = json.dumps(json.loads(block.arguments or "{}"), sort_keys=True)
    return reply


@given(replies())
def test_a_written_answer_reads_the_same(reply: ir.Reply) -> None:
    assert even(DIALECT.read_reply(DIALECT.write_reply(reply, FRAME))) == even(reply)


@given(replies(), st.integers(1, 60))
def test_a_written_stream_reads_the_same(reply: ir.Reply, size: int) -> None:
    data = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reader = DIALECT.stream_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert even(fold([*events, *reader.close()])) == even(reply)


@given(replies(), st.data())
def test_a_cut_stream_is_never_complete(reply: ir.Reply, data: st.DataObject) -> None:
    raw = DIALECT.stream_writer(FRAME).write(unfold(reply))
    last = len(raw) - len(frames(raw)[-1])
    stop = last - len(frames(raw)[-2])
    cut = data.draw(st.integers(0, len(raw) - 1).filter(lambda at: at != last))
    reader = DIALECT.stream_reader()
    events = [*reader.feed(raw[:cut]), *reader.close()]
    assert isinstance(events[-1], ir.StreamFailure)
    assert stop < last
    assert sum(isinstance(event, ir.ReplyEnd | ir.StreamFailure) for event in events) == 1


def frames(raw: bytes) -> list[bytes]:
    return [eventstream.encode(m.headers, m.payload) for m in eventstream.Decoder().feed(raw)]


def test_an_exception_ends_a_stream_and_nothing_follows() -> None:
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[ir.Text("Hel")]))])
    writer, sniffer, reader = DIALECT.stream_writer(FRAME), DIALECT.sniffer(), DIALECT.stream_reader()
    data = writer.write([*list(unfold(reply))[:-1], ir.StreamFailure(RateLimitError("slow down"))])
    assert writer.write([ir.ReplyEnd()]) == b""
    events = [*reader.feed(data), *reader.close()]
    assert isinstance(events[-1], ir.StreamFailure)
    assert type(events[-1].error) is RateLimitError
    assert reader.feed(data) == []
    sniffer.feed(data)
    assert type(sniffer.error) is RateLimitError
    assert not sniffer.ended


def test_json_in_place_of_a_stream_is_read_as_what_it_is() -> None:
    reader = DIALECT.stream_reader()
    assert reader.feed(b'{"message":"Too many requ') == []
    assert reader.feed(b'ests, please wait"}') == []
    (failure,) = reader.close()
    assert isinstance(failure, ir.StreamFailure)
    assert type(failure.error) is RateLimitError
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[ir.Text("Hi")]))])
    reader = DIALECT.stream_reader()
    reader.feed(DIALECT.write_reply(reply, FRAME))
    assert fold(reader.close()).choices[0].turn.blocks == [ir.Text("Hi")]


def test_an_opening_holds_no_content() -> None:
    opening = eventstream.event("messageStart", b'{"role":"assistant"}')
    delta = eventstream.event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}')
    assert DIALECT.is_opening(opening)
    assert not DIALECT.is_opening(opening + delta)


def test_an_answer_without_usage_at_its_end_is_complete() -> None:
    data = eventstream.event("messageStart", b'{"role":"assistant"}')
    data += eventstream.event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}')
    data += eventstream.event("messageStop", b'{"stopReason":"end_turn"}')
    reader = DIALECT.stream_reader()
    events = [*reader.feed(data), *reader.close()]
    assert isinstance(events[-1], ir.ReplyEnd)


# --- requests: what is in normal form comes back equal -----------------------------------------------------

said = words.filter(lambda text: text.strip() == text != "")
marks = st.none() | st.builds(ir.Cache, ttl=st.sampled_from([None, "5m", "1h"]))
plain = st.builds(ir.Text, text=said, cache=st.none())
pictures = st.builds(ir.Image, st.builds(ir.Source, st.just("data"), st.just("AAAA"), st.just("image/png")))
files = st.builds(
    ir.File,
    st.one_of(
        st.builds(ir.Source, st.just("data"), st.just("JVBERi0="), st.just("application/pdf")),
        st.builds(
            ir.Source,
            st.just("id"),
            st.just("s3://b/a.pdf"),
            st.just("application/pdf"),
            st.just("bedrock"),
        ),
    ),
    name=st.from_regex(r"[A-Z][a-z]{0,6}", fullmatch=True),
    context=st.none() | said,
    citations=st.none() | st.booleans(),
)


@st.composite
def steps(draw: st.DrawFn, at: int) -> list[ir.Turn]:
    """An assistant's turn, perhaps with calls, and the user's that answers it."""
    ids = [f"call_{at}_{number}" for number in range(draw(st.integers(0, 2)))]
    sealed = st.builds(ir.Thinking, text=said, signature=said, family=st.just("bedrock"))
    asked: list[ir.Block] = [*draw(st.lists(sealed, max_size=1)), draw(plain)]
    asked += [ir.ToolCall(id=word, name=draw(names), arguments=draw(arguments)) for word in ids]
    answers: list[ir.Block] = [
        ir.ToolResult(
            call_id=word,
            content=draw(st.lists(plain | pictures, max_size=2)),
            is_error=draw(st.none() | st.booleans()),
            flat=False,
        )
        for word in ids
    ]
    answers += [draw(plain), *draw(st.lists(pictures, max_size=1))]
    return [ir.Turn(role="assistant", blocks=asked), ir.Turn(role="user", blocks=answers)]


@st.composite
def requests(draw: st.DrawFn) -> ir.Request:
    documents = draw(st.lists(files, max_size=2, unique_by=lambda file: file.name))
    turns = [ir.Turn(role="user", blocks=[draw(plain), *documents])]
    for at in range(draw(st.integers(0, 2))):
        turns += draw(steps(at))
    if draw(st.booleans()):
        turns.insert(0, ir.Turn(role="system", blocks=[draw(plain)]))
    turns[-1].blocks[-1].cache = draw(marks)  # type: ignore[union-attr]
    described = st.builds(
        ir.Tool,
        name=names,
        description=st.none() | said,
        parameters=st.just({"type": "object", "properties": {}}),
        strict=st.sampled_from([None, False]),
        cache=marks,
    )
    tools = draw(st.lists(described, min_size=1, max_size=2, unique_by=lambda tool: tool.name))
    modes = st.sampled_from([("auto", None), ("required", None), ("named", tools[0].name)])
    thinks = draw(st.booleans())
    mode, name = draw(modes)
    return ir.Request(
        model="",
        turns=turns,
        tools=[*tools],
        tool_choice=None if thinks else ir.ToolChoice(mode=mode, name=name),  # type: ignore[arg-type]
        parallel_tools=draw(st.sampled_from([None, False])),
        max_tokens=draw(st.integers(3000, 9000)),
        temperature=None if thinks else draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])),
        top_k=None if thinks else draw(st.none() | st.integers(1, 9)),
        stop=draw(st.none() | st.just(["END"])),
        reasoning=ir.Reasoning(budget=2000) if thinks else None,
        metadata=draw(st.none() | st.just({"a": "b"})),
        service_tier=draw(st.sampled_from([None, "default", "priority"])),
        extra=draw(extra),
        spelling={"bedrock": {}},
    )


def even_request(request: ir.Request) -> ir.Request:
    for turn in request.turns:
        for block in turn.blocks:
            if isinstance(block, ir.ToolCall):
                block.arguments = json.dumps(json.loads(block.arguments or "{}"), sort_keys=True)
    return request


@given(requests())
def test_a_written_request_reads_the_same(request: ir.Request) -> None:
    written = DIALECT.write_request(request, Target(model=MODEL))
    assert written.dropped == []
    again = DIALECT.read_request(json.loads(json.dumps(written.body)))
    assert even_request(again) == even_request(request)


_TOP = """messages system inferenceConfig toolConfig outputConfig additionalModelRequestFields serviceTier
    requestMetadata""".split()
bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(_TOP, json_values))
nodes = st.dictionaries(
    st.sampled_from(
        ["text", "image", "document", "video", "audio", "toolUse", "toolResult", "reasoningContent",
         "citationsContent", "guardContent", "cachePoint", "searchResult"]
    ),
    json_values
    | st.dictionaries(
        st.sampled_from(
            ["format", "source", "name", "toolUseId", "input", "content", "status", "reasoningText", "text",
             "redactedContent", "citations", "type", "ttl"]
        ),
        json_values | st.fixed_dictionaries({"bytes": words}) | st.fixed_dictionaries({"text": words}),
        max_size=4,
    ),
    min_size=1,
    max_size=2,
)  # fmt: skip


@settings(max_examples=300)
@given(bodies | nodes.map(lambda node: {"messages": [{"role": "user", "content": [node]}]}))
def test_any_request_is_read_or_refused_with_its_place(body: dict[str, Any]) -> None:
    with suppress(BadRequestError):
        request = DIALECT.read_request(body)
        DIALECT.write_request(request, Target(model=MODEL))


@settings(max_examples=300)
@given(nodes.map(lambda node: {"output": {"message": {"content": [node]}}}) | json_objects)
def test_any_answer_is_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(HeadgateError):
        DIALECT.write_reply(DIALECT.read_reply(json.dumps(body).encode()), FRAME)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop",
                 "metadata", "other"]
            ),
            st.fixed_dictionaries(
                {},
                optional={
                    "contentBlockIndex": st.integers(0, 2) | json_values,
                    "start": nodes | json_values,
                    "delta": nodes | json_values,
                    "stopReason": words | json_values,
                    "usage": json_values,
                },
            ),
        ),
        max_size=6,
    )
)  # fmt: skip
def test_any_stream_is_read_or_fails_as_one(events: list[tuple[str, dict[str, Any]]]) -> None:
    data = b"".join(eventstream.event(name, json.dumps(payload).encode()) for name, payload in events)
    reader = DIALECT.stream_reader()
    out = [*reader.feed(data), *reader.close()]
    ends = [event for event in out if isinstance(event, ir.ReplyEnd | ir.StreamFailure)]
    assert len(ends) == 1
    assert out[-1] is ends[0]
    with suppress(HeadgateError):
        fold(out)
    DIALECT.stream_writer(FRAME).write(out)
    sniffer = DIALECT.sniffer()
    sniffer.feed(data)


def test_a_reader_error_is_an_error_of_the_tree() -> None:
    data = eventstream.event("contentBlockDelta", b'{"delta":1}')
    (_, failure) = DIALECT.stream_reader().feed(data)
    assert isinstance(failure, ir.StreamFailure)
    assert type(failure.error) is APIResponseValidationError
