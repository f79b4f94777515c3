"""The envelope reads once, refuses what is no JSON object, and sends on what it authorised."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from strategies import json_objects

from headgate.errors import BadRequestError
from headgate.wire import envelope


@given(json_objects)
def test_what_is_read_is_written(body: dict[str, Any]) -> None:
    read = envelope.read(json.dumps(body).encode())
    assert json.loads(envelope.write(read)) == body
    assert envelope.document(read) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b"null",
        b'{"a":1',
        b'{"a":[1,2,}',
        b'{"a":{"b":tru}}',
        b'{"a":NaN}',
        b'{"a":01}',
        b'{"a":1} x',
        b'{"a":["\x01"]}',
        b'{"a":"\xff"}',
        b'{"a":{"b":"\xc3"}}',
        b'{"\xff":1}',
        b'{"a":"\\ud800"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequestError) as caught:
        envelope.read(body)
    assert caught.value.param == "request_body"


@given(st.binary(max_size=40))
def test_any_bytes_are_an_object_or_refused(body: bytes) -> None:
    try:
        envelope.write(envelope.read(body))
    except BadRequestError as error:
        assert error.param == "request_body"


def test_of_a_key_given_twice_only_the_last_is_sent() -> None:
    read = envelope.read(b'{"model":"cheap","\\u006dodel":"dear"}')
    assert envelope.text(read, "model") == "dear"
    assert envelope.write(read) == b'{"model":"dear"}'


def test_values_stay_the_bytes_they_were() -> None:
    assert (
        envelope.write(envelope.read(b'{"a":1.50e0,"b":{"c" : "\\u00e4"}}'))
        == b'{"a":1.50e0,"b":{"c" : "\\u00e4"}}'
    )


def test_changes_replace_and_leave_the_envelope_alone() -> None:
    read = envelope.read(b'{"model":"a","n":1}')
    assert envelope.write(read, model=Raw(b'"b"')) == b'{"model":"b","n":1}'
    assert envelope.write(read) == b'{"model":"a","n":1}'


def test_texts_and_flags() -> None:
    read = envelope.read(b'{"model":"a","stream" : true ,"n":1,"none":null}')
    assert (envelope.text(read, "model"), envelope.text(read, "none"), envelope.text(read, "x")) == (
        "a",
        None,
        None,
    )
    assert envelope.flag(read, "stream")
    assert not envelope.flag(read, "n")
    assert not envelope.flag(read, "x")
    with pytest.raises(BadRequestError) as caught:
        envelope.text(read, "n")
    assert caught.value.param == "n"


def test_a_number_out_of_range_is_refused_when_it_is_read() -> None:
    read = envelope.read(b'{"n":1e999}')
    with pytest.raises(BadRequestError) as caught:
        envelope.document(read)
    assert caught.value.param == "n"


def test_a_body_of_raw_values_is_json_for_msgspec() -> None:
    read = envelope.read(b'{"messages":[{"role":"user"}]}')
    assert msgspec.json.decode(read["messages"]) == [{"role": "user"}]


def test_half_of_a_pair_is_called_that() -> None:
    with pytest.raises(BadRequestError, match="half of a surrogate pair"):
        envelope.read(rb'{"a": "\ud800"}')
    with pytest.raises(BadRequestError, match="truncated"):
        envelope.read(b'{"a": "x')
