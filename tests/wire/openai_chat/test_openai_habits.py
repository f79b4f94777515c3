"""Habits of servers that speak OpenAI's format: odd words, odd places, and errors under a good status."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold
from headgate.wire.openai_chat import DIALECT

Json = dict[str, Any]


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "model": "m", "choices": [choice], **more}


def events(*chunks: Json, size: int = 11) -> list[ir.Event]:
    data = b"".join(b"data: " + json.dumps(node).encode() + b"\n\n" for node in chunks) + b"data: [DONE]\n\n"
    reader = DIALECT.stream_reader()
    found = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*found, *reader.close()]


def choice(*chunks: Json) -> ir.Choice:
    return fold(events(*chunks)).choices[0]


def piece(**fields: Any) -> Json:
    return {"tool_calls": [{"index": 0, **fields}]}


def test_a_call_begins_when_its_name_is_known() -> None:
    found = choice(
        chunk(piece(id="c1", type="function", function={})),
        chunk(piece(function={"name": "f", "arguments": '{"a"'})),
        chunk(piece(function={"arguments": ":1}"})),
        chunk({}, "tool_calls"),
    )
    assert found.turn.blocks == [ir.ToolCall(id="c1", name="f", arguments='{"a":1}')]


def test_a_call_that_never_gets_a_name_is_not_lost() -> None:
    found = choice(chunk(piece(id="c1", function={"arguments": "{}"})), chunk({}, "tool_calls"))
    assert found.turn.blocks == [ir.ToolCall(id="c1", name="", arguments="{}")]


def test_a_stream_of_whole_messages() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "hi", "tool_calls": [call]}
    node = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    found = choice({"id": "1", "choices": [node]})
    assert found.turn.blocks == [ir.Text("hi"), ir.ToolCall(id="c", name="f", arguments="{}")]


def test_a_message_beside_the_delta_says_nothing_new() -> None:
    """Perplexity tells the text so far in each chunk."""
    beside = chunk({"content": "a"})
    beside["choices"][0]["message"] = {"role": "assistant", "content": "a"}
    assert choice(beside, chunk({}, "stop")).turn.blocks == [ir.Text("a")]


def test_thoughts_that_are_told_only_in_details() -> None:
    details = [{"type": "reasoning.text", "text": "Hm", "index": 0}]
    streamed = choice(
        chunk({"reasoning_details": details}),
        chunk({"reasoning_details": details}),
        chunk({"content": "a"}, "stop"),
    )
    assert [block.text for block in streamed.turn.blocks if isinstance(block, ir.Thinking)] == ["HmHm"]
    body = {"choices": [{"message": {"role": "assistant", "content": "a", "reasoning_details": details}}]}
    whole = DIALECT.read_reply(json.dumps(body).encode()).choices[0].turn
    assert whole.blocks == [ir.Thinking(text="Hm"), ir.Text("a")]


def test_thoughts_in_both_places_are_told_once() -> None:
    details = [{"type": "reasoning.text", "text": "Hm", "index": 0}]
    found = choice(
        chunk({"reasoning": "Hm", "reasoning_details": details}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "s", "index": 0}]}),
        chunk({}, "stop"),
    )
    assert [block.text for block in found.turn.blocks if isinstance(block, ir.Thinking)] == ["Hm"]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("content_filter: RECITATION", "content_filter"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "stop"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("content_filtered", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("MAX_TOKENS", "length"),
        ("eos", "stop"),
        ("a word of tomorrow", "stop"),
    ],
)
def test_words_of_other_apis_for_the_end(word: str, reason: str) -> None:
    found = choice(chunk({"content": "a"}), chunk({}, word)).finish
    assert found is not None
    assert (found.reason, found.raw) == (reason, word)


FAILED = [
    (
        {
            "object": "error",
            "message": "maximum context length is 10",
            "type": "BadRequestError",
            "code": 400,
        },
        errors.ContextWindowExceededError,
    ),
    ({"code": "InvalidParameter", "message": "wrong", "request_id": "x"}, errors.BadRequestError),
    ({"detail": "broken"}, errors.InternalServerError),
    ({"success": False, "errors": [{"code": 7003, "message": "no route"}]}, errors.InternalServerError),
    (
        {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": None},
        errors.RateLimitError,
    ),
]


@pytest.mark.parametrize(("document", "kind"), FAILED)
def test_errors_of_every_shape_under_a_good_status(document: Json, kind: type) -> None:
    last = events(document)[-1]
    assert isinstance(last, ir.StreamFailure)
    assert type(last.error) is kind
    with pytest.raises(errors.HeadgateError) as caught:
        DIALECT.read_reply(json.dumps(document).encode())
    assert type(caught.value) is kind
    assert type(DIALECT.glance(json.dumps(document).encode()).error) is kind
    sniffer = DIALECT.sniffer()
    sniffer.feed(b"data: " + json.dumps(document).encode() + b"\n\n")
    assert type(sniffer.error) is kind


def test_groq_says_why_it_stopped_in_a_field_of_its_own() -> None:
    broken = {"id": "1", "choices": [], "x_groq": {"id": "r", "error": "over capacity"}}
    last = events(chunk({"content": "a"}), broken)[-1]
    assert isinstance(last, ir.StreamFailure)
    assert last.error.message == "over capacity"
    sniffer = DIALECT.sniffer()
    for node in (chunk({"content": "a"}), broken):
        sniffer.feed(b"data: " + json.dumps(node).encode() + b"\n\n")
    assert sniffer.error is not None


def test_an_error_in_place_of_the_only_choice_is_one() -> None:
    node = {"error": {"code": 429, "message": "slow"}, "finish_reason": "error"}
    empty = {"choices": [{**node, "message": {"role": "assistant", "content": ""}}]}
    with pytest.raises(errors.RateLimitError):
        DIALECT.read_reply(json.dumps(empty).encode())
    assert isinstance(DIALECT.glance(json.dumps(empty).encode()).error, errors.RateLimitError)
    begun = {"choices": [{**node, "message": {"role": "assistant", "content": "half"}}]}
    assert DIALECT.read_reply(json.dumps(begun).encode()).choices[0].turn.blocks == [ir.Text("half")]


def test_an_answer_may_speak_of_errors() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    message = {"role": "assistant", "content": '{"error": {"message": "m"}}'}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
        "error": None,
    }
    glance = DIALECT.glance(json.dumps(body).encode())
    assert glance.error is None
    assert glance.usage is not None


def test_arguments_that_begin_with_an_empty_object() -> None:
    """Databricks: https://docs.databricks.com/aws/en/machine-learning/model-serving/function-calling"""
    found = choice(
        chunk(piece(id="c1", function={"name": "f", "arguments": "{}"})),
        chunk(piece(function={"arguments": '{"a"'})),
        chunk(piece(function={"arguments": ":1}"})),
        chunk({"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
    )
    calls = [block.arguments for block in found.turn.blocks if isinstance(block, ir.ToolCall)]
    assert calls == ['{"a":1}', "{}"]


def test_signed_thoughts_in_the_content() -> None:
    summary = [{"type": "summary_text", "text": "Hm", "signature": "sig"}]
    content = [{"type": "reasoning", "summary": summary}, {"type": "text", "text": "a"}]
    message = {"role": "assistant", "content": content}
    body = json.dumps({"id": "1", "created": 1, "model": "m", "choices": [{"index": 0, "message": message}]})
    reply = DIALECT.read_reply(body.encode())
    thought, text = reply.choices[0].turn.blocks
    assert isinstance(thought, ir.Thinking)
    assert (thought.text, thought.signature, thought.family) == ("Hm", "sig", "anthropic")
    assert text == ir.Text("a", extra=text.extra)  # type: ignore[union-attr]
    again = json.loads(DIALECT.write_reply(reply, Frame(id="", created=0, model="")))
    assert again["choices"][0]["message"] == message
    thought, text = choice(
        chunk({"content": content[:1]}), chunk({"content": content[1:]}, "stop")
    ).turn.blocks
    assert thought == ir.Thinking(text="Hm", signature="sig", family="anthropic")


@pytest.mark.parametrize(
    "note", [{"status": "queued", "message": "wait"}, {"type": "ping"}, {"code": 200, "message": "OK"}]
)
def test_notes_between_the_pieces_are_no_errors(note: Json) -> None:
    assert choice(note, chunk({"content": "a"}), note, chunk({}, "stop")).turn.blocks == [ir.Text("a")]
