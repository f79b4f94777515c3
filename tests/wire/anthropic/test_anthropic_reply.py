"""Whole answers, usage, stop reasons and errors, in both directions."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.anthropic.usage import read_usage, write_usage
from headgate.wire.dialect import Frame

FRAME = Frame(id="msg_ours", created=7, model="ours")


def read(*content: Any, **fields: Any) -> ir.Reply:
    return DIALECT.read_reply(json.dumps({"type": "message", "content": list(content), **fields}).encode())


def write(*blocks: ir.Block, **fields: Any) -> dict[str, Any]:
    finish = fields.pop("finish", None)
    choice = ir.Choice(turn=ir.Turn(role="assistant", blocks=list(blocks)), finish=finish)
    return dict(json.loads(DIALECT.write_reply(ir.Reply(choices=[choice], **fields), FRAME)))


# --- stop reasons ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "pause"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("compaction", "length"),
        ("refusal", "content_filter"),
        ("tomorrows_reason", "stop"),
    ],
)
def test_stop_reasons_keep_their_spelling(raw: str, reason: str) -> None:
    reply = read(stop_reason=raw)
    finish = reply.choices[0].finish
    assert finish == ir.Finish(reason=reason, raw=raw, family="anthropic")  # type: ignore[arg-type]
    assert json.loads(DIALECT.write_reply(reply, FRAME))["stop_reason"] == raw


CALL = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


@pytest.mark.parametrize("raw", ["tool_use", "end_turn"])
def test_an_answer_that_ends_in_a_call_waits_for_its_result(raw: str) -> None:
    finish = read(CALL, stop_reason=raw).choices[0].finish
    assert finish is not None
    assert finish.reason == "tool_calls"


def test_calls_answered_within_the_answer_are_not_waited_for() -> None:
    finish = read(CALL, {"type": "text", "text": "done"}, stop_reason="end_turn").choices[0].finish
    assert finish is not None
    assert finish.reason == "stop"


@pytest.mark.parametrize(
    ("finish", "written"),
    [
        (ir.Finish(reason="stop", raw="STOP", family="gemini"), "end_turn"),
        (ir.Finish(reason="stop", sequence="X"), "stop_sequence"),
        (ir.Finish(reason="length"), "max_tokens"),
        (ir.Finish(reason="tool_calls"), "tool_use"),
        (ir.Finish(reason="content_filter"), "refusal"),
        (ir.Finish(reason="pause"), "pause_turn"),
        (ir.Finish(reason="error"), "end_turn"),
        # our own spelling, where it would contradict
        (ir.Finish(reason="stop", raw="tool_use", family="anthropic"), "end_turn"),
        (None, None),
    ],
)
def test_finishes_of_others(finish: ir.Finish | None, written: str | None) -> None:
    assert write(finish=finish)["stop_reason"] == written


# --- blocks ----------------------------------------------------------------------------------------------


def test_what_the_upstream_gave_no_name_for_is_filled_in() -> None:
    assert write(ir.Text("x")) == {
        "id": "msg_ours",
        "type": "message",
        "role": "assistant",
        "model": "ours",
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (ir.Thinking(text="t"), {"type": "thinking", "thinking": "t", "signature": ""}),
        (
            ir.Thinking(text="t", signature="theirs", family="gemini"),
            {"type": "thinking", "thinking": "t", "signature": "headgate.gemini.s..theirs"},
        ),
        (
            ir.Thinking(redacted="r", family="openai"),
            {"type": "redacted_thinking", "data": "headgate.openai.r..r"},
        ),
        (ir.Refusal("no"), {"type": "text", "text": "no"}),
        (ir.Audio(id="a", transcript="said"), {"type": "text", "text": "said"}),
        (
            ir.ToolCall(id="", name="f", arguments="{bad"),
            {"type": "tool_use", "id": "toolu_msg_ours_0", "name": "f", "input": {"INVALID_JSON": "{bad"}},
        ),
        (
            ir.ToolCall(id="c", name="f", arguments="free", kind="custom"),
            {"type": "tool_use", "id": "c", "name": "f", "input": {"input": "free"}},
        ),
        (
            ir.Text("t", citations=[ir.Citation(url="https://e", title="T", start=0, end=1)]),
            {
                "type": "text",
                "text": "t",
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "url": "https://e",
                        "title": "T",
                        "cited_text": "",
                        "encrypted_index": "",
                    }
                ],
            },
        ),
        (
            ir.Image(ir.Source("data", "AA", "image/png")),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
        ),
    ],
)
def test_blocks_of_other_vendors(block: ir.Block, written: dict[str, Any]) -> None:
    assert write(block)["content"] == [written]


def test_what_only_another_vendor_understands_is_not_shown() -> None:
    block = ir.Opaque(family="gemini", value={"x": 1})
    assert write(block, ir.Text("a"))["content"] == [{"type": "text", "text": "a"}]


def test_an_error_under_status_200_is_an_error() -> None:
    with pytest.raises(errors.InternalServerError, match="Overloaded"):
        DIALECT.read_reply(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"content":5}', b'"\xff"', b'{"content":[{}]}']
)
def test_answers_that_cant_be_read(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)


# --- usage -----------------------------------------------------------------------------------------------


def test_cached_and_written_tokens_are_part_of_the_input() -> None:
    node = {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4},
        "server_tool_use": {"web_search_requests": 2},
        "service_tier": "priority",
    }
    usage = read_usage(node)
    assert usage == ir.Usage(
        input=140, output=7, cache_read=100, cache_write=30, cache_write_long=10, reasoning=4,
        web_searches=2, service_tier="priority",
    )  # fmt: skip
    assert write_usage(usage) == node


def test_a_compaction_is_counted_and_the_top_level_restored() -> None:
    node = {
        "input_tokens": 600,
        "output_tokens": 50,
        "iterations": [
            {"type": "compaction", "input_tokens": 60000, "output_tokens": 500},
            {"type": "advisor_message", "input_tokens": 9, "output_tokens": 9},
            {"type": "message", "input_tokens": 600, "output_tokens": 50},
        ],
    }
    usage = read_usage(node)
    assert (usage.input, usage.output) == (60600, 550)
    assert {key: value for key, value in write_usage(usage).items() if key in node} == node


def test_after_a_fallback_the_top_level_counts() -> None:
    items = [{"type": kind, "input_tokens": 9} for kind in ("compaction", "fallback_message")]
    assert read_usage({"input_tokens": 4, "output_tokens": 2, "iterations": items}).input == 4


def test_usage_of_others() -> None:
    usage = ir.Usage(input=10, output=5, cache_read=4, service_tier="default", extra={"openai": {"x": 1}})
    assert write_usage(usage) == {
        "input_tokens": 6,
        "cache_read_input_tokens": 4,
        "output_tokens": 5,
        "service_tier": "standard",
    }


def test_a_glance_never_raises() -> None:
    for body in (b"", b"[]", b'{"usage":5}', b'{"usage":{"input_tokens":"x"}}', b"\xff"):
        assert DIALECT.glance(body).usage is None
    error = DIALECT.glance(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}').error
    assert isinstance(error, errors.RateLimitError)


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "bad field", errors.BadRequestError),
        (400, "invalid_request_error", "prompt is too long: 9 > 8", errors.ContextWindowExceededError),
        (400, "invalid_request_error", "Output blocked by content filtering policy",
         errors.ContentPolicyViolationError),
        (401, "authentication_error", "invalid x-api-key", errors.AuthenticationError),
        (402, "billing_error", "no credit", errors.PaymentRequiredError),
        (403, "permission_error", "no", errors.PermissionDeniedError),
        (404, "not_found_error", "model: x", errors.NotFoundError),
        (413, "request_too_large", "too large", errors.RequestTooLargeError),
        (429, "rate_limit_error", "slow down", errors.RateLimitError),
        (500, "api_error", "oops", errors.InternalServerError),
        (504, "timeout_error", "late", errors.Timeout),
        (529, "overloaded_error", "Overloaded", errors.InternalServerError),
    ],
)  # fmt: skip
def test_errors_of_the_api(status: int, kind: str, message: str, expected: type[Exception]) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    error = DIALECT.read_error(status, {"retry-after": "3"}, body)
    assert type(error) is expected
    assert (error.message, error.type, error.retry_after) == (message, kind, 3.0)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.BadRequestError("m"), "invalid_request_error"),
        (errors.UnprocessableEntityError("m"), "invalid_request_error"),
        (errors.AuthenticationError("m"), "authentication_error"),
        (errors.AuthenticationError("m", type="invalid_request_error"), "authentication_error"),
        (errors.PaymentRequiredError("m"), "billing_error"),
        (errors.PermissionDeniedError("m"), "permission_error"),
        (errors.NotFoundError("m"), "not_found_error"),
        (errors.RequestTooLargeError("m"), "request_too_large"),
        (errors.RateLimitError("m"), "rate_limit_error"),
        (errors.Timeout("m"), "timeout_error"),
        (errors.InternalServerError("m"), "api_error"),
        (errors.InternalServerError("m", type="overloaded_error"), "overloaded_error"),
        (errors.ServiceUnavailableError("m"), "overloaded_error"),
        (errors.APIConnectionError("m"), "api_error"),
    ],
)
def test_errors_towards_clients(error: errors.HeadgateError, kind: str) -> None:
    plain = {"type": "error", "error": {"type": kind, "message": "m"}}
    assert json.loads(DIALECT.write_error(error)) == plain
    assert json.loads(DIALECT.write_error(error, "req_1")) == {**plain, "request_id": "req_1"}
    event = DIALECT.write_stream_error(error)
    assert event.startswith(b"event: error\ndata: ")
    assert event.endswith(b"\n\n")
    assert json.loads(event.split(b"data: ")[1]) == plain
