"""What each field of an answer, an error and a stream becomes, in both directions."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.cohere import DIALECT
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold, unfold
from headgate.wire.openai_chat import DIALECT as CHAT

FRAME = Frame(id="id1", created=1, model="m", stream_usage=True)

# --- answers ---------------------------------------------------------------------------------------------


def answer(message: dict[str, Any], **more: Any) -> bytes:
    body = {"id": "a", "finish_reason": "COMPLETE", "message": {"role": "assistant", **message}, **more}
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("raw", "reason", "told"),
    [
        ("COMPLETE", "stop", "stop"),
        ("STOP_SEQUENCE", "stop", "stop"),
        ("MAX_TOKENS", "length", "length"),
        ("TOOL_CALL", "tool_calls", "tool_calls"),
        ("ERROR_TOXIC", "content_filter", "content_filter"),
        ("ERROR_LIMIT", "length", "length"),
        ("ERROR", "error", "stop"),
        ("TIMEOUT", "error", "stop"),
        ("SOMETHING_NEW", "stop", "stop"),
    ],
)
def test_why_an_answer_ended(raw: str, reason: str, told: str) -> None:
    found = DIALECT.read_reply(answer({"content": [{"type": "text", "text": "a"}]}, finish_reason=raw))
    assert found.choices[0].finish == ir.Finish(reason=reason, raw=raw, family="cohere")
    assert json.loads(DIALECT.write_reply(found, FRAME))["finish_reason"] == raw
    assert json.loads(CHAT.write_reply(found, FRAME))["choices"][0]["finish_reason"] == told


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"tokens": {"input_tokens": 9, "output_tokens": 5, "reasoning_tokens": 2}, "cached_tokens": 4},
            ir.Usage(input=9, output=5, cache_read=4, reasoning=2),
        ),
        ({"billed_units": {"input_tokens": 3.0, "output_tokens": 2.0}}, ir.Usage(input=3, output=2)),
        (
            {
                "billed_units": {"input_tokens": 3, "output_tokens": 2, "search_units": 1},
                "tokens": {"input_tokens": 9, "output_tokens": 5},
            },
            ir.Usage(input=9, output=5),
        ),
        ({}, None),
        (None, None),
        ({"tokens": {"input_tokens": -1, "output_tokens": "x"}}, ir.Usage()),
    ],
)
def test_what_an_answer_used(usage: Any, expected: ir.Usage | None) -> None:
    body = answer({"content": []}, usage=usage)
    found = DIALECT.read_reply(body).usage
    assert DIALECT.glance(body).usage == found
    if found is not None:
        found.extra = None
    assert found == expected


def test_billed_units_go_back_as_they_came() -> None:
    usage = {
        "billed_units": {"input_tokens": 3, "output_tokens": 2, "search_units": 1},
        "tokens": {"input_tokens": 9, "output_tokens": 5, "image_tokens": 7},
    }
    found = DIALECT.read_reply(answer({"content": []}, usage=usage))
    assert json.loads(DIALECT.write_reply(found, FRAME))["usage"] == usage


def test_probabilities_of_tokens() -> None:
    items = [
        {"text": "He", "token_ids": [1], "logprobs": [-0.5]},
        {"text": "y!", "token_ids": [2, 3], "logprobs": [-1, -2]},
    ]
    body = answer({"content": [{"type": "text", "text": "Hey!"}]}, logprobs=items)
    found = DIALECT.read_reply(body)
    tokens = found.choices[0].logprobs
    assert tokens is not None
    assert [(token.token, token.logprob) for token in tokens] == [("He", -0.5), ("y!", -3.0)]
    assert json.loads(DIALECT.write_reply(found, FRAME))["logprobs"] == items


SOURCE = {
    "type": "document",
    "id": "d",
    "document": {"id": "d", "url": "https://e.org", "title": "T", "text": "W"},
}


def test_citations_belong_to_the_text_at_their_place() -> None:
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Noon."}]
    notes = [
        {
            "start": 0,
            "end": 4,
            "text": "Noon",
            "sources": [SOURCE],
            "type": "TEXT_CONTENT",
            "content_index": 1,
        },
        {"start": 0, "end": 2, "text": "hm", "sources": [], "type": "THINKING_CONTENT", "content_index": 0},
        {"start": 0, "end": 2, "text": "Pl", "sources": [], "type": "PLAN"},
        {"start": 1, "end": 3, "text": "oo", "sources": []},
    ]
    body = answer({"content": content, "tool_plan": "Plan", "citations": notes})
    turn = DIALECT.read_reply(body).choices[0].turn
    _, said, plan = turn.blocks
    assert isinstance(said, ir.Text)
    assert isinstance(plan, ir.Text)
    assert [(one.url, one.title, one.cited_text, one.start, one.end) for one in said.citations or ()] == [
        ("https://e.org", "T", "W", 0, 4),
        (None, None, None, 1, 3),
    ]
    assert [one.start for one in plan.citations or ()] == [0]
    again = json.loads(DIALECT.write_reply(DIALECT.read_reply(body), FRAME))["message"]["citations"]
    assert sorted(again, key=str) == sorted(notes, key=str)


def test_a_chat_client_sees_the_sources() -> None:
    note = {"start": 0, "end": 4, "text": "Noon", "sources": [SOURCE], "type": "TEXT_CONTENT"}
    bare = {"start": 0, "end": 4, "text": "Noon", "sources": [{"type": "tool", "id": "t:0"}]}
    body = answer({"content": [{"type": "text", "text": "Noon."}], "citations": [note, bare]})
    message = json.loads(CHAT.write_reply(DIALECT.read_reply(body), FRAME))["choices"][0]["message"]
    (annotation,) = message["annotations"]
    assert annotation["url_citation"]["url"] == "https://e.org"
    assert message["provider_specific_fields"]["citations"] == [[bare]]


def test_a_citation_of_another_vendor() -> None:
    cited = ir.Citation(url="https://e.org", title="T", start=0, end=4)
    text = ir.Text("Noon.", citations=[cited])
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[text]))])
    expected = {
        "start": 0,
        "end": 4,
        "text": "Noon",
        "sources": [
            {
                "type": "document",
                "id": "https://e.org",
                "document": {"id": "https://e.org", "title": "T", "url": "https://e.org"},
            }
        ],
        "type": "TEXT_CONTENT",
        "content_index": 0,
    }
    assert json.loads(DIALECT.write_reply(reply, FRAME))["message"]["citations"] == [expected]
    assert json.dumps(expected, separators=(",", ":")).encode() in DIALECT.stream_writer(FRAME).write(
        unfold(reply)
    )


def test_free_text_for_a_tool_is_json_here() -> None:
    call = ir.ToolCall(id="c", name="run", arguments="print(1)", kind="custom")
    reply = ir.Reply(choices=[ir.Choice(turn=ir.Turn(role="assistant", blocks=[call]))])
    told = json.loads(DIALECT.write_reply(reply, FRAME))["message"]["tool_calls"][0]["function"]
    assert json.loads(told["arguments"]) == {"input": "print(1)"}
    reader = DIALECT.stream_reader()
    found = fold(reader.feed(DIALECT.stream_writer(FRAME).write(unfold(reply))) + reader.close())
    assert found.choices[0].turn.blocks[0].arguments == told["arguments"]


# --- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            400,
            {"message": "invalid request: bad role", "id": "1"},
            errors.BadRequestError,
            "invalid request: bad role",
        ),
        (
            400,
            {"message": "too many tokens: limit"},
            errors.ContextWindowExceededError,
            "too many tokens: limit",
        ),
        (401, {"message": "invalid api token"}, errors.AuthenticationError, "invalid api token"),
        (401, {"message": "No API key provided."}, errors.AuthenticationError, "No API key provided."),
        (402, {"message": "pay"}, errors.PaymentRequiredError, "pay"),
        (403, {"message": "no"}, errors.PermissionDeniedError, "no"),
        (404, {"message": "model 'x' not found"}, errors.NotFoundError, "model 'x' not found"),
        (422, {"message": "no"}, errors.UnprocessableEntityError, "no"),
        (429, {"data": "You are past the limit"}, errors.RateLimitError, "You are past the limit"),
        (498, {"message": "invalid token"}, errors.BadRequestError, "invalid token"),
        (499, {"message": "closed"}, errors.BadRequestError, "closed"),
        (500, {"message": "x"}, errors.InternalServerError, "x"),
        (503, {"message": "x"}, errors.ServiceUnavailableError, "x"),
        (504, {"message": "x"}, errors.Timeout, "x"),
    ],
)
def test_an_error(status: int, body: Any, kind: type, message: str) -> None:
    error = DIALECT.read_error(status, {}, json.dumps(body).encode())
    assert type(error) is kind
    assert error.message == message


@pytest.mark.parametrize("body", [b"", b"<html><h1>Bad gateway</h1></html>", b"\xff", b"[]", b'{"data": 3}'])
def test_an_error_in_any_body(body: bytes) -> None:
    assert isinstance(DIALECT.read_error(502, {}, body), errors.BadGatewayError)


def test_an_error_under_a_good_status() -> None:
    body = b'{"id": "1", "message": "internal error"}'
    with pytest.raises(errors.InternalServerError, match="internal error"):
        DIALECT.read_reply(body)
    assert isinstance(DIALECT.glance(body).error, errors.InternalServerError)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"hi", b"{}", b'{"message": {"content": 3}}', b'{"message": 3}']
)
def test_an_answer_that_can_t_be_read(body: bytes) -> None:
    with pytest.raises(errors.APIResponseValidationError):
        DIALECT.read_reply(body)


def test_an_error_for_a_cohere_client() -> None:
    error = errors.RateLimitError("slow down")
    assert json.loads(DIALECT.write_error(error, "id-1")) == {"id": "id-1", "message": "slow down"}
    told = DIALECT.write_stream_error(error)
    reader = DIALECT.stream_reader()
    (_, failure) = reader.feed(told)
    assert isinstance(failure, ir.StreamFailure)
    assert failure.error.message == "slow down"
    assert reader.close() == []
    sniffer = DIALECT.sniffer()
    sniffer.feed(told)
    assert sniffer.error is not None
    assert not sniffer.ended


# --- streams ---------------------------------------------------------------------------------------------


def stream(*events: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {event.get('type', '')}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


START = {"type": "message-start", "id": "a", "delta": {"message": {"role": "assistant"}}}
SAID = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}}
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}


def read(data: bytes) -> list[ir.Event]:
    reader = DIALECT.stream_reader()
    return reader.feed(data) + reader.close()


def test_a_stream_that_breaks_off_has_failed() -> None:
    assert isinstance(read(stream(START, SAID))[-1], ir.StreamFailure)
    sniffer = DIALECT.sniffer()
    sniffer.feed(stream(START, SAID))
    assert not sniffer.ended


def test_a_last_event_without_its_blank_line_is_seen() -> None:
    data = stream(START, SAID, END)[:-2]
    assert isinstance(read(data)[-1], ir.ReplyEnd)
    sniffer = DIALECT.sniffer()
    sniffer.feed(data)
    assert sniffer.ended


def test_an_error_without_a_type_ends_a_stream() -> None:
    events = read(stream(START, SAID, {"id": "1", "message": "gone"}))
    assert isinstance(events[-1], ir.StreamFailure)
    assert events[-1].error.message == "gone"


def test_events_that_nobody_knows_are_passed_over() -> None:
    events = read(stream(START, {"type": "debug", "prompt": "…"}, {"type": "tomorrow"}, SAID, END))
    assert [type(event).__name__ for event in events] == [
        "ReplyStart", "BlockStart", "BlockDelta", "BlockStop", "ChoiceEnd", "ReplyEnd",
    ]  # fmt: skip


def test_a_citation_may_follow_the_end_of_its_text() -> None:
    opened = {
        "type": "content-start",
        "index": 0,
        "delta": {"message": {"content": {"type": "text", "text": ""}}},
    }
    note = {"start": 0, "end": 1, "text": "a", "sources": []}
    cited = {"type": "citation-start", "index": 0, "delta": {"message": {"citations": note}}}
    events = read(stream(START, opened, SAID, {"type": "content-end", "index": 0}, cited, END))
    kinds = [type(event) for event in events]
    assert kinds.index(ir.CitationDelta) < kinds.index(ir.BlockStop)
    assert fold(events).choices[0].turn.blocks[0].citations[0].extra == {"cohere": note}


def test_probabilities_in_a_stream_are_those_of_the_whole() -> None:
    item = {"text": "a", "token_ids": [1], "logprobs": [-0.5]}
    streamed = fold(read(stream(START, {**SAID, "logprobs": item}, END)))
    whole = DIALECT.read_reply(answer({"content": [{"type": "text", "text": "a"}]}, logprobs=[item]))
    assert streamed == whole


def test_several_calls_of_a_stream() -> None:
    def call(index: int, name: str) -> list[dict[str, Any]]:
        opened = {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": ""}}
        pieces = [
            {
                "type": "tool-call-delta",
                "index": index,
                "delta": {"message": {"tool_calls": {"function": {"arguments": text}}}},
            }
            for text in ('{"a"', ": 1}")
        ]
        begun = {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": opened}}}
        return [begun, *pieces, {"type": "tool-call-end", "index": index}]

    events = read(
        stream(START, *call(0, "x"), *call(1, "y"), {**END, "delta": {"finish_reason": "TOOL_CALL"}})
    )
    blocks = fold(events).choices[0].turn.blocks
    assert [(b.id, b.name, b.arguments) for b in blocks if isinstance(b, ir.ToolCall)] == [
        ("c0", "x", '{"a": 1}'),
        ("c1", "y", '{"a": 1}'),
    ]


def test_a_piece_of_a_call_that_never_began_is_an_error() -> None:
    piece = {
        "type": "tool-call-delta",
        "index": 4,
        "delta": {"message": {"tool_calls": {"function": {"arguments": "{"}}}},
    }
    with pytest.raises(errors.APIResponseValidationError, match="not begun"):
        read(stream(START, piece))


def test_the_content_of_an_answer_is_always_a_list() -> None:
    turn = ir.Turn(role="assistant", blocks=[ir.Text("Hi")], flat=True)
    written = json.loads(DIALECT.write_reply(ir.Reply(choices=[ir.Choice(turn=turn)]), FRAME))
    assert written["message"]["content"] == [{"type": "text", "text": "Hi"}]
