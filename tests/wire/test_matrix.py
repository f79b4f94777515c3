"""Every case through every pair of dialects: what one writes from the IR, another reads and says the same."""

import json
from typing import Any

import msgspec
import pytest

from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT as ANTHROPIC
from headgate.wire.bedrock import DIALECT as CONVERSE
from headgate.wire.cohere import DIALECT as COHERE
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.gemini import DIALECT as GEMINI
from headgate.wire.ollama import DIALECT as OLLAMA
from headgate.wire.openai_chat import DIALECT as CHAT
from headgate.wire.responses import DIALECT as RESPONSES

DIALECTS: dict[str, Any] = {
    "chat": CHAT,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "responses": RESPONSES,
    "bedrock": CONVERSE,
    "cohere": COHERE,
    "ollama": OLLAMA,
    "invoke": dialect("bedrock_anthropic"),
}
MODELS = {
    "chat": "gpt-4o",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "responses": "gpt-5",
    "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
    "ollama": "qwen3",
    "invoke": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
}
UNSAYABLE = {("ollama", "pdf"), ("ollama", "forced tool")}
"""What a format has no words for: its own tests hold that it is reported."""
FRAME = Frame(id="id-1", created=1, model="m", stream_usage=True)
PNG = "iVBORw0KGgo="


def user(*blocks: ir.Block) -> ir.Turn:
    return ir.Turn(role="user", blocks=list(blocks))


def assistant(*blocks: ir.Block) -> ir.Turn:
    return ir.Turn(role="assistant", blocks=list(blocks))


WEATHER = ir.Tool(
    name="weather",
    description="The weather of a city",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CALL = ir.ToolCall(id="call_1", name="weather", arguments='{"city":"Paris"}')
RESULT = ir.ToolResult(call_id="call_1", name="weather", content=[ir.Text(text="sunny")])

REQUESTS: dict[str, ir.Request] = {
    "text": ir.Request(model="m", turns=[user(ir.Text(text="Hello"))]),
    "system": ir.Request(
        model="m", turns=[ir.Turn(role="system", blocks=[ir.Text(text="Be brief")]), user(ir.Text(text="Hi"))]
    ),
    "turns": ir.Request(
        model="m", turns=[user(ir.Text(text="a")), assistant(ir.Text(text="b")), user(ir.Text(text="c"))]
    ),
    "image": ir.Request(
        model="m",
        turns=[
            user(
                ir.Text(text="What is it?"),
                ir.Image(source=ir.Source(kind="data", value=PNG, media_type="image/png")),
            )
        ],
    ),
    "pdf": ir.Request(
        model="m",
        turns=[
            user(
                ir.Text(text="Sum up"),
                ir.File(
                    source=ir.Source(kind="data", value="JVBERg==", media_type="application/pdf"),
                    name="a.pdf",
                ),
            )
        ],
    ),
    "tools": ir.Request(
        model="m",
        turns=[user(ir.Text(text="Weather?"))],
        tools=[WEATHER],
        tool_choice=ir.ToolChoice(mode="auto"),
    ),
    "forced tool": ir.Request(
        model="m",
        turns=[user(ir.Text(text="Weather?"))],
        tools=[WEATHER],
        tool_choice=ir.ToolChoice(mode="named", name="weather"),
    ),
    "tool result": ir.Request(
        model="m", turns=[user(ir.Text(text="Weather?")), assistant(CALL), user(RESULT)], tools=[WEATHER]
    ),
    "two tool results": ir.Request(
        model="m",
        turns=[
            user(ir.Text(text="Weather?")),
            assistant(CALL, ir.ToolCall(id="call_2", name="weather", arguments='{"city":"Rome"}')),
            user(RESULT, ir.ToolResult(call_id="call_2", name="weather", content=[ir.Text(text="rain")])),
        ],
        tools=[WEATHER],
    ),
    "parameters": ir.Request(
        model="m", turns=[user(ir.Text(text="Hi"))], max_tokens=50, temperature=0.5, stop=["END"]
    ),
    "json schema": ir.Request(
        model="m",
        turns=[user(ir.Text(text="A person"))],
        output=ir.OutputFormat(
            kind="schema",
            name="person",
            schema={"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]},
        ),
    ),
}


def meaning(request: ir.Request) -> dict[str, Any]:
    """What every dialect can say, in one form: turns merged by role, tool results by name and text."""
    turns: list[list[Any]] = []
    for turn in request.turns:
        said = [block for block in map(_said, turn.blocks) if block]
        role = "system" if turn.role == "developer" else turn.role
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(said)
        else:
            turns.append([role, said])
    return {
        "turns": turns,
        "tools": [(tool.name, tool.description) for tool in request.tools or () if isinstance(tool, ir.Tool)],
        "choice": _chosen(request),
        "temperature": request.temperature,
        "stop": request.stop,
        "schema": bool(request.output and request.output.kind == "schema"),
    }


def _chosen(request: ir.Request) -> tuple[str, str | None] | None:
    """Where there is but one tool, some tool is that tool."""
    choice = request.tool_choice
    if choice is None or choice.mode == "auto":
        return None
    only = request.tools[0] if request.tools and len(request.tools) == 1 else None
    if choice.mode == "required" and isinstance(only, ir.Tool):
        return "named", only.name
    return choice.mode, choice.name


def _said(block: ir.Block) -> Any:
    match block:
        case ir.Text():
            return ("text", block.text)
        case ir.Image() | ir.File():
            return ("media", block.source.media_type, block.source.value)
        case ir.ToolCall():
            return ("call", block.name, json.loads(block.arguments))
        case ir.ToolResult():
            return ("result", [_said(one) for one in block.content])
    return None


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("case", REQUESTS)
def test_requests_mean_the_same_in_every_dialect(case: str, source: str, target: str) -> None:
    if not UNSAYABLE.isdisjoint({(source, case), (target, case)}):
        pytest.skip("the format has no words for it")
    request = REQUESTS[case]
    if case == "pdf" and "cohere" in (source, target):
        pytest.skip("the format has no files but texts")
    if "responses" in (source, target):
        request = msgspec.structs.replace(request, stop=None)  # the format has no stop sequences
    first = DIALECTS[source].write_request(request, Target(model=MODELS[source]))
    assert first.dropped == []
    read = DIALECTS[source].read_request({"model": "m", **first.body})
    second = DIALECTS[target].write_request(read, Target(model=MODELS[target]))
    assert second.dropped == []
    again = DIALECTS[target].read_request({"model": "m", **second.body})
    assert meaning(again) == meaning(request)


def reply(*blocks: ir.Block, finish: ir.FinishReason = "stop") -> ir.Reply:
    return ir.Reply(
        id="id-1",
        model="m",
        created=1,
        choices=[ir.Choice(turn=assistant(*blocks), finish=ir.Finish(reason=finish))],
        usage=ir.Usage(input=20, output=7, cache_read=4, reasoning=2),
    )


REPLIES = {
    "text": reply(ir.Text(text="Hello")),
    "cut": reply(ir.Text(text="Hel"), finish="length"),
    "filtered": reply(ir.Text(text="x"), finish="content_filter"),
    "call": reply(CALL, finish="tool_calls"),
    "text and calls": reply(
        ir.Text(text="Let me see"),
        CALL,
        ir.ToolCall(id="call_2", name="weather", arguments='{"city":"Rome"}'),
        finish="tool_calls",
    ),
    "reasoning": reply(ir.Thinking(text="Hm"), ir.Text(text="Yes")),
}


def heard(reply_: ir.Reply, *names: str) -> dict[str, Any]:
    """`names` are the formats it went through: Ollama's says nothing of caches."""
    choice = reply_.choices[0]
    assert choice.finish is not None
    assert reply_.usage is not None
    return {
        "said": [said for said in map(_said, choice.turn.blocks) if said],
        "thought": "".join(b.text for b in choice.turn.blocks if isinstance(b, ir.Thinking)),
        "finish": choice.finish.reason,
        "tokens": (
            reply_.usage.input,
            reply_.usage.output,
            "ollama" in names or reply_.usage.cache_read,
        ),
    }


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("case", REPLIES)
def test_replies_mean_the_same_in_every_dialect(case: str, source: str, target: str) -> None:
    read = DIALECTS[source].read_reply(DIALECTS[source].write_reply(REPLIES[case], FRAME))
    again = DIALECTS[target].read_reply(DIALECTS[target].write_reply(read, FRAME))
    assert heard(again, source, target) == heard(REPLIES[case], source, target)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("case", REPLIES)
def test_streams_mean_the_same_in_every_dialect(case: str, source: str, target: str, size: int) -> None:
    data = DIALECTS[source].stream_writer(FRAME).write(unfold(REPLIES[case]))
    translated = DIALECTS[target].stream_writer(FRAME).write(_events(DIALECTS[source], data, size))
    again = fold(_events(DIALECTS[target], translated, size))
    assert heard(again, source, target) == heard(REPLIES[case], source, target)


def _events(dialect: Any, data: bytes, size: int) -> list[ir.Event]:
    reader = dialect.stream_reader()
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.close()]
