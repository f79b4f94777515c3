"""Event streams of AWS: what is encoded is decoded equal, in any chunking, and a broken one is named."""

import struct
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import APIResponseValidationError
from headgate.wire import eventstream
from headgate.wire.eventstream import Decoder, Message

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | st.binary(max_size=20)
messages = st.builds(Message, st.dictionaries(names, values, max_size=4), st.binary(max_size=200))


def decode(data: bytes, *cuts: int) -> list[Message]:
    decoder = Decoder()
    edges = [0, *sorted(cuts), len(data)]
    found = [message for a, b in pairwise(edges) for message in decoder.feed(data[a:b])]
    decoder.close()
    return found


@given(st.lists(messages, max_size=4), st.data())
def test_any_chunking_gives_the_same_messages(sent: list[Message], data: st.DataObject) -> None:
    raw = b"".join(eventstream.encode(message.headers, message.payload) for message in sent)
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=6))
    assert decode(raw, *cuts) == sent
    assert decode(raw, *range(len(raw))) == sent


def test_kind_and_name_of_events_exceptions_and_errors() -> None:
    event, exception = decode(eventstream.event("a", b"{}") + eventstream.exception("b", b"{}"))
    assert (event.kind, event.name, event.payload) == ("event", "a", b"{}")
    assert (exception.kind, exception.name) == ("exception", "b")
    (error,) = decode(
        eventstream.encode({":message-type": "error", ":error-code": "c", ":error-message": "m"})
    )
    assert (error.kind, error.name) == ("error", "c")
    assert decode(eventstream.encode({}))[0].kind == "event"


def test_every_type_of_header_is_read() -> None:
    parts = [
        (0, b"", True),
        (1, b"", False),
        (2, b"\xff", -1),
        (3, b"\x01\x00", 256),
        (4, b"\x00\x00\x00\x07", 7),
        (5, b"\x00" * 7 + b"\x08", 8),
        (6, b"\x00\x02ab", b"ab"),
        (7, b"\x00\x02ab", "ab"),
        (8, b"\x00" * 6 + b"\x01\x00", 256),
        (9, bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
    ]
    head = b"".join(b"\x01%c%c" % (97 + kind, kind) + raw for kind, raw, _ in parts)
    (message,) = decode(framed(head))
    assert message.headers == {chr(97 + kind): value for kind, _, value in parts}


def framed(head: bytes, payload: bytes = b"") -> bytes:
    start = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    frame = start + struct.pack(">I", crc32(start)) + head + payload
    return frame + struct.pack(">I", crc32(frame))


@given(messages, st.data())
def test_a_changed_byte_is_never_taken_for_a_message(sent: Message, data: st.DataObject) -> None:
    raw = bytearray(eventstream.encode(sent.headers, sent.payload))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(APIResponseValidationError, match="event stream is broken"):
        decode(bytes(raw))


def test_messages_before_a_broken_one_are_delivered() -> None:
    good = eventstream.event("a", b"1")
    found = []
    with pytest.raises(APIResponseValidationError, match="checksum"):
        for message in Decoder().feed(good + good[:-1] + b"\x00" + good):
            found.append(message.name)
    assert found == ["a"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (struct.pack(">II", 2**31, 0), "expected at most"),
        (struct.pack(">II", 20, 10), "can't hold"),
        (struct.pack(">II", 3, 0), "can't hold"),
    ],
)
def test_lengths_that_can_not_be_are_refused_before_more_is_read(data: bytes, words: str) -> None:
    with pytest.raises(APIResponseValidationError, match=words):
        list(Decoder().feed(data + struct.pack(">I", crc32(data))))


@pytest.mark.parametrize("head", [b"\x05ab", b"\x01a\x0a", b"\x01a\x07\xff\xff", b"\x01a\x05\x00", b"\x01a"])
def test_headers_that_can_not_be_read_are_named(head: bytes) -> None:
    with pytest.raises(APIResponseValidationError, match="headers"):
        decode(framed(head))


def test_a_stream_that_ends_inside_a_message_is_broken() -> None:
    with pytest.raises(APIResponseValidationError, match="5 bytes into a message"):
        decode(eventstream.event("a", b"")[:5])


@pytest.mark.parametrize(
    ("headers", "payload"),
    [
        ({"": "x"}, b""),
        ({"a" * 256: "x"}, b""),
        ({"a": "x" * 32768}, b""),
        ({"a": 2**63}, b""),
        ({}, bytes(eventstream.MAX_FRAME)),
    ],
)
def test_what_the_format_can_not_hold_is_not_written(headers: dict[str, str | int], payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|over"):
        eventstream.encode(headers, payload)
