"""Where a request goes and how its body is laid out."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import BadRequestError
from headgate.wire.multipart import Part
from headgate.wire.outgoing import FORWARD_FILE, Form, Framed, Wire, address, framed

FILE = Part("file", "a.mp3", "audio/mpeg")
TEXT = st.text(st.characters(codec="utf-8"), max_size=10)


@pytest.mark.parametrize(
    ("url", "wire", "whole"),
    [
        ("https://h/v1/x", Wire(), "https://h/v1/x"),
        ("https://h/v1/x?a=1", Wire(), "https://h/v1/x?a=1"),
        (
            "https://h/v1/x?a=1",
            Wire(path_suffix=("y", "z"), query=(("b", "2"),)),
            "https://h/v1/x/y/z?a=1&b=2",
        ),
        ("https://h/x", Wire(path_suffix=("a/b?c#d%",)), "https://h/x/a%2Fb%3Fc%23d%25"),
        ("https://h/x", Wire(query=(("a", "b c&d"), ("a", "é"))), "https://h/x?a=b%20c%26d&a=%C3%A9"),
    ],
)
def test_the_address(url: str, wire: Wire, whole: str) -> None:
    assert address(url, wire) == whole


@given(st.lists(TEXT, max_size=3), st.lists(st.tuples(TEXT, TEXT), max_size=3))
def test_no_segment_leads_elsewhere(segments: list[str], query: list[tuple[str, str]]) -> None:
    wire = Wire(path_suffix=tuple(segments), query=tuple(query))
    if {"", ".", ".."} & set(segments):
        with pytest.raises(BadRequestError, match="can't be part of an address"):
            address("https://h/a", wire)
        return
    parts = urlsplit(address("https://h/a", wire))
    assert (parts.netloc, parts.path.count("/"), parts.fragment) == ("h", 1 + len(segments), "")
    assert parse_qsl(parts.query, keep_blank_values=True) == query


def test_a_body_of_bytes_needs_no_file() -> None:
    assert framed(Wire(body=b"{}"), b"") == Framed("application/json", b"{}")


@pytest.mark.parametrize(
    ("said", "own", "sent"),
    [
        ("", "audio/mpeg", "audio/mpeg"),
        ("", None, "application/octet-stream"),
        ("application/octet-stream", "audio/mpeg", "application/octet-stream"),
    ],
)
def test_a_file_as_the_body(said: str, own: str | None, sent: str) -> None:
    wire = Wire(body=FORWARD_FILE, content_type=said)
    assert framed(wire, b"", Part("file", "a", own)) == Framed(sent, b"", b"", True)
    with pytest.raises(BadRequestError, match="file: required"):
        framed(wire, b"")


def test_a_form_with_a_file() -> None:
    laid_out = framed(Wire(body=Form((("a", "1"), ("b", "é")), file="audio")), b"bb", FILE)
    assert laid_out == Framed(
        "multipart/form-data; boundary=bb",
        b'--bb\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--bb\r\nContent-Disposition: form-data; name="b"\r\n\r\n\xc3\xa9\r\n'
        b'--bb\r\nContent-Disposition: form-data; name="audio"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n',
        b"\r\n--bb--\r\n",
        True,
    )
    with pytest.raises(BadRequestError, match="holds the multipart boundary"):
        framed(Wire(body=Form((("a", "--bb"),))), b"bb", FILE)
