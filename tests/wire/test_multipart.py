"""Multipart bodies: any chunking, and hostile bodies."""

import random
import tracemalloc
from email.message import Message
from email.parser import BytesParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import BadRequestError, RequestTooLargeError
from headgate.wire.multipart import (
    FIELDS,
    HEAD,
    PARTS,
    Event,
    Field,
    FileData,
    FileStart,
    Parser,
    Part,
    Writer,
    boundary_of,
)

B = b"xBOUNDARYx"
Piece = tuple[Part, bytes]
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x7f"), max_size=20)
TYPES = st.sampled_from([None, "text/plain", "audio/wav", "audio/ogg; codecs=opus"])
DATA = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"\r\n", b"--", B, b"-", b"\r", b"\n", b"a", B[:4]]), max_size=8).map(b"".join),
)
PIECES = st.lists(st.tuples(st.builds(Part, NAMES, st.none() | NAMES, TYPES), DATA), max_size=5)


def fed(parser: Parser, chunks: list[bytes]) -> list[Event]:
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    parser.close()
    return events


def pieces(events: list[Event]) -> list[Piece]:
    """Parts with their bytes, however those were cut."""
    found: list[Piece] = []
    part, data = Part(""), b""
    for event in events:
        if isinstance(event, Field):
            found.append((event.part, event.value))
        elif isinstance(event, FileStart):
            part, data = event.part, b""
        elif isinstance(event, FileData):
            data += event.data
        else:
            assert event.size == len(data)
            found.append((part, data))
    return found


def parsed(body: bytes, boundary: bytes = B) -> list[Piece]:
    return pieces(fed(Parser(boundary), [body]))


def cut(body: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(at)]


def written(parts: list[Piece], boundary: bytes = B) -> bytes:
    writer = Writer(boundary)
    return b"".join(writer.head(part) + data + writer.tail for part, data in parts) + writer.end()


def part(*lines: str, data: bytes = b"v") -> bytes:
    return b"--" + B + b"\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + data + b"\r\n"


END = b"--" + B + b"--\r\n"


@given(PIECES, st.lists(st.integers(min_value=0), max_size=12))
def test_what_is_written_is_read_back_in_any_chunks(parts: list[Piece], places: list[int]) -> None:
    boundary = b"nowhere-in-the-data"
    body = written(parts, boundary)
    assert pieces(fed(Parser(boundary), cut(body, places))) == parts


@given(PIECES)
def test_byte_by_byte_is_as_in_one_piece(parts: list[Piece]) -> None:
    body = written(parts)  # whose data may hold the boundary itself
    assert outcome(body, [body]) == outcome(body, [body[at : at + 1] for at in range(len(body))])


def outcome(body: bytes, chunks: list[bytes]) -> Any:
    try:
        return pieces(fed(Parser(B), chunks))
    except BadRequestError as error:
        return error.message


@given(st.binary(max_size=300), st.booleans())
def test_bytes_of_any_kind_are_read_or_refused(data: bytes, begun: bool) -> None:
    parser = Parser(B)
    try:
        fed(parser, [b"--" + B + b"\r\n" + data if begun else data])
    except BadRequestError as error:
        assert error.param == "request_body" and error.message
    else:
        assert parser.ended


@given(PIECES.filter(lambda parts: bool(parts)))
def test_other_readers_understand_what_is_written(parts: list[Piece]) -> None:
    """The standard library's reader of mail, which knows multipart of itself."""
    parts = [(Part(f"f{at}", "n", one.content_type), data) for at, (one, data) in enumerate(parts)]
    boundary = b"nowhere-in-the-data"
    body = b"Content-Type: " + Writer(boundary).content_type.encode() + b"\r\n\r\n" + written(parts, boundary)
    message: Message = BytesParser().parsebytes(body)
    found = message.get_payload()
    assert isinstance(found, list)
    names = [one.get_param("name", header="content-disposition") for one in found if isinstance(one, Message)]
    assert names == [one.name for one, _ in parts]


def test_a_form_of_a_browser() -> None:
    body = (
        b"preamble\r\n"
        + part('Content-Disposition: form-data; name="model"', data=b"whisper-1")
        + part(
            'content-disposition: form-data; filename="a b.mp3"; name=file',
            "CONTENT-TYPE: audio/mpeg",
            data=b"\x00\r\n--",
        )
        + END
        + b"epilogue"
    )
    assert parsed(body) == [
        (Part("model"), b"whisper-1"),
        (Part("file", "a b.mp3", "audio/mpeg"), b"\x00\r\n--"),
    ]


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="a\\"b\\\\c.mp3"', 'a"b\\c.mp3'),
        ('filename="C:\\dir\\a.mp3"', "C:\\dir\\a.mp3"),
        ('filename="a;b=c.mp3"', "a;b=c.mp3"),
        ("filename=plain.mp3", "plain.mp3"),
        ('filename=""', ""),
        ("filename*=UTF-8''%e2%82%ac%20rates.mp3", "€ rates.mp3"),
        ("filename=\"a.mp3\"; filename*=utf-8'en'%C3%BC.mp3", "ü.mp3"),
        ("filename*=iso-8859-1''%FC.mp3", "ü.mp3"),
        ("filename=\"a.mp3\"; filename*=utf-8''%FF.mp3", "a.mp3"),
        ("filename=\"a.mp3\"; filename*=utf-16''%FF.mp3", "a.mp3"),
        ("filename*=UTF-8''a%0D%0Ab.mp3", "a__b.mp3"),
        ('filename="ü.mp3"', "ü.mp3"),
        ('filename="a.mp3";', "a.mp3"),
    ],
)
def test_the_name_of_a_file(disposition: str, filename: str) -> None:
    body = part(f'Content-Disposition: form-data; name="file"; {disposition}') + END
    assert parsed(body) == [(Part("file", filename), b"v")]


def test_a_name_that_is_no_utf8() -> None:
    body = part('Content-Disposition: form-data; name="f"; filename="X"').replace(b"X", b"\xfc") + END
    assert parsed(body)[0][0].filename == "ü"


def test_a_continued_line_of_a_head() -> None:
    body = part("Content-Disposition: form-data;", ' name="model"') + END
    assert parsed(body) == [(Part("model"), b"v")]


def test_a_part_without_a_byte_may_share_its_line_end_with_the_head() -> None:
    head = b"--" + B + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    assert parsed(head + END) == parsed(head + b"\r\n" + END) == [(Part("a"), b"")]
    two = head.replace(b'"a"', b'"file"; filename="x"') + head + b"v\r\n" + END
    assert parsed(two) == [(Part("file", "x"), b""), (Part("a"), b"v")]


def test_blanks_after_a_boundary() -> None:
    body = part('Content-Disposition: form-data; name="a"').replace(B + b"\r\n", B + b" \t \r\n")
    assert parsed(body + b"--" + B + b"--   \r\n") == [(Part("a"), b"v")]


def test_a_line_that_begins_like_a_boundary_is_data() -> None:
    data = b"\r\n--" + B + b"y\r\n--" + B[:5] + b"\r\n--" + B + b" " * 70 + b"\r\n--" + B + b"-x"
    body = part('Content-Disposition: form-data; name="f"; filename="a"', data=data) + END
    assert parsed(body) == [(Part("f", "a"), data)]


def test_no_part_at_all() -> None:
    assert parsed(END) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "before its first boundary"),
        (part('Content-Disposition: form-data; name="model"'), "in the part 'model'"),
        (part('Content-Disposition: form-data; name="model"')[:30], "in a part's head"),
        (part('Content-Disposition: form-data; name="model"') + b"--" + B, "in the part 'model'"),
        (part('Content-Disposition: form-data; name="model"')[:-3], "in the part 'model'"),
        (b"x" * (HEAD + 100), "no boundary in the first"),
        (part("Content-Type: text/plain") + END, "has no `Content-Disposition"),
        (b"--" + B + b"\r\n\r\nv\r\n" + END, "has no `Content-Disposition"),
        (part('Content-Disposition: attachment; name="a"') + END, "has no `Content-Disposition"),
        (part('Content-Disposition: form-data; filename="a"') + END, "has no name"),
        (part("Content-Disposition: form-data") + END, "has no name"),
        (part('Content-Disposition: form-data; name="a"; name="b"') + END, "'name' twice"),
        (part('Content-Disposition: form-data; name="a') + END, "can't be read"),
        (part('Content-Disposition: form-data; name="a" b') + END, "can't be read"),
        (part('Content-Disposition: form-data; name="a\\"; filename="b"') + END, "can't be read"),
        (part('Content-Disposition: form-data; name="' + "\\" * 9999) + END, "can't be read"),
        (part("Content-Disposition: form-data" + "; a=b" * 2000) + END, "twice"),
        (
            part('Content-Disposition: form-data; name="a"', 'Content-Disposition: form-data; name="b"')
            + END,
            "a second",
        ),
        (part('Content-Disposition: form-data; name="a"', "no header") + END, "no header"),
        (part('Content-Disposition: form-data; name="a\nb"') + END, "control characters"),
        (
            part('Content-Disposition: form-data; name="a"', "Content-Transfer-Encoding: base64") + END,
            "base64",
        ),
        (part(f'Content-Disposition: form-data; name="{"a" * HEAD}"') + END, "head is over"),
        (part('Content-Disposition: form-data; name="a"') * (PARTS + 1) + END, f"over {PARTS} parts"),
        (part('Content-Disposition: form-data; name="a"').replace(b"\r\n", b"\n") + END, "control|head"),
    ],
)
def test_what_is_refused_and_why(body: bytes, said: str) -> None:
    for chunks in ([body], [body[at : at + 7] for at in range(0, len(body), 7)]):
        with pytest.raises(BadRequestError, match=said):
            fed(Parser(B), chunks)


def test_fields_are_bounded_and_files_are_where_one_asks() -> None:
    field = part('Content-Disposition: form-data; name="prompt"', data=b"x" * (FIELDS // 2 + 1))
    with pytest.raises(RequestTooLargeError, match="prompt") as caught:
        fed(Parser(B), [field, field, END])
    assert caught.value.param == "prompt"
    file = part('Content-Disposition: form-data; name="file"; filename="a"', data=b"x" * 1001)
    assert parsed(file + END)
    with pytest.raises(RequestTooLargeError, match="1000 bytes"):
        fed(Parser(B, max_file=1000), [file, END])


def test_a_field_that_is_no_text() -> None:
    (event,) = fed(Parser(B), [part('Content-Disposition: form-data; name="model"', data=b"\xff") + END])
    assert isinstance(event, Field)
    with pytest.raises(BadRequestError, match="model: expected UTF-8"):
        _ = event.text


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b\'c"', b"a b'c"),
        ("multipart/form-data;boundary=----WebKitFormBoundaryAbc", b"----WebKitFormBoundaryAbc"),
    ],
)
def test_the_boundary_of_a_content_type(header: str, boundary: bytes) -> None:
    assert boundary_of(header) == boundary


@pytest.mark.parametrize(
    "header",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "a" * 71,
        'multipart/form-data; boundary="a\r\nb"',
        "multipart/form-data; boundary=ü",
        'multipart/form-data; boundary="a "',
    ],
)
def test_a_content_type_without_a_usable_boundary(header: str) -> None:
    with pytest.raises(BadRequestError, match=r"content-type|header"):
        boundary_of(header)


# --- values, ends, sizes ---------------------------------------------------------------------------------


def test_a_value_that_holds_the_boundary() -> None:
    with pytest.raises(BadRequestError, match="holds the multipart boundary"):
        Writer(B).field("prompt", "a\r\n--" + B.decode())


def test_a_part_hidden_in_a_file_stays_in_the_file() -> None:
    """A laxer reader would take bare line ends for those of a boundary."""
    hidden = b"\n--" + B + b'\nContent-Disposition: form-data; name="model"\n\nother\n'
    assert parsed(written([(Part("file", "a"), hidden)])) == [(Part("file", "a"), hidden)]


def test_a_body_that_was_cut_is_no_body() -> None:
    parser = Parser(B)
    parser.feed(written([(Part("file", "a"), b"12345")])[:-10])
    with pytest.raises(BadRequestError, match="final boundary is missing"):
        parser.close()


def test_a_large_file_is_never_held() -> None:
    size, chunk = 25 * 1024 * 1024, random.Random(1).randbytes(64 * 1024)
    parser, writer, passed = Parser(B), Writer(B), 0
    tracemalloc.start()
    try:
        parser.feed(writer.head(Part("file", "a.wav", "audio/wav")))
        for _ in range(size // len(chunk)):
            passed += sum(len(event.data) for event in parser.feed(chunk) if isinstance(event, FileData))
        parser.feed(writer.tail + writer.end())
        parser.close()
        assert tracemalloc.get_traced_memory()[1] < 1024 * 1024
    finally:
        tracemalloc.stop()
    assert passed > size - len(chunk)
