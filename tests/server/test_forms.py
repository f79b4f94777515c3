"""Forms that come in: fields as JSON has them, files beside them, and words for what is wrong."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.files import Files
from headgate.errors import BadRequestError, HeadgateError
from headgate.server import arriving, forms
from headgate.wire.images.upload import FILES
from headgate.wire.multipart import Part, Writer, boundary_of

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
    fields, files = asyncio.run(taken([body(*parts)]))
    return json.loads(msgspec.json.encode(fields)), files


async def taken(pieces: list[bytes]) -> tuple[dict[str, msgspec.Raw], dict[str, Any]]:
    """The envelope, and the files with their data in them."""

    async def come() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    form = await forms.of_pictures(come(), KIND.decode(), 1_000_000)
    files = forms.by_field(form.files)
    try:
        return form.envelope, {name: with_data(files, value) for name, value in files.fields.items()}
    finally:
        form.close()


def with_data(files: Files, value: Any) -> Any:
    if isinstance(value, list):
        return [with_data(files, one) for one in value]
    file = files.held[value["held"]]
    assert (value["size"], value["head"]) == (file.size, file.whole()[:64])
    return {**{key: value[key] for key in ("filename", "content_type")}, "data": file.whole()}


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
        boundary_of(kind.decode())


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
    assert arriving.is_form(kind) is is_form


def fingerprint(parts: list[tuple[str, Any]], boundary: bytes = b"8f3a", step: int = 1 << 20) -> str:
    whole = body(*parts).replace(b"8f3a", boundary)

    async def come() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), step):
            yield whole[at : at + step]

    async def read() -> str:
        kind = KIND.replace(b"8f3a", boundary).decode()
        form = await forms.of_pictures(come(), kind, 1_000_000, marked=True)
        form.close()
        return form.fingerprint

    return asyncio.run(read())


PARTS: list[tuple[str, Any]] = [
    ("model", "m"),
    ("image[]", ("a", "image/png", b"12")),
    ("image[]", ("a", "image/png", b"34")),
]


@given(st.sampled_from([b"a", b"other", b"-x-"]), st.integers(1, 200))
def test_a_fingerprint_is_of_what_the_form_holds(boundary: bytes, step: int) -> None:
    assert fingerprint(PARTS, boundary, step) == fingerprint(PARTS)


@pytest.mark.parametrize(
    "other",
    [
        [("model", "n"), *PARTS[1:]],
        [*PARTS, ("n", "1")],
        PARTS[:2],
        [PARTS[0], PARTS[2], PARTS[1]],
        [*PARTS[:2], ("image[]", ("b", "image/png", b"34"))],
        [PARTS[0], ("image[]", ("a", "image/png", b"123")), ("image[]", ("a", "image/png", b"4"))],
    ],
)
def test_another_form_has_another_fingerprint(other: list[tuple[str, Any]]) -> None:
    assert fingerprint(other) != fingerprint(PARTS)


@given(st.binary(max_size=200), st.randoms(use_true_random=False))
def test_any_bytes_are_read_or_refused(junk: bytes, dice: random.Random) -> None:
    whole = body(("model", "m"), ("image", ("a", "image/png", b"\x89PNG")))
    at = dice.randrange(len(whole))
    try:
        changed = whole[:at] + junk + whole[at:]
        size = dice.randint(1, len(changed))
        fields, files = asyncio.run(taken([changed[at : at + size] for at in range(0, len(changed), size)]))
    except HeadgateError as error:
        assert error.message
    else:
        assert all(isinstance(raw, msgspec.Raw) for raw in fields.values())
        assert set(files) <= FILES
