"""Forms that come in: fields as JSON has them, files beside them, and words for what is wrong."""

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import BadRequestError, HeadgateError
from headgate.server import forms
from headgate.wire.multipart import Part, Writer

WRITER = Writer(b"8f3a")
KIND = WRITER.content_type.encode()


def body(*parts: tuple[str, Any]) -> bytes:
    """Text is a field, (filename, type, bytes) a file."""
    pieces: list[bytes] = []
    for name, value in parts:
        if isinstance(value, tuple):
            pieces += [WRITER.head(Part(name, *value[:2])), value[2], WRITER.tail]
        else:
            pieces.append(WRITER.field(name, value))
    return b"".join([*pieces, WRITER.end()])


def read(*parts: tuple[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    fields, files = forms.read(body(*parts), KIND)
    return json.loads(msgspec.json.encode(fields)), files


def test_fields_and_files() -> None:
    png = ("a.png", "image/png", b"\x89PNG")
    fields, files = read(("model", "m"), ("n", "2"), ("stream", "false"), ("image", png), ("mask", png))
    assert fields == {"model": "m", "n": 2, "stream": False}
    file = {"filename": "a.png", "content_type": "image/png", "data": b"\x89PNG"}
    assert files == {"image": [file], "mask": file}


def test_several_pictures_and_addresses() -> None:
    _, files = read(("image[]", ("a", None, b"1")), ("image[]", ("b", None, b"22")))
    assert [file["data"] for file in files["image[]"]] == [b"1", b"22"]
    assert read(("image[]", "https://h/a"), ("image[]", "https://h/b"))[0] == {
        "image[]": ["https://h/a", "https://h/b"]
    }


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([("n", "1"), ("n", "2")], "n"),
        ([("file", ("a", None, b""))], "file"),
        ([("mask", ("a", None, b"x"))] * 2, "mask"),
        ([("image", ("a", None, b"x")), ("image", "https://h/a")], "image"),
        ([("prompt", b"\xff")], "prompt"),
    ],
)
def test_what_is_wrong_is_named(parts: list[tuple[str, Any]], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(*parts)
    assert caught.value.param == param


@pytest.mark.parametrize("kind", [b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/x"])
def test_a_type_without_a_boundary_is_refused(kind: bytes) -> None:
    with pytest.raises(BadRequestError):
        forms.read(body(("n", "1")), kind)


@pytest.mark.parametrize(
    ("kind", "is_form"),
    [
        (KIND, True),
        (b"Multipart/Form-Data; boundary=x", True),
        (b"application/json", False),
        (b"", False),
    ],
)
def test_which_bodies_are_forms(kind: bytes, is_form: bool) -> None:
    assert forms.is_form({b"content-type": kind}) is is_form


@given(st.binary(max_size=200), st.randoms(use_true_random=False))
def test_any_bytes_are_read_or_refused(junk: bytes, dice: random.Random) -> None:
    whole = body(("model", "m"), ("image", ("a", "image/png", b"\x89PNG")))
    at = dice.randrange(len(whole))
    try:
        fields, files = forms.read(whole[:at] + junk + whole[at:], KIND)
    except HeadgateError as error:
        assert error.message
    else:
        assert all(isinstance(raw, msgspec.Raw) for raw in fields.values())
        assert set(files) <= forms.FILES
