"""What clients of the Messages API send: documented shapes, and errors that name the field."""

from typing import Any

import pytest

from headgate.errors import BadRequestError
from headgate.wire import ir, openai_chat
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Target


def read(**fields: Any) -> ir.Request:
    return DIALECT.read_request({"model": "m", "max_tokens": 5, "messages": [], **fields})


def block(node: dict[str, Any]) -> ir.Block:
    return read(messages=[{"role": "user", "content": [node]}]).turns[0].blocks[0]


def test_system_as_string_and_as_list() -> None:
    assert read(system="s").turns == [ir.Turn(role="system", blocks=[ir.Text("s")], flat=True)]
    marked = {"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert read(system=[marked]).turns[0].blocks == [ir.Text("s", cache=ir.Cache(ttl="1h"))]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "text", "text": "t", "x": 1}, ir.Text("t", extra={"anthropic": {"x": 1}})),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            ir.Image(ir.Source("data", "AA", "image/png")),
        ),
        ({"type": "image", "source": {"type": "url", "url": "https://e"}}, ir.Image(ir.Source("url", "https://e"))),
        (
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            ir.Image(ir.Source("id", "f", family="anthropic")),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"},
             "title": "t", "context": "c", "citations": {"enabled": True}},
            ir.File(ir.Source("text", "d", "text/plain"), name="t", context="c", citations=True),
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"}},
            ir.File(ir.Source("data", "AA", "application/pdf")),
        ),
        ({"type": "document", "source": {"type": "url", "url": "https://e"}}, ir.File(ir.Source("url", "https://e"))),
        (
            {"type": "tool_use", "id": "i", "name": "n", "input": {"a": [1]}},
            ir.ToolCall(id="i", name="n", arguments='{"a":[1]}'),
        ),
        (
            {"type": "tool_result", "tool_use_id": "i", "content": "r", "is_error": True},
            ir.ToolResult(call_id="i", content=[ir.Text("r")], is_error=True),
        ),
        ({"type": "tool_result", "tool_use_id": "i"}, ir.ToolResult(call_id="i", content=[])),
        (
            {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "r"}]},
            ir.ToolResult(call_id="i", content=[ir.Text("r")], flat=False),
        ),
        (
            {"type": "thinking", "thinking": "t", "signature": "s"},
            ir.Thinking(text="t", signature="s", family="anthropic"),
        ),
        ({"type": "thinking", "thinking": "t", "signature": ""}, ir.Thinking(text="t", family="anthropic")),
        ({"type": "redacted_thinking", "data": "d"}, ir.Thinking(redacted="d", family="anthropic")),
    ],
)  # fmt: skip
def test_blocks(node: dict[str, Any], expected: ir.Block) -> None:
    assert block(node) == expected


@pytest.mark.parametrize(
    "node",
    [
        {"type": "search_result", "source": "s", "title": "t", "content": []},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": 1}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "container_upload", "file_id": "f"},
        {"type": "image", "source": {"type": "tomorrow"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}},
        {"type": "tomorrows_block", "anything": None},
    ],
)
def test_blocks_that_only_anthropic_knows_are_opaque(node: dict[str, Any]) -> None:
    assert block(node) == ir.Opaque(family="anthropic", value=node)


def test_a_document_of_text_blocks_can_be_read_by_others() -> None:
    source = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    item = block({"type": "document", "source": source})
    assert isinstance(item, ir.File)
    assert item.source == ir.Source("text", "a\nb", "text/plain")
    assert item.extra == {"anthropic": {"source": source}}


def test_a_tool_result_in_a_tool_result_is_not_followed() -> None:
    inner = {"type": "tool_result", "tool_use_id": "i", "content": "x"}
    item = block({"type": "tool_result", "tool_use_id": "o", "content": [inner]})
    assert isinstance(item, ir.ToolResult)
    assert item.content == [ir.Opaque(family="anthropic", value=inner)]


def test_a_cache_mark_with_more_than_we_know_is_kept_whole() -> None:
    item = block({"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "scope": "global"}})
    assert isinstance(item, ir.Text)
    assert item.cache == ir.Cache()
    assert item.extra == {"anthropic": {"cache_control": {"type": "ephemeral", "scope": "global"}}}


def test_citations_in_history() -> None:
    location = {"type": "char_location", "cited_text": "c", "document_title": "d", "start_char_index": 3}
    item = block({"type": "text", "text": "t", "citations": [location]})
    assert isinstance(item, ir.Text)
    assert item.citations == [
        ir.Citation(
            title="d", cited_text="c", extra={"anthropic": {"type": "char_location", "start_char_index": 3}}
        )
    ]


def test_tools_own_and_hosted() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    custom = {"type": "custom", "name": "f", "input_schema": {"type": "object"}, "input_examples": []}
    assert read(tools=[custom, search, {"type": "bash_20250124", "name": "bash"}]).tools == [
        ir.Tool(
            name="f",
            parameters={"type": "object"},
            extra={"anthropic": {"type": "custom", "input_examples": []}},
        ),
        ir.HostedTool(family="anthropic", value=search, kind="web_search"),
        ir.HostedTool(family="anthropic", value={"type": "bash_20250124", "name": "bash"}),
    ]


@pytest.mark.parametrize(
    ("choice", "mode", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "none"}, "none", None),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, "named", True),
    ],
)
def test_tool_choice(choice: dict[str, Any], mode: str, parallel: bool | None) -> None:
    request = read(tool_choice=choice)
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.parallel_tools) == (mode, parallel)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, ir.Reasoning(budget=2000)),
        ({"thinking": {"type": "adaptive"}}, ir.Reasoning(adaptive=True)),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            ir.Reasoning(adaptive=True, visible=False),
        ),
        ({"thinking": {"type": "disabled"}}, ir.Reasoning(budget=0)),
        ({"thinking": {"type": "between_tools"}}, ir.Reasoning(budget=0)),
        ({"output_config": {"effort": "low"}}, ir.Reasoning(effort="low", adaptive=False)),
    ],
)
def test_reasoning(fields: dict[str, Any], expected: ir.Reasoning) -> None:
    request = read(**fields)
    assert request.reasoning == expected
    assert request.extra is None


@pytest.mark.parametrize("old", [False, True])
def test_output_format(old: bool) -> None:
    node = {"type": "json_schema", "schema": {"type": "object"}}
    request = read(output_format=node) if old else read(output_config={"format": node})
    assert request.output is not None
    assert (request.output.kind, request.output.schema) == ("schema", {"type": "object"})
    assert request.extra is None


def test_parameters_and_unknown_keys() -> None:
    request = read(
        temperature=1, top_p=0.5, top_k=4, stop_sequences=["a"], metadata={"user_id": "u", "more": 1},
        service_tier="auto", stream=True, cache_control={"type": "ephemeral"}, container="c",
        output_config={"effort": "low", "task_budget": {}}, thinking={"type": "odd"},
    )  # fmt: skip
    assert (request.temperature, request.top_p, request.top_k, request.max_tokens) == (1, 0.5, 4, 5)
    assert (request.stop, request.user, request.service_tier, request.stream) == (["a"], "u", "auto", True)
    assert request.cache == ir.Cache()
    assert request.extra == {
        "anthropic": {
            "metadata": {"more": 1},
            "container": "c",
            "output_config": {"task_budget": {}},
            "thinking": {"type": "odd"},
        }
    }


def _content(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        (_content({"type": "text", "text": "a"}, {}), "messages[0].content[1].type"),
        (_content({"type": 5}), "messages[0].content[0].type"),
        (_content({"type": "text"}), "messages[0].content[0].text"),
        (_content({"type": "text", "text": None}), "messages[0].content[0].text"),
        (
            _content({"type": "text", "text": "a", "cache_control": "x"}),
            "messages[0].content[0].cache_control",
        ),
        (_content({"type": "text", "text": "a", "citations": [5]}), "messages[0].content[0].citations[0]"),
        (_content({"type": "image"}), "messages[0].content[0].source"),
        (_content({"type": "image", "source": {"type": "url"}}), "messages[0].content[0].source.url"),
        (_content({"type": "tool_use", "name": "f"}), "messages[0].content[0].id"),
        (_content({"type": "tool_result"}), "messages[0].content[0].tool_use_id"),
        (
            _content({"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text"}]}),
            "messages[0].content[0].content[0].text",
        ),
        (_content({"type": "thinking"}), "messages[0].content[0].thinking"),
        ({"system": 5}, "system"),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stream": 1}, "stream"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": "x"}]}, "tools[0].input_schema"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {}}, "thinking.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
    ],
)
def test_errors_name_the_field(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(**fields)
    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param}: ")


def test_a_missing_model_is_named() -> None:
    with pytest.raises(BadRequestError, match="model: required"):
        DIALECT.read_request({"messages": []})


SEARCH_RESULT = {
    "type": "search_result",
    "source": "https://a.example",
    "title": "A",
    "content": [{"type": "text", "text": "found"}, {"type": "text", "text": "more"}],
    "citations": {"enabled": True},
    "cache_control": {"type": "ephemeral"},
}


def test_a_search_result_has_its_words_and_comes_back_as_it_was() -> None:
    found = block(SEARCH_RESULT)
    assert isinstance(found, ir.Text)
    assert found.text == "A\nhttps://a.example\nfound\nmore"
    result = {"type": "tool_result", "tool_use_id": "t", "content": [SEARCH_RESULT]}
    asked = read(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "q"}, SEARCH_RESULT]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
            {"role": "user", "content": [result]},
        ],
        tools=[{"name": "f", "input_schema": {"type": "object"}}],
    )
    written = DIALECT.write_request(asked, Target(model="m")).body["messages"]
    assert written[0]["content"][1] == SEARCH_RESULT
    assert written[2]["content"][0]["content"] == [SEARCH_RESULT]
    chat = openai_chat.DIALECT.write_request(asked, Target(model="m"))
    assert chat.dropped == []
    assert chat.body["messages"][2]["content"] == found.text
