"""Oracle's GENERIC chat, from the shapes of its documentation. No recorded traffic: none is public."""

import json
from typing import Any

import pytest
import strategies
from hypothesis import given

from headgate import errors
from headgate.core.dialects import dialect
from headgate.wire import ir
from headgate.wire.dialect import Frame, Target
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT as OPENAI

CHAT = dialect("oci_generic")
ENDPOINT = "ocid1.generativeaiendpoint.oc1.us-chicago-1.abc"
ASKED = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}


def written(model: str = "meta.llama-3.3-70b-instruct", **body: Any) -> ir.Written:
    request = OPENAI.read_request({"model": model, "messages": ASKED, **body})
    return CHAT.write_request(request, Target(model=model))


def chat(**body: Any) -> Any:
    return written(**body).body["chatRequest"]


def answer(*choices: dict[str, Any], **more: Any) -> bytes:
    reply = {"apiFormat": "GENERIC", "timeCreated": "2025-01-02T03:04:05.678Z", "choices": choices, **more}
    return json.dumps({"modelId": "meta.llama", "modelVersion": "1.0", "chatResponse": reply}).encode()


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


def called(**call: Any) -> dict[str, Any]:
    return {
        "index": 0,
        "message": {"role": "ASSISTANT", "toolCalls": [{"type": "FUNCTION", **call}]},
        "pad": "a",
    }


STREAM = sse(
    {
        "index": 0,
        "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hé"}]},
        "pad": "aaaa",
    },
    {"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "llo"}]}},
    called(id="1", name="f", arguments=""),
    called(arguments='{"a"'),
    called(arguments=":1}"),
    called(id="2", name="g", arguments="{}"),
    {"message": {"role": "ASSISTANT"}, "finishReason": "tool_calls"},
    {"usage": {"promptTokens": 3, "completionTokens": 2, "totalTokens": 5}},
)


@pytest.mark.parametrize(
    ("model", "mode"),
    [
        ("xai.grok-4", {"servingType": "ON_DEMAND", "modelId": "xai.grok-4"}),
        (ENDPOINT, {"servingType": "DEDICATED", "endpointId": ENDPOINT}),
    ],
)
def test_the_documented_serving_mode(model: str, mode: Any) -> None:
    assert written(model).body["servingMode"] == mode


def test_documented_parameters() -> None:
    made = chat(
        max_tokens=5, temperature=0, top_p=0.5, top_k=3, n=2, seed=0, stop="x", logit_bias={"1": 2},
        frequency_penalty=1, presence_penalty=1, logprobs=True, top_logprobs=3, stream=True,
        reasoning_effort="low", verbosity="high", service_tier="priority", parallel_tool_calls=False,
    )  # fmt: skip
    assert made.pop("messages") == [{"role": "USER", "content": [{"type": "TEXT", "text": "hi"}]}]
    assert made == {
        "apiFormat": "GENERIC",
        "maxTokens": 5,
        "temperature": 0,
        "topP": 0.5,
        "topK": 3,
        "numGenerations": 2,
        "seed": 0,
        "stop": ["x"],
        "logitBias": {"1": 2},
        "frequencyPenalty": 1,
        "presencePenalty": 1,
        "logProbs": 3,
        "isStream": True,
        "streamOptions": {"isIncludeUsage": True},
        "reasoningEffort": "LOW",
        "verbosity": "HIGH",
        "serviceTier": "PRIORITY",
        "isParallelToolCalls": False,
    }


def test_what_has_no_twin_is_reported() -> None:
    file = {"type": "file", "file": {"file_id": "f-1"}}
    made = written(messages=[{"role": "user", "content": [file]}], modalities=["audio"], store=True, odd=1)
    assert sorted(made.dropped) == ["messages[0].content[0]: file", "modalities", "odd"]


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "IMAGE", "imageUrl": {"url": "data:image/png;base64,AAAA", "detail": "LOW"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "AUDIO", "audioUrl": {"url": "data:audio/wav;base64,AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
            {"type": "DOCUMENT", "documentUrl": {"url": "data:application/pdf;base64,AAAA"}},
        ),
    ],
)
def test_documented_media(part: Any, sent: Any) -> None:
    assert chat(messages=[{"role": "user", "content": [part]}])["messages"][0]["content"] == [sent]


def test_no_effort_is_above_high() -> None:
    assert chat(reasoning_effort="xhigh")["reasoningEffort"] == "HIGH"


def test_documented_messages() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x.test/a"}}]
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    told = chat(
        messages=[
            {"role": "developer", "content": "s"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "ok"},
        ]
    )["messages"]
    assert told == [
        {"role": "DEVELOPER", "content": [{"type": "TEXT", "text": "s"}]},
        {
            "role": "USER",
            "content": [
                {"type": "TEXT", "text": "a"},
                {"type": "IMAGE", "imageUrl": {"url": "https://x.test/a"}},
            ],
        },
        {
            "role": "ASSISTANT",
            "toolCalls": [{"id": "1", "type": "FUNCTION", "name": "f", "arguments": '{"a":1}'}],
        },
        {"role": "TOOL", "content": [{"type": "TEXT", "text": "ok"}], "toolCallId": "1"},
    ]


def test_documented_tools() -> None:
    made = chat(tools=[TOOL], tool_choice="required")
    assert made["tools"] == [{"type": "FUNCTION", "name": "f", "parameters": {"type": "object"}}]
    assert made["toolChoice"] == {"type": "REQUIRED"}
    named = chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}})
    assert named["toolChoice"] == {"type": "FUNCTION", "name": "f"}


def test_documented_forms_of_an_answer() -> None:
    assert chat(response_format={"type": "json_object"})["responseFormat"] == {"type": "JSON_OBJECT"}
    schema = {"name": "p", "schema": {"type": "object"}, "strict": True}
    made = chat(response_format={"type": "json_schema", "json_schema": schema})["responseFormat"]
    inner = {"name": "p", "schema": {"type": "object"}, "isStrict": True}
    assert made == {"type": "JSON_SCHEMA", "jsonSchema": inner}


def test_a_documented_answer() -> None:
    message = {
        "role": "ASSISTANT",
        "content": [{"type": "TEXT", "text": "Hello"}],
        "reasoningContent": "hm",
        "toolCalls": [{"id": "1", "type": "FUNCTION", "name": "f", "arguments": "{}"}],
    }
    usage = {
        "promptTokens": 10,
        "completionTokens": 5,
        "totalTokens": 15,
        "promptTokensDetails": {"cachedTokens": 4},
        "completionTokensDetails": {"reasoningTokens": 2},
    }
    logprobs = {
        "tokens": ["Hello"],
        "tokenLogprobs": [-0.5],
        "topLogprobs": [{"Hello": "-0.5", "Hi": "-1.5"}],
    }
    choice = {"index": 0, "message": message, "finishReason": "tool_calls", "logprobs": logprobs}
    found = shown(answer(choice, usage=usage))
    (made,) = found["choices"]
    assert made["message"]["content"] == "Hello"
    assert made["message"]["reasoning_content"] == "hm"
    assert made["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert made["finish_reason"] == "tool_calls"
    tops = made["logprobs"]["content"][0]["top_logprobs"]
    assert [(top["token"], top["logprob"]) for top in tops] == [("Hello", -0.5), ("Hi", -1.5)]
    assert (found["model"], found["created"]) == ("meta.llama", 1735787045)
    assert found["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert found["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"), ("length", "length"), ("COMPLETE", "stop"), ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"), ("ERROR_TOXIC", "content_filter"), ("content_filter", "content_filter"),
    ],
)  # fmt: skip
def test_documented_reasons(raw: str, reason: str) -> None:
    message = {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "a"}]}
    assert (
        shown(answer({"index": 0, "message": message, "finishReason": raw}))["choices"][0]["finish_reason"]
        == reason
    )


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_documented_stream(size: int, end: bytes) -> None:
    data = STREAM + end
    reply = fold(streamed([data[at : at + size] for at in range(0, len(data), size)]))
    text, first, second = reply.choices[0].turn.blocks
    assert isinstance(text, ir.Text)
    assert text.text == "Héllo"
    assert isinstance(first, ir.ToolCall)
    assert isinstance(second, ir.ToolCall)
    assert (first.id, first.name, first.arguments) == ("1", "f", '{"a":1}')
    assert (second.id, second.name, second.arguments) == ("2", "g", "{}")
    assert reply.choices[0].finish is not None
    assert reply.choices[0].finish.reason == "tool_calls"
    assert reply.usage is not None
    assert (reply.usage.input, reply.usage.output) == (3, 2)


@given(strategies.chunked(STREAM))
def test_a_stream_in_any_chunks(chunks: list[bytes]) -> None:
    assert fold(streamed(chunks)) == fold(streamed([STREAM]))


ERROR = {"code": "429", "message": "Request is throttled"}


def test_a_documented_error() -> None:
    assert isinstance(CHAT.read_error(429, {}, json.dumps(ERROR).encode()), errors.RateLimitError)
    for data in (sse(ERROR), json.dumps(ERROR).encode()):
        last = streamed([data])[-1]
        assert isinstance(last, ir.StreamFailure)
        assert "throttled" in last.error.message


@pytest.mark.parametrize(
    "body", [b"{}", b"x", b"[]", b'{"chatResponse":3}', b'{"chatResponse":{"choices":3}}']
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        CHAT.read_reply(body)


def test_a_stream_that_was_cut() -> None:
    assert isinstance(streamed([STREAM[:200]])[-1], ir.StreamFailure)


def test_what_holds_no_content_yet() -> None:
    assert CHAT.is_opening(b'data: {"index":0,"message":{"role":"ASSISTANT"}}\n\n')
    assert not CHAT.is_opening(STREAM.partition(b"\n\n")[0])


def parameters(schema: dict[str, Any]) -> Any:
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    return chat(tools=[tool])["tools"][0]["parameters"]


def test_documented_schemas_name_nothing() -> None:
    place = {
        "type": "object",
        "title": "Place",
        "properties": {"title": {"type": "string", "title": "Title"}},
    }
    made = parameters(
        {
            "$defs": {"Place": place},
            "type": "object",
            "properties": {
                "a": {"$ref": "#/$defs/Place", "description": "d"},
                "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Place"}], "default": None},
            },
        }
    )
    plain = {"type": "object", "properties": {"title": {"type": "string"}}}
    assert made == {"type": "object", "properties": {"a": {**plain, "description": "d"}, "b": plain}}


def test_a_schema_that_names_itself() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}}
    made = parameters({"$defs": {"Tree": tree}, "$ref": "#/$defs/Tree"})
    assert made == {"type": "object", "properties": {"next": {"type": "object"}}}
    assert parameters({"$ref": "#/$defs/None"}) == {"type": "object"}


def test_a_small_schema_does_not_become_a_large_one() -> None:
    levels = {f"L{at}": {"type": "array", "items": [{"$ref": f"#/$defs/L{at + 1}"}] * 4} for at in range(20)}
    made = parameters({"$defs": levels, "$ref": "#/$defs/L0"})
    assert len(json.dumps(made)) < 5_000_000


@pytest.mark.parametrize(
    ("model", "key"), [("openai.gpt-5", "maxCompletionTokens"), ("xai.grok-4", "maxTokens")]
)
def test_the_documented_names_of_the_limit(model: str, key: str) -> None:
    made = written(model, max_completion_tokens=5).body["chatRequest"]
    assert {name: value for name, value in made.items() if name.startswith("max")} == {key: 5}
