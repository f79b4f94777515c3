"""Requests of Gemini clients: every field by name, in both spellings."""

from typing import Any

import pytest

from headgate.errors import BadRequestError
from headgate.wire import ir, openai_chat
from headgate.wire.dialect import Target
from headgate.wire.gemini import DIALECT


def _read(**body: Any) -> ir.Request:
    return DIALECT.read_request({"contents": [], **body})


def _block(part: dict[str, Any], role: str = "user") -> ir.Block:
    return _read(contents=[{"role": role, "parts": [part]}]).turns[0].blocks[0]


def _config(**fields: Any) -> ir.Request:
    return _read(generationConfig=fields)


def test_model_and_stream_come_from_the_address() -> None:
    request = _read(model="models/gemini-2.5-flash", stream=True)
    assert (request.model, request.stream) == ("gemini-2.5-flash", True)
    assert (_read().model, _read().stream) == ("", False)


@pytest.mark.parametrize(
    "contents", ["hi", ["hi"], {"parts": {"text": "hi"}}, [{"role": "user", "parts": [{"text": "hi"}]}]]
)
def test_contents_may_be_shortened(contents: Any) -> None:
    turn = _read(contents=contents).turns[0]
    assert (turn.role, turn.blocks) == ("user", [ir.Text("hi")])


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
@pytest.mark.parametrize(
    "value", ["be kind", {"parts": [{"text": "be kind"}]}, {"parts": {"text": "be kind"}}]
)
def test_the_instruction_is_the_first_turn(key: str, value: Any) -> None:
    request = _read(**{key: value, "contents": "hi"})
    assert [(turn.role, turn.blocks) for turn in request.turns] == [
        ("system", [ir.Text("be kind")]),
        ("user", [ir.Text("hi")]),
    ]


@pytest.mark.parametrize(
    "part, block",
    [
        ({"text": "a"}, ir.Text("a")),
        ({"text": "a", "thought": True}, ir.Thinking("a")),
        (
            {"text": "a", "thought": True, "thought_signature": "s"},
            ir.Thinking("a", signature="s", family="gemini"),
        ),
        (
            {"inline_data": {"mime_type": "image/png", "data": "QUI"}},
            ir.Image(ir.Source("data", "QUI=", "image/png")),
        ),
        (
            {"inlineData": {"mimeType": "audio/wav", "data": "QUJD"}},
            ir.Audio(ir.Source("data", "QUJD", "audio/wav"), format="wav"),
        ),
        (
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/x"}},
            ir.File(ir.Source("id", "gs://b/x", "application/pdf", "gemini")),
        ),
        (
            {"file_data": {"mime_type": "image/png", "file_uri": "https://e.org/x"}},
            ir.Image(ir.Source("url", "https://e.org/x", "image/png")),
        ),
        (
            {"functionCall": {"id": "i", "name": "f", "args": {"a": 1}}, "thoughtSignature": "s"},
            ir.ToolCall(id="i", name="f", arguments='{"a":1}', signature="s"),
        ),
        (
            {"functionResponse": {"id": "i", "name": "f", "response": {"content": "x"}}},
            ir.ToolResult(call_id="i", name="f", content=[ir.Text("x")]),
        ),
        (
            {"functionResponse": {"id": "i", "name": "f", "response": {"error": "x"}}},
            ir.ToolResult(call_id="i", name="f", content=[ir.Text("x")], is_error=True),
        ),
        (
            {"functionResponse": {"id": "i", "name": "f", "response": {"a": 1, "b": 2}}},
            ir.ToolResult(call_id="i", name="f", content=[ir.Text('{"a":1,"b":2}')]),
        ),
        (
            {"executableCode": {"code": "1"}},
            ir.Opaque(family="gemini", value={"executableCode": {"code": "1"}}),
        ),
        ({"tomorrow": {"a": 1}}, ir.Opaque(family="gemini", value={"tomorrow": {"a": 1}})),
    ],
)
def test_parts(part: dict[str, Any], block: ir.Block) -> None:
    assert _block(part) == block


def test_results_without_ids_find_their_calls_by_name_and_order() -> None:
    request = _read(
        contents=[
            {"role": "model", "parts": [{"functionCall": {"name": name}} for name in ("f", "f", "g")]},
            {
                "role": "function",
                "parts": [{"functionResponse": {"name": name, "response": {}}} for name in ("g", "f", "f")],
            },
        ]
    )
    called = [block.id for block in request.turns[0].blocks if isinstance(block, ir.ToolCall)]
    answered = [block.call_id for block in request.turns[1].blocks if isinstance(block, ir.ToolResult)]
    assert answered == [called[2], called[0], called[1]]
    assert len(set(called)) == 3


def test_scalars() -> None:
    request = _config(
        max_output_tokens=5,
        temperature=0,
        topP=0.5,
        top_k=40.0,
        candidateCount=2,
        stopSequences=["x"],
        seed=7,
        presencePenalty=0.1,
        frequency_penalty=0.2,
        responseLogprobs=True,
        logprobs=3,
        responseModalities=["TEXT", "IMAGE"],
    )
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k) == (5, 0, 0.5, 40)
    assert (request.n, request.stop, request.seed) == (2, ["x"], 7)
    assert (request.presence_penalty, request.frequency_penalty) == (0.1, 0.2)
    assert (request.logprobs, request.top_logprobs) == (True, 3)
    assert request.modalities == ["text", "image"]
    assert request.extra is None


def test_output_forms() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}
    plain = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    for key, value in (("responseSchema", schema), ("response_json_schema", plain)):
        output = _config(response_mime_type="application/json", **{key: value}).output
        assert output is not None and (output.kind, output.schema) == ("schema", plain)
    output = _config(responseMimeType="application/json").output
    assert output is not None and output.kind == "json"


def test_thinking_and_voice() -> None:
    thinking = _config(thinkingConfig={"include_thoughts": True, "thinkingBudget": 8}).reasoning
    assert thinking is not None and (thinking.budget, thinking.visible) == (8, True)
    level = _config(thinkingConfig={"thinkingLevel": "HIGH"}).reasoning
    assert level is not None and level.effort == "high"
    speech = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    assert _config(speechConfig=speech).audio == {"voice": "Kore", "format": "pcm16"}


@pytest.mark.parametrize(
    "calling, mode, name",
    [
        ({"mode": "AUTO"}, "auto", None),
        ({"mode": "NONE"}, "none", None),
        ({"mode": "ANY"}, "required", None),
        ({"mode": "ANY", "allowed_function_names": ["f"]}, "named", "f"),
        ({"mode": "VALIDATED"}, "auto", None),
    ],
)
def test_the_choice_of_tools(calling: dict[str, Any], mode: str, name: str | None) -> None:
    choice = _read(tool_config={"function_calling_config": calling}).tool_choice
    assert choice is not None and (choice.mode, choice.name) == (mode, name)


def test_tools() -> None:
    tools = _read(
        tools=[
            {
                "function_declarations": [
                    {"name": "f", "description": "d", "parameters": {"type": "OBJECT"}},
                    {"name": "g", "parameters_json_schema": {"type": "object"}},
                ]
            },
            {"google_search": {}},
        ]
    ).tools
    assert tools is not None and len(tools) == 3
    first, second, search = tools
    assert isinstance(first, ir.Tool) and (first.description, first.parameters) == ("d", {"type": "object"})
    assert isinstance(second, ir.Tool) and second.parameters == {"type": "object"}
    assert isinstance(search, ir.HostedTool)
    assert (search.value, search.kind) == ({"googleSearch": {}}, "web_search")


def test_what_the_ir_has_no_name_for_goes_back_as_it_came() -> None:
    body = {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "safetySettings": [{"category": "c", "threshold": "OFF"}],
        "cachedContent": "cachedContents/x",
        "labels": {"a": "b"},
        "generationConfig": {"imageConfig": {"aspectRatio": "1:1"}, "tomorrow": 1},
        "tomorrow": {"a": 1},
    }
    request = DIALECT.read_request(body)
    written = DIALECT.write_request(request, Target(model="gemini-2.5-flash"))
    assert written.body == body
    assert written.dropped == []


@pytest.mark.parametrize(
    "body, param",
    [
        ({"contents": 3}, "contents"),
        ({"contents": [3]}, "contents[0]"),
        ({"contents": [{"role": "robot", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png"}}]}]},
            "contents[0].parts[0].inlineData.data",
        ),
        (
            {"contents": [{"parts": [{"functionCall": {"args": {}}}]}]},
            "contents[0].parts[0].functionCall.name",
        ),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences[0]"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"toolConfig": []}, "toolConfig"),
        ({"systemInstruction": 3}, "systemInstruction"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        DIALECT.read_request(body)
    assert caught.value.param == param


def test_what_is_about_geminis_own_tools_is_nobody_elses_business() -> None:
    config = {"includeServerSideToolInvocations": True}
    body = {"contents": [{"role": "user", "parts": [{"text": "q"}]}], "toolConfig": config}
    request = DIALECT.read_request(body)
    assert DIALECT.write_request(request, Target(model="gemini-3-pro")).body == body
    assert openai_chat.DIALECT.write_request(request, Target(model="m")).dropped == []
