"""Chat answers, whole and streamed: what servers send, and what clients get from other formats' answers."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT
from headgate.wire.openai_chat.fields import read_usage

FRAME = Frame(id="ours", created=7, model="mine", stream_usage=True)


def stream(*chunks: Any, done: bool = True) -> list[ir.Event]:
    data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    reader = DIALECT.stream_reader()
    return [*reader.feed(data + (b"data: [DONE]\n\n" if done else b"")), *reader.close()]


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
        **more,
    }


def blocks(*chunks: Any) -> list[ir.Block]:
    return fold(stream(*chunks)).choices[0].turn.blocks


def call(
    index: int | None, arguments: str, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    node: dict[str, Any] = {"function": {"arguments": arguments, **({"name": name} if name else {})}}
    node.update({key: value for key, value in (("index", index), ("id", call_id)) if value is not None})
    return {"tool_calls": [node]}


def failure(events: list[ir.Event]) -> errors.HeadgateError:
    assert isinstance(events[-1], ir.StreamFailure)
    return events[-1].error


def message(*given: ir.Block, **fields: Any) -> dict[str, Any]:
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=list(given)), **fields)])
    document: dict[str, Any] = json.loads(DIALECT.write_reply(reply, FRAME))
    return document["choices"][0]["message"]  # type: ignore[no-any-return]


def deltas(*given: ir.Block, usage: ir.Usage | None = None, frame: Frame = FRAME) -> list[Any]:
    turn = ir.Turn(role="assistant", blocks=list(given))
    reply = ir.Reply(choices=[ir.Choice(turn=turn, finish=ir.Finish(reason="stop"))], usage=usage)
    rows = DIALECT.stream_writer(frame).write(unfold(reply)).decode().strip().split("\n\n")
    return [row[6:] if row == "data: [DONE]" else json.loads(row[6:]) for row in rows]


# --- streams of servers ----------------------------------------------------------------------------------


def test_kinds_of_deltas_are_blocks() -> None:
    assert blocks(
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "reasoning_content": "Hm"}),
        chunk({"reasoning_content": "."}),
        chunk({"content": "Y"}),
        chunk({"content": "es"}),
        chunk(call(0, "", "c1", "f")),
        chunk(call(0, "{}")),
        chunk({}, "tool_calls"),
    ) == [ir.Thinking("Hm."), ir.Text("Yes"), ir.ToolCall("c1", "f", "{}")]


@pytest.mark.parametrize(
    "pieces",
    [
        [
            call(0, "", "a", "f"),
            call(1, "", "b", "g"),
            call(0, "{1"),
            call(1, "{2"),
            call(0, "}"),
            call(1, "}"),
        ],
        [call(0, "{1}", "a", "f"), call(0, "{2}", "b", "g")],
        [call(None, "{1}", "a", "f"), call(None, "{2}", "b", "g")],
        [call(None, "", "a", "f"), call(None, "{1}"), call(None, "{2", "b", "g"), call(None, "}", "b")],
        [call(0, "{1}", "a", "f"), call(1, "{2", "b", "g"), call(1, "}", "b", "g")],
    ],
)
def test_tool_calls_are_told_apart(pieces: list[dict[str, Any]]) -> None:
    events = blocks(*map(chunk, pieces))
    assert events == [ir.ToolCall("a", "f", "{1}"), ir.ToolCall("b", "g", "{2}")]


def test_a_plain_stop_after_calls_means_tool_calls() -> None:
    finish = fold(stream(chunk(call(0, "{}", "a", "f")), chunk({}, "stop"))).choices[0].finish
    assert finish == ir.Finish(reason="tool_calls", raw="stop", family="openai")


def test_the_older_function_call() -> None:
    pieces = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    assert blocks(*map(chunk, pieces)) == [ir.ToolCall("", "f", "{}", kind="legacy")]


def test_reasoning_said_twice_counts_once() -> None:
    assert blocks(chunk({"reasoning": "a", "reasoning_content": "a"})) == [ir.Thinking("a")]


def test_lists_of_parts_in_deltas() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    assert blocks(chunk({"content": [thought]}), chunk({"content": [{"type": "text", "text": "Yes"}]})) == [
        ir.Thinking("Hm"),
        ir.Text("Yes"),
    ]


def test_choices_may_be_interleaved() -> None:
    reply = fold(
        stream(
            chunk({"content": "a"}),
            chunk({"content": "b"}, index=1),
            chunk({"content": "c"}),
            chunk({}, "stop"),
            chunk({}, "length", 1),
        )
    )
    assert [row.turn.blocks for row in reply.choices] == [[ir.Text("ac")], [ir.Text("b")]]
    assert [row.finish.reason for row in reply.choices if row.finish] == ["stop", "length"]


def test_details_of_reasoning_are_put_together() -> None:
    pieces = [
        {"type": "reasoning.text", "index": 0, "text": "a", "signature": None},
        {"type": "reasoning.text", "index": 0, "text": "b"},
        {"type": "reasoning.text", "index": 0, "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "x"},
    ]
    reply = fold(stream(*(chunk({"reasoning_details": [piece]}) for piece in pieces)))
    assert reply.choices[0].turn.extra == {
        "openai": {
            "reasoning_details": [
                {"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"},
                {"type": "reasoning.encrypted", "index": 1, "data": "x"},
            ]
        }
    }


def test_what_azure_says_of_the_prompt_survives() -> None:
    first = {
        "id": "",
        "model": "",
        "created": 0,
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0}],
    }
    reply = fold(stream(first, chunk({"content": "a"}, "stop", created=5)))
    assert (reply.id, reply.model, reply.created) == ("1", "m", 5)
    assert reply.extra == {"openai": {"prompt_filter_results": [{"prompt_index": 0}]}}


@pytest.mark.parametrize(
    "last",
    [
        chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
        chunk({}, "stop", x_groq={"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}),
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
        {
            "choices": [
                {
                    "index": 0,
                    "delta": {},
                    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
                }
            ]
        },
    ],
)
def test_usage_may_stand_in_four_places(last: dict[str, Any]) -> None:
    assert fold(stream(chunk({"content": "a"}), last)).usage == ir.Usage(input=1, output=2, total=3)


def test_a_stream_may_end_without_done() -> None:
    assert isinstance(stream(chunk({"content": "a"}, "stop"), done=False)[-1], ir.ReplyEnd)


@pytest.mark.parametrize(
    "chunks", [[], [chunk({"content": "a"})], [chunk({}, "stop"), chunk({"content": "b"}, index=1)]]
)
def test_a_stream_that_just_stops_was_cut(chunks: list[Any]) -> None:
    error = failure(stream(*chunks, done=False))
    assert isinstance(error, errors.APIConnectionError)
    assert "before the answer was complete" in error.message


def test_errors_inside_a_stream() -> None:
    assert isinstance(
        failure(stream({"error": {"message": "slow down", "code": 429}})), errors.RateLimitError
    )
    assert isinstance(failure(stream(chunk({}, "error"))), errors.APIError)
    assert isinstance(failure(stream(5)), errors.APIResponseValidationError)


def test_a_document_in_place_of_a_stream() -> None:
    reader = DIALECT.stream_reader()
    events = [
        *reader.feed(b'{"error":{"message":"This model\'s maximum '),
        *reader.feed(b'context length is 5"}}'),
    ]
    assert events == []
    assert isinstance(failure(reader.close()), errors.ContextWindowExceededError)
    reader = DIALECT.stream_reader()
    reader.feed(
        b'{"id":"1","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
    )
    assert fold(reader.close()).choices[0].turn.blocks == [ir.Text("hi")]


# --- whole answers of servers ----------------------------------------------------------------------------


def test_an_error_under_200_is_raised() -> None:
    with pytest.raises(errors.RateLimitError):
        DIALECT.read_reply(b'{"error":{"code":429,"message":"x"}}')
    with pytest.raises(errors.HeadgateError, match="invalid key"):
        DIALECT.read_reply(b'{"base_resp":{"status_code":1004,"status_msg":"invalid key"}}')


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"choices":5}', b'{"choices":[5]}', b"[" * 5000]
)
def test_an_unreadable_answer_is_named_so(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)
    DIALECT.glance(body)


def test_usage_is_normalised() -> None:
    xai = {
        "prompt_tokens": 10,
        "completion_tokens": 2,
        "total_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
    usage = read_usage(xai)
    assert usage is not None
    assert (usage.input, usage.output, usage.reasoning, usage.total) == (10, 10, 8, 20)
    deepseek = read_usage({"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 6})
    assert deepseek is not None
    assert (deepseek.cache_read, deepseek.total) == (6, None)
    assert read_usage([]) is None


# --- what chat clients get from other formats ------------------------------------------------------------


def test_anthropics_thoughts_are_where_litellms_users_look() -> None:
    assert message(
        ir.Thinking("Hm.", signature="s", family="anthropic"),
        ir.Thinking(redacted="x", family="anthropic"),
        ir.Text("Yes"),
    ) == {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Hm.",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
        ],
    }


def test_sealed_thoughts_are_where_litellms_users_look() -> None:
    block = ir.Thinking(
        "Hm.", signature="gAAA", family="responses", account="cafe0001", extra={"responses": {"id": "rs_1"}}
    )
    assert message(block, ir.Text("Yes")) == {
        "role": "assistant",
        "content": "Yes",
        "reasoning_content": "Hm.",
        "reasoning_items": [
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}],
                "encrypted_content": "gAAA",
                "account": "cafe0001",
            }
        ],
    }


def test_citations_are_annotations() -> None:
    cited = ir.Citation(url="https://a", title="A", extra={"anthropic": {"encrypted_index": "e"}})
    told = ir.Citation(cited_text="said", title="Doc", extra={"anthropic": {"type": "page_location"}})
    answer = message(ir.Text("See: "), ir.Text("this", citations=[cited, told]))
    assert answer["content"] == "See: this"
    assert answer["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://a", "title": "A", "start_index": 5, "end_index": 9},
            "provider_specific_fields": {"anthropic": {"encrypted_index": "e"}},
        }
    ]
    assert answer["provider_specific_fields"]["citations"] == [
        [{"type": "page_location", "document_title": "Doc", "cited_text": "said"}]
    ]


def test_a_client_that_sends_the_message_back_gives_all_back() -> None:
    given: list[ir.Block] = [
        ir.Thinking("Hm.", signature="s", family="anthropic"),
        ir.Text("a"),
        ir.Opaque(family="anthropic", value={"type": "server_tool_use", "id": "1"}),
        ir.Text("b", signature="proof"),
        ir.ToolCall("c1", "f", "{}", signature="sig"),
    ]
    whole = message(*given)
    streamed = json.loads(DIALECT.write_reply(fold(_events(*given)), FRAME))["choices"][0]["message"]
    for answer in (whole, streamed):
        back = DIALECT.read_request({"model": "m", "messages": [answer]}).turns[0].blocks
        for block in back:
            if isinstance(block, ir.Node):
                block.extra = None
        assert back == given


def _events(*given: ir.Block) -> list[ir.Event]:
    turn = ir.Turn(role="assistant", blocks=list(given))
    written = DIALECT.stream_writer(FRAME).write(unfold(ir.Reply(choices=[ir.Choice(turn=turn)])))
    reader = DIALECT.stream_reader()
    return [*reader.feed(written), *reader.close()]


def test_usage_of_anthropic_has_its_own_names_too() -> None:
    reply = ir.Reply(
        choices=[], usage=ir.Usage(input=100, output=5, cache_read=20, cache_write=30, reasoning=2)
    )
    assert json.loads(DIALECT.write_reply(reply, FRAME))["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "total_tokens": 105,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_creation_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 20,
    }


@pytest.mark.parametrize(
    ("finish", "word", "fields"),
    [
        (ir.Finish(reason="length", raw="max_tokens", family="anthropic"), "length", None),
        (
            ir.Finish(reason="pause", raw="pause_turn", family="anthropic"),
            "stop",
            {"native_finish_reason": "pause_turn"},
        ),
        (
            ir.Finish(reason="stop", raw="stop_sequence", family="anthropic", sequence="#"),
            "stop",
            {"stop_sequence": "#"},
        ),
        (ir.Finish(reason="stop", raw="eos", family="openai"), "eos", None),
    ],
)
def test_finish_reasons_of_others(finish: ir.Finish, word: str, fields: Any) -> None:
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[]), finish=finish)])
    choice = json.loads(DIALECT.write_reply(reply, FRAME))["choices"][0]
    assert choice["finish_reason"] == word
    assert choice.get("provider_specific_fields") == fields


def test_the_frame_fills_what_is_missing() -> None:
    document = json.loads(DIALECT.write_reply(ir.Reply(choices=[]), FRAME))
    assert (document["id"], document["created"], document["model"]) == ("ours", 7, "mine")


def test_the_shape_of_a_stream() -> None:
    rows = deltas(ir.Text("Yes"), ir.ToolCall("c1", "f", "{}"), usage=ir.Usage(input=1, output=2))
    assert rows.pop() == "[DONE]"
    assert {(row["id"], row["created"], row["model"], row["object"]) for row in rows} == {
        ("ours", 7, "mine", "chat.completion.chunk")
    }
    usage = rows.pop()
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 3
    assert [row["choices"][0]["delta"] for row in rows] == [
        {"role": "assistant", "content": ""},
        {"content": "Yes"},
        {
            "tool_calls": [
                {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {},
    ]
    assert [row["choices"][0]["finish_reason"] for row in rows] == [None, None, None, None, "stop"]


def test_usage_is_told_only_to_who_asked() -> None:
    quiet = Frame(id="i", created=1, model="m")
    assert all(
        row == "[DONE]" or "usage" not in row for row in deltas(ir.Text("a"), usage=ir.Usage(), frame=quiet)
    )


def test_a_call_without_arguments_has_the_empty_object() -> None:
    assert message(ir.ToolCall("c", "f"))["tool_calls"][0]["function"]["arguments"] == "{}"
    rows = deltas(ir.ToolCall("c", "f"))
    pieces = [
        call["function"]["arguments"]
        for row in rows[:-1]
        for call in row["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert "".join(pieces) == "{}"


def test_a_failure_ends_a_stream_without_done() -> None:
    error = errors.RateLimitError("slow down", code="rate_limit_exceeded")
    writer = DIALECT.stream_writer(FRAME)
    out = writer.write([ir.ReplyStart(), ir.StreamFailure(error), ir.ReplyEnd()])
    assert json.loads(out[6:]) == {
        "error": {
            "message": "slow down",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
    }
    assert DIALECT.write_stream_error(error) == out


def test_the_error_body_has_its_code_as_text_and_the_call_id() -> None:
    body = json.loads(DIALECT.write_error(errors.BadRequestError("no", param="n"), "call-1"))
    assert body == {
        "error": {
            "message": "no",
            "type": "invalid_request_error",
            "param": "n",
            "code": "400",
            "litellm_call_id": "call-1",
        }
    }
