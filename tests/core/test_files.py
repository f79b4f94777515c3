"""Bodies around files: the bytes as they were, whole where they are short, in pieces where they are long."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.files import AT_ONCE, HEAD, PIECE, File, Files, body_of, size_of
from headgate.ports import Outgoing
from headgate.wire.multipart import Part


def file(content: io.BytesIO, start: int, size: int) -> File:
    return File(content=content, part=Part("image", "a.png", "image/png"), size=size, start=start)


async def sent(made: bytes | Outgoing) -> bytes:
    if isinstance(made, bytes):
        return made
    whole = b"".join([piece async for piece in made.pieces])
    assert len(whole) == made.length
    return whole


@given(st.lists(st.binary(max_size=20), max_size=6), st.integers(0, 3 * PIECE))
async def test_a_body_is_its_parts_in_order(pieces: list[bytes], size: int) -> None:
    whole = b"".join(pieces) + bytes(range(256)) * (size // 256)
    content, at, parts = io.BytesIO(whole), 0, []
    for number, piece in enumerate([*pieces, whole[len(b"".join(pieces)) :]]):
        parts.append(piece if number % 2 else file(content, at, len(piece)))
        at += len(piece)
    made = body_of(parts)
    assert (size_of(made), await sent(made)) == (len(whole), whole)


@pytest.mark.parametrize(("size", "whole"), [(AT_ONCE, True), (AT_ONCE + 1, False)])
async def test_what_is_long_is_read_while_it_is_sent(size: int, whole: bool) -> None:
    content = io.BytesIO(b"x" * size)
    made = body_of([file(content, 0, size)])
    assert isinstance(made, bytes) is whole
    again = body_of([file(content, 0, size)])
    assert await sent(made) == await sent(again) == b"x" * size


def test_what_is_in_memory_anyway_is_sent_as_one() -> None:
    assert body_of([b"x" * AT_ONCE, b"y"]) == b"x" * AT_ONCE + b"y"


def test_a_dialect_sees_the_beginning_and_the_name() -> None:
    content = io.BytesIO(b"a" * 100 + b"b" * 10)
    first, second = file(content, 0, 100), file(content, 100, 10)
    address: dict[str, Any] = {"image_url": "https://h/a.png"}
    files = Files({"image": [first, address], "mask": second})
    seen = {"filename": "a.png", "content_type": "image/png"}
    assert files.fields == {
        "image": [{**seen, "held": "image[0]", "size": 100, "head": b"a" * HEAD}, address],
        "mask": {**seen, "held": "mask", "size": 10, "head": b"b" * 10},
    }
    assert {name: one.whole() for name, one in files.held.items()} == {
        "image[0]": b"a" * 100,
        "mask": b"b" * 10,
    }
    files.close()
    assert content.closed
