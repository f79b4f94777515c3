"""Requests of other formats written for Gemini: each rule of the format by name."""

import itertools
import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Target
from headgate.wire.gemini import DIALECT
from headgate.wire.gemini.contents import NO_SIGNATURE

FIRST, SECOND, FLASH, THIRD, NEW = (
    "gemini-1.5-flash",
    "gemini-2.0-flash",
    "gemini-2.5-flash",
    "gemini-3-pro-preview",
    "gemini-9-ultra",
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": ["string", "null"]}, "b": {"$ref": "#/$defs/B"}},
    "required": ["a"],
    "additionalProperties": False,
    "$defs": {"B": {"const": "x"}},
}


def _user(*blocks: ir.Block) -> ir.Turn:
    return ir.Turn(role="user", blocks=list(blocks) or [ir.Text("hi")])


def _model(*blocks: ir.Block) -> ir.Turn:
    return ir.Turn(role="assistant", blocks=list(blocks))


def _written(model: str = NEW, turns: list[ir.Turn] | None = None, **fields: Any) -> ir.Written:
    return DIALECT.write_request(
        ir.Request(model=model, turns=turns if turns is not None else [_user()], **fields),
        Target(model=model),
    )


def _body(model: str = NEW, turns: list[ir.Turn] | None = None, **fields: Any) -> dict[str, Any]:
    written = _written(model, turns, **fields)
    assert written.dropped == []
    return written.body


# --- conversation ----------------------------------------------------------------------------------------


def test_the_body_names_neither_model_nor_stream() -> None:
    assert _body(stream=True, stream_usage=True) == {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}]
    }


def test_all_system_turns_become_the_instruction_in_order() -> None:
    turns = [
        ir.Turn(role="system", blocks=[ir.Text("one")]),
        _user(),
        ir.Turn(role="developer", blocks=[ir.Text("two")]),
    ]
    assert _body(turns=turns)["systemInstruction"] == {"parts": [{"text": "one"}, {"text": "two"}]}


def test_system_alone_gets_a_user_turn() -> None:
    body = _body(turns=[ir.Turn(role="system", blocks=[ir.Text("one")])])
    assert body["contents"] == [{"role": "user", "parts": [{"text": " "}]}]


def test_models_without_instruction_hear_it_from_the_user() -> None:
    body = _body("gemma-3-27b-it", [ir.Turn(role="system", blocks=[ir.Text("one")]), _user()])
    assert body["contents"] == [{"role": "user", "parts": [{"text": "one"}, {"text": "hi"}]}]
    assert "systemInstruction" not in body


def test_turns_of_one_side_are_merged() -> None:
    body = _body(turns=[_user(ir.Text("a")), _user(ir.Text("b")), _model(ir.Text("c")), _model(ir.Text("d"))])
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [{"text": "c"}, {"text": "d"}]},
    ]


def test_results_are_named_through_their_calls() -> None:
    turns = [
        _user(),
        _model(ir.ToolCall(id="c1", name="f", arguments='{"x":1}'), ir.ToolCall(id="c2", name="g")),
        _user(ir.ToolResult(call_id="c2", content=[ir.Text("two")])),
        _user(ir.ToolResult(call_id="c1", content=[ir.Text('{"one": 1}')])),
    ]
    contents = _body(FLASH, turns)["contents"]
    assert contents[1]["parts"] == [
        {"functionCall": {"name": "f", "args": {"x": 1}}},
        {"functionCall": {"name": "g", "args": {}}},
    ]
    assert contents[2]["parts"] == [
        {"functionResponse": {"name": "g", "response": {"content": "two"}}},
        {"functionResponse": {"name": "f", "response": {"one": 1}}},
    ]


@pytest.mark.parametrize("model, sent", [(FIRST, False), (FLASH, False), (THIRD, True), (NEW, True)])
def test_call_ids_are_sent_to_gemini_3_and_newer_only(model: str, sent: bool) -> None:
    turns = [
        _user(),
        _model(ir.ToolCall(id="c1", name="f")),
        _user(ir.ToolResult(call_id="c1", content=[ir.Text("x")])),
    ]
    contents = _body(model, turns)["contents"]
    assert ("id" in contents[1]["parts"][0]["functionCall"]) is sent
    assert ("id" in contents[2]["parts"][0]["functionResponse"]) is sent


@pytest.mark.parametrize(
    "text, response",
    [
        ('{"a": [1]}', {"a": [1]}),
        ("plain", {"content": "plain"}),
        ("[1, 2]", {"content": "[1, 2]"}),
        ('"x"', {"content": '"x"'}),
        ('{"broken', {"content": '{"broken'}),
    ],
)
def test_a_result_is_an_object(text: str, response: dict[str, Any]) -> None:
    turns = [_user(), _user(ir.ToolResult(call_id="c", name="f", content=[ir.Text(text)]))]
    part = _body(turns=turns)["contents"][0]["parts"][1]
    assert part["functionResponse"]["response"] == response


def test_a_failed_result_says_error() -> None:
    turns = [_user(ir.ToolResult(call_id="c", name="f", content=[ir.Text("no")], is_error=True))]
    part = _body(turns=turns)["contents"][0]["parts"][0]
    assert part["functionResponse"]["response"] == {"error": "no"}


def test_media_of_results_stand_in_the_result_from_gemini_3_on() -> None:
    picture = ir.Image(ir.Source("data", "QUJD", "image/png"))
    turns = [_user(ir.ToolResult(call_id="c", name="f", content=[ir.Text("see"), picture], flat=False))]
    inline = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}
    new = _body(THIRD, turns)["contents"][0]["parts"]
    assert len(new) == 1 and new[0]["functionResponse"]["parts"] == [inline]
    old = _body(FLASH, turns)["contents"][0]["parts"]
    assert "parts" not in old[0]["functionResponse"] and old[1] == inline


def test_signatures_stay_on_their_part() -> None:
    turns = [
        _user(),
        _model(
            ir.Thinking("t", signature="s0", family="gemini"),
            ir.Text("x", signature="s1"),
            ir.ToolCall(id="c", name="f", signature="s2"),
        ),
    ]
    parts = _body(FLASH, turns)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == ["s0", "s1", "s2"]
    assert parts[0]["thought"] is True


@pytest.mark.parametrize("model, dummy", [(FLASH, None), (THIRD, NO_SIGNATURE), (NEW, NO_SIGNATURE)])
def test_gemini_3_gets_a_dummy_signature_on_the_first_call_of_a_step(model: str, dummy: str | None) -> None:
    calls = [ir.ToolCall(id=name, name=name) for name in ("a", "b")]
    results = [ir.ToolResult(call_id=name, content=[ir.Text("x")]) for name in ("a", "b")]
    signed = ir.ToolCall(id="s", name="s", signature="real")
    contents = _body(model, [_user(), _model(*calls), _user(*results), _model(signed)])["contents"]
    assert [part.get("thoughtSignature") for part in contents[1]["parts"]] == [dummy, None]
    assert contents[3]["parts"][0]["thoughtSignature"] == "real"


def test_the_reasoning_of_another_vendor_stays_at_home() -> None:
    turns = [
        _user(),
        _model(
            ir.Thinking("secret", signature="sig", family="anthropic"),
            ir.Thinking(redacted="sealed", family="anthropic"),
            ir.Text("x"),
        ),
    ]
    assert _body(FLASH, turns)["contents"][1]["parts"] == [{"text": "x"}]


def test_arguments_that_are_no_object_are_not_lost() -> None:
    turns = [_user(), _model(ir.ToolCall(id="c", name="f", arguments='{"a": '))]
    args = _body(FLASH, turns)["contents"][1]["parts"][0]["functionCall"]["args"]
    assert isinstance(args, dict) and '{"a": ' in args.values()


def test_opaque_parts_of_gemini_go_back_and_others_are_reported() -> None:
    ours = {"executableCode": {"language": "PYTHON", "code": "1"}}
    turns = [_user(), _model(ir.Opaque(family="gemini", value=ours))]
    assert _body(turns=turns)["contents"][1]["parts"] == [ours]
    foreign = ir.Opaque(family="anthropic", value={"type": "server_tool_use"})
    written = _written(turns=[_user(), _model(ir.Text("x"), foreign)])
    assert written.dropped == ["messages[1].content[1]: server_tool_use"]


# --- media -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block, part",
    [
        (
            ir.Image(ir.Source("data", "QQ==", "image/jpg")),
            {"inlineData": {"mimeType": "image/jpeg", "data": "QQ=="}},
        ),
        (
            ir.Image(ir.Source("id", "gs://b/x.png")),
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/x.png"}},
        ),
        (
            ir.Image(ir.Source("url", "https://e.org/x.webp")),
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://e.org/x.webp"}},
        ),
        (
            ir.File(ir.Source("url", "https://youtu.be/x")),
            {"fileData": {"fileUri": "https://youtu.be/x"}},
        ),
        (
            ir.Audio(ir.Source("data", "QQ=="), format="mp3"),
            {"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}},
        ),
        (
            ir.File(ir.Source("data", "QQ==", "application/pdf")),
            {"inlineData": {"mimeType": "application/pdf", "data": "QQ=="}},
        ),
        (ir.File(ir.Source("text", "words", "text/plain")), {"text": "words"}),
    ],
)
def test_media(block: ir.Block, part: dict[str, Any]) -> None:
    assert _body(turns=[_user(block)])["contents"][0]["parts"][0] == part


def test_a_file_of_another_vendor_is_reported() -> None:
    block = ir.File(ir.Source("id", "file-abc", family="openai"))
    assert _written(turns=[_user(ir.Text("x"), block)]).dropped == [
        "messages[0].content[1]: file by id of openai"
    ]


def test_detail_stands_on_the_part_or_for_all() -> None:
    turns = [
        _user(*(ir.Image(ir.Source("data", "QQ==", "image/png"), detail=d) for d in ("low", "high", "auto")))
    ]
    new = _body(THIRD, turns)
    assert [part.get("mediaResolution") for part in new["contents"][0]["parts"]] == [
        {"level": "MEDIA_RESOLUTION_LOW"},
        {"level": "MEDIA_RESOLUTION_HIGH"},
        None,
    ]
    old = _body(FLASH, turns)
    assert old["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_HIGH"}
    assert all("mediaResolution" not in part for part in old["contents"][0]["parts"])


def test_what_must_be_fetched_first() -> None:
    urls = [
        "https://e.org/a.png",
        "http://e.org/b",
        "https://www.youtube.com/watch?v=x",
        "https://generativelanguage.googleapis.com/v1beta/files/x",
        "gs://bucket/x",
    ]
    blocks: list[ir.Block] = [ir.Image(ir.Source("url", url)) for url in urls]
    nested = ir.ToolResult(call_id="c", content=[ir.Image(ir.Source("url", "https://e.org/c"))])
    request = ir.Request(model="m", turns=[_user(*blocks, nested)])
    assert [source.value for source in DIALECT.remote_media(request)] == [*urls[:2], "https://e.org/c"]


# --- tools -----------------------------------------------------------------------------------------------


def _declared(model: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    body = _body(model, tools=[ir.Tool(name="f", description="d", parameters=schema)])
    assert len(body["tools"]) == 1
    found = body["tools"][0]["functionDeclarations"][0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("model", [SECOND, FLASH, THIRD, NEW])
def test_newer_models_take_the_schema_as_it_is(model: str) -> None:
    assert _declared(model, SCHEMA) == {"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}


def test_older_models_take_a_subset_of_openapi() -> None:
    assert _declared(FIRST, SCHEMA)["parameters"] == {
        "type": "object",
        "properties": {"a": {"type": "string", "nullable": True}, "b": {"type": "string", "enum": ["x"]}},
        "required": ["a"],
    }


@pytest.mark.parametrize("schema", [None, {"type": "object"}, {"type": "object", "properties": {}}])
def test_older_models_get_no_parameters_where_there_are_none(schema: dict[str, Any] | None) -> None:
    assert _declared(FIRST, schema) == {"name": "f", "description": "d"}


def test_all_functions_stand_in_one_entry() -> None:
    body = _body(tools=[ir.Tool(name="f"), ir.Tool(name="g")])
    assert [item["name"] for item in body["tools"][0]["functionDeclarations"]] == ["f", "g"]
    assert len(body["tools"]) == 1


def test_a_recursive_schema_ends() -> None:
    schema = {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "list": {"type": "array", "items": {"$ref": "#/$defs/N"}}},
        "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}},
    }
    assert json.dumps(_declared(FIRST, schema))


def test_a_schema_that_explodes_is_refused() -> None:
    names = [f"d{n}" for n in range(30)]
    defs: dict[str, Any] = {
        name: {
            "type": "object",
            "properties": {"a": {"$ref": f"#/$defs/{after}"}, "b": {"$ref": f"#/$defs/{after}"}},
        }
        for name, after in itertools.pairwise(names)
    }
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": defs}
    with pytest.raises(errors.BadRequestError):
        _written(FIRST, tools=[ir.Tool(name="f", parameters=schema)])


@pytest.mark.parametrize(
    "choice, calling",
    [
        (ir.ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ir.ToolChoice(mode="required"), {"mode": "ANY"}),
        (ir.ToolChoice(mode="none"), {"mode": "NONE"}),
        (ir.ToolChoice(mode="named", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice(choice: ir.ToolChoice, calling: dict[str, Any]) -> None:
    body = _body(tools=[ir.Tool(name="f")], tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": calling}


def test_one_call_at_a_time_is_reported_only_where_there_are_several_functions() -> None:
    one, two = [ir.Tool(name="f")], [ir.Tool(name="f"), ir.Tool(name="g")]
    assert _written(tools=one, parallel_tools=False).dropped == []
    assert _written(tools=two, parallel_tools=False).dropped == ["parallel_tool_calls"]
    assert _written(tools=two, parallel_tools=True).dropped == []


def test_names_that_the_api_refuses_are_fitted_and_restored() -> None:
    written = _written(tools=[ir.Tool(name="1 bad name")])
    fitted = written.body["tools"][0]["functionDeclarations"][0]["name"]
    assert written.echo is not None and written.echo.tool_names == {fitted: "1 bad name"}
    answer = {
        "candidates": [{"content": {"parts": [{"functionCall": {"name": fitted}}]}, "finishReason": "STOP"}]
    }
    block = DIALECT.read_reply(json.dumps(answer).encode(), written.echo).choices[0].turn.blocks[0]
    assert isinstance(block, ir.ToolCall) and block.name == "1 bad name"


@pytest.mark.parametrize(
    "tool, written",
    [
        (
            ir.HostedTool(family="openai", value={"search_context_size": "low"}, kind="web_search"),
            {"googleSearch": {}},
        ),
        (ir.HostedTool(family="openai", value={"googleSearch": {}}), {"googleSearch": {}}),
        (ir.HostedTool(family="openai", value={"url_context": {}}), {"urlContext": {}}),
        (ir.HostedTool(family="gemini", value={"codeExecution": {}}), {"codeExecution": {}}),
        (
            ir.HostedTool(family="anthropic", value={"type": "web_search_20250305", "name": "web_search"}),
            {"googleSearch": {}},
        ),
    ],
)
def test_hosted_tools(tool: ir.HostedTool, written: dict[str, Any]) -> None:
    assert _body(tools=[tool])["tools"] == [written]


def test_a_hosted_tool_without_a_twin_is_reported() -> None:
    tool = ir.HostedTool(family="openai", value={"type": "image_generation"})
    assert _written(tools=[tool]).dropped == ["tools[0]: image_generation"]


def test_hosted_tools_beside_functions_need_gemini_3() -> None:
    tools = [ir.Tool(name="f"), ir.HostedTool(family="gemini", value={"googleSearch": {}}, kind="web_search")]
    new = _body(THIRD, tools=tools)
    assert new["toolConfig"] == {"includeServerSideToolInvocations": True}
    old = _written(FLASH, tools=tools)
    assert len(old.body["tools"]) == 1 and len(old.dropped) == 1
