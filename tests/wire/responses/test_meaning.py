"""What other formats say and ask keeps its meaning here, and what this one says keeps it elsewhere."""

import json
from typing import Any

import pytest

import recorded
from headgate.wire import anthropic, ir, openai_chat
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold, unfold
from headgate.wire.responses import DIALECT

FRAME = Frame(id="id1", created=1, model="m")
TARGET = Target(model="m")
PNG = "iVBORw0KGgo="


def chat_request(**fields: Any) -> ir.Request:
    messages = [{"role": "user", "content": "hi"}]
    return openai_chat.DIALECT.read_request({"model": "m", "messages": messages, **fields})


def answer(*output: dict[str, Any]) -> dict[str, Any]:
    return {"id": "r", "object": "response", "model": "m", "status": "completed", "output": list(output)}


def streamed(*blocks: ir.Block) -> list[dict[str, Any]]:
    choice = ir.Choice(turn=ir.Turn(role="assistant", blocks=list(blocks)))
    choice.finish = ir.Finish(reason="stop")
    return recorded.events(DIALECT.stream_writer(FRAME).write(unfold(ir.Reply(choices=[choice]))))


def read_stream(data: bytes, size: int, echo: ir.Echo | None = None) -> ir.Reply:
    reader = DIALECT.stream_reader(echo)
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return fold(events + reader.close())


# --- requests --------------------------------------------------------------------------------------------


def test_parameters_that_ask_for_nothing_special_are_not_missed() -> None:
    asked = chat_request(
        n=1, presence_penalty=0, frequency_penalty=0.0, logit_bias={}, modalities=["text"], logprobs=False
    )
    assert DIALECT.write_request(asked, TARGET).dropped == []
    assert DIALECT.write_request(chat_request(n=2, seed=3), TARGET).dropped == ["seed", "n"]


def test_log_probabilities_are_asked_for_in_each_formats_way() -> None:
    body = DIALECT.write_request(chat_request(logprobs=True, top_logprobs=2), TARGET).body
    assert (body["include"], body["top_logprobs"]) == (["message.output_text.logprobs"], 2)
    read = DIALECT.read_request({"model": "m", "input": "hi", "top_logprobs": 2})
    chat = openai_chat.DIALECT.write_request(read, TARGET).body
    assert (chat["logprobs"], chat["top_logprobs"]) == (True, 2)
    assert "include" not in DIALECT.write_request(read, TARGET).body


@pytest.mark.parametrize(
    "location", [{"type": "approximate", "approximate": {"country": "DE"}}, {"country": "DE"}]
)
def test_a_search_knows_where_the_user_is(location: dict[str, Any]) -> None:
    asked = chat_request(web_search_options={"user_location": location, "search_context_size": "low"})
    assert DIALECT.write_request(asked, TARGET).body["tools"] == [
        {
            "type": "web_search",
            "user_location": {"type": "approximate", "country": "DE"},
            "search_context_size": "low",
        }
    ]


def test_a_search_tool_of_this_format_is_one_of_chat() -> None:
    place = {"type": "approximate", "country": "DE"}
    tool = {"type": "web_search", "user_location": place, "search_context_size": "high"}
    read = DIALECT.read_request({"model": "m", "input": "hi", "tools": [tool]})
    assert openai_chat.DIALECT.write_request(read, TARGET).body["web_search_options"] == {
        "search_context_size": "high",
        "user_location": {"type": "approximate", "approximate": {"country": "DE"}},
    }


def test_a_free_tool_of_chat_is_one_here() -> None:
    grammar = {"syntax": "lark", "definition": "start: /a/"}
    custom = {"name": "sh", "description": "d", "format": {"type": "grammar", "grammar": grammar}}
    call = {"id": "c1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    asked = openai_chat.DIALECT.read_request(
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "done"},
            ],
            "tools": [{"type": "custom", "custom": custom}],
            "tool_choice": {"type": "custom", "custom": {"name": "sh"}},
        }
    )
    body = DIALECT.write_request(asked, TARGET).body
    form = {"type": "grammar", **grammar}
    assert body["tools"] == [{"type": "custom", "name": "sh", "description": "d", "format": form}]
    assert body["tool_choice"] == {"type": "custom", "name": "sh"}
    assert [item["type"] for item in body["input"][1:]] == ["custom_tool_call", "custom_tool_call_output"]


def test_names_that_the_format_refuses_come_back_as_they_were() -> None:
    long = "mcp__server__" + "x" * 80
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in (long, "a.b")]
    asked = anthropic.DIALECT.read_request(
        {
            "model": "m",
            "max_tokens": 9,
            "messages": [
                {"role": "user", "content": "hi"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "t", "name": "a.b", "input": {}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
            ],
            "tools": tools,
            "tool_choice": {"type": "tool", "name": long},
        }
    )
    written = DIALECT.write_request(asked, TARGET)
    names = [tool["name"] for tool in written.body["tools"]]
    assert all(len(name) <= 64 and name.replace("_", "").isalnum() for name in names)
    assert written.body["tool_choice"]["name"] == names[0]
    assert written.body["input"][1]["name"] == names[1]
    call = {"type": "function_call", "call_id": "c", "name": names[0], "arguments": "{}"}
    whole = DIALECT.read_reply(json.dumps(answer(call)).encode(), written.echo)
    (block,) = whole.choices[0].turn.blocks
    assert isinstance(block, ir.ToolCall)
    assert block.name == long
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**call, "arguments": ""}},
        {"type": "response.output_item.done", "output_index": 0, "item": call},
        {"type": "response.completed", "response": answer(call)},
    ]
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    (block,) = read_stream(data, 7, written.echo).choices[0].turn.blocks
    assert isinstance(block, ir.ToolCall)
    assert block.name == long


def test_redacted_reasoning_comes_back_redacted() -> None:
    thought = ir.Thinking(redacted="sealed.words==", family="anthropic")
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[thought]))])
    (item,) = json.loads(DIALECT.write_reply(reply, FRAME))["output"]
    read = DIALECT.read_request({"model": "m", "input": [item]})
    assert read.turns[0].blocks == [thought]


def test_a_result_with_what_has_no_form_here_keeps_the_rest() -> None:
    result = ir.ToolResult(call_id="c", content=[ir.Text("a"), ir.Audio(id="x")])
    asked = ir.Request(model="m", turns=[ir.Turn(role="user", blocks=[result])])
    written = DIALECT.write_request(asked, TARGET)
    assert written.body["input"][0]["output"] == [{"type": "input_text", "text": "a"}]
    assert written.dropped == ["messages[0].content[0]: audio"]


# --- answers ---------------------------------------------------------------------------------------------


def test_calls_without_arguments_have_the_empty_object() -> None:
    events = streamed(ir.ToolCall(id="c", name="f"))
    assert [e["delta"] for e in events if e["type"].endswith("arguments.delta")] == ["{}"]
    assert events[-1]["response"]["output"][0]["arguments"] == "{}"


def test_what_a_block_begins_with_is_told_in_a_delta() -> None:
    """Gemini's parts with a signature come whole."""
    writer = DIALECT.stream_writer(FRAME)
    begun = [ir.ReplyStart(), ir.BlockStart(0, 0, ir.Text("all of it", signature="s")), ir.BlockStop(0, 0)]
    events = recorded.events(writer.write([*begun, ir.ReplyEnd()]))
    assert [e["delta"] for e in events if e["type"] == "response.output_text.delta"] == ["all of it"]


def test_a_signature_is_no_text() -> None:
    writer = DIALECT.stream_writer(FRAME)
    events: list[ir.Event] = [
        ir.ReplyStart(),
        ir.BlockStart(0, 0, ir.Text("")),
        ir.BlockDelta(0, 0, "text", "a"),
        ir.BlockDelta(0, 0, "signature", "SEAL"),
        ir.ReplyEnd(),
    ]
    assert b"SEAL" not in writer.write(events)


def test_pictures_are_pictures_both_ways() -> None:
    picture = ir.Image(ir.Source("data", PNG, "image/png"))
    for output in (
        json.loads(DIALECT.write_reply(fold(unfold(_reply(picture))), FRAME))["output"],
        streamed(picture)[-1]["response"]["output"],
    ):
        assert [(item["type"], item["result"]) for item in output] == [("image_generation_call", PNG)]
        (block,) = DIALECT.read_reply(json.dumps(answer(*output)).encode()).choices[0].turn.blocks
        assert isinstance(block, ir.Image)
        assert block.source == ir.Source("data", PNG, "image/png")


def _reply(*blocks: ir.Block) -> ir.Reply:
    return ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=list(blocks)))])


def test_sound_is_told_by_its_words() -> None:
    sound = ir.Audio(source=ir.Source("data", "AAAA"), id="a", transcript="hello")
    for output in (
        json.loads(DIALECT.write_reply(_reply(sound), FRAME))["output"],
        streamed(sound)[-1]["response"]["output"],
    ):
        assert output[0]["content"][0]["text"] == "hello"


def test_log_probabilities_go_both_ways() -> None:
    other = ir.TokenLogprob(token="Ho", logprob=-1.5, bytes=[72, 111])
    tokens = [ir.TokenLogprob(token="Hi", logprob=-0.5, bytes=[72, 105], top=[other])]
    reply = _reply(ir.Text("Hi"))
    reply.choices[0].logprobs = tokens
    assert DIALECT.read_reply(DIALECT.write_reply(reply, FRAME)).choices[0].logprobs == tokens
    events: list[ir.Event] = [
        ir.ReplyStart(),
        ir.BlockStart(0, 0, ir.Text("")),
        ir.BlockDelta(0, 0, "text", "Hi"),
        ir.LogprobsDelta(0, tokens),
        ir.ReplyEnd(),
    ]
    told = recorded.events(DIALECT.stream_writer(FRAME).write(events))
    done = next(event for event in told if event["type"] == "response.output_text.done")
    assert [token["token"] for token in done["logprobs"]] == ["Hi"]
    delta = {"type": "response.output_text.delta", "delta": "Hi", "output_index": 0, "content_index": 0}
    wire = [{**delta, "logprobs": done["logprobs"]}, {"type": "response.completed", "response": answer()}]
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in wire)
    assert read_stream(data, 1).choices[0].logprobs == tokens


def test_citations_have_a_range_and_documents_a_name() -> None:
    cited = ir.Text(
        "words", citations=[ir.Citation(url="u", title="t"), ir.Citation(title="a.pdf", cited_text="w")]
    )
    notes = [
        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 5},
        {"type": "file_citation", "file_id": "", "filename": "a.pdf", "index": 5},
    ]
    (item,) = json.loads(DIALECT.write_reply(_reply(cited), FRAME))["output"]
    assert item["content"][0]["annotations"] == notes
    assert streamed(cited)[-1]["response"]["output"][0]["content"][0]["annotations"] == notes


def test_calls_of_formats_without_ids_get_some() -> None:
    asked = openai_chat.DIALECT.read_request(
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "done"},
            ],
        }
    )
    call, result = DIALECT.write_request(asked, TARGET).body["input"][1:]
    assert call["call_id"] == result["call_id"] != ""


def wire(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


@pytest.mark.parametrize("size", [1, 10_000])
def test_what_no_delta_has_told_is_taken_from_the_end(size: int) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}
    said = {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "late"}
    argued = {"type": "response.function_call_arguments.done", "output_index": 1, "arguments": '{"a":1}'}
    added = {"type": "response.output_item.added", "output_index": 1, "item": call}
    completed = {"type": "response.completed", "response": answer()}
    text, found = read_stream(wire(said, added, argued, completed), size).choices[0].turn.blocks
    assert text == ir.Text("late")
    assert isinstance(found, ir.ToolCall)
    assert found.arguments == '{"a":1}'


def test_an_answer_that_comes_only_with_the_last_event() -> None:
    message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "all"}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    found = read_stream(wire({"type": "response.completed", "response": answer(message, call)}), 9).choices[0]
    assert found.turn.blocks == [ir.Text("all"), ir.ToolCall(id="c", name="f", arguments="{}")]
    assert found.finish is not None
    assert found.finish.reason == "tool_calls"


def test_ids_of_other_vendors_files_are_named_and_left_out() -> None:
    blocks: list[ir.Block] = [ir.Text("q"), ir.File(ir.Source("id", "file_1", family="anthropic"))]
    written = DIALECT.write_request(
        ir.Request(model="m", turns=[ir.Turn(role="user", blocks=blocks)]), TARGET
    )
    assert written.dropped == ["messages[0].content[1]: file by id of anthropic"]
    assert len(written.body["input"][0]["content"]) == 1
