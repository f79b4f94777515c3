"""GigaChat's chat and embeddings, from the shapes of its documentation. No recorded traffic: none is public."""

import json
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from headgate import errors
from headgate.core.dialects import dialect
from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT as OPENAI

CHAT = dialect("gigachat_chat")
VECTORS = dialect("gigachat_embeddings")
TARGET = Target(model="GigaChat-2")
STATE = "77d3fb14-457a-46ba-937e-8d856156d003"
WEATHER = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}
TOOL = {"type": "function", "function": {**WEATHER, "strict": True}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
CALLED = {
    "role": "assistant",
    "content": "",
    "function_call": {"name": "weather", "arguments": {"city": "Омск"}},
}


def written(**body: Any) -> ir.Written:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return CHAT.write_request(OPENAI.read_request(asked), TARGET)


def said(*messages: dict[str, Any]) -> Any:
    return written(messages=list(messages)).body["messages"]


def calling(*ids: str) -> dict[str, Any]:
    calls = [
        {"id": one, "type": "function", "function": {"name": f"f{at}", "arguments": '{"a":1}'}}
        for at, one in enumerate(ids)
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def answer(message: dict[str, Any], reason: str, **more: Any) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "created": 1700000000,
        "model": "GigaChat-2:2.0",
        "object": "chat.completion",
        **more,
    }


def shown(document: Any, echo: ir.Echo | None = None) -> dict[str, Any]:
    reply = CHAT.read_reply(json.dumps(document).encode(), echo)
    found: dict[str, Any] = json.loads(OPENAI.write_reply(reply, Frame(id="i", created=1, model="m")))
    return found


def streamed(data: bytes, size: int, echo: ir.Echo | None = None) -> list[ir.Event]:
    reader = CHAT.stream_reader(echo)
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.close()]


def sse(*documents: Any) -> bytes:
    rows = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents]
    return b"".join([*rows, b"data: [DONE]\n\n"])


def test_documented_tools_are_functions() -> None:
    body = written(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "weather"}}).body
    assert body["functions"] == [WEATHER]
    assert body["function_call"] == {"name": "weather"}
    assert not body.keys() & {"tools", "tool_choice"}
    assert written(tools=[TOOL], tool_choice="auto").body["function_call"] == "auto"
    assert written(tools=[TOOL], tool_choice="required").body["function_call"] == {"name": "weather"}
    many = written(tools=[TOOL, TOOL], tool_choice="required")
    assert many.dropped == ["tool_choice"]
    assert "function_call" not in many.body


def test_functions_of_the_older_form_travel_as_they_are() -> None:
    body = written(functions=[WEATHER], function_call="auto").body
    assert (body["functions"], body["function_call"]) == ([WEATHER], "auto")


def test_documented_calls_made_at_once_are_told_one_after_the_other() -> None:
    told = said(
        {"role": "user", "content": "q"},
        calling(STATE, "call_2"),
        {"role": "tool", "tool_call_id": "call_2", "content": "[2]"},
        {"role": "tool", "tool_call_id": STATE, "content": '{"t":1}'},
    )
    assert told[1:] == [
        {
            "role": "assistant",
            "content": "",
            "function_call": {"name": "f0", "arguments": {"a": 1}},
            "functions_state_id": STATE,
        },
        {"role": "function", "name": "f0", "content": '{"t":1}'},
        {"role": "assistant", "content": "", "function_call": {"name": "f1", "arguments": {"a": 1}}},
        {"role": "function", "name": "f1", "content": '{"result":"[2]"}'},
    ]


def test_documented_only_the_first_message_is_the_systems() -> None:
    told = said(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]},
        {"role": "system", "content": "e"},
    )
    assert told == [
        {"role": "system", "content": "a\n\nb"},
        {"role": "user", "content": "c\nd"},
        {"role": "user", "content": "e"},
    ]


def test_documented_files_are_attached_and_pictures_reported() -> None:
    parts = [
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
    ]
    made = written(messages=[{"role": "user", "content": parts}])
    assert made.body["messages"] == [{"role": "user", "content": "", "attachments": ["f-1"]}]
    assert made.dropped == ["messages[0].content[1]: image_url"]


def test_documented_a_message_holds_one_picture() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "p-1"}},
        {"type": "text", "text": "Which?"},
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "image_url", "image_url": {"url": "p-2"}},
    ]
    assert said({"role": "user", "content": parts}) == [
        {"role": "user", "content": "", "attachments": ["p-1"]},
        {"role": "user", "content": "Which?", "attachments": ["f-1", "p-2"]},
    ]


def test_documented_parameters() -> None:
    made = written(
        max_completion_tokens=5, temperature=0, repetition_penalty=1.1, stop=["x"], seed=0, user="u"
    )
    body = {key: value for key, value in made.body.items() if key != "messages"}
    assert body == {"model": "GigaChat-2", "max_tokens": 5, "top_p": 0, "repetition_penalty": 1.1}
    assert sorted(made.dropped) == ["seed", "stop"]


@pytest.mark.parametrize(("given", "sent"), [("minimal", "low"), ("high", "high"), ("none", None)])
def test_documented_efforts(given: str, sent: str | None) -> None:
    made = written(reasoning_effort=given, n=2)
    assert made.dropped == []
    assert (made.body.get("reasoning_effort"), made.body["n"]) == (sent, 2)


def test_documented_a_schema_is_a_function_whose_arguments_are_the_answer() -> None:
    made = written(response_format=FORMAT)
    assert made.body["functions"] == [{"name": "place", "parameters": SCHEMA}]
    assert made.body["function_call"] == {"name": "place"}
    message = {
        "role": "assistant",
        "content": "",
        "function_call": {"name": "place", "arguments": {"city": "Омск"}},
    }
    choice = shown(answer(message, "function_call"), made.echo)["choices"][0]
    assert choice["message"]["content"] == '{"city":"Омск"}'
    assert "tool_calls" not in choice["message"]
    assert choice["finish_reason"] == "stop"
    assert written(response_format=FORMAT, tools=[TOOL]).dropped == ["response_format"]
    assert written(response_format={"type": "json_object"}).dropped == ["response_format"]


def test_a_documented_answer() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5, "precached_prompt_tokens": 37}
    found = shown(answer({"role": "assistant", "content": "Привет"}, "stop", usage=usage))
    assert found["choices"][0]["message"]["content"] == "Привет"
    assert found["usage"]["prompt_tokens"] == 38
    assert found["usage"]["prompt_tokens_details"]["cached_tokens"] == 37
    assert found["usage"]["total_tokens"] == 42
    assert found["created"] == 1700000000


@pytest.mark.parametrize("state", [STATE, None])
def test_a_documented_call(state: str | None) -> None:
    message = {**CALLED, **({"functions_state_id": state} if state else {})}
    choice = shown(answer(message, "function_call"))["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Омск"}'}
    assert call["id"] == state or (state is None and call["id"].startswith("call_"))
    assert choice["finish_reason"] == "tool_calls"


def test_a_documented_refusal_is_a_filtered_answer() -> None:
    choice = shown(answer({"role": "assistant", "content": "no"}, "blacklist"))["choices"][0]
    assert choice["finish_reason"] == "content_filter"


def piece(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, **({"finish_reason": reason} if reason else {})}
    return {"choices": [choice], "created": 1, "model": "GigaChat", "object": "chat.completion", **more}


STREAM = sse(
    piece({"role": "assistant", "content": "При"}),
    piece({"content": "вет"}),
    piece({**CALLED, "functions_state_id": STATE}),
    piece(
        {"content": ""},
        "function_call",
        usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    ),
)


@pytest.mark.parametrize("size", [1, 3, 50, 10**6])
def test_a_documented_stream(size: int) -> None:
    reply = fold(streamed(STREAM, size))
    text, call = reply.choices[0].turn.blocks
    assert isinstance(text, ir.Text)
    assert text.text == "Привет"
    assert isinstance(call, ir.ToolCall)
    assert (call.id, call.name, json.loads(call.arguments)) == (STATE, "weather", {"city": "Омск"})
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "tool_calls"
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output) == (3, 2)


@given(strategies.chunked(STREAM))
def test_a_stream_in_any_chunks(chunks: list[bytes]) -> None:
    reader = CHAT.stream_reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    assert fold([*events, *reader.close()]) == fold(streamed(STREAM, 10**6))


def test_a_stream_of_a_schema() -> None:
    echo = ir.Echo(json_tool="weather")
    reply = fold(streamed(sse(piece(CALLED), piece({}, "function_call")), 7, echo))
    (text,) = reply.choices[0].turn.blocks
    assert isinstance(text, ir.Text)
    assert json.loads(text.text) == {"city": "Омск"}
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "stop"


@pytest.mark.parametrize(
    "data",
    [sse({"status": 429, "message": "Too many requests"}), b'{"status":429,"message":"Too many requests"}'],
)
def test_a_documented_error_inside_a_stream(data: bytes) -> None:
    last = streamed(data, 5)[-1]
    assert isinstance(last, ir.StreamFailure)
    assert isinstance(last.error, errors.RateLimitError)
    assert "Too many requests" in last.error.message


def test_a_stream_that_was_cut() -> None:
    last = streamed(STREAM[:90], 9)[-1]
    assert isinstance(last, ir.StreamFailure)


def test_a_whole_answer_in_place_of_a_stream() -> None:
    data = json.dumps(answer({"role": "assistant", "content": "a"}, "stop")).encode()
    (text,) = fold(streamed(data, 4)).choices[0].turn.blocks
    assert isinstance(text, ir.Text)
    assert text.text == "a"


def test_documented_embeddings() -> None:
    request = EMBEDDINGS.read_request(
        {"model": "m", "input": "a", "dimensions": 3, "encoding_format": "base64"}
    )
    made = VECTORS.write_request(request, Target(model="Embeddings"))
    assert made.body == {"model": "Embeddings", "input": ["a"]}
    assert made.dropped == ["dimensions"]
    rows = [
        {"object": "embedding", "embedding": [0.5], "index": at, "usage": {"prompt_tokens": 6}}
        for at in (0, 1)
    ]
    document = {"object": "list", "data": rows, "model": "Embeddings"}
    reply: Any = VECTORS.read_reply(json.dumps(document).encode(), made.echo)
    assert reply.vectors == [[0.5], [0.5]]
    assert reply.usage.input == 12
    assert reply.encoding == "base64"


@given(st.binary() | strategies.texts.map(str.encode), st.integers(1, 9))
def test_any_bytes_are_an_answer_or_an_error_of_ours(data: bytes, size: int) -> None:
    assert CHAT.glance(data) is not None
    for event in streamed(data, size):
        if isinstance(event, ir.StreamFailure):
            assert isinstance(event.error, HeadgateError)
