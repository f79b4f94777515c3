"""What each field of a request becomes, in both directions."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT as ANTHROPIC
from headgate.wire.cohere import DIALECT
from headgate.wire.dialect import Target
from headgate.wire.openai_chat import DIALECT as CHAT

ASKED = [{"role": "user", "content": "hi"}]
TOOL = {
    "type": "function",
    "function": {"name": "now", "description": "d", "parameters": {"type": "object", "properties": {}}},
}
OTHER = {"type": "function", "function": {"name": "then", "parameters": {"type": "object"}}}


def from_chat(**body: Any) -> ir.Written:
    """A chat client's request as Cohere gets it."""
    read = CHAT.read_request({"model": "m", "messages": ASKED, **body})
    return DIALECT.write_request(read, Target(model="command-a"))


def to_chat(**body: Any) -> ir.Written:
    read = DIALECT.read_request({"model": "m", "messages": ASKED, **body})
    return CHAT.write_request(read, Target(model="gpt"))


def through(**body: Any) -> dict[str, Any]:
    """A Cohere client's request as it leaves again."""
    read = DIALECT.read_request({"model": "m", "messages": ASKED, **body})
    return DIALECT.write_request(read, Target(model="m")).body


@pytest.mark.parametrize(
    ("chat", "cohere"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"top_p": 0.5}, {"p": 0.5}),
        ({"top_k": 7}, {"k": 7}),
        ({"temperature": 0.1, "seed": 3}, {"temperature": 0.1, "seed": 3}),
        (
            {"presence_penalty": 0.5, "frequency_penalty": 0.25},
            {"presence_penalty": 0.5, "frequency_penalty": 0.25},
        ),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"logprobs": True}, {"logprobs": True}),
        ({"stream": True}, {"stream": True}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "token_budget": 1024}}),
        ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 9}},
            {"thinking": {"type": "enabled", "token_budget": 9}},
        ),
        ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}}},
            {"response_format": {"type": "json_object", "json_schema": {"a": 1}}},
        ),
        ({"safety_mode": "STRICT", "documents": ["d"]}, {"safety_mode": "STRICT", "documents": ["d"]}),
        ({"user": "u", "metadata": {"a": "b"}, "n": 1, "parallel_tool_calls": True}, {}),
    ],
)
def test_a_parameter_of_chat(chat: dict[str, Any], cohere: dict[str, Any]) -> None:
    written = from_chat(**chat)
    assert written.dropped == []
    assert written.body == {"model": "command-a", "messages": ASKED, **cohere}


@pytest.mark.parametrize(
    ("chat", "name"),
    [
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"verbosity": "low"}, "verbosity"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_has_no_twin_is_named(chat: dict[str, Any], name: str) -> None:
    written = from_chat(**chat)
    assert written.dropped == [name]
    assert name not in written.body


@pytest.mark.parametrize("beside", [{"tools": [TOOL]}, {"documents": ["d"]}])
def test_a_form_of_the_answer_gives_way_to_tools_and_documents(beside: dict[str, Any]) -> None:
    written = from_chat(response_format={"type": "json_object"}, **beside)
    assert written.dropped == ["response_format"]
    assert "response_format" not in written.body
    assert from_chat(response_format={"type": "text"}, **beside).dropped == []


@pytest.mark.parametrize(
    ("choice", "sent", "names"),
    [
        ("auto", None, ["now", "then"]),
        ("none", "NONE", ["now", "then"]),
        ("required", "REQUIRED", ["now", "then"]),
        ({"type": "function", "function": {"name": "then"}}, "REQUIRED", ["then"]),
    ],
)
def test_a_choice_of_tools(choice: Any, sent: str | None, names: list[str]) -> None:
    body = from_chat(tools=[TOOL, OTHER], tool_choice=choice).body
    assert body.get("tool_choice") == sent
    assert [tool["function"]["name"] for tool in body["tools"]] == names


@pytest.mark.parametrize(
    ("strict", "sent"), [((True, True), True), ((True, False), None), ((None, None), None)]
)
def test_tools_are_strict_together(strict: tuple[bool | None, ...], sent: bool | None) -> None:
    tools = [
        {"type": "function", "function": {**tool["function"], **({} if one is None else {"strict": one})}}
        for tool, one in zip((TOOL, OTHER), strict, strict=True)
    ]
    body = from_chat(tools=tools).body
    assert body.get("strict_tools") == sent
    assert all("strict" not in tool["function"] for tool in body["tools"])


def test_strict_tools_reach_a_chat_model() -> None:
    body = to_chat(tools=[TOOL], strict_tools=True, tool_choice="REQUIRED").body
    assert body["tools"][0]["function"]["strict"] is True
    assert body["tool_choice"] == "required"


def test_what_is_said_before_calls_is_the_plan() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    said = {"role": "assistant", "content": "Let me see", "tool_calls": [call]}
    answer = {"role": "tool", "tool_call_id": "c1", "content": "noon"}
    body = from_chat(messages=[*ASKED, said, answer], tools=[TOOL]).body
    assert body["messages"] == [
        *ASKED,
        {"role": "assistant", "tool_plan": "Let me see", "tool_calls": [call]},
        answer,
    ]
    back = CHAT.write_request(DIALECT.read_request(body), Target(model="m")).body["messages"]
    assert back == [*ASKED, said, answer]


def test_a_document_that_a_tool_gave_is_text_to_other_formats() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    part = {"type": "document", "document": {"id": "1", "data": {"title": "t", "text": "noon"}}}
    messages = [
        *ASKED,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": [part]},
    ]
    assert through(messages=messages)["messages"] == messages
    told = to_chat(messages=messages).body["messages"][2]
    assert json.loads(told["content"]) == {"title": "t", "text": "noon"}


def test_results_without_ids_answer_calls_in_order() -> None:
    turns = [
        ir.Turn(role="assistant", blocks=[ir.ToolCall(id="", name="a"), ir.ToolCall(id="", name="b")]),
        ir.Turn(
            role="user",
            blocks=[
                ir.ToolResult(call_id="", name="b", content=[ir.Text("2")]),
                ir.ToolResult(call_id="", name="a", content=[ir.Text("1")]),
                ir.Text("go on"),
            ],
        ),
    ]
    written = DIALECT.write_request(ir.Request(model="m", turns=turns), Target(model="m"))
    said, second, first, last = written.body["messages"]
    assert [call["id"] for call in said["tool_calls"]] == ["call_0", "call_1"]
    assert (second["tool_call_id"], first["tool_call_id"]) == ("call_1", "call_0")
    assert last == {"role": "user", "content": [{"type": "text", "text": "go on"}]}


def test_a_text_document_in_a_message_becomes_one_of_the_documents() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "All of it"}
    content = [{"type": "document", "source": source, "title": "t"}, {"type": "text", "text": "Sum up"}]
    read = ANTHROPIC.read_request(
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
    )
    written = DIALECT.write_request(read, Target(model="m"))
    assert written.dropped == []
    assert written.body["documents"] == [{"data": {"title": "t", "text": "All of it"}}]
    assert written.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Sum up"}]}]


def test_a_text_file_is_a_document_too() -> None:
    file = {"filename": "a.txt", "file_data": "data:text/plain;base64,QWxsIG9mIGl0"}
    content = [{"type": "file", "file": file}, {"type": "text", "text": "Sum up"}]
    written = from_chat(messages=[{"role": "user", "content": content}])
    assert written.dropped == []
    assert written.body["documents"] == [{"data": {"title": "a.txt", "text": "All of it"}}]


def test_a_picture_that_a_tool_gave_follows_in_a_user_s_message() -> None:
    picture = ir.Image(source=ir.Source(kind="data", value="iVBO", media_type="image/png"))
    result = ir.ToolResult(call_id="c", content=[ir.Text("seen"), picture])
    request = ir.Request(model="m", turns=[ir.Turn(role="user", blocks=[result])])
    tool, user = DIALECT.write_request(request, Target(model="m")).body["messages"]
    assert tool["content"] == "seen"
    assert user["content"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}]


def test_what_a_message_can_t_hold_is_named() -> None:
    pdf = ir.File(source=ir.Source(kind="data", value="JVBE", media_type="application/pdf"))
    sound = ir.Audio(source=ir.Source(kind="data", value="AAAA"), format="wav")
    request = ir.Request(model="m", turns=[ir.Turn(role="user", blocks=[ir.Text("a"), pdf, sound])])
    written = DIALECT.write_request(request, Target(model="m"))
    assert written.dropped == ["messages[0].content[1]: file", "messages[0].content[2]: audio"]


def test_another_vendor_s_sealed_reasoning_stays_with_it() -> None:
    thoughts = [
        ir.Thinking(text="signed", signature="s", family="anthropic"),
        ir.Thinking(redacted="x", family="anthropic"),
        ir.Thinking(text="open"),
    ]
    request = ir.Request(model="m", turns=[ir.Turn(role="assistant", blocks=[*thoughts, ir.Text("a")])])
    written = DIALECT.write_request(request, Target(model="m"))
    assert written.dropped == []
    assert written.body["messages"][0]["content"] == [
        {"type": "thinking", "thinking": "open"},
        {"type": "text", "text": "a"},
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"documents": [{"id": "1", "data": "x"}], "citation_options": {"mode": "FAST"}, "priority": 3},
        {"safety_mode": "OFF", "raw_prompting": True, "x_unknown": [1]},
        {"thinking": {"type": "enabled", "token_budget": 5, "x": 1}},
        {"response_format": {"type": "json_object", "json_schema": {"type": "object"}}},
        {"tools": [TOOL], "strict_tools": True, "tool_choice": "NONE"},
        {"tools": [{"type": "function", "function": {"name": "bare"}}], "strict_tools": False},
        {"messages": [{"role": "user", "content": [{"type": "x_new", "v": 1}]}]},
        {"messages": [{"role": "assistant", "content": "a", "x_unknown": 1}]},
        {"p": 0.5, "k": 3, "stop_sequences": ["a"], "logprobs": False},
    ],
)
def test_a_cohere_client_s_request_leaves_as_it_came(body: dict[str, Any]) -> None:
    assert through(**body) == {"model": "m", "messages": ASKED, **body}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{"content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "boss", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [{"role": "assistant", "citations": [1]}]}, "messages[0].citations[0]"),
        ({"tools": [{"function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "ANY"}, "tool_choice"),
        ({"tool_choice": {"name": "now"}}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"thinking": {"token_budget": "5"}}, "thinking.token_budget"),
        ({"temperature": "hot"}, "temperature"),
        ({"k": 1.5}, "k"),
        ({"stop_sequences": ["a", 1]}, "stop_sequences[1]"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_bad_input_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        DIALECT.read_request({"model": "m", "messages": ASKED, **body})
    assert caught.value.param == param
    assert str(caught.value.message).startswith(param)


def test_results_stand_together_and_their_pictures_after_them() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    calls = [
        {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in ("a", "b")
    ]
    chat = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "a", "content": [picture]},
            {"role": "tool", "tool_call_id": "b", "content": [picture]},
            {"role": "assistant", "content": None, "tool_calls": calls[:1]},
            {"role": "tool", "tool_call_id": "a", "content": "done"},
        ],
    }
    asked = CHAT.read_request(chat)
    messages = DIALECT.write_request(asked, Target(model="m")).body["messages"]
    assert [message["role"] for message in messages] == [
        "user", "assistant", "tool", "tool", "user", "assistant", "tool",
    ]  # fmt: skip
    assert messages[4]["content"] == [picture, picture]
