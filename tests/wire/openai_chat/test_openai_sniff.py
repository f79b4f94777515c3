"""Watching and trimming streams that pass by."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chunked

from headgate import errors
from headgate.wire.openai_chat.sniff import Sniffer, UsageStripper

CONTENT = (
    b'data: {"id":"1","model":"up","choices":[{"index":0,"delta":{"content":"\\"usage\\": [DONE]"},'
    b'"finish_reason":null}],"usage":null}\n\n'
)
FINISH = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = (
    b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}\n\n'
)
BOTH = (
    b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
)
FILTER = b'data: {"choices":[],"prompt_filter_results":[]}\n\n'
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"Too many requests","code":429}}\n\n'
COMMENT = b": OPENROUTER PROCESSING\n\n"
EVENTS = [CONTENT, FINISH, USAGE, BOTH, FILTER, DONE, COMMENT]


def sniffed(*pieces: bytes) -> Sniffer:
    sniffer = Sniffer()
    for piece in pieces:
        sniffer.feed(piece)
    return sniffer


def stripped(pieces: list[bytes]) -> bytes:
    stripper = UsageStripper()
    return b"".join(map(stripper.feed, pieces)) + stripper.close()


def test_usage_end_and_model_are_seen() -> None:
    sniffer = sniffed(CONTENT, FINISH, USAGE, DONE)
    assert sniffer.usage is not None
    assert (sniffer.usage.input, sniffer.usage.output, sniffer.usage.total) == (3, 4, 7)
    assert (sniffer.model, sniffer.ended, sniffer.error) == ("up", True, None)


def test_words_in_the_text_are_no_marks() -> None:
    sniffer = sniffed(CONTENT)
    assert (sniffer.usage, sniffer.ended) == (None, False)


@pytest.mark.parametrize("mark", [FINISH, DONE, DONE.rstrip(), FINISH.rstrip(), b"data:[DONE]\r\n\r\n"])
def test_a_finish_reason_or_done_ends_a_stream(mark: bytes) -> None:
    assert sniffed(CONTENT, mark).ended
    assert sniffed(*(mark[at : at + 1] for at in range(len(mark)))).ended


def test_a_cut_stream_has_not_ended() -> None:
    assert not sniffed(CONTENT, FINISH[:60]).ended


def test_an_error_in_the_stream_is_read() -> None:
    assert isinstance(sniffed(CONTENT, ERROR).error, errors.RateLimitError)
    named = b'event: error\ndata: {"message":"model is overloaded","type":"overloaded_error"}\n\n'
    assert isinstance(sniffed(CONTENT, named).error, errors.InternalServerError)
    inner = (
        b'data: {"choices":[{"index":0,"finish_reason":"error","error":{"message":"lost","code":502}}]}\n\n'
    )
    assert isinstance(sniffed(CONTENT, inner).error, errors.BadGatewayError)


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices":[],"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":4}}}\n\n',
        b'data: {"choices":[{"index":0,"usage":{"prompt_tokens":3,"completion_tokens":4}}]}\n\n',
        USAGE.replace(b"\n", b"\r\n"),
        USAGE.replace(b":{", b": {"),
        USAGE.rstrip(),
    ],
)
def test_usage_is_found_wherever_it_stands(event: bytes) -> None:
    for pieces in ([event], [event[:50], event[50:]], [event[at : at + 1] for at in range(len(event))]):
        usage = sniffed(CONTENT, *pieces).usage
        assert usage is not None
        assert (usage.input, usage.output) == (3, 4)


def test_the_newest_usage_counts() -> None:
    usage = sniffed(BOTH, USAGE).usage
    assert usage is not None
    assert usage.input == 3


@settings(deadline=None)
@given(st.binary(max_size=80), st.lists(st.sampled_from(EVENTS), max_size=3))
def test_garbage_is_passed_over(data: bytes, events: list[bytes]) -> None:
    sniffed(data, *events, data)


def test_the_usage_event_is_taken_out_and_nothing_else() -> None:
    assert stripped([CONTENT, FINISH, USAGE, DONE]) == CONTENT + FINISH + DONE
    assert stripped([CONTENT + FINISH + USAGE + DONE]) == CONTENT + FINISH + DONE
    assert stripped([BOTH, FILTER, COMMENT, USAGE.rstrip()]) == BOTH + FILTER + COMMENT


def test_what_can_not_be_it_passes_at_once() -> None:
    stripper = UsageStripper()
    assert stripper.feed(CONTENT) is CONTENT
    assert stripper.feed(CONTENT[:60]) == CONTENT[:60]
    assert stripper.feed(CONTENT[60:90]) == CONTENT[60:90]
    assert stripper.feed(CONTENT[90:]) == CONTENT[90:]
    assert stripper.feed(USAGE[:30]) == b""
    assert stripper.feed(USAGE[30:] + FINISH[:50]) == FINISH[:50]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(EVENTS), max_size=6), st.booleans(), st.data())
def test_pieces_make_no_difference(events: list[bytes], crlf: bool, data: st.DataObject) -> None:
    lines = [event.replace(b"\n", b"\r\n") if crlf else event for event in events]
    pieces = data.draw(chunked(b"".join(lines)))
    usage = USAGE.replace(b"\n", b"\r\n") if crlf else USAGE
    assert stripped(pieces) == b"".join(line for line in lines if line != usage)
    whole, parts = sniffed(*lines), sniffed(*pieces)
    assert (whole.usage, whole.ended, whole.model) == (parts.usage, parts.ended, parts.model)


@pytest.mark.parametrize("space", ['"usage":{', '"usage": {', '"usage" : {', '"usage":  {', '"usage"\t:\t{'])
@pytest.mark.parametrize("gap", [b"\n\n", b"\r\n\r\n"])
def test_usage_that_is_taken_out_has_been_counted(space: str, gap: bytes) -> None:
    """However a server spaces its JSON: tokens that nobody sees would be tokens that nobody pays."""
    event = USAGE.replace(b'"usage":{', space.encode())
    data = (CONTENT + event).replace(b"\n\n", gap)
    edge = data.index(gap) + len(gap)
    for cut in ([data], [data[:edge], data[edge:]], [data[at : at + 1] for at in range(len(data))]):
        seen = sniffed(*cut).usage
        assert seen is not None
        assert (seen.input, seen.output) == (3, 4)
        assert stripped(cut) == CONTENT.replace(b"\n\n", gap)
