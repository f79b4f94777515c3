"""Forms on their way through, for any chunking: fields are seen, ours are cut out, files are as they were."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from headgate.errors import APIConnectionError, BadRequestError, RequestTooLargeError
from headgate.server import arriving, uploads

OURS = ("custom_llm_provider", "model")
KIND = "multipart/form-data; boundary=b0undary"


def form(parts: list[tuple[str, str | None, bytes]]) -> bytes:
    out = b""
    for name, filename, data in parts:
        file = f'; filename="{filename}"\r\ncontent-type: x/y' if filename is not None else ""
        out += f'--b0undary\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        out += data + b"\r\n"
    return out + b"--b0undary--\r\n"


async def in_pieces(data: bytes, sizes: list[int]) -> AsyncIterator[bytes]:
    at = 0
    for size in sizes:
        if at < len(data):
            yield data[at : at + size]
        at += size
    if at < len(data):
        yield data[at:]


async def all_of(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


NAMES = some.sampled_from(["purpose", "custom_llm_provider", "model", "a b"])
DATA = some.one_of(
    some.binary(max_size=300).filter(lambda data: b"\r\n--b0undary" not in b"\r\n" + data),
    some.sampled_from([b"", b"\r\n", b"x--b0undary", b"\r\n--b0undar", b"-" * 70_000, b"\r\n--b0" * 20_000]),
)
FIELDS = some.lists(
    some.tuples(NAMES, some.none(), some.text("abc \u00e9", max_size=9).map(str.encode)), max_size=5
)
SIZES = some.lists(some.integers(1, 50_000), max_size=30)


@given(before=FIELDS, data=DATA, after=FIELDS, sizes=SIZES)
async def test_a_form_goes_on_without_what_is_ours(
    before: list[Any], data: bytes, after: list[Any], sizes: list[int]
) -> None:
    whole = form([*before, ("file", "f.jsonl", data), *after])
    opened = await uploads.opened(in_pieces(whole, sizes), KIND, OURS)
    seen = after if len(whole) < uploads.PEEK else []
    for name, _, value in (*before, *seen):
        assert name in opened.fields
        assert value.decode() == opened.fields[name] or [row[0] for row in (*before, *after)].count(name) > 1
    kept = [row for row in before if row[0] not in OURS]
    behind = [row for row in after if row[0] not in OURS]
    sent = await all_of(opened.pieces())
    assert len(sent) == len(whole) - opened.cut
    if len(whole) < uploads.PEEK:
        assert sent == form([*kept, ("file", "f.jsonl", data), *behind])
    else:
        assert sent.startswith(form([*kept, ("file", "f.jsonl", data)])[:-4])


@given(before=FIELDS, data=DATA, after=FIELDS, sizes=SIZES)
async def test_a_file_is_as_it_was(
    before: list[Any], data: bytes, after: list[Any], sizes: list[int]
) -> None:
    whole = form([*before, ("file", "f.jsonl", data), *after])
    opened = await uploads.opened(in_pieces(whole, sizes), KIND, OURS)
    assert opened.filename == "f.jsonl"
    assert await all_of(opened.file()) == data


@given(before=FIELDS, count=some.integers(0, 9000), sizes=SIZES)
async def test_a_file_may_be_another(before: list[Any], count: int, sizes: list[int]) -> None:
    whole = form([("purpose", None, b"batch"), ("file", "f", b"one line\n" * count), ("z", None, b"1")])
    opened = await uploads.opened(in_pieces(whole, sizes), KIND, OURS)
    other = form([("purpose", None, b"batch"), ("file", "f", b"ONE LINE\n" * count), ("z", None, b"1")])
    assert await all_of(opened.changed(bytes.upper)) == other


@given(data=some.binary(max_size=200), sizes=SIZES)
async def test_no_bytes_break_it(data: bytes, sizes: list[int]) -> None:
    for whole in (data, b"--b0undary" + data, b"--b0undary\r\nx; name=file; filename=a\r\n\r\n" + data):
        try:
            opened = await uploads.opened(in_pieces(whole, sizes), KIND, OURS)
            assert len(await all_of(opened.pieces())) == len(whole) - opened.cut
        except BadRequestError as error:
            assert error.message


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary="])
async def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(BadRequestError, match="multipart/form-data"):
        await uploads.opened(in_pieces(form([]), []), kind, OURS)


async def test_a_file_is_kept_or_nothing_is(tmp_path: Path) -> None:
    data = b"line\n" * 600_000
    whole = form([("purpose", None, b"batch"), ("file", "f.jsonl", data)])
    opened = await uploads.opened(in_pieces(whole, [100_000] * 50), KIND, OURS)
    assert await uploads.kept(opened.file(), tmp_path / "a" / "file-1") == len(data)
    assert (tmp_path / "a" / "file-1").read_bytes() == data
    opened = await uploads.opened(in_pieces(whole[:-30], [100_000] * 50), KIND, OURS)
    with pytest.raises(BadRequestError, match="cut"):
        await uploads.kept(opened.file(), tmp_path / "b" / "file-2")
    assert list((tmp_path / "b").iterdir()) == []


def test_what_was_not_finished_goes(tmp_path: Path) -> None:
    uploads.forget(tmp_path / "none", 10.0)
    for name, time in (("file-1", 1.0), ("file-2.part", 1.0), ("file-3.part", 20.0)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time, time))
    uploads.forget(tmp_path, 10.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file-1", "file-3.part"]


def received(*messages: dict[str, Any], limit: int = 10) -> AsyncIterator[bytes]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return arriving.received(receive, limit)


def part(body: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_comes_in_pieces() -> None:
    assert (
        await all_of(received(part(b"ab", more=True), part(b"", more=True), part(b"c", more=False))) == b"abc"
    )
    with pytest.raises(RequestTooLargeError, match="10 bytes"):
        await all_of(received(part(b"ab", more=True), part(b"x" * 9, more=False)))
    with pytest.raises(APIConnectionError, match="client"):
        await all_of(received(part(b"ab", more=True), {"type": "http.disconnect"}))
