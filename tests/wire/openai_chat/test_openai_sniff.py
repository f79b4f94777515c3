"""Sniffing and trimming of chat streams at every possible split."""

import pytest

from headgate.wire.openai_chat.sniff import Sniffer, UsageStripper

EVENTS = [
    b'data: {"id":"a","model":"m","choices":[{"index":0,"delta":{"content":"say \\"usage\\":{ and '
    b'\\"choices\\":[]"},"finish_reason":null}],"usage":null}\n\n',
    b'data: {"choices":[],"prompt_filter_results":[]}\n\n',
    b": a comment\n\n",
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n',
    b"data: [DONE]\n\n",
]


def parts(data: bytes) -> list[list[bytes]]:
    splits = [[data[:at], data[at:]] for at in range(len(data) + 1)]
    return [*splits, [data[at : at + 1] for at in range(len(data))]]


@pytest.mark.parametrize("gap", [b"\n\n", b"\r\n\r\n"])
def test_only_the_usage_event_is_taken_out(gap: bytes) -> None:
    data = b"".join(EVENTS).replace(b"\n\n", gap)
    expected = b"".join(EVENTS[:4] + EVENTS[5:]).replace(b"\n\n", gap)
    for pieces in parts(data):
        stripper = UsageStripper()
        assert b"".join([*map(stripper.feed, pieces), stripper.close()]) == expected


@pytest.mark.parametrize("gap", [b"\n\n", b"\r\n\r\n"])
def test_usage_model_and_end_are_seen(gap: bytes) -> None:
    data = b"".join(EVENTS).replace(b"\n\n", gap)
    for pieces in parts(data):
        sniffer = Sniffer()
        for piece in pieces:
            sniffer.feed(piece)
        assert sniffer.usage is not None
        assert (sniffer.usage.input, sniffer.usage.output) == (1, 2)
        assert (sniffer.model, sniffer.ended, sniffer.error) == ("m", True, None)


def test_a_stream_without_an_end_mark_has_not_ended() -> None:
    for pieces in parts(EVENTS[0]):
        sniffer = Sniffer()
        for piece in pieces:
            sniffer.feed(piece)
        assert not sniffer.ended


@pytest.mark.parametrize("event", [b"", b"event: error\n"])
def test_an_error_event_is_seen(event: bytes) -> None:
    data = event + b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
    for pieces in parts(data):
        sniffer = Sniffer()
        for piece in pieces:
            sniffer.feed(piece)
        assert sniffer.error is not None
        assert sniffer.error.message == "overloaded"
