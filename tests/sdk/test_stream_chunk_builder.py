"""Streams collected and put together again: the whole answer is the one that would have come unstreamed."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

import headgate
from servers import Upstream

ASKED = [{"role": "user", "content": "Tell me  what a “word”\nis, 世界."}]
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
USAGE = {"stream_options": {"include_usage": True}}


def call(name: str, arguments: Any, number: int = 1) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


CALLS = [
    call("look", '{"at": "the sky"}'),
    call("look", '{"at": "the sea"}', 2),
    call("listen", "{}", 3),
]
ANSWERS = {
    "text": ("mock/echo", {}),
    "a mock response": ("openai/gpt-4o", {"mock_response": "Yes, of course."}),
    "an empty text": ("openai/gpt-4o", {"mock_response": ""}),
    "a tool": ("mock/tool", {"tools": [LOOK]}),
    "a tool call": ("anthropic/claude-sonnet-4-5", {"mock_tool_calls": CALLS[:1]}),
    "parallel tools": ("openai/gpt-4o", {"mock_tool_calls": CALLS}),
    "text and tools": ("openai/gpt-4o", {"mock_response": "I look.", "mock_tool_calls": CALLS}),
    "several choices": ("mock/echo", {"n": 3}),
    "several choices of tools": ("openai/gpt-4o", {"mock_tool_calls": CALLS, "n": 2}),
}
each_answer = pytest.mark.parametrize("kind", ANSWERS)


def ask(kind: str, **more: Any) -> Any:
    model, given = ANSWERS[kind]
    return headgate.completion(model, ASKED, **given, **more)


def whole(response: Any) -> dict[str, Any]:
    """What is the same in both: not when it was made, and no text is no text."""
    document = response.model_dump(exclude_none=True)
    for choice in document["choices"]:
        if choice["message"].get("content") == "":
            del choice["message"]["content"]
    return {key: value for key, value in document.items() if key not in ("id", "created")}


def theirs(chunk: Any) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate(chunk.model_dump())


FORMS: dict[str, Callable[[Any], Any]] = {
    "the stream's own": lambda chunk: chunk,
    "dictionaries": lambda chunk: chunk.model_dump(),
    "dictionaries through JSON": lambda chunk: json.loads(chunk.model_dump_json()),
    "dictionaries with views inside": lambda chunk: dict(chunk.items()),
    "copies": copy.deepcopy,
    "pickled": lambda chunk: pickle.loads(pickle.dumps(chunk)),
    "openai's objects": theirs,
    "openai's objects dumped": lambda chunk: theirs(chunk).model_dump(),
}


@each_answer
@pytest.mark.parametrize("form", FORMS)
def test_the_chunks_make_the_whole_answer(kind: str, form: str) -> None:
    chunks = [FORMS[form](chunk) for chunk in ask(kind, stream=True, **USAGE)]
    assert whole(headgate.stream_chunk_builder(chunks)) == whole(ask(kind))


@each_answer
def test_usage_is_there_though_nobody_asked_for_it(kind: str) -> None:
    chunks = list(ask(kind, stream=True))
    assert all("usage" not in chunk for chunk in chunks)
    assert headgate.stream_chunk_builder(chunks).usage == ask(kind).usage


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if "several" not in kind])
def test_an_answer_takes_its_place_in_the_conversation(kind: str) -> None:
    message = headgate.stream_chunk_builder(list(ask(kind, stream=True))).choices[0].message
    assert message.role == "assistant"
    answer = headgate.completion("mock/echo", [*ASKED, message, {"role": "user", "content": "And?"}])
    assert answer.choices[0].message.content == "And?"


@pytest.mark.parametrize(
    ("kind", "reason"), [("text", "stop"), ("a tool", "tool_calls"), ("parallel tools", "tool_calls")]
)
def test_the_last_chunk_of_a_choice_says_why_it_ended(kind: str, reason: str) -> None:
    reasons = [choice.finish_reason for chunk in ask(kind, stream=True) for choice in chunk.choices]
    assert reasons[-1] == reason
    assert set(reasons[:-1]) == {None}
    assert headgate.stream_chunk_builder(list(ask(kind, stream=True))).choices[0].finish_reason == reason


def test_parallel_calls_keep_their_order_and_their_arguments() -> None:
    made = (
        headgate.stream_chunk_builder(list(ask("parallel tools", stream=True))).choices[0].message.tool_calls
    )
    assert [(one.id, one.function.name, one.function.arguments) for one in made] == [
        (one["id"], one["function"]["name"], one["function"]["arguments"]) for one in CALLS
    ]


async def test_an_asynchronous_stream_makes_the_same() -> None:
    stream = await headgate.acompletion("mock/echo", ASKED, stream=True, **USAGE)
    built = headgate.stream_chunk_builder([chunk async for chunk in stream])
    assert whole(built) == whole(ask("text"))


def test_no_chunks_are_no_answer() -> None:
    assert headgate.stream_chunk_builder([]) is None


@pytest.mark.parametrize("chunks", [["data: {}"], [None], [3], [[]], [object()]])
def test_what_is_no_chunk_is_a_bad_request(chunks: Any) -> None:
    with pytest.raises(headgate.BadRequestError, match="'chunks'"):
        headgate.stream_chunk_builder(chunks)


def test_a_part_of_a_stream_makes_a_part_of_the_answer() -> None:
    chunks = list(ask("text", stream=True))
    built = headgate.stream_chunk_builder(chunks[:3])
    assert ASKED[0]["content"].startswith(built.choices[0].message.content)
    assert built.choices[0].message.content
    assert built.id == chunks[0].id and built.created == chunks[0].created


def test_usage_that_nobody_reported_is_estimated() -> None:
    chunks = [chunk.model_dump() for chunk in ask("text and tools", stream=True)]
    alone = headgate.stream_chunk_builder(chunks).usage
    assert (alone.prompt_tokens, alone.total_tokens) == (0, alone.completion_tokens)
    assert alone.completion_tokens > headgate.token_counter(text="I look.")
    beside = headgate.stream_chunk_builder(chunks, messages=ASKED).usage
    assert beside.prompt_tokens == headgate.token_counter(model="gpt-4o", messages=ASKED)
    assert beside.total_tokens == beside.prompt_tokens + alone.completion_tokens


def test_the_older_completions_are_put_together_too() -> None:
    text = "Say it, word by word."
    whole_answer = headgate.text_completion(text, "mock/echo")
    built = headgate.stream_chunk_builder(list(headgate.text_completion(text, "mock/echo", stream=True)))
    assert isinstance(built, headgate.TextCompletionResponse)
    assert built.choices[0].text == whole_answer.choices[0].text == text
    assert built.choices[0].finish_reason == "stop"
    assert built.usage == whole_answer.usage


# upstreams that think


def events(*rows: dict[str, Any]) -> bytes:
    named = [f"event: {row['type']}\n" if "type" in row else "" for row in rows]
    body = "".join(f"{name}data: {json.dumps(row)}\n\n" for name, row in zip(named, rows, strict=True))
    return (body + ("" if named[0] else "data: [DONE]\n\n")).encode()


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [choice]}


THOUGHT = events(
    chunk({"role": "assistant", "reasoning_content": "Let me "}),
    chunk({"reasoning_content": "think."}),
    chunk({"content": "It is "}),
    chunk({"content": "so."}),
    chunk({}, "length"),
    {
        **chunk({}),
        "choices": [],
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 30,
            "total_tokens": 1030,
            "completion_tokens_details": {"reasoning_tokens": 20},
            "prompt_tokens_details": {"cached_tokens": 600},
        },
    },
)
SIGNED = events(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 400, "cache_read_input_tokens": 600, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "think."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "It is so."}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
        "usage": {"output_tokens": 30},
    },
    {"type": "message_stop"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "body", "cost"),
    [
        ("openai/gpt-4o", THOUGHT, 400 * 2.5e-6 + 600 * 1.25e-6 + 30 * 1e-5),
        ("anthropic/claude-sonnet-4-5", SIGNED, 400 * 3e-6 + 600 * 3e-7 + 30 * 1.5e-5),
    ],
)
@pytest.mark.parametrize("asked", [{}, USAGE])
def test_reasoning_usage_and_cost_come_along(
    upstream: Upstream, model: str, body: bytes, cost: float, asked: dict[str, Any]
) -> None:
    upstream.reply(200, {"content-type": "text/event-stream"}, body)
    stream = headgate.completion(
        model, ASKED, stream=True, api_base=upstream.base, api_key="sk-secret", **asked
    )
    built = headgate.stream_chunk_builder(list(stream))
    choice = built.choices[0]
    assert (choice.message.reasoning_content, choice.message.content) == ("Let me think.", "It is so.")
    assert choice.finish_reason == "length"
    usage = built.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (1000, 30)
    assert usage.prompt_tokens_details.cached_tokens == 600
    assert headgate.completion_cost(built) == pytest.approx(cost)
    assert built._hidden_params["response_cost"] == pytest.approx(cost)


def test_a_signature_comes_along(upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "text/event-stream"}, SIGNED)
    stream = headgate.completion(
        "anthropic/claude-sonnet-4-5", ASKED, stream=True, api_base=upstream.base, api_key="sk-secret"
    )
    message = headgate.stream_chunk_builder(list(stream)).choices[0].message
    assert message.thinking_blocks == [{"type": "thinking", "thinking": "Let me think.", "signature": "c2ln"}]


@pytest.mark.parametrize("nothing", [None, "", {}])
def test_an_error_that_is_none_loses_no_chunk(upstream: Upstream, nothing: Any) -> None:
    rows = [chunk({"role": "assistant", "content": "It is "}), chunk({"content": "so."}), chunk({}, "stop")]
    body = events(*({**row, "error": nothing} for row in rows))
    upstream.reply(200, {"content-type": "text/event-stream"}, body)
    stream = headgate.completion("openai/gpt-4o", ASKED, stream=True, api_base=upstream.base, api_key="k")
    assert headgate.stream_chunk_builder(list(stream)).choices[0].message.content == "It is so."


def test_a_batch_without_workers_is_a_bad_request() -> None:
    with pytest.raises(headgate.BadRequestError, match="'max_workers'"):
        headgate.batch_completion("mock/echo", [ASKED], max_workers=0)


# mock_response


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prefix", ["litellm", "headgate"])
@pytest.mark.parametrize(
    ("name", "status"),
    [("RateLimitError", 429), ("ContextWindowExceededError", 400), ("InternalServerError", 500)],
)
def test_magic_strings_raise_what_they_name(prefix: str, name: str, status: int, stream: bool) -> None:
    with pytest.raises(getattr(headgate, name)) as caught:
        headgate.completion("openai/gpt-4o", ASKED, mock_response=f"{prefix}.{name}", stream=stream)
    assert caught.value.status_code == status
    assert isinstance(caught.value, openai.APIStatusError)


def test_a_content_policy_string_is_a_bad_request() -> None:
    with pytest.raises(headgate.BadRequestError) as caught:
        headgate.completion("gpt-4o", ASKED, mock_response="Exception: content_filter_policy: no")
    assert caught.value.status_code == 400


@pytest.mark.parametrize("text", ["litellm", "litellm.completion", "RateLimitError", "Exception: mine", "7"])
def test_other_strings_are_the_answer(text: str) -> None:
    response = headgate.completion("gpt-4o", ASKED, mock_response=text)
    assert response.choices[0].message.content == text
    assert response.usage.model_dump() == {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    assert response.model == "gpt-4o"


@pytest.mark.parametrize("unset", [{"mock_response": None}, {"mock_tool_calls": None, "mock_timeout": False}])
def test_a_mock_that_is_not_set_is_none(upstream: Upstream, unset: dict[str, Any]) -> None:
    upstream.reply(500, {"content-type": "application/json"}, b"{}")
    with pytest.raises(headgate.InternalServerError):
        headgate.completion(
            "openai/gpt-4o", ASKED, api_base=upstream.base, api_key="k", num_retries=0, **unset
        )
    assert json.loads(upstream.requests[0][2]).keys() == {"model", "messages"}


@pytest.mark.parametrize("model", ["mock/error-429", "mock/slow", "mock/stream", "openai/gpt-4o"])
def test_a_mock_response_goes_over_what_a_mock_model_does(model: str) -> None:
    assert headgate.completion(model, ASKED, mock_response="Yes").choices[0].message.content == "Yes"


def test_arguments_of_mock_calls_may_be_objects() -> None:
    response = headgate.completion("gpt-4o", ASKED, mock_tool_calls=[call("look", {"at": "the sky"})])
    assert json.loads(response.choices[0].message.tool_calls[0].function.arguments) == {"at": "the sky"}
