"""Chat requests: what each part means, what is refused, and what callers of other formats become."""

from typing import Any

import pytest

from headgate.errors import BadRequestError
from headgate.wire import ir, responses
from headgate.wire.dialect import Target
from headgate.wire.openai_chat import DIALECT


def read(**fields: Any) -> ir.Request:
    return DIALECT.read_request({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields})


def turn(**message: Any) -> ir.Turn:
    return read(messages=[message]).turns[0]


def write(*turns: ir.Turn, **fields: Any) -> dict[str, Any]:
    return written(*turns, **fields).body


def written(*turns: ir.Turn, **fields: Any) -> ir.Written:
    return DIALECT.write_request(ir.Request(model="x", turns=list(turns), **fields), Target(model="m"))


def says(*blocks: ir.Block, role: Any = "user", flat: bool = False) -> ir.Turn:
    return ir.Turn(role=role, blocks=list(blocks), flat=flat)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 5}, "model"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "function": {}}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": 1}}]}, "tools[0].function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": True}, "n"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"thinking": {"budget_tokens": "many"}}, "thinking.budget_tokens"),
    ],
)
def test_a_wrong_value_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(**fields)
    assert caught.value.param == param
    assert param in caught.value.message


def test_deep_nesting_is_kept_without_a_crash() -> None:
    deep: Any = {}
    for _ in range(500):
        deep = {"a": deep}
    assert write(*read(metadata=deep).turns, metadata=deep)["metadata"] == deep


def test_pictures_come_as_data_or_address() -> None:
    url = turn(
        role="user", content=[{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}]
    )
    assert url.blocks == [ir.Image(ir.Source("url", "https://a/b.png"), detail="low")]
    data = turn(
        role="user", content=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    )
    assert data.blocks == [ir.Image(ir.Source("data", "AAAA", "image/png"))]


def test_documents_and_sound() -> None:
    blocks = turn(
        role="user",
        content=[
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        ],
    ).blocks
    assert blocks == [
        ir.File(ir.Source("data", "AAAA", "application/pdf"), name="a.pdf"),
        ir.File(ir.Source("id", "file-1", family="openai")),
        ir.Audio(source=ir.Source("data", "AAAA", "audio/mpeg"), format="mp3"),
    ]


def test_an_unknown_part_is_opaque() -> None:
    part = {"type": "hologram", "beam": 1}
    assert turn(role="user", content=[part]).blocks == [ir.Opaque(family="openai", value=part)]


def test_cache_marks_of_messages_belong_to_their_last_block() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    assert turn(role="system", content="long", cache_control=mark).blocks[0].cache == ir.Cache(ttl="1h")
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    first, last = turn(role="user", content=parts, cache_control=mark).blocks
    assert (first.cache, last.cache) == (None, ir.Cache(ttl="1h"))


def test_sealed_thoughts_come_back_with_whose_they_are() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "gAAA",
        "account": "cafe0001",
    }
    theirs = {"id": "rs_2", "encrypted_content": "gAAB"}
    message = turn(role="assistant", content="Yes", reasoning_content="Hm.", reasoning_items=[item, theirs])
    assert message.blocks == [
        ir.Thinking(
            "Hm.",
            signature="gAAA",
            family="responses",
            account="cafe0001",
            extra={"responses": {"id": "rs_1"}},
        ),
        ir.Thinking(signature="gAAB", family="responses", extra={"responses": {"id": "rs_2"}}),
        ir.Text("Yes"),
    ]


@pytest.mark.parametrize("odd", ["x", [1], [{"id": "rs_1"}], [{"encrypted_content": "a", "summary": 1}]])
def test_sealed_thoughts_that_are_none_are_left_alone(odd: object) -> None:
    message = turn(role="assistant", content="Yes", reasoning_content="Hm.", reasoning_items=odd)
    assert message.blocks == [ir.Thinking("Hm."), ir.Text("Yes")]


def test_an_assistants_message_has_thoughts_text_and_calls() -> None:
    message = turn(
        role="assistant",
        content="Let me see.",
        reasoning_content="Hm.",
        thinking_blocks=[
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
        ],
        tool_calls=[
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "provider_specific_fields": {"thought_signature": "s"},
            }
        ],
    )
    assert message.blocks[:3] == [
        ir.Thinking("Hm.", signature="sig", family="anthropic"),
        ir.Thinking(redacted="xyz", family="anthropic"),
        ir.Text("Let me see."),
    ]
    call = message.blocks[3]
    assert isinstance(call, ir.ToolCall)
    assert (call.id, call.name, call.arguments, call.signature) == ("c1", "f", "{}", "s")


def test_tool_messages_are_results() -> None:
    assert turn(role="tool", tool_call_id="c1", content="42") == says(ir.ToolResult("c1", [ir.Text("42")]))
    legacy = turn(role="function", name="f", content="42").blocks[0]
    assert legacy == ir.ToolResult("", [ir.Text("42")], name="f", kind="legacy")


def test_the_three_words_for_reasoning() -> None:
    assert read(reasoning_effort="low").reasoning == ir.Reasoning(effort="low")
    thinking = read(thinking={"type": "enabled", "budget_tokens": 2048}).reasoning
    assert thinking is not None
    assert thinking.budget == 2048
    off = read(thinking={"type": "disabled"}).reasoning
    assert off is not None
    assert off.budget == 0
    other = read(reasoning={"effort": "high", "exclude": True}).reasoning
    assert other is not None
    assert (other.effort, other.visible) == ("high", False)


def test_both_limits_mean_the_same() -> None:
    assert read(max_tokens=5).max_tokens == read(max_completion_tokens=5).max_tokens == 5


def test_a_field_that_was_taken_away_does_not_come_back() -> None:
    request = read(stop="x", max_completion_tokens=5, stream_options={"include_usage": True, "other": 1})
    request.stop, request.max_tokens = None, None
    body = DIALECT.write_request(request, Target(model="m")).body
    assert not body.keys() & {"stop", "max_tokens", "max_completion_tokens"}


def test_only_unknown_keys_are_extra() -> None:
    request = read(stream=False, stop="x", tools=[], max_completion_tokens=4, seed=None, store=False)
    assert request.extra == {"openai": {"store": False}}


# --- callers of other formats ----------------------------------------------------------------------------


def test_results_become_messages_before_what_the_user_says() -> None:
    picture = ir.Image(ir.Source("data", "AAAA", "image/png"))
    call = ir.ToolCall("toolu_1", "f", "{}")
    body = write(
        says(call, role="assistant"),
        says(ir.Text("and?"), ir.ToolResult("toolu_1", [ir.Text("a"), ir.Text("b"), picture])),
    )
    assert body["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "a\nb"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "and?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
    ]  # fmt: skip


def test_ids_are_made_and_shortened_alike_for_call_and_result() -> None:
    long = "id_" + "x" * 60
    messages = write(
        says(ir.ToolCall("", "f"), ir.ToolCall(long, "g"), role="assistant"),
        says(ir.ToolResult("", [], name="f"), ir.ToolResult(long, [])),
    )["messages"]
    ids = [call["id"] for call in messages[0]["tool_calls"]]
    assert [message["tool_call_id"] for message in messages[1:]] == ids
    assert all(0 < len(name) <= 40 for name in ids)


def test_names_that_openai_refuses_are_given_back_in_the_answer() -> None:
    name = "mcp__" + "x" * 80 + ".y"
    out = written(says(ir.Text("hi")), tools=[ir.Tool(name=name)])
    sent = out.body["tools"][0]["function"]["name"]
    assert len(sent) <= 64
    assert out.echo is not None
    answer = (
        b'{"choices":[{"message":{"tool_calls":[{"id":"1","function":{"name":"%b","arguments":"{}"}}]}}]}'
    )
    call = DIALECT.read_reply(answer % sent.encode(), out.echo).choices[0].turn.blocks[0]
    assert isinstance(call, ir.ToolCall)
    assert call.name == name


def test_sealed_thoughts_of_others_stay_away_and_open_ones_are_shown() -> None:
    thoughts = [ir.Thinking("a", signature="s", family="anthropic"), ir.Thinking("b", family="anthropic")]
    out = written(says(*thoughts, ir.Text("c"), role="assistant"))
    assert out.body["messages"] == [{"role": "assistant", "content": "c", "reasoning_content": "b"}]
    assert out.dropped == []


def test_cache_marks_of_others_are_left_out() -> None:
    out = written(
        says(ir.Text("a", cache=ir.Cache()), role="system"),
        tools=[ir.Tool(name="f", cache=ir.Cache())],
        cache=ir.Cache(),
    )
    assert b"cache" not in repr(out.body).encode()
    assert out.dropped == []


def test_what_has_no_place_is_reported() -> None:
    search = {"type": "web_search_tool_result", "content": []}
    out = written(
        says(ir.Opaque(family="anthropic", value=search), ir.Text("a"), role="assistant"),
        tools=[ir.HostedTool(family="anthropic", value={"type": "bash_20250124"})],
        extra={"anthropic": {"container": "c", "context_management": {}, "prompt_cache_key": "k"}},
    )
    assert out.dropped == [
        "messages[0].content[0]: web_search_tool_result",
        "tools: bash_20250124",
        "container",
    ]
    assert out.body["prompt_cache_key"] == "k"
    assert "tools" not in out.body


def test_a_web_search_is_a_web_search() -> None:
    place = {"type": "approximate", "city": "Ulm"}
    tool = ir.HostedTool(family="anthropic", value={"user_location": place}, kind="web_search")
    assert write(says(ir.Text("a")), tools=[tool])["web_search_options"] == {
        "user_location": {"type": "approximate", "approximate": {"city": "Ulm"}}
    }


@pytest.mark.parametrize(
    ("wish", "effort"),
    [
        (ir.Reasoning(budget=10000), "high"),
        (ir.Reasoning(budget=1024), "low"),
        (ir.Reasoning(budget=0), None),
        (ir.Reasoning(adaptive=True), None),
        (ir.Reasoning(effort="medium"), "medium"),
    ],
)
def test_a_budget_becomes_an_effort(wish: ir.Reasoning, effort: str | None) -> None:
    assert write(says(ir.Text("a")), reasoning=wish).get("reasoning_effort") == effort


def test_streams_of_others_always_tell_the_usage() -> None:
    assert write(says(ir.Text("a")), stream=True)["stream_options"] == {"include_usage": True}


def test_documents_by_address_must_be_fetched() -> None:
    source = ir.Source("url", "https://a/b.pdf")
    request = ir.Request(model="m", turns=[says(ir.File(source), ir.ToolResult("1", [ir.File(source)]))])
    assert DIALECT.remote_media(request) == [source, source]
    assert DIALECT.remote_media(ir.Request(model="m", turns=[says(ir.Image(source))])) == []


TARGET = Target(model="m")


def test_options_of_a_stream_are_said_only_for_one() -> None:
    """OpenAI refuses them elsewhere; callers of other formats always want the usage."""
    body = {"model": "m", "input": "hi"}
    assert "stream_options" not in DIALECT.write_request(responses.DIALECT.read_request(body), TARGET).body
    streamed = responses.DIALECT.read_request({**body, "stream": True})
    assert DIALECT.write_request(streamed, TARGET).body["stream_options"] == {"include_usage": True}


def test_ids_of_other_vendors_files_are_named_and_left_out() -> None:
    blocks: list[ir.Block] = [
        ir.Text("q"),
        ir.Image(ir.Source("id", "file-1", family="responses")),
        ir.File(ir.Source("id", "file_1", family="anthropic")),
        ir.File(ir.Source("id", "file-2", family="responses")),
    ]
    asked = written(says(*blocks))
    assert asked.dropped == ["messages[0].content[1]: image", "messages[0].content[2]: file"]
    assert asked.body["messages"][0]["content"][1] == {"type": "file", "file": {"file_id": "file-2"}}
