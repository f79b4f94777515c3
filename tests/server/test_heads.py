"""A head that was seen before is known again, and only that one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.server.heads import Head, learned
from headgate.server.lines import Lines

LINES = (b"host: x", b"authorization: Bearer sk-1", b"content-type: application/json")


def request(
    body: bytes, *more: bytes, name: bytes = b"Content-Length", start: bytes = b"POST /v1/x?a=b"
) -> bytes:
    lines = (start + b" HTTP/1.1", LINES[0], b"%b: %d" % (name, len(body)), *LINES[1:], *more)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def known(data: bytes) -> Head:
    headers = Lines({b"content-type": b"application/json", b"content-length": b"2", b"host": b"x"})
    head = learned(data, "/v1/x", "a=b", headers)
    assert head is not None
    return head


@given(
    st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([b"content-length", b"Content-Length"])
)
def test_another_body_behind_the_same_head_is_found(first: bytes, second: bytes, name: bytes) -> None:
    head = known(request(first, name=name))
    assert (head.path, head.query, head.kind) == ("/v1/x", "a=b", b"application/json")
    assert b"content-length" not in head.headers
    assert head.body(request(second, name=name)) == second


@given(st.binary(min_size=1, max_size=50), st.data())
def test_what_is_not_all_there_is_left_to_the_parser(body: bytes, data: st.DataObject) -> None:
    head, whole = known(request(b"{}")), request(body)
    cut = data.draw(st.integers(len(head.before), len(whole) - 1))
    assert head.body(whole[:cut]) is None
    assert head.body(whole + b"P") is None
    assert head.body(whole + whole) is None


@pytest.mark.parametrize(
    "data",
    [
        request(b"{}", b"x-more: 1"),
        request(b"{}").replace(b"sk-1", b"sk-2"),
        request(b"{}").replace(b": 2\r\n", b": +2\r\n"),
        request(b"{}").replace(b": 2\r\n", b":  2\r\n"),
        request(b"{}").replace(b": 2\r\n", b": 2 \r\n"),
        request(b"{}").replace(b": 2\r\n", b": \r\n"),
        request(b"{}").replace(b": 2\r\n", b": " + b"0" * 15 + b"2\r\n"),
        request(b"{}").replace(b": 2\r\n", b": 2\n"),
        request(b"{}").replace(b"\r\n\r\n", b"\r\n\r\r\n"),
    ],
)
def test_any_other_byte_in_it_makes_it_another_head(data: bytes) -> None:
    head = known(request(b"{}"))
    assert not data.startswith(head.before) or head.body(data) is None


@pytest.mark.parametrize(
    "data",
    [
        request(b"{}")[:-1],
        request(b"{}") + b"P",
        request(b"{}").replace(b"Content-Length: 2\r\n", b""),
        request(b"{}").replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
        request(b"{}").replace(b"Content-Length: 2\r\n", b"x-note: Content-Length: 2\r\n"),
    ],
)
def test_a_head_whose_body_ends_elsewhere_is_not_learned(data: bytes) -> None:
    assert learned(data, "/v1/x", "", {}) is None
