"""A tool that takes free text works with models that know functions only, and its caller sees none of it."""

import json
from typing import Any

import pytest

from headgate.wire import anthropic, bedrock, cohere, free_tools, gemini, ir, ollama, openai_chat, responses
from headgate.wire.dialect import Dialect, Frame, Target
from headgate.wire.fold import fold, unfold

FRAME = Frame(id="f", created=1, model="m")
ECHO = ir.Echo(free=["patch"])
TEXT = '*** Begin "patch"\n+é\n'

UPSTREAMS: list[Any] = [
    anthropic.DIALECT, bedrock.DIALECT, cohere.DIALECT, gemini.DIALECT, ollama.DIALECT, openai_chat.DIALECT,
]  # fmt: skip
OTHER = ir.ToolCall(id="c2", name="now", arguments='{"input":"x"}')


def as_functions() -> ir.Reply:
    """What a model answers that knows functions only."""
    told = ir.ToolCall(id="c1", name="patch", arguments=json.dumps({"input": TEXT}))
    return ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[told, OTHER]))])


def calls(reply: ir.Reply) -> list[tuple[str, str, str]]:
    blocks = [block for block in reply.choices[0].turn.blocks if isinstance(block, ir.ToolCall)]
    return [(call.name, call.kind, call.arguments) for call in blocks]


SAID = [("patch", "custom", TEXT), ("now", "function", '{"input":"x"}')]


@pytest.mark.parametrize("upstream", UPSTREAMS, ids=lambda dialect: str(dialect.name))
def test_a_whole_answers_calls_come_back_as_free_text(upstream: Dialect) -> None:
    body = upstream.write_reply(as_functions(), FRAME)
    assert calls(free_tools.read_reply(upstream, body, ECHO)) == SAID


@pytest.mark.parametrize("upstream", UPSTREAMS, ids=lambda dialect: str(dialect.name))
@pytest.mark.parametrize("size", [1, 23, 100_000])
def test_a_streams_calls_come_back_as_free_text(upstream: Dialect, size: int) -> None:
    reply = as_functions()
    reply.choices[0].finish = ir.Finish(reason="tool_calls")
    data = upstream.stream_writer(FRAME).write(unfold(reply))
    reader = free_tools.stream_reader(upstream, ECHO)
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    assert calls(fold(events + reader.close())) == SAID


def test_without_free_tools_nothing_is_between() -> None:
    for echo in (None, ir.Echo()):
        reader = free_tools.stream_reader(openai_chat.DIALECT, echo)
        assert type(reader) is type(openai_chat.DIALECT.stream_reader(echo))


@pytest.mark.parametrize("arguments", ["", "no json", "[1]", '{"other": 1}', '{"input": 5}'])
def test_arguments_of_another_shape_are_taken_as_they_are(arguments: str) -> None:
    told = ir.ToolCall(id="c", name="patch", arguments=arguments)
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[told]))])
    body = openai_chat.DIALECT.write_reply(reply, FRAME)
    ((_, kind, said),) = calls(free_tools.read_reply(openai_chat.DIALECT, body, ECHO))
    assert (kind, said) == ("custom", arguments or "{}")


def test_both_callers_formats_ask_with_a_function_of_one_text() -> None:
    from_responses = responses.DIALECT.read_request(
        {
            "model": "m",
            "input": [
                {"role": "user", "content": "q"},
                {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": TEXT},
                {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
            ],
            "tools": [{"type": "custom", "name": "patch"}],
        }
    )
    assert free_tools.names_in(from_responses) == ["patch"]
    body = openai_chat.DIALECT.write_request(from_responses, Target(model="m")).body
    assert body["tools"] == [{"type": "function", "function": {"name": "patch", "parameters": ir.FREE_TEXT}}]
    (call,) = body["messages"][1]["tool_calls"]
    assert call["type"] == "function"
    assert json.loads(call["function"]["arguments"]) == {"input": TEXT}
    tool = {"type": "custom", "custom": {"name": "patch"}}
    messages = [{"role": "user", "content": "q"}]
    from_chat = openai_chat.DIALECT.read_request({"model": "m", "messages": messages, "tools": [tool]})
    assert free_tools.names_in(from_chat) == ["patch"]
    written = anthropic.DIALECT.write_request(from_chat, Target(model="m")).body
    assert written["tools"] == [{"name": "patch", "input_schema": ir.FREE_TEXT}]
    assert openai_chat.DIALECT.write_request(from_chat, Target(model="m")).body["tools"] == [tool]
