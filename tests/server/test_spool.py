"""Files of a form on their way to one place, in any chunking; nothing stays open when the form is wrong."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.files import File
from headgate.errors import BadRequestError, RequestTooLargeError
from headgate.server import spool
from headgate.wire.multipart import Part, Writer
from headgate.wire.upload import Upload

FORM = Writer(b"theirs")


def form(files: list[bytes]) -> bytes:
    pieces = [FORM.head(Part("f", str(at))) + data + FORM.tail for at, data in enumerate(files)]
    return FORM.field("a", "1") + b"".join(pieces) + FORM.field("z", "2") + FORM.end()


def take(body: bytes, step: int, limit: int = 10_000_000) -> tuple[list[File], Upload]:
    async def come() -> AsyncIterator[bytes]:
        for at in range(0, len(body), step):
            yield body[at : at + step]

    upload = Upload(FORM.content_type, max_file=limit)
    return asyncio.run(spool.spooled(come(), upload, upload.end)), upload


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 300))
def test_every_file_is_as_it_was(files: list[bytes], step: int) -> None:
    found, upload = take(form(files), step)
    assert [(one.part.filename, one.whole()) for one in found] == [
        (str(at), data) for at, data in enumerate(files)
    ]
    assert upload.fields == [("a", "1"), ("z", "2")]
    assert len({one.content for one in found}) == min(1, len(files))
    if found:
        found[0].content.close()


@pytest.mark.parametrize("sizes", [[2 * spool.IN_MEMORY], [spool.IN_MEMORY // 2] * 5, [0, 3_000_000, 1]])
def test_large_files_share_a_place_on_the_disk(sizes: list[int]) -> None:
    files = [bytes([at]) * size for at, size in enumerate(sizes)]
    found, _ = take(form(files), 65_536)
    assert [one.whole() for one in found] == files
    assert found[-1].at(0, 10**9) == files[-1]
    found[0].content.close()


@pytest.mark.parametrize(
    ("body", "limit", "kind"),
    [(form([b"abc"])[:-8], 100, BadRequestError), (form([b"abc"] * 3), 8, RequestTooLargeError)],
)
def test_a_form_that_is_wrong_leaves_nothing_open(
    body: bytes, limit: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def open_(max_size: int) -> object:
        opened.append(kept(max_size=max_size))
        return opened[-1]

    kept = spool.SpooledTemporaryFile
    monkeypatch.setattr(spool, "SpooledTemporaryFile", open_)
    with pytest.raises(kind):
        take(body, 10, limit)
    assert [one.closed for one in opened] == [True]
