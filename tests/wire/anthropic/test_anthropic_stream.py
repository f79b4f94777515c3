"""Reading a Messages stream, writing one for Messages clients, and watching one go by."""

import json
from typing import Any

import pytest

from headgate import errors
from headgate.wire import ir
from headgate.wire.anthropic import DIALECT
from headgate.wire.dialect import Frame
from headgate.wire.fold import fold

FRAME = Frame(id="msg_ours", created=7, model="ours")

START: dict[str, Any] = {"type": "message_start", "message": {"id": "m", "model": "c", "content": []}}
STOP: dict[str, Any] = {"type": "message_stop"}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def begin(node: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": node}


def delta(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def end(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def done(reason: str = "end_turn", **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def read(data: bytes, echo: ir.Echo | None = None) -> list[ir.Event]:
    """All events; byte by byte must give the same."""
    reader, slow = DIALECT.stream_reader(echo), DIALECT.stream_reader(echo)
    events = [*reader.feed(data), *reader.close()]
    single = [event for at in range(len(data)) for event in slow.feed(data[at : at + 1])] + slow.close()
    assert [type(event) for event in single] == [type(event) for event in events]
    return events


def blocks(*events: dict[str, Any], echo: ir.Echo | None = None) -> list[ir.Block]:
    return fold(read(sse(START, *events, done(), STOP), echo)).choices[0].turn.blocks


# --- reading ---------------------------------------------------------------------------------------------


def test_text_with_citations() -> None:
    source = {"type": "char_location", "cited_text": "c"}
    assert blocks(
        begin({"type": "text", "text": "", "citations": []}),
        delta("text_delta", text="grü"),
        delta("text_delta", text=""),
        delta("text_delta", text="ße"),
        delta("citations_delta", citation=source),
        end(),
    ) == [
        ir.Text(
            "grüße", citations=[ir.Citation(cited_text="c", extra={"anthropic": {"type": "char_location"}})]
        )
    ]


def test_thinking_with_signature_and_redacted() -> None:
    assert blocks(
        begin({"type": "thinking", "thinking": "", "signature": ""}),
        delta("thinking_delta", thinking="hm"),
        delta("signature_delta", signature="S"),
        end(),
        begin({"type": "redacted_thinking", "data": "R"}, 1),
        end(1),
    ) == [
        ir.Thinking(text="hm", signature="S", family="anthropic"),
        ir.Thinking(redacted="R", family="anthropic"),
    ]


def test_tool_input_in_pieces_and_none_at_all() -> None:
    assert blocks(
        begin({"type": "tool_use", "id": "a", "name": "f", "input": {}}),
        delta("input_json_delta", partial_json=""),
        delta("input_json_delta", partial_json='{"x"'),
        delta("input_json_delta", partial_json=": 1}"),
        end(),
        begin({"type": "tool_use", "id": "b", "name": "g", "input": {}}, 1),
        end(1),
    ) == [ir.ToolCall(id="a", name="f", arguments='{"x": 1}'), ir.ToolCall(id="b", name="g", arguments="{}")]


def test_server_tools_are_whole_opaque_blocks() -> None:
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert blocks(
        begin({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        delta("input_json_delta", partial_json='{"query": "x"}'),
        end(),
        begin(result, 1),
        end(1),
        begin({"type": "compaction", "content": None}, 2),
        delta("compaction_delta", 2, content="summary"),
        end(2),
    ) == [
        ir.Opaque(
            family="anthropic",
            value={"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        ),
        ir.Opaque(family="anthropic", value=result),
        ir.Opaque(family="anthropic", value={"type": "compaction", "content": "summary"}),
    ]


def test_unknown_events_deltas_and_fields_are_no_trouble() -> None:
    assert blocks(
        {"type": "tomorrows_event", "x": 1},
        begin({"type": "text", "text": "a"}),
        delta("tomorrows_delta", x=1),
        delta("thinking_delta", thinking="lost in a text"),
        delta("text_delta", 9, text="of no block"),
        end(),
        end(7),
    ) == [ir.Text("a")]


def test_the_stand_in_tool_streams_as_text() -> None:
    echo = ir.Echo(json_tool="json_tool_call")
    data = sse(
        START,
        begin({"type": "tool_use", "id": "a", "name": "json_tool_call", "input": {}}),
        delta("input_json_delta", partial_json='{"x":1}'),
        end(),
        done("tool_use"),
        STOP,
    )
    choice = fold(read(data, echo)).choices[0]
    assert choice.turn.blocks == [ir.Text('{"x":1}')]
    assert choice.finish == ir.Finish(reason="stop", raw="tool_use", family="anthropic")


def test_tool_names_are_mapped_back() -> None:
    node = {"type": "tool_use", "id": "a", "name": "a_b", "input": {}}
    call = blocks(begin(node), end(), echo=ir.Echo(tool_names={"a_b": "a.b"}))[0]
    assert call == ir.ToolCall(id="a", name="a.b", arguments="{}")


def test_usage_is_replaced_never_added() -> None:
    start = {
        "type": "message_start",
        "message": {"content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
    }
    events = read(sse(start, done(output_tokens=9), STOP))
    assert [event.usage for event in events if isinstance(event, ir.UsageUpdate)] == [
        ir.Usage(input=5, output=1),
        ir.Usage(input=5, output=9),
    ]


def test_the_end_is_told_at_once_and_once() -> None:
    reader = DIALECT.stream_reader()
    assert isinstance(reader.feed(sse(START, done(), STOP))[-1], ir.ReplyEnd)
    assert reader.feed(sse(STOP)) == []
    assert reader.close() == []


def test_ping_is_a_keepalive() -> None:
    assert any(isinstance(event, ir.Keepalive) for event in read(sse(START, {"type": "ping"})))


def test_types_from_event_lines_alone_and_crlf() -> None:
    data = sse(START, done(), STOP).replace(b'"type": "message_stop"', b"").replace(b"\n", b"\r\n")
    assert isinstance(read(data)[-1], ir.ReplyEnd)


def _failure(data: bytes) -> errors.HeadgateError:
    last = read(data)[-1]
    assert isinstance(last, ir.StreamFailure)
    return last.error


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", errors.InternalServerError),
        ("rate_limit_error", errors.RateLimitError),
        ("api_error", errors.InternalServerError),
        ("invalid_request_error", errors.BadRequestError),
    ],
)
def test_error_events(kind: str, expected: type[Exception]) -> None:
    error = _failure(sse(START, {"type": "error", "error": {"type": kind, "message": "m"}}, STOP))
    assert type(error) is expected
    assert (error.message, error.type) == ("m", kind)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        sse(START),
        sse(START, begin({"type": "text", "text": "a"})),
        sse(START, done()),
        b": hi\n\n",
    ],
)
def test_a_cut_stream_is_a_failure(data: bytes) -> None:
    assert isinstance(_failure(data), errors.APIConnectionError)


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert isinstance(read(sse(START, done(), STOP)[:-2])[-1], ir.ReplyEnd)


@pytest.mark.parametrize(
    "bad", [b"data: {nonsense\n\n", b"data: []\n\n", sse(begin({"type": 5})), sse(begin({}))]
)
def test_garbage_in_the_stream_is_a_failure(bad: bytes) -> None:
    assert isinstance(_failure(sse(START) + bad), errors.APIResponseValidationError)


def test_an_error_event_is_one_by_its_name() -> None:
    error = _failure(b'event: error\ndata: {"type":"overloaded_error","message":"Overloaded"}\n\n')
    assert (type(error), error.message) == (errors.InternalServerError, "Overloaded")


def test_a_json_error_in_place_of_a_stream() -> None:
    error = _failure(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}')
    assert isinstance(error, errors.RateLimitError)
    assert error.message == "slow"


def test_html_in_place_of_a_stream() -> None:
    assert _failure(b"<html><title>502 Bad Gateway</title></html>").message == "502 Bad Gateway"


def test_a_whole_answer_in_place_of_a_stream() -> None:
    body = b'{"id":"m","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}'
    assert fold(read(body)) == DIALECT.read_reply(body)


# --- writing ---------------------------------------------------------------------------------------------


def written(*events: ir.Event) -> list[dict[str, Any]]:
    data = DIALECT.stream_writer(FRAME).write(events)
    out = []
    for event in data.decode().split("\n\n")[:-1]:
        name, line = event.split("\n")
        out.append(json.loads(line.removeprefix("data: ")))
        assert name == f"event: {out[-1]['type']}"
    return out


def of_blocks(*events: ir.Event) -> list[dict[str, Any]]:
    start, *middle, message_delta, stop = written(ir.ReplyStart(), *events, ir.ReplyEnd())
    assert (start["type"], message_delta["type"], stop["type"]) == (
        "message_start",
        "message_delta",
        "message_stop",
    )
    return middle


def test_message_start_waits_for_the_usage_that_comes_with_it() -> None:
    start = written(ir.ReplyStart(id="m", model="c"), ir.UsageUpdate(ir.Usage(input=5)), ir.Keepalive())
    assert start == [
        {
            "type": "message_start",
            "message": {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "c",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 5, "output_tokens": 0},
            },
        },
        {"type": "ping"},
    ]


def test_the_end_has_finish_and_cumulative_usage() -> None:
    *_, message_delta, stop = written(
        ir.ReplyStart(),
        ir.ChoiceEnd(0, ir.Finish(reason="length")),
        ir.UsageUpdate(ir.Usage(input=5, output=9)),
        ir.ExtraDelta("reply", 0, "anthropic", {"container": {"id": "c"}, "context_management": {}}),
        ir.ExtraDelta("reply", 0, "openai", {"system_fingerprint": "x"}),
        ir.Keepalive(),
        ir.ReplyEnd(),
    )
    assert message_delta["delta"]["stop_reason"] == "max_tokens"
    assert message_delta["usage"] == {"input_tokens": 5, "output_tokens": 9}
    assert "system_fingerprint" not in message_delta
    assert stop == STOP


def test_blocks_follow_the_grammar() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.Thinking()),
        ir.BlockDelta(0, 0, "thinking", "hm"),
        ir.BlockStart(0, 1, ir.Text("")),
        ir.BlockDelta(0, 1, "text", "a\n"),
        ir.BlockStart(0, 2, ir.ToolCall(id="c", name="f")),
        ir.BlockDelta(0, 2, "arguments", '{"x":1}'),
        ir.BlockStop(0, 2),
    )
    assert events == [
        begin({"type": "thinking", "thinking": "", "signature": ""}),
        delta("thinking_delta", thinking="hm"),
        end(),
        begin({"type": "text", "text": ""}, 1),
        delta("text_delta", 1, text="a\n"),
        end(1),
        begin({"type": "tool_use", "id": "c", "name": "f", "input": {}}, 2),
        delta("input_json_delta", 2, partial_json='{"x":1}'),
        end(2),
    ]


def test_interleaved_tool_calls_come_one_after_the_other() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.ToolCall(id="a", name="f")),
        ir.BlockStart(0, 1, ir.ToolCall(id="b", name="g")),
        ir.BlockDelta(0, 1, "arguments", "{1"),
        ir.BlockDelta(0, 0, "arguments", "{0"),
        ir.BlockDelta(0, 1, "arguments", "}"),
        ir.BlockDelta(0, 0, "arguments", "}"),
    )
    assert [event["delta"]["partial_json"] for event in events if "delta" in event] == ["{0", "}", "{1", "}"]
    assert [event["index"] for event in events] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_text_that_goes_on_later_is_a_block_of_its_own() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.Text("")),
        ir.BlockDelta(0, 0, "text", "a"),
        ir.BlockStart(0, 1, ir.ToolCall(id="b", name="g")),
        ir.BlockDelta(0, 0, "text", "b"),
        ir.BlockStop(0, 1),
    )
    assert [event["content_block"]["type"] for event in events if "content_block" in event] == [
        "text",
        "tool_use",
        "text",
    ]
    assert [event["delta"]["text"] for event in events if "delta" in event] == ["a", "b"]


def test_a_late_citation_has_its_own_block() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.Text("a")),
        ir.BlockStop(0, 0),
        ir.CitationDelta(0, 0, ir.Citation(url="https://e")),
    )
    assert events[-2]["delta"]["citation"]["url"] == "https://e"


@pytest.mark.parametrize("whole", [True, False])
def test_signatures_of_other_vendors_are_not_passed_off_as_anthropics(whole: bool) -> None:
    foreign = ir.Thinking(family="gemini", signature="G" if whole else None)
    said: list[ir.Event] = [] if whole else [ir.BlockDelta(0, 0, "signature", "G")]
    events = of_blocks(ir.BlockStart(0, 0, foreign), *said, ir.BlockStop(0, 0))
    assert [event["delta"] for event in events if "delta" in event] == [
        {"type": "signature_delta", "signature": "headgate.gemini.s..G"}
    ]


def test_custom_tools_are_wrapped_when_complete() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.ToolCall(id="c", name="f", kind="custom")),
        ir.BlockDelta(0, 0, "arguments", "free "),
        ir.BlockDelta(0, 0, "arguments", "text"),
        ir.BlockStop(0, 0),
    )
    assert json.loads(events[1]["delta"]["partial_json"]) == {"input": "free text"}


def test_refusals_and_transcripts_are_text() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.Refusal("")),
        ir.BlockDelta(0, 0, "refusal", "no"),
        ir.BlockStart(0, 1, ir.Audio(id="a")),
        ir.BlockDelta(0, 1, "audio", "QUJD"),
        ir.BlockDelta(0, 1, "transcript", "said"),
    )
    assert [event["delta"]["text"] for event in events if "delta" in event] == ["no", "said"]


def test_blocks_without_a_place_leave_no_gap() -> None:
    events = of_blocks(
        ir.BlockStart(0, 0, ir.Opaque(family="gemini", value={})),
        ir.BlockStop(0, 0),
        ir.BlockStart(0, 1, ir.Text("a")),
        ir.BlockStop(0, 1),
        ir.BlockStart(1, 0, ir.Text("second choice")),
        ir.BlockDelta(1, 0, "text", "!"),
        ir.BlockStop(1, 0),
    )
    assert events == [begin({"type": "text", "text": ""}), delta("text_delta", text="a"), end()]


def test_a_failure_is_an_error_event_and_nothing_after() -> None:
    events = written(
        ir.ReplyStart(),
        ir.BlockStart(0, 0, ir.Text("")),
        ir.StreamFailure(errors.RateLimitError("slow")),
        ir.ReplyEnd(),
    )
    assert events[-1] == {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}


# --- watching --------------------------------------------------------------------------------------------


def sniff(data: bytes, size: int) -> Any:
    sniffer = DIALECT.sniffer()
    for at in range(0, len(data), size):
        sniffer.feed(data[at : at + size])
    return sniffer


SIZES = pytest.mark.parametrize("size", [1, 2, 7, 50, 10_000])


@SIZES
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_sniffer_knows_usage_model_and_end(size: int, line_end: bytes) -> None:
    start = {
        "type": "message_start",
        "message": {"model": "c", "usage": {"input_tokens": 5, "output_tokens": 1}},
    }
    text = [delta("text_delta", text="x" * at) for at in range(40)]
    data = sse(start, *text, done(output_tokens=9)).replace(b"\n", line_end)
    seen = sniff(data, size)
    assert (seen.usage, seen.model, seen.ended, seen.error) == (ir.Usage(input=5, output=9), "c", False, None)
    assert sniff(data + sse(STOP).replace(b"\n", line_end), size).ended
    assert sniff(data + sse(STOP)[:-2], size).ended


@SIZES
@pytest.mark.parametrize("begin", [b"", b": hi\n\n", b"\xef\xbb\xbf", b"id: 1\n"])
def test_the_sniffer_knows_a_stream_without_names(size: int, begin: bytes) -> None:
    """As some servers send it that are not Anthropic's."""
    named = sse(START, delta("text_delta", text="event: message_stop"), done(output_tokens=9), STOP)
    data = begin + b"".join(line for line in named.splitlines(True) if not line.startswith(b"event:"))
    seen, known = sniff(data, size), sniff(named, size)
    assert (seen.usage, seen.model, seen.ended, seen.done) == (known.usage, known.model, True, True)
    assert not sniff(data[:-30], size).ended
    error = b'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    assert isinstance(sniff(begin + error, size).error, errors.InternalServerError)


@SIZES
def test_the_sniffer_is_not_fooled_by_text(size: int) -> None:
    fake = "\nevent: message_stop\ndata: {}\n\nevent: error\ndata: {}\n\n"
    seen = sniff(
        sse(START, delta("text_delta", text=fake), delta("text_delta", text="event: message_stop")), size
    )
    assert (seen.ended, seen.error) == (False, None)


@SIZES
def test_the_sniffer_knows_errors(size: int) -> None:
    data = sse(START, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    error = sniff(data, size).error
    assert isinstance(error, errors.InternalServerError)
    assert error.message == "Overloaded"


@SIZES
def test_the_sniffer_survives_garbage(size: int) -> None:
    data = b"event: message_start\ndata: {bad\n\nevent: message_delta\n\nevent: message_delta\ndata: 5\n\n"
    seen = sniff(b"\xff\x00" + data + sse(done(output_tokens=3)), size)
    assert seen.usage == ir.Usage(output=3)
