"""What the dialect writes it reads back equal, for every value in its normal form; and bad input is named."""

import copy
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.gemini import DIALECT

MODEL = "gemini-3-flash-preview"
FRAME = Frame(id="ours", created=0, model="ours")

word = st.text("abcdefXYZ019_", min_size=1, max_size=12).filter(lambda text: text[0] not in "019")
prose = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
# nothing that reads as a JSON object
said = prose.filter(lambda text: not text.lstrip().startswith("{"))
whole = st.integers(0, 10**6)
plain = st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=5)
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(word, inner, max_size=2)
)
objects = st.dictionaries(word, values, max_size=3)
# keys that no format has
extra = st.none() | st.dictionaries(word.map("x_{}".format), values, min_size=1, max_size=2).map(
    lambda fields: {"gemini": fields}
)
arguments = objects.map(lambda value: msgspec.json.encode(value).decode())
signature = st.none() | word
base64_data = st.binary(min_size=1, max_size=9).map(
    lambda data: __import__("base64").b64encode(data).decode()
)

texts = st.builds(ir.Text, text=prose, signature=signature, extra=extra)
thoughts = st.builds(
    lambda text, proof: ir.Thinking(text, signature=proof, family="gemini" if proof else None),
    prose,
    signature,
)


def sources(kind: str) -> st.SearchStrategy[ir.Source]:
    return st.one_of(
        st.builds(ir.Source, st.just("data"), base64_data, st.just(kind)),
        st.builds(ir.Source, st.just("url"), word.map("https://example.com/{}".format), st.just(kind)),
        st.builds(
            ir.Source, st.just("id"), word.map("gs://bucket/{}".format), st.just(kind), st.just("gemini")
        ),
    )


images = st.builds(
    ir.Image,
    sources("image/png"),
    detail=st.sampled_from([None, "low", "high", "ultra_high"]),
    signature=signature,
    extra=extra,
)
sounds = st.builds(ir.Audio, sources("audio/wav"), format=st.just("wav"), signature=signature, extra=extra)
documents = st.builds(ir.File, sources("application/pdf"), signature=signature, extra=extra)
opaque = st.builds(
    lambda kind, fields: ir.Opaque(family="gemini", value={kind: fields}),
    st.sampled_from(["executableCode", "codeExecutionResult", "toolCall", "toolResponse", "tomorrowsPart"]),
    objects.filter(bool),
)


@st.composite
def steps(draw: st.DrawFn) -> list[ir.Turn]:
    """A model's turn with calls, each answered; the first call of the turn is signed."""
    count = draw(st.integers(1, 3))
    ids = draw(st.lists(word, min_size=count, max_size=count, unique=True))
    calls = [
        ir.ToolCall(
            id=found, name=draw(word), arguments=draw(arguments), signature=draw(signature), extra=draw(extra)
        )
        for found in ids
    ]
    calls[0].signature = draw(word)
    results = [draw(_result(call)) for call in draw(st.permutations(calls))]
    before = draw(st.lists(thoughts | texts, max_size=2))
    return [ir.Turn(role="assistant", blocks=[*before, *calls]), ir.Turn(role="user", blocks=list(results))]


@st.composite
def _result(draw: st.DrawFn, call: ir.ToolCall) -> ir.ToolResult:
    failed = draw(st.sampled_from([None, True]))
    text = draw(
        said
        | arguments.filter(lambda text: len(text) > 2 and '"content"' not in text and '"error"' not in text)
    )
    attached = draw(st.lists(images | documents, max_size=2))
    return ir.ToolResult(
        call_id=call.id,
        name=call.name,
        content=[ir.Text(text), *attached],
        is_error=failed,
        flat=not attached,
        extra=draw(extra),
    )


@st.composite
def conversations(draw: st.DrawFn) -> list[ir.Turn]:
    turns: list[ir.Turn] = []
    if draw(st.booleans()):
        turns.append(ir.Turn(role="system", blocks=draw(st.lists(texts, min_size=1, max_size=2))))
    for _ in range(draw(st.integers(0, 2))):
        turns.append(ir.Turn(role="user", blocks=draw(_blocks), extra=draw(extra)))
        turns += draw(steps()) if draw(st.booleans()) else []
        turns.append(ir.Turn(role="assistant", blocks=draw(_answers), extra=draw(extra)))
    turns.append(ir.Turn(role="user", blocks=draw(_blocks)))
    for turn in turns:
        turn.flat = len(turn.blocks) == 1 and type(turn.blocks[0]) is ir.Text
    return turns


_blocks = st.lists(texts | images | sounds | documents | opaque, min_size=1, max_size=3)
_answers = st.lists(texts | thoughts | opaque, min_size=1, max_size=3)

tools = st.builds(
    ir.Tool,
    name=word,
    description=st.none() | prose,
    parameters=objects.map(lambda fields: {"type": "object", "properties": fields}),
    extra=extra,
)
hosted = st.builds(
    lambda fields: ir.HostedTool(family="gemini", value={"googleSearch": fields}, kind="web_search"), objects
) | st.builds(lambda fields: ir.HostedTool(family="gemini", value={"codeExecution": fields}), objects)
choices = st.one_of(
    st.builds(ir.ToolChoice, mode=st.sampled_from(["auto", "none", "required"])),
    st.builds(ir.ToolChoice, mode=st.just("named"), name=word),
    st.just(ir.ToolChoice(mode="auto", extra={"gemini": {"mode": "VALIDATED"}})),
    st.just(
        ir.ToolChoice(
            mode="required", allowed=("a", "b"), extra={"gemini": {"allowedFunctionNames": ["a", "b"]}}
        )
    ),
)


@st.composite
def reasonings(draw: st.DrawFn) -> ir.Reasoning:
    native = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "includeThoughts": st.booleans(),
                "thinkingBudget": st.integers(-1, 99),
                "thinkingLevel": st.sampled_from(["LOW", "high"]),
            },
        ).filter(bool)
    )
    level = native.get("thinkingLevel")
    return ir.Reasoning(
        effort=level and level.lower(),
        budget=native.get("thinkingBudget"),
        visible=native.get("includeThoughts"),
        extra={"gemini": native},
    )


outputs = st.one_of(
    st.sampled_from([ir.OutputFormat(kind="json"), ir.OutputFormat(kind="text")]),
    st.builds(
        lambda fields: ir.OutputFormat(kind="schema", schema={"type": "object", "properties": fields}),
        objects,
    ),
)


@st.composite
def requests(draw: st.DrawFn) -> ir.Request:
    functions = draw(st.lists(tools, max_size=2))
    others = draw(st.lists(hosted, max_size=2, unique_by=msgspec.json.encode))
    some: list[ir.Tool | ir.HostedTool] = [*functions, *others]
    return ir.Request(
        model=MODEL,
        turns=draw(conversations()),
        tools=some or None,
        tool_choice=draw(st.none() | choices) if functions else None,
        max_tokens=draw(st.none() | whole),
        temperature=draw(st.none() | st.sampled_from([0, 0.5, 2])),
        top_p=draw(st.none() | st.sampled_from([0.1, 1])),
        top_k=draw(st.none() | whole),
        stop=draw(st.none() | st.lists(prose, min_size=1, max_size=5)),
        seed=draw(st.none() | whole),
        n=draw(st.none() | st.integers(1, 8)),
        logprobs=draw(st.sampled_from([None, True])),
        output=draw(st.none() | outputs),
        reasoning=draw(st.none() | reasonings()),
        modalities=draw(st.sampled_from([None, ["text"], ["text", "image"]])),
        service_tier=draw(st.sampled_from([None, "default", "flex", "priority"])),
        spelling={"gemini": {}},
        extra=draw(extra),
    )


@settings(max_examples=150, deadline=None)
@given(requests())
def test_a_request_is_read_back_equal(request: ir.Request) -> None:
    before = copy.deepcopy(request)
    written = DIALECT.write_request(request, Target(model=MODEL))
    assert written.dropped == []
    assert request == before, "writing changed the request"
    body = msgspec.json.decode(msgspec.json.encode(written.body))
    again = DIALECT.read_request({**body, "model": MODEL})
    assert again == request


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.lists(texts | thoughts | images | opaque))),
    st.sampled_from(["gemini-1.5-pro", "gemini-2.5-flash", MODEL]),
)
def test_any_order_of_turns_becomes_alternating_ones(
    parts: list[tuple[Any, list[ir.Block]]], model: str
) -> None:
    turns = [ir.Turn(role=role, blocks=blocks) for role, blocks in parts]
    body = DIALECT.write_request(ir.Request(model=model, turns=turns), Target(model=model)).body
    roles = [content["role"] for content in body["contents"]]
    assert roles
    assert all(first != second for first, second in pairwise(roles))
    assert all(content["parts"] for content in body["contents"])


NAMES = (
    "text", "role", "parts", "inlineData", "inline_data", "fileData", "functionCall", "functionResponse", "name",
    "args", "response", "id", "mimeType", "fileUri", "data", "thought", "thoughtSignature", "toolCall",
    "functionDeclarations", "googleSearch", "parameters", "functionCallingConfig", "mode", "thinkingConfig",
    "responseSchema", "stopSequences", "responseModalities", "speechConfig", "content", "error",
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | prose,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES) | word,
            inner | st.sampled_from(["user", "model", "ANY", "image/png"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
KEYS = (
    "contents", "systemInstruction", "system_instruction", "tools", "toolConfig", "generationConfig", "model",
    "stream", "safetySettings", "cachedContent", "serviceTier",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4))
def test_any_json_is_read_or_refused_by_name(body: dict[str, Any]) -> None:
    try:
        request = DIALECT.read_request(body)
    except BadRequestError as error:
        assert error.param
        assert error.message.startswith(error.param)
        return
    for model in (MODEL, "gemini-1.5-flash"):
        msgspec.json.encode(DIALECT.write_request(request, Target(model=model)).body)


replyish = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "content": json_values
                    | st.fixed_dictionaries({"parts": st.lists(json_values, max_size=3)}),
                    "finishReason": json_values | st.sampled_from(["STOP", "SAFETY", 1]),
                    "index": json_values,
                    "logprobsResult": json_values,
                    "groundingMetadata": json_values,
                },
            ),
            max_size=2,
        )
        | json_values,
        "usageMetadata": json_values,
        "promptFeedback": json_values,
        "modelVersion": json_values,
        "responseId": json_values,
        "createTime": json_values,
    },
)


@settings(max_examples=300, deadline=None)
@given(replyish | json_values, st.binary(max_size=8))
def test_any_answer_is_read_or_refused(document: Any, junk: bytes) -> None:
    for body in (msgspec.json.encode(document), msgspec.json.encode(document) + junk):
        with suppress(HeadgateError):
            DIALECT.write_reply(DIALECT.read_reply(body), FRAME)
        DIALECT.glance(body)


@settings(max_examples=300, deadline=None)
@given(st.lists(replyish | json_values, max_size=4), st.booleans())
def test_any_stream_ends_in_an_answer_or_a_failure(documents: list[Any], array: bool) -> None:
    encoded = [msgspec.json.encode(document) for document in documents]
    if array:
        data = b"[" + b",\r\n".join(encoded) + b"]"
    else:
        data = b"".join(b"data: " + item + b"\r\n\r\n" for item in encoded)
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    sniffer.feed(data)
    assert sniffer.error is None or isinstance(sniffer.error, HeadgateError)
    assert (sniffer.usage, sniffer.model, sniffer.ended) is not None
    out = [*reader.feed(data), *reader.close()]
    assert isinstance(out[-1], ir.ReplyEnd | ir.StreamFailure)
    assert sum(isinstance(event, ir.ReplyEnd | ir.StreamFailure) for event in out) == 1
    assert DIALECT.stream_writer(FRAME).write(out)


@st.composite
def usages(draw: st.DrawFn) -> ir.Usage:
    tools_used = draw(st.none() | st.integers(1, 99))
    fresh, answered = draw(st.integers(1, 999)), draw(whole)
    thoughts_used = draw(st.none() | st.integers(1, 999))
    extra_fields = {"toolUsePromptTokenCount": tools_used} if tools_used else {}
    if draw(st.booleans()):
        extra_fields["trafficType"] = "ON_DEMAND"  # type: ignore[assignment]
    tokens_in, tokens_out = fresh + (tools_used or 0), answered + (thoughts_used or 0)
    return ir.Usage(
        input=tokens_in,
        output=tokens_out,
        total=tokens_in + tokens_out,
        cache_read=draw(st.none() | whole),
        reasoning=thoughts_used,
        service_tier=None
        if "trafficType" in extra_fields
        else draw(st.sampled_from([None, "default", "flex"])),
        extra={"gemini": dict(extra_fields)} if extra_fields else None,
    )


def _extends(first: ir.Block, second: ir.Block) -> bool:
    """Whether a stream could not tell where the first ends: two bare texts of a kind, two sounds."""
    if isinstance(first, ir.Audio) and isinstance(second, ir.Audio):
        return True
    bare = all(
        isinstance(block, ir.Text | ir.Thinking) and not (block.signature or block.extra)
        for block in (first, second)
    )
    return bare and type(first) is type(second)


tokens = st.builds(
    lambda token, logprob, others: ir.TokenLogprob(
        token=token,
        logprob=logprob,
        bytes=list(token.encode()),
        top=[ir.TokenLogprob(token=other, logprob=-1.5, bytes=list(other.encode())) for other in others],
    ),
    prose,
    st.sampled_from([0.0, -0.25, -9.5]),
    st.lists(prose, max_size=2),
)


@st.composite
def replies(draw: st.DrawFn) -> ir.Reply:
    made = [draw(_choice(index)) for index in range(draw(st.integers(1, 2)))]
    reply = ir.Reply(
        choices=made,
        id=draw(word),
        model=draw(word),
        usage=draw(usages()),
        extra=draw(st.none() | st.just({"gemini": {"modelStatus": {"modelStage": "STABLE"}}})),
    )
    if draw(st.booleans()):
        reply.extra = {
            "gemini": {**(reply.extra or {}).get("gemini", {}), "createTime": "2026-03-05T22:50:32Z"}
        }
        reply.created = 1772751032
    return reply


@st.composite
def _choice(draw: st.DrawFn, index: int) -> ir.Choice:
    whole_sounds = st.builds(
        ir.Audio,
        st.builds(ir.Source, st.just("data"), base64_data, st.just("audio/wav")),
        format=st.just("wav"),
    )
    inner = draw(st.lists(st.one_of(texts, thoughts, images, whole_sounds, documents, opaque), max_size=4))
    for number in range(draw(st.integers(0, 2))):
        inner.append(
            ir.ToolCall(
                id=f"c{index}_{number}", name=draw(word), arguments=draw(arguments), signature=draw(signature)
            )
        )
    blocks: list[ir.Block] = []
    for block in inner:
        if not blocks or not _extends(blocks[-1], block):
            blocks.append(copy.deepcopy(block))
    calls = any(isinstance(block, ir.ToolCall) for block in blocks)
    raw, reason = draw(
        st.sampled_from(
            [
                ("STOP", "tool_calls" if calls else "stop"),
                ("MAX_TOKENS", "length"),
                ("SAFETY", "content_filter"),
                ("MALFORMED_FUNCTION_CALL", "tool_calls" if calls else "error"),
            ]
        )
    )
    return ir.Choice(
        index=index,
        turn=ir.Turn(role="assistant", blocks=blocks),
        finish=ir.Finish(reason=reason, raw=raw, family="gemini"),  # type: ignore[arg-type]
        logprobs=draw(st.none() | st.lists(tokens, min_size=1, max_size=2)),
        extra=draw(st.none() | st.just({"gemini": {"avgLogprobs": -0.5, "finishMessage": "done"}})),
    )


@settings(max_examples=150, deadline=None)
@given(replies())
def test_a_reply_is_read_back_equal(reply: ir.Reply) -> None:
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)) == reply


@settings(max_examples=150, deadline=None)
@given(replies(), st.integers(1, 40))
def test_a_stream_is_read_back_equal_for_any_chunking(reply: ir.Reply, size: int) -> None:
    data = DIALECT.stream_writer(FRAME).write(unfold(reply))
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    events: list[ir.Event] = []
    for at in range(0, len(data), size):
        sniffer.feed(data[at : at + size])
        events += reader.feed(data[at : at + size])
    assert fold([*events, *reader.close()]) == reply
    assert (sniffer.usage, sniffer.model, sniffer.ended, sniffer.error) == (
        reply.usage,
        reply.model,
        True,
        None,
    )


@settings(max_examples=60, deadline=None)
@given(replies(), st.data())
def test_a_stream_cut_anywhere_fails(reply: ir.Reply, data: st.DataObject) -> None:
    stream = DIALECT.stream_writer(FRAME).write(unfold(reply))
    end = stream.rindex(b"data: {")
    reader, sniffer = DIALECT.stream_reader(), DIALECT.sniffer()
    cut = stream[: data.draw(st.integers(0, end + 20))]
    sniffer.feed(cut)
    events = [*reader.feed(cut), *reader.close()]
    assert isinstance(events[-1], ir.StreamFailure)
    assert not any(isinstance(event, ir.ReplyEnd) for event in events)
    assert not sniffer.ended


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"type": "object", "properties": {"a": deep}}
    for request in (
        ir.Request(model="m", turns=[], tools=[ir.Tool(name="t", parameters=deep)]),
        ir.Request(model="m", turns=[], output=ir.OutputFormat(kind="schema", schema=deep)),
    ):
        with pytest.raises(BadRequestError, match="nested"):
            DIALECT.write_request(request, Target(model="gemini-1.5-pro"))
    with pytest.raises(BadRequestError, match="nested"):
        DIALECT.read_request({"tools": [{"functionDeclarations": [{"name": "f", "parameters": deep}]}]})
    for body in (b"[" * 100_000, b'{"a":' * 100_000):
        with pytest.raises(HeadgateError):
            DIALECT.read_reply(body)


def test_references_that_grow_without_end_are_refused() -> None:
    definitions = {
        f"d{at}": {
            "type": "object",
            "properties": {name: {"$ref": f"#/$defs/d{at + 1}"} for name in "abcdef"},
        }
        for at in range(20)
    }
    bomb = {"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions}
    with pytest.raises(BadRequestError, match="written out"):
        DIALECT.write_request(
            ir.Request(model="m", turns=[], tools=[ir.Tool(name="t", parameters=bomb)]),
            Target(model="gemini-1.5-pro"),
        )
