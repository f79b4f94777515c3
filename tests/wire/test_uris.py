"""An address stays one; what a data URI holds is base64, however it came."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.wire import ir
from headgate.wire.uris import source_of


@pytest.mark.parametrize("url", ["https://a.test/x.png", "gs://b/x", "file-1", "data:image/png;base64", ""])
def test_what_holds_no_data_is_an_address(url: str) -> None:
    assert source_of(url) == ir.Source(kind="url", value=url)


@given(st.binary())
def test_base64_is_taken_as_it_is(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert source_of(f"data:image/png;base64,{text}") == ir.Source("data", text, "image/png")
    assert source_of(f"data:;base64,{text}") == ir.Source("data", text)


def test_a_text_becomes_base64() -> None:
    found = source_of("data:text/plain;charset=utf-8,a%20b,c")
    assert (found.media_type, base64.b64decode(found.value)) == ("text/plain", b"a b,c")
