"""Oracle's COHERE chat, embeddings and ranks, from the shapes of its documentation: no recorded traffic is public."""

import json
from typing import Any

import pytest
import strategies
from hypothesis import given

from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.embeddings import DIALECT as EMBEDDINGS
from headgate.wire.fold import fold
from headgate.wire.ir_operations import RerankRequest
from headgate.wire.openai_chat import DIALECT as OPENAI

CHAT = dialect("oci_cohere")
VECTORS: Any = dialect("oci_embeddings")
RERANK: Any = dialect("oci_rerank")
MODEL = "cohere.command-r-plus"
TARGET = Target(model=MODEL)
MODE = {"servingType": "ON_DEMAND", "modelId": MODEL}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "c"}, "days": {"type": "integer"}, "odd": {}},
    "required": ["city"],
}
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": PARAMETERS}}
OTHER = {"type": "function", "function": {"name": "other"}}


def written(**body: Any) -> ir.Written:
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], **body}
    return CHAT.write_request(OPENAI.read_request(asked), TARGET)


def chat(**body: Any) -> Any:
    return written(**body).body["chatRequest"]


def called(call_id: str, name: str) -> dict[str, Any]:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": '{"a":1}'}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def answer(**reply: Any) -> bytes:
    return json.dumps({"modelId": MODEL, "chatResponse": {"apiFormat": "COHERE", **reply}}).encode()


def shown(data: bytes) -> dict[str, Any]:
    frame = Frame(id="i", created=1, model="m")
    found: dict[str, Any] = json.loads(OPENAI.write_reply(CHAT.read_reply(data), frame))
    return found


def sse(*documents: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in documents)


def streamed(chunks: list[bytes]) -> list[ir.Event]:
    reader = CHAT.stream_reader()
    events = [event for one in chunks for event in reader.feed(one)]
    return [*events, *reader.close()]


STREAM = sse(
    {"apiFormat": "COHERE", "text": "Hé"},
    {"apiFormat": "COHERE", "text": "llo"},
    {
        "apiFormat": "COHERE",
        "text": "Héllo",
        "chatHistory": [{"role": "USER", "message": "hi"}],
        "finishReason": "COMPLETE",
        "usage": {"promptTokens": 3, "completionTokens": 2, "totalTokens": 5},
    },
)


def test_a_documented_conversation() -> None:
    made = written(
        messages=[
            {"role": "system", "content": "s"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
        ],
        max_completion_tokens=5,
        top_k=3,
        stop="x",
        safetyMode="OFF",
    )
    assert made.dropped == []
    assert made.body == {
        "servingMode": MODE,
        "chatRequest": {
            "apiFormat": "COHERE",
            "preambleOverride": "s",
            "chatHistory": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}],
            "message": "c",
            "maxTokens": 5,
            "topK": 3,
            "stopSequences": ["x"],
            "safetyMode": "OFF",
        },
    }


def test_documented_results_of_tools() -> None:
    first = [
        {"role": "user", "content": "a"},
        called("1", "f"),
        {"role": "tool", "tool_call_id": "1", "content": '{"t":20}'},
    ]
    call = {"name": "f", "parameters": {"a": 1}}
    history = [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "", "toolCalls": [call]}]
    results = [{"call": call, "outputs": [{"t": 20}]}]
    made = chat(messages=first)
    assert (made["message"], made["chatHistory"], made["toolResults"]) == ("", history, results)
    more = [*first, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    made = chat(messages=more)
    assert made["message"] == "c"
    assert "toolResults" not in made
    assert made["chatHistory"] == [
        *history,
        {"role": "TOOL", "toolResults": results},
        {"role": "CHATBOT", "message": "b"},
    ]


def test_documented_tools() -> None:
    (tool,) = chat(tools=[TOOL], tool_choice="auto")["tools"]
    assert tool == {
        "name": "weather",
        "description": "d",
        "parameterDefinitions": {
            "city": {"type": "str", "description": "c", "isRequired": True},
            "days": {"type": "int", "description": "", "isRequired": False},
            "odd": {"type": "str", "description": "", "isRequired": False},
        },
    }
    assert "tools" not in chat(tools=[TOOL], tool_choice="none")
    assert written(tools=[TOOL], tool_choice="required").dropped == ["tool_choice"]
    named = written(tools=[OTHER, TOOL], tool_choice={"type": "function", "function": {"name": "weather"}})
    assert [one["name"] for one in named.body["chatRequest"]["tools"]] == ["weather"]


def test_what_has_no_twin_is_reported() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x.test/a"}}]
    made = written(messages=[{"role": "user", "content": parts}], n=2, reasoning_effort="low")
    assert sorted(made.dropped) == ["messages[0].content[1]: image_url", "n", "reasoning_effort"]


def test_a_documented_answer() -> None:
    usage = {"promptTokens": 3, "completionTokens": 2, "totalTokens": 5}
    calls = [{"name": "f", "parameters": {"a": 1}}] * 2
    found = shown(answer(text="Hello", finishReason="COMPLETE", toolCalls=calls, usage=usage))
    (choice,) = found["choices"]
    assert choice["message"]["content"] == "Hello"
    assert [call["function"] for call in choice["message"]["tool_calls"]] == [
        {"name": "f", "arguments": '{"a":1}'}
    ] * 2
    assert len({call["id"] for call in choice["message"]["tool_calls"]}) == 2
    assert choice["finish_reason"] == "tool_calls"
    assert (found["model"], found["usage"]["total_tokens"]) == (MODEL, 5)


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_the_last_documented_event_repeats_the_text(size: int) -> None:
    reply = fold(streamed([STREAM[at : at + size] for at in range(0, len(STREAM), size)]))
    (text,) = reply.choices[0].turn.blocks
    assert isinstance(text, ir.Text)
    assert text.text == "Héllo"
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "stop"
    assert reply.usage is not None
    assert reply.usage.output == 2


@given(strategies.chunked(STREAM))
def test_a_stream_in_any_chunks(chunks: list[bytes]) -> None:
    assert fold(streamed(chunks)) == fold(streamed([STREAM]))


def test_a_stream_with_a_call() -> None:
    call = {"name": "f", "parameters": {"a": 1}}
    end = {"apiFormat": "COHERE", "text": "", "toolCalls": [call], "finishReason": "COMPLETE"}
    reply = fold(streamed([sse({"apiFormat": "COHERE", "toolCalls": [call]}, end)]))
    (made,) = reply.choices[0].turn.blocks
    assert isinstance(made, ir.ToolCall)
    assert (made.name, made.arguments) == ("f", '{"a":1}')
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "tool_calls"


def test_a_documented_failure() -> None:
    failed = {"finishReason": "ERROR", "errorMessage": "it broke", "text": ""}
    with pytest.raises(errors.HeadgateError, match="it broke"):
        CHAT.read_reply(answer(**failed))
    last = streamed([sse({"apiFormat": "COHERE", **failed})])[-1]
    assert isinstance(last, ir.StreamFailure)
    assert isinstance(streamed([STREAM[:60]])[-1], ir.StreamFailure)


@pytest.mark.parametrize("body", [b"{}", b"x", b'{"chatResponse":{"text":3}}'])
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        CHAT.read_reply(body)


def test_documented_embeddings() -> None:
    asked = {"model": "m", "input": "a", "dimensions": 3, "input_type": "query", "encoding_format": "base64"}
    made = VECTORS.write_request(EMBEDDINGS.read_request(asked), Target(model="cohere.embed-v4.0"))
    assert made.dropped == []
    assert made.body == {
        "servingMode": {"servingType": "ON_DEMAND", "modelId": "cohere.embed-v4.0"},
        "inputs": ["a"],
        "inputType": "SEARCH_QUERY",
        "outputDimensions": 3,
    }
    document = {"id": "i", "embeddings": [[0.5], [1.0]], "inputTextTokenCounts": [2, 3], "modelId": "m"}
    reply = VECTORS.read_reply(json.dumps(document).encode(), made.echo)
    assert reply.vectors == [[0.5], [1.0]]
    assert (reply.usage.input, reply.encoding, reply.model) == (5, "base64", "m")
    with pytest.raises(errors.APIResponseValidationError):
        VECTORS.read_reply(b'{"embeddings":3}')


def test_documented_reranks() -> None:
    request = RerankRequest(model="m", query="q", documents=["a", "b"], top_n=1)
    made = RERANK.write_request(request, Target(model="cohere.rerank.v3-5"))
    assert made.body == {
        "servingMode": {"servingType": "ON_DEMAND", "modelId": "cohere.rerank.v3-5"},
        "input": "q",
        "documents": ["a", "b"],
        "topN": 1,
    }
    document = {"id": "i", "documentRanks": [{"index": 1, "relevanceScore": 0.5}], "modelId": "m"}
    (ranked,) = RERANK.read_reply(json.dumps(document).encode(), made.echo).results
    assert (ranked.index, ranked.score) == (1, 0.5)
