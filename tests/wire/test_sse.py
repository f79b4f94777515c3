"""Server-sent events, fed whole, byte by byte, and in any chunks."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import APIResponseValidationError
from headgate.wire import sse

CASES = {
    "data": (b"data: a\n\n", [("", b"a")]),
    "no space": (b"data:a\n\n", [("", b"a")]),
    "named": (b"event: x\ndata: a\n\n", [("x", b"a")]),
    "several lines": (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
    "carriage returns": (b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [("x", b"a"), ("", b"b")]),
    "only carriage returns": (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
    "comments": (b": hello\n\ndata: a\n: in between\n\n", [("", b"a")]),
    "other fields": (b"id: 1\nretry: 2\ndata: a\n\n", [("", b"a")]),
    "no data": (b"event: x\n\ndata: a\n\n", [("", b"a")]),
    "a mark first": (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
    "characters": ("data: é€𝄞\n\n".encode(), [("", "é€𝄞".encode())]),
    "no blank line at the end": (b"data: a\n\ndata: b", [("", b"a"), ("", b"b")]),
    "blank lines": (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
}


def read(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    decoder = sse.Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


@pytest.mark.parametrize("case", CASES)
def test_events_are_read_whole_and_byte_by_byte(case: str) -> None:
    data, expected = CASES[case]
    assert read([data]) == expected
    assert read([data[at : at + 1] for at in range(len(data))]) == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([data for data, _ in CASES.values()])), st.lists(st.integers(0, 200)))
def test_chunking_makes_no_difference(documents: list[bytes], cuts: list[int]) -> None:
    data = b"".join(documents)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    assert read([data[a:b] for a, b in itertools.pairwise(edges)]) == read([data])


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_no_bytes_break_it(data: bytes) -> None:
    read([data])


def test_an_event_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 10)
    with pytest.raises(APIResponseValidationError):
        sse.Decoder().feed(b"data: " + b"x" * 20)


def test_what_is_encoded_is_read() -> None:
    assert read([sse.encode(b"{}", "ping") + sse.encode(b"[]")]) == [("ping", b"{}"), ("", b"[]")]
