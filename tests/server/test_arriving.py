"""Uploads as they come, in any pieces: the fields as an envelope, the file as it was."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.errors import BadRequestError, RequestTooLargeError
from headgate.server.arriving import Arriving
from headgate.server.forms import envelope_of, of_sound
from headgate.server.spool import IN_MEMORY
from headgate.wire.multipart import Part, Writer

FORM = Writer(b"theirs")
LIMIT = 10_000_000


def body_of(sound: bytes, *fields: tuple[str, str]) -> bytes:
    named = b"".join(FORM.field(*field) for field in fields)
    return named + FORM.head(Part("file", "a.wav", "audio/wav")) + sound + FORM.tail + FORM.end()


async def pieces(data: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


def take(data: Iterable[bytes], limit: int = LIMIT) -> tuple[dict[str, Any], bytes]:
    async def done() -> tuple[dict[str, Any], bytes]:
        form = await of_sound(pieces(data), FORM.content_type, limit, translate=False)
        try:
            (file,) = form.files
            return {name: json.loads(bytes(raw)) for name, raw in form.envelope.items()}, file.whole()
        finally:
            form.close()

    return asyncio.run(done())


@given(
    sound=st.binary(min_size=1, max_size=300),
    language=st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=20),
    size=st.integers(1, 90),
)
def test_any_chunking(sound: bytes, language: str, size: int) -> None:
    body = body_of(sound, ("model", "m"), ("language", language))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    assert take(parts) == ({"model": "m", "language": language}, sound)


@pytest.mark.parametrize("size", [IN_MEMORY - 1, IN_MEMORY + 1, 3 * IN_MEMORY])
def test_large_files(size: int) -> None:
    sound = bytes(range(256)) * (size // 256 + 1)
    body = body_of(sound, ("model", "m"))
    assert take(body[at : at + 65536] for at in range(0, len(body), 65536))[1] == sound


def test_what_speaks_to_the_gateway_has_values() -> None:
    fields = [
        ("model", "7"),
        ("prompt", "true"),
        ("stream", "true"),
        ("num_retries", "3"),
        ("metadata", '{"tags":["a"]}'),
        ("timestamp_granularities[]", "word"),
        ("keyterm", "a"),
        ("keyterm", "b"),
    ]
    assert {name: json.loads(bytes(raw)) for name, raw in envelope_of(fields).items()} == {
        "model": "7",
        "prompt": "true",
        "stream": True,
        "num_retries": 3,
        "metadata": {"tags": ["a"]},
        "timestamp_granularities": ["word"],
        "keyterm": ["a", "b"],
    }
    assert bytes(envelope_of([("stream", "1")])["stream"]) == b"true"
    assert bytes(envelope_of([("stream", "False")])["stream"]) == b'"False"'


def test_bounds() -> None:
    with pytest.raises(RequestTooLargeError):
        take([body_of(bytes(2000))], 1000)
    with pytest.raises(BadRequestError, match="file"):
        take([FORM.field("model", "m") + FORM.end()])
    with pytest.raises(BadRequestError):
        take([body_of(b"sound")[:-12]])


def test_who_is_handed_an_upload_closes_it() -> None:
    async def nothing() -> dict[str, Any]:
        raise AssertionError("it was read already")

    async def read() -> None:
        body = body_of(b"sound", ("model", "m"))
        first = Arriving(nothing, LIMIT)
        first.form = form = await of_sound(pieces([body]), FORM.content_type, LIMIT, translate=False)
        second = first.handed_on()
        first.close()
        assert (second.form, form.files[0].whole()) == (form, b"sound")
        second.close()
        assert form.files[0].content.closed

    asyncio.run(read())


def arriving(*messages: dict[str, Any], limit: int = LIMIT) -> list[bytes]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    async def read() -> list[bytes]:
        return [piece async for piece in Arriving(receive, limit)]

    return asyncio.run(read())


def more(data: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": True}


def test_a_body_ends_where_it_says_so() -> None:
    assert arriving(more(b"a"), more(b""), more(b"b"), {"type": "http.request"}) == [b"a", b"b"]
    with pytest.raises(RequestTooLargeError):
        arriving(more(b"aaa"), more(b"bbb"), limit=5)
    with pytest.raises(asyncio.CancelledError):
        arriving(more(b"a"), {"type": "http.disconnect"})
