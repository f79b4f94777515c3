"""The envelope: one scan that accepts JSON objects and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.errors import BadRequestError
from headgate.wire import envelope

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON), st.booleans())
def test_what_is_read_is_written(document: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert json.loads(envelope.write(envelope.read(body))) == document


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
WRONG = (
    b"",
    b"x",
    b"[]",
    b"1",
    b'{"a":',
    b'{"a":[1,2}',
    b'{"a":1}x',
    b'{"a":NaN}',
    b'{"a":"\xff"}',
    b'{"\xff":1}',
)


@pytest.mark.parametrize("body", [*WRONG, DEEP], ids=lambda body: repr(body[:20]))
def test_anything_else_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(BadRequestError) as caught:
        envelope.read(body)
    assert caught.value.param == "request_body"


@settings(max_examples=200, deadline=None)
@given(st.binary())
def test_no_bytes_break_it(body: bytes) -> None:
    try:
        envelope.read(body)
    except BadRequestError as error:
        assert error.message


def test_of_a_key_given_twice_the_last_one_counts_and_is_sent_once() -> None:
    read = envelope.read(b'{"model":"cheap","model":"dear"}')
    assert envelope.write(read) == b'{"model":"dear"}'
