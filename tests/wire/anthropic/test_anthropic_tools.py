"""Tools, tool choice, JSON schemas and the tool that stands in for one."""

from typing import Any

import pytest

from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Target
from headgate.wire.schema import strict, tool_input

OLD, NEW = "claude-3-5-sonnet-20241022", "claude-sonnet-4-5"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def write(model: str = NEW, **fields: Any) -> ir.Written:
    turns = [ir.Turn(role="user", blocks=[ir.Text("hi")])]
    return DIALECT.write_request(ir.Request(model="m", turns=turns, **fields), Target(model=model))


def test_a_tool_with_everything() -> None:
    tool = ir.Tool(
        name="f", description="d", parameters=SCHEMA, strict=False, cache=ir.Cache(),
        extra={"openai": {"defer_loading": True, "other": 1}},
    )  # fmt: skip
    assert write(tools=[tool]).body["tools"] == [
        {
            "name": "f",
            "description": "d",
            "input_schema": SCHEMA,
            "strict": False,
            "defer_loading": True,
            "cache_control": {"type": "ephemeral"},
        }
    ]


def test_input_schemas_are_objects() -> None:
    assert tool_input(None) == tool_input({}) == {"type": "object", "properties": {}}
    assert tool_input({"properties": {}})["type"] == "object"


def test_strict_tools_get_a_strict_schema_where_the_model_knows_it() -> None:
    tool = ir.Tool(name="f", parameters=SCHEMA, strict=True)
    assert write(tools=[tool]).body["tools"][0]["input_schema"]["additionalProperties"] is False
    old = write(OLD, tools=[tool])
    assert "strict" not in old.body["tools"][0]
    assert old.dropped == []


def test_names_are_rewritten_everywhere_and_mapped_back() -> None:
    turns = [
        ir.Turn(role="user", blocks=[ir.Text("q")]),
        ir.Turn(role="assistant", blocks=[ir.ToolCall(id="c", name="a.b")]),
        ir.Turn(role="user", blocks=[ir.ToolResult(call_id="c", content=[])]),
    ]
    tools = [ir.Tool(name="a.b"), ir.Tool(name="a_b"), ir.Tool(name="x" * 200), ir.Tool(name="größe")]
    request = ir.Request(
        model="m", turns=turns, tools=[*tools], tool_choice=ir.ToolChoice(mode="named", name="a.b")
    )
    written = DIALECT.write_request(request, Target(model=NEW))
    names = [tool["name"] for tool in written.body["tools"]]
    assert names == ["a_b", "a_b_2", "x" * 128, "gr__e"]
    assert written.body["tool_choice"] == {"type": "tool", "name": "a_b"}
    assert written.body["messages"][1]["content"][0]["name"] == "a_b"
    assert written.echo is not None
    assert written.echo.tool_names == {"a_b": "a.b", "a_b_2": "a_b", "x" * 128: "x" * 200, "gr__e": "größe"}
    reply = DIALECT.read_reply(
        b'{"content":[{"type":"tool_use","id":"t","name":"a_b","input":{}}],"stop_reason":"tool_use"}',
        written.echo,
    )
    assert reply.choices[0].turn.blocks == [ir.ToolCall(id="t", name="a.b", arguments="{}")]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ir.ToolChoice(mode="auto"), {"type": "auto"}),
        (ir.ToolChoice(mode="required"), {"type": "any"}),
        (ir.ToolChoice(mode="none"), {"type": "none"}),
        (ir.ToolChoice(mode="named", name="f"), {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice(choice: ir.ToolChoice, written: dict[str, Any]) -> None:
    assert write(tools=[ir.Tool(name="f")], tool_choice=choice).body["tool_choice"] == written
    assert "tool_choice" not in write(tool_choice=choice).body


def test_parallel_calls_switched_off_make_a_choice_but_not_with_none() -> None:
    tools: list[Any] = [ir.Tool(name="f")]
    off = {"type": "auto", "disable_parallel_tool_use": True}
    assert write(tools=tools, parallel_tools=False).body["tool_choice"] == off
    none = write(tools=tools, parallel_tools=False, tool_choice=ir.ToolChoice(mode="none"))
    assert none.body["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in write(tools=tools, parallel_tools=True).body


@pytest.mark.parametrize(
    ("model", "forced"),
    [
        ("claude-opus-5", True),
        ("claude-haiku-5-5", True),
        ("claude-fable-5", True),
        ("claude-fable-5-1", False),
        ("claude-opus-5-5", False),
        ("claude-sonnet-5-5@20260928", False),
    ],
)
def test_newer_models_can_not_be_forced(model: str, forced: bool) -> None:
    choice = ir.ToolChoice(mode="required")
    written = write(model, tools=[ir.Tool(name="f")], tool_choice=choice)
    assert written.body["tool_choice"] == {"type": "any" if forced else "auto"}
    assert written.dropped == ([] if forced else ["tool_choice"])


def test_a_forced_tool_and_a_thinking_budget_exclude_each_other() -> None:
    written = write(
        tools=[ir.Tool(name="f")],
        tool_choice=ir.ToolChoice(mode="required"),
        reasoning=ir.Reasoning(budget=2000),
        max_tokens=9000,
    )
    assert written.body["tool_choice"] == {"type": "auto"}
    assert written.dropped == ["tool_choice"]


@pytest.mark.parametrize("family", ["openai", "anthropic"])
def test_native_hosted_tools_pass_from_any_family(family: str) -> None:
    value = {"type": "code_execution_20260120", "name": "code_execution"}
    assert write(tools=[ir.HostedTool(family=family, value=value)]).body["tools"] == [value]


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({}, {}),
        ({"googleSearch": {}}, {}),
        ({"search_context_size": "low"}, {"max_uses": 1}),
        ({"search_context_size": "medium"}, {"max_uses": 5}),
        ({"search_context_size": "high"}, {"max_uses": 10}),
        ({"filters": {"allowed_domains": ["e.com"]}}, {"allowed_domains": ["e.com"]}),
        (
            {"user_location": {"type": "approximate", "approximate": {"city": "Bonn", "country": "DE"}}},
            {"user_location": {"type": "approximate", "city": "Bonn", "country": "DE"}},
        ),
    ],
)
def test_web_search_of_other_formats(options: dict[str, Any], written: dict[str, Any]) -> None:
    tool = ir.HostedTool(family="openai", value=options, kind="web_search")
    assert write(tools=[tool]).body["tools"] == [
        {"type": "web_search_20250305", "name": "web_search", **written}
    ]


def test_openais_mcp_tool_is_a_server() -> None:
    value = {
        "type": "mcp",
        "server_url": "https://m.example",
        "server_label": "m",
        "headers": {"Authorization": "Bearer t"},
        "allowed_tools": ["x"],
    }
    written = write(tools=[ir.HostedTool(family="openai", value=value)])
    assert written.body["mcp_servers"] == [
        {
            "type": "url",
            "url": "https://m.example",
            "name": "m",
            "authorization_token": "t",
            "tool_configuration": {"enabled": True, "allowed_tools": ["x"]},
        }
    ]
    assert "tools" not in written.body


def test_hosted_tools_without_a_twin_are_reported() -> None:
    tools = [
        ir.HostedTool(family="openai", value={"type": "image_generation"}),
        ir.HostedTool(family="gemini", value={"urlContext": {}}),
    ]
    assert write(tools=[*tools]).dropped == ["tools[0]: image_generation", "tools[1]: urlContext"]


# --- schemas ---------------------------------------------------------------------------------------------


def test_a_schema_of_the_subset_is_unchanged() -> None:
    schema = {
        "type": "object",
        "title": "T",
        "properties": {
            "e": {"enum": ["x"], "type": "string", "description": "d", "default": "x"},
            "l": {"type": "array", "items": {"$ref": "#/$defs/D"}, "minItems": 1},
            "u": {"anyOf": [{"type": "string", "format": "date-time"}, {"const": 1}]},
        },
        "required": ["e"],
        "additionalProperties": False,
        "$defs": {"D": {"type": "object", "properties": {}, "additionalProperties": False}},
    }
    assert strict(schema) == schema


def test_objects_are_closed_at_every_level() -> None:
    assert strict({"type": ["object", "null"], "properties": {"a": {"properties": {}}}}) == {
        "type": ["object", "null"],
        "properties": {"a": {"properties": {}, "additionalProperties": False}},
        "additionalProperties": False,
    }


def test_one_of_becomes_any_of() -> None:
    assert strict({"oneOf": [{"type": "string"}], "anyOf": [{"type": "null"}]}) == {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"minimum": 1, "maximum": 5}, "minimum: 1; maximum: 5"),
        ({"pattern": "^a$"}, "pattern: ^a$"),
        ({"minItems": 2, "maxItems": 3, "uniqueItems": True}, "minItems: 2; maxItems: 3; uniqueItems: true"),
        ({"format": "phone"}, "format: phone"),
        ({"not": {"const": 1}}, 'not: {"const":1}'),
    ],
)
def test_limits_become_words(limit: dict[str, Any], words: str) -> None:
    assert strict({"type": "string", **limit}) == {"type": "string", "description": words}
    described = strict({"type": "string", "description": "An age", **limit})
    assert described == {"type": "string", "description": f"An age ({words})"}


def test_properties_named_like_keywords_are_no_keywords() -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string"}}, "additionalProperties": False}
    assert strict(schema) == schema


# --- JSON output -----------------------------------------------------------------------------------------

FORMAT = ir.OutputFormat(kind="schema", schema=SCHEMA, name="answer", strict=True)


def test_models_with_structured_outputs_get_the_schema() -> None:
    written = write(output=FORMAT)
    assert written.body["output_config"] == {
        "format": {"type": "json_schema", "schema": {**SCHEMA, "additionalProperties": False}}
    }
    assert written.echo is None


@pytest.mark.parametrize(
    "model", [OLD, "claude-sonnet-4-20250514", "claude-opus-4", "claude-3-7-sonnet-latest"]
)
def test_older_models_get_a_forced_tool(model: str) -> None:
    written = write(model, output=FORMAT)
    assert written.body["tools"][0]["input_schema"] == SCHEMA
    assert written.body["tool_choice"] == {"type": "tool", "name": "json_tool_call"}
    assert written.echo == ir.Echo(json_tool="json_tool_call")


def test_beside_the_callers_tools_some_tool_is_forced() -> None:
    tools = [ir.Tool(name="json_tool_call")]
    written = write(OLD, output=FORMAT, tools=[*tools])
    assert [tool["name"] for tool in written.body["tools"]] == ["json_tool_call", "json_tool_call_2"]
    assert written.echo is not None
    assert written.echo.json_tool == "json_tool_call_2"
    assert written.body["tool_choice"] == {"type": "any"}
    none = write(OLD, output=FORMAT, tools=[ir.Tool(name="f")], tool_choice=ir.ToolChoice(mode="none"))
    assert none.body["tool_choice"] == {"type": "tool", "name": "json_tool_call"}
    named = write(
        OLD, output=FORMAT, tools=[ir.Tool(name="f")], tool_choice=ir.ToolChoice(mode="named", name="f")
    )
    assert named.body["tool_choice"] == {"type": "tool", "name": "f"}


def test_with_thinking_the_tool_is_not_forced() -> None:
    written = write("claude-3-7-sonnet", output=FORMAT, reasoning=ir.Reasoning(effort="high"))
    assert written.body["tool_choice"] == {"type": "auto"}
    assert written.dropped == []


def test_the_stand_in_tool_comes_back_as_text() -> None:
    call = b'{"type":"tool_use","id":"t","name":"json_tool_call","input":{"a":1}}'
    body = b'{"content":[' + call + b'],"stop_reason":"tool_use"}'
    choice = DIALECT.read_reply(body, ir.Echo(json_tool="json_tool_call")).choices[0]
    assert choice.turn.blocks == [ir.Text('{"a":1}')]
    assert choice.finish is not None
    assert choice.finish.reason == "stop"
