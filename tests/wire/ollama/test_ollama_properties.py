"""What the dialect writes it reads back equal, for every value in its normal form; and bad input is named."""

from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import base64_texts, chunked, counts, json_objects, json_values, names, told, words

from headgate.errors import APIResponseValidationError, BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.ollama import DIALECT
from headgate.wire.ollama.embeddings import DIALECT as EMBEDDINGS

FRAME = Frame(id="ours", created=0, model="ours")


def kept(fields: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[ir.Extra | None]:
    return fields.map(lambda known: {"ollama": known} if known else None)


images = st.sampled_from(
    [("iVBORw0KGgo=", "image/png"), ("/9j/4AAQ", "image/jpeg"), ("UklGRg==", "image/webp")]
).map(lambda row: ir.Image(source=ir.Source("data", *row)))
arguments = json_objects.map(lambda value: msgspec.json.encode(value).decode())
calls = st.builds(ir.ToolCall, id=words, name=names, arguments=arguments)
said = st.builds(
    lambda thought, text, pictures: [*thought, *text, *pictures],
    st.lists(st.builds(ir.Thinking, text=words), max_size=1),
    st.lists(st.builds(ir.Text, text=words), max_size=1),
    st.lists(images, max_size=2),
)


def is_flat(blocks: list[ir.Block]) -> bool:
    return len(blocks) == 1 and isinstance(blocks[0], ir.Text)


@st.composite
def turns(draw: st.DrawFn) -> list[ir.Turn]:
    role = draw(st.sampled_from(["system", "user", "assistant"]))
    blocks = draw(said)
    made = [ir.Turn(role=role, blocks=blocks, flat=is_flat(blocks), extra=draw(kept(told)))]
    if role == "assistant":
        asked = draw(st.lists(calls, max_size=2, unique_by=lambda call: call.id))
        made[0].blocks += asked
        made[0].flat = is_flat(made[0].blocks)
        answers = [
            ir.ToolResult(
                call_id=call.id, name=call.name, content=[ir.Text(text=draw(words))], extra=draw(kept(told))
            )
            for call in asked
        ]
        if answers:
            made.append(ir.Turn(role="user", blocks=answers))
    return made


@st.composite
def requests(draw: st.DrawFn) -> ir.Request:
    talk = [turn for more in draw(st.lists(turns(), max_size=4)) for turn in more]
    ids = [block.id for turn in talk for block in turn.blocks if isinstance(block, ir.ToolCall)]
    if len(set(ids)) != len(ids):
        talk = []
    extra = draw(told)
    options = draw(st.dictionaries(st.sampled_from(["typical_p", "min_p", "mirostat"]), counts, max_size=2))
    maybe = st.none() | counts
    tools = st.builds(
        ir.Tool, name=names, description=st.none() | words, parameters=json_objects, extra=kept(told)
    )
    return ir.Request(
        model="m",
        turns=talk,
        tools=draw(st.none() | st.lists(tools, min_size=1, max_size=2)),
        output=draw(
            st.none()
            | st.just(ir.OutputFormat(kind="json"))
            | st.builds(ir.OutputFormat, kind=st.just("schema"), schema=json_objects)
        ),
        reasoning=draw(st.sampled_from([None, ir.Reasoning(adaptive=True), ir.Reasoning(budget=0)])),
        temperature=draw(st.none() | st.floats(0, 2, width=32)),
        top_p=draw(st.none() | st.floats(0, 1, width=32)),
        top_k=draw(maybe),
        seed=draw(maybe),
        max_tokens=draw(maybe),
        stop=draw(st.none() | st.lists(words, min_size=1, max_size=2)),
        logprobs=draw(st.none() | st.booleans()),
        top_logprobs=draw(maybe),
        stream=draw(st.booleans()),
        extra={"ollama": {**extra, **({"options": options} if options else {})}}
        if extra or options
        else None,
        spelling={"ollama": {}},
    )


@given(requests())
def test_requests_come_back_equal(request: ir.Request) -> None:
    written = DIALECT.write_request(request, Target(model="m"))
    assert written.dropped == []
    assert DIALECT.read_request(msgspec.json.decode(msgspec.json.encode(written.body))) == request


tokens = st.builds(
    ir.TokenLogprob,
    token=words,
    logprob=st.floats(-100, 0, width=32),
    bytes=st.none() | st.lists(st.integers(0, 255), max_size=3),
    top=st.none()
    | st.lists(st.builds(ir.TokenLogprob, token=words, logprob=st.floats(-9, 0, width=32)), max_size=2),
)


@st.composite
def replies(draw: st.DrawFn) -> ir.Reply:
    asked = draw(st.lists(calls, max_size=2))
    blocks = [*draw(said), *asked]
    reason = draw(st.sampled_from(["length", "stop", "content_filter", "unload"]))
    finish = (
        ir.Finish(reason=reason)
        if reason != "unload"
        else ir.Finish(reason="stop", raw="unload", family="ollama")
    )
    if asked and finish.reason == "stop":
        finish = ir.Finish(reason="tool_calls", raw=finish.raw, family=finish.family)
    return ir.Reply(
        model=draw(words),
        created=draw(st.integers(0, 4 * 10**9)),
        choices=[
            ir.Choice(
                turn=ir.Turn(role="assistant", blocks=blocks, flat=is_flat(blocks), extra=draw(kept(told))),
                finish=finish,
                logprobs=draw(st.none() | st.lists(tokens, min_size=1, max_size=2)),
            )
        ],
        usage=draw(st.none() | st.builds(ir.Usage, input=counts, output=counts)),
        extra=draw(kept(told)),
    )


@given(replies())
def test_replies_come_back_equal(reply: ir.Reply) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@given(replies(), st.data())
def test_streams_fold_to_the_reply(reply: ir.Reply, data: st.DataObject) -> None:
    written = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    events = []
    for piece in data.draw(chunked(written)):
        events += reader.feed(piece)
        sniffer.feed(piece)
    reply.choices[0].turn.flat = False
    assert fold([*events, *reader.close()]) == reply
    assert sniffer.ended
    assert sniffer.usage == reply.usage
    assert sniffer.error is None


@given(replies())
def test_a_cut_stream_is_no_answer(reply: ir.Reply) -> None:
    written = DIALECT.stream_writer(FRAME).write(unfold(reply))
    end = written.rstrip(b"\n").rfind(b"\n") + 2  # into the last line
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    events = [*reader.feed(written[:end]), *reader.close()]
    sniffer.feed(written[:end])
    assert isinstance(events[-1], ir.StreamFailure)
    assert not any(isinstance(event, ir.ReplyEnd) for event in events)
    assert not sniffer.ended


@given(st.binary(max_size=60) | json_values.map(msgspec.json.encode), st.integers(1, 9))
@settings(max_examples=300)
def test_no_answer_is_a_crash(data: bytes, size: int) -> None:
    with suppress(HeadgateError):
        DIALECT.read_reply(data)
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    sniffer.feed(data)
    events += reader.close()
    assert isinstance(events[-1], ir.StreamFailure | ir.ReplyEnd)
    DIALECT.glance(data)
    EMBEDDINGS.glance(data)
    with suppress(HeadgateError):
        EMBEDDINGS.read_reply(data)


messages = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["system", "user", "assistant", "tool"]) | json_values,
        "content": words | json_values,
        "thinking": words | json_values,
        "images": st.lists(base64_texts | json_values, max_size=2) | json_values,
        "tool_calls": st.lists(
            st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": names | json_values})})
            | json_values,
            max_size=2,
        ),
        "tool_name": names | json_values,
        "tool_call_id": words | json_values,
    },
)
bodies = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=3) | json_values},
    optional={
        "options": st.dictionaries(
            st.sampled_from(["temperature", "stop", "seed", "num_predict"]), json_values, max_size=3
        )
        | json_values,
        **dict.fromkeys(
            ("model", "tools", "format", "think", "stream", "logprobs", "keep_alive"), json_values
        ),
    },
)


@given(bodies)
@settings(max_examples=300)
def test_any_body_is_read_or_refused_with_its_place(body: dict[str, Any]) -> None:
    try:
        request = DIALECT.read_request(body)
    except BadRequestError as error:
        assert error.param
        assert error.message.startswith(error.param)
    else:
        DIALECT.write_request(request, Target(model="m"))


@given(bodies)
def test_any_lines_are_events_or_a_failure(body: dict[str, Any]) -> None:
    lines = (
        [{"model": "m", "message": message, "done": False} for message in body["messages"] or ()]
        if isinstance(body["messages"], list)
        else []
    )
    data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
    reader = DIALECT.stream_reader()
    events = [*reader.feed(data), *reader.close()]
    assert isinstance(events[-1], ir.StreamFailure)
    with suppress(APIResponseValidationError):
        fold(events[:-1])
