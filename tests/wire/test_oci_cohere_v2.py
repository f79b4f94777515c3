"""Oracle's COHEREV2 chat, from the shapes of its documentation and of its clients: no recorded traffic is public."""

import json
from typing import Any

import pytest
import strategies
from hypothesis import given, settings

from headgate import errors
from headgate.core.dialects import dialect
from headgate.providers.registry import resolve
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT as OPENAI

CHAT = dialect("oci_cohere_v2")
MODEL = "cohere.command-a-03-2025"
TARGET = Target(model=MODEL)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": PARAMETERS}}
OTHER = {"type": "function", "function": {"name": "other"}}
CALL = {
    "id": "call-1",
    "type": "FUNCTION",
    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
}
USAGE = {"promptTokens": 20, "completionTokens": 9, "totalTokens": 29}


def written(**body: Any) -> ir.Written:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], **body}
    return CHAT.write_request(OPENAI.read_request(asked), TARGET)


def chat(**body: Any) -> Any:
    return written(**body).body["chatRequest"]


def answer(**reply: Any) -> bytes:
    return json.dumps({"modelId": MODEL, "chatResponse": {"apiFormat": "COHEREV2", **reply}}).encode()


def shown(data: bytes) -> dict[str, Any]:
    frame = Frame(id="i", created=1, model="m")
    found: dict[str, Any] = json.loads(OPENAI.write_reply(CHAT.read_reply(data), frame))
    return found


def text(said: str) -> dict[str, Any]:
    return {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": said}]}


def sse(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents)


def streamed(chunks: list[bytes]) -> list[ir.Event]:
    reader = CHAT.stream_reader()
    events = [event for one in chunks for event in reader.feed(one)]
    return [*events, *reader.close()]


STREAM = sse(
    {"apiFormat": "COHEREV2", "message": {"content": [{"type": "THINKING", "thinking": "Hm."}]}},
    {"apiFormat": "COHEREV2", "message": text("Hé")},
    {"apiFormat": "COHEREV2", "message": text("llo")},
    {
        "message": {"content": [], "toolCalls": [CALL, {**CALL, "id": "call-2"}]},
        "finishReason": "TOOL_CALL",
        "usage": USAGE,
    },
)


@pytest.mark.parametrize(
    ("model", "format_"),
    [
        ("cohere.command-a-03-2025", "oci_cohere_v2"),
        ("cohere.command-a-vision", "oci_cohere_v2"),
        ("cohere_v2/ocid1.generativeaiendpoint.oc1.x", "oci_cohere_v2"),
        ("cohere.command-r-plus-08-2024", "oci_cohere"),
        ("cohere/ocid1.generativeaiendpoint.oc1.x", "oci_cohere"),
    ],
)
def test_the_models_name_says_which_format(model: str, format_: str) -> None:
    row, name = resolve(f"oci/{model}")
    assert row.dialect == format_
    assert name.startswith(("cohere.", "ocid1."))


def test_a_documented_conversation() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}}
    made = written(
        messages=[
            {"role": "developer", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, picture]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "20"},
        ],
        max_completion_tokens=5,
        top_k=3,
        stop="x",
        safetyMode="OFF",
        stream=True,
    )
    assert made.dropped == []
    assert made.body == {
        "servingMode": {"servingType": "ON_DEMAND", "modelId": MODEL},
        "chatRequest": {
            "apiFormat": "COHEREV2",
            "messages": [
                {"role": "SYSTEM", "content": [{"type": "TEXT", "text": "s"}]},
                {
                    "role": "USER",
                    "content": [
                        {"type": "TEXT", "text": "a"},
                        {
                            "type": "IMAGE",
                            "imageUrl": {"url": "data:image/png;base64,AA==", "detail": "LOW"},
                        },
                    ],
                },
                {
                    "role": "ASSISTANT",
                    "toolCalls": [
                        {
                            "id": "c1",
                            "type": "FUNCTION",
                            "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
                        }
                    ],
                },
                {"role": "TOOL", "toolCallId": "c1", "content": [{"type": "TEXT", "text": "20"}]},
            ],
            "maxTokens": 5,
            "topK": 3,
            "stopSequences": ["x"],
            "safetyMode": "OFF",
            "isStream": True,
            "streamOptions": {"isIncludeUsage": True},
        },
    }


def test_documented_tools() -> None:
    made = chat(tools=[TOOL, OTHER], tool_choice="required")
    assert made["tools"][0] == {
        "type": "FUNCTION",
        "function": {"name": "weather", "description": "d", "parameters": PARAMETERS},
    }
    assert made["toolsChoice"] == "REQUIRED"
    assert "toolsChoice" not in chat(tools=[TOOL], tool_choice="auto")
    assert chat(tools=[TOOL], tool_choice="none")["toolsChoice"] == "NONE"
    named = chat(tools=[OTHER, TOOL], tool_choice={"type": "function", "function": {"name": "weather"}})
    assert [one["function"]["name"] for one in named["tools"]] == ["weather"]
    assert named["toolsChoice"] == "REQUIRED"
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}  # type: ignore[dict-item]
    assert chat(tools=[strict])["isStrictToolsEnabled"] is True


@pytest.mark.parametrize(
    ("body", "thinking"),
    [
        ({"reasoning_effort": "none"}, {"type": "DISABLED"}),
        ({"reasoning_effort": "high"}, {"type": "ENABLED"}),
        ({"thinking": {"type": "ENABLED", "tokenBudget": 9}}, {"type": "ENABLED", "tokenBudget": 9}),
        ({}, None),
    ],
)
def test_reasoning(body: dict[str, Any], thinking: Any) -> None:
    assert chat(**body).get("thinking") == thinking


def test_an_answer_in_json() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": PARAMETERS}}
    assert chat(response_format=schema)["responseFormat"] == {"type": "JSON_OBJECT", "schema": PARAMETERS}
    assert chat(response_format={"type": "json_object"})["responseFormat"] == {"type": "JSON_OBJECT"}


def test_what_has_no_twin_is_reported() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "file", "file": {"file_data": "data:a/b;base64,AA=="}}]
    made = written(messages=[{"role": "user", "content": parts}], n=2, logprobs=True)
    assert sorted(made.dropped) == ["logprobs", "messages[0].content[1]: file", "n"]


def test_a_documented_answer() -> None:
    message = {
        "role": "ASSISTANT",
        "content": [{"type": "THINKING", "thinking": "I should."}, {"type": "TEXT", "text": "Checking."}],
        "toolCalls": [CALL],
        "citations": [{"start": 0, "end": 8, "text": "Checking"}],
    }
    found = shown(answer(id="resp-1", message=message, finishReason="TOOL_CALL", usage=USAGE))
    (choice,) = found["choices"]
    assert choice["message"]["content"] == "Checking."
    assert choice["message"]["reasoning_content"] == "I should."
    (call,) = choice["message"]["tool_calls"]
    assert (call["id"], call["function"]["arguments"]) == ("call-1", '{"city": "Paris"}')
    assert choice["finish_reason"] == "tool_calls"
    assert (found["id"], found["model"], found["usage"]["total_tokens"]) == ("resp-1", MODEL, 29)


def test_a_plan_is_reasoning() -> None:
    message = {"role": "ASSISTANT", "toolPlan": "I look.", "toolCalls": [CALL]}
    (choice,) = shown(answer(message=message, finishReason="TOOL_CALL"))["choices"]
    assert (choice["message"]["reasoning_content"], choice["message"]["content"]) == ("I look.", None)


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_stream(size: int) -> None:
    reply = fold(streamed([STREAM[at : at + size] for at in range(0, len(STREAM), size)]))
    thought, said, *calls = reply.choices[0].turn.blocks
    assert isinstance(thought, ir.Thinking)
    assert isinstance(said, ir.Text)
    assert (thought.text, said.text) == ("Hm.", "Héllo")
    assert [(one.id, one.arguments) for one in calls if isinstance(one, ir.ToolCall)] == [
        ("call-1", '{"city": "Paris"}'),
        ("call-2", '{"city": "Paris"}'),
    ]
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "tool_calls"
    assert reply.usage is not None
    assert reply.usage.output == 9


@settings(deadline=None)
@given(strategies.chunked(STREAM))
def test_a_stream_in_any_chunks(chunks: list[bytes]) -> None:
    assert fold(streamed(chunks)) == fold(streamed([STREAM]))


@pytest.mark.parametrize("named", [True, False])
def test_a_call_in_pieces(named: bool) -> None:
    first = {"id": "a", "type": "FUNCTION", "function": {"name": "f", "arguments": '{"x":'}}
    more = {**({"id": "a"} if named else {}), "function": {"arguments": "1}"}}
    pieces = [{"message": {"toolCalls": [one]}} for one in (first, more)]
    reply = fold(streamed([sse(*pieces, {"finishReason": "TOOL_CALL"})]))
    (call,) = reply.choices[0].turn.blocks
    assert isinstance(call, ir.ToolCall)
    assert (call.id, call.name, call.arguments) == ("a", "f", '{"x":1}')


def test_an_end_that_repeats_the_text_says_it_once() -> None:
    pieces = [{"message": text("a")}, {"message": text("b")}]
    reply = fold(streamed([sse(*pieces, {"message": text("ab"), "finishReason": "COMPLETE"})]))
    (said,) = reply.choices[0].turn.blocks
    assert isinstance(said, ir.Text)
    assert said.text == "ab"


def test_a_documented_failure() -> None:
    failed = {"finishReason": "ERROR", "errorMessage": "it broke"}
    with pytest.raises(errors.HeadgateError, match="it broke"):
        CHAT.read_reply(answer(message=text(""), **failed))
    assert isinstance(streamed([sse(failed)])[-1], ir.StreamFailure)
    assert isinstance(streamed([STREAM[:200]])[-1], ir.StreamFailure)


@pytest.mark.parametrize("body", [b"{}", b"x", b'{"chatResponse":{"message":3}}'])
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        CHAT.read_reply(body)
