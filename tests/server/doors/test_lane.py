"""HTTP/1.1 as the gateway reads and writes it, spoken over raw sockets through both doors."""

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rawhttp import CHAT, asked, connected, head, in_chunks, read, said, talk, whole
from servers import KEY, RunningGateway, Upstream

FUZZ = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# one request and its answer


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_may_come_byte_by_byte(gateway: RunningGateway, stream: bool) -> None:
    with connected(gateway) as (client, file):
        for byte in whole(stream=stream):
            client.sendall(bytes((byte,)))
        assert said(read(file)) == "Hello there"


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("extension", [b"", b";name=value"])
def test_a_body_may_come_in_chunks(gateway: RunningGateway, step: int, extension: bytes) -> None:
    with connected(gateway) as (client, file):
        for _ in range(2):
            client.sendall(head("transfer-encoding: chunked") + in_chunks(asked(), step, extension=extension))
            assert said(read(file)) == "Hello there"


def test_trailers_are_no_headers(fast: RunningGateway) -> None:
    """Whoever filters headers before us does not look at trailers."""
    key = f"authorization: Bearer {KEY}\r\n".encode()
    body = in_chunks(asked(), 20, b"0\r\n" + key + b"x-more: b\r\n\r\n")
    with connected(fast) as (client, file):
        for method, path in (("POST", CHAT), ("GET", "/v1/models")):
            request = head("transfer-encoding: chunked", method=method, path=path)
            for given, status in ((request.replace(key, b""), 401), (request, 200)):
                client.sendall(given + body)
                assert (got := read(file)) is not None
                assert got.status == status


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_a_client_that_waits_is_told_to_continue(gateway: RunningGateway, value: str) -> None:
    body = asked()
    with connected(gateway) as (client, file):
        client.sendall(head(f"content-length: {len(body)}", f"expect: {value}"))
        assert file.readline() + file.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert said(read(file)) == "Hello there"


@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0_is_answered_without_chunks_and_closed(fast: RunningGateway, stream: bool) -> None:
    answers = talk(fast, whole(version="1.0", stream=stream))
    assert [said(got) for got in answers] == ["Hello there"]
    assert answers[0].framing == ("closed" if stream else "length")
    assert answers[0].headers["connection"] == "close"


def test_http_1_0_is_closed_through_the_other_door(doors: dict[str, RunningGateway]) -> None:
    assert [said(got) for got in talk(doors["asgi"], whole(version="1.0"))] == ["Hello there"]


def test_a_connection_serves_many_requests(gateway: RunningGateway) -> None:
    with connected(gateway) as (client, file):
        for number in range(5):
            client.sendall(whole(f"Number {number}", stream=number % 2 == 1))
            got = read(file)
            assert said(got) == f"Number {number}"
            assert got is not None
            assert "connection" not in got.headers
            client.sendall(head(method="GET", path="/v1/models"))
            assert (page := read(file)) is not None
            assert (page.status, b"mock/echo" in page.body) == (200, True)
        client.sendall(head("content-length: 2", path="/v1/nothing") + b"{}")
        assert (missing := read(file)) is not None
        assert missing.status == 404
        client.sendall(whole("last", "connection: close"))
        assert said(read(file)) == "last"
        assert read(file) is None


def test_the_same_head_again_is_treated_as_the_first(gateway: RunningGateway) -> None:
    """Bodies of other lengths, in pieces, refused, and with another key between them."""
    wrong = whole("wrong").replace(KEY.encode(), b"sk-wrong")
    with connected(gateway) as (client, file):
        for text in ("a", "a longer one", "", "a", "x" * 3000):
            client.sendall(whole(text))
            assert said(read(file)) == text
            broken = head("content-length: 3") + b"{]}"
            client.sendall(broken)
            assert (got := read(file)) is not None
            assert got.status == 400
            client.sendall(wrong)
            assert (got := read(file)) is not None
            assert got.status == 401
            whole_again = whole(text)
            client.sendall(whole_again[:-1])
            client.sendall(whole_again[-1:])
            assert said(read(file)) == text
            client.sendall(whole(text, "connection: keep-alive", stream=True))
            assert said(read(file)) == text


@pytest.mark.parametrize("more", [b"", whole("second"), b"anything at all", b"\r\n\r\n"])
def test_after_connection_close_nothing_is_read(gateway: RunningGateway, more: bytes) -> None:
    assert [said(got) for got in talk(gateway, whole("first", "connection: close") + more)] == ["first"]


@pytest.mark.parametrize(
    "requests",
    [
        [whole("0"), whole("1")],
        [whole("0", stream=True), whole("1", stream=True), whole("2")],
        [head(method="GET", path="/v1/models"), whole("1"), whole("2")],
        [whole("0"), head(method="GET", path="/v1/models"), whole("2")],
    ],
    ids=["two", "streams", "page first", "page between"],
)
def test_pipelined_answers_are_right_and_in_order(gateway: RunningGateway, requests: list[bytes]) -> None:
    with connected(gateway) as (client, file):
        client.sendall(b"".join(requests))
        for number, request in enumerate(requests):
            got = read(file)
            if got is None:  # the client asks again for what was not answered, as HTTP says
                assert number > 0
                break
            if request.startswith(b"GET"):
                assert b"mock/echo" in got.body
            else:
                assert said(got) == str(number)
            if got.headers.get("connection") == "close":
                assert read(file) is None
                break


def test_a_request_sent_ahead_in_its_own_packet_is_answered(
    gateway: RunningGateway, upstream: Upstream
) -> None:
    first, second = threading.Event(), threading.Event()

    def script(body: bytes) -> Iterator[bytes]:
        first.set()
        assert second.wait(10)
        yield b"HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n" + b'{"id":"x","choices":[]}'

    upstream.script = script  # type: ignore[assignment]
    with connected(gateway) as (client, file):
        client.sendall(whole(model="gpt"))
        assert first.wait(10)
        client.sendall(whole("after")[:-9])
        client.sendall(whole("after")[-9:])
        second.set()
        assert (got := read(file)) is not None
        assert b'"id":"x"' in got.body
        assert said(read(file)) == "after"


def test_an_offer_to_upgrade_is_ignored(fast: RunningGateway) -> None:
    """Java's client offers HTTP/2 with its first request, `curl --http2` too. uvicorn alone loses the body."""
    offer = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk")
    with connected(fast) as (client, file):
        client.sendall(head(*offer, method="GET", path="/v1/models"))
        assert (page := read(file)) is not None
        assert page.status == 200
        for text in ("first", "second"):
            client.sendall(whole(text, *offer))
            assert said(read(file)) == text
        for byte in whole("third", *offer):
            client.sendall(bytes((byte,)))
        assert said(read(file)) == "third"
        client.sendall(whole("last"))
        assert said(read(file)) == "last"
    refused = talk(fast, head(method="CONNECT", path="example.com:443") + whole())
    assert [got.status for got in refused] == [400]


# requests that two readers could read in two ways

INNER = whole("smuggled")
"""A request that must never be answered: another reader would take it for a part of a body."""


@pytest.mark.parametrize(
    "lines",
    [
        ("content-length: 2", "content-length: 3"),
        ("content-length: 2", "content-length: 2"),
        ("content-length: 2", "transfer-encoding: chunked"),
        ("transfer-encoding: chunked", "content-length: 2"),
        ("content-length: 2, 2",),
        ("content-length: -2",),
        ("content-length: +2",),
        ("content-length: 0x2",),
        ("content-length: 2 2",),
        ("content-length:",),
        ("content-length: 99999999999999999999999",),
        ("content-length : 2",),
        (" content-length: 2",),
        ("x-a: b", " folded", "content-length: 2"),
        ("x-a: b", "\tfolded", "content-length: 2"),
        ("content-length: 2\nx-a: b",),
        ("x-a: b\rcontent-length: 2",),
        ("x-a: b\0c", "content-length: 2"),
        ("no colon", "content-length: 2"),
        (": no name", "content-length: 2"),
        ("transfer-encoding: xchunked",),
        ("transfer-encoding: identity",),
        ("transfer-encoding: chunked, identity",),
        ("transfer-encoding: chunked", "transfer-encoding: identity"),
        ("transfer-encoding: chunked", "transfer-encoding: chunked"),
        ("transfer-encoding: \x0bchunked",),
        ("transfer-encoding : chunked",),
    ],
    ids=repr,
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(
    gateway: RunningGateway, lines: tuple[str, ...]
) -> None:
    assert [got.status for got in talk(gateway, head(*lines) + b"{}" + INNER)] == [400]


@pytest.mark.parametrize(
    "request_bytes",
    [
        head("content-length: 2").replace(b"\r\n", b"\n") + b"{}",
        head("content-length: 2").replace(b"\r\n", b"\n", 1) + b"{}",
        head("content-length: 2").removesuffix(b"\r\n") + b"\n{}",
        head("content-length: 2", version="1.2") + b"{}",
        head("content-length: 2", version="11") + b"{}",
        head("content-length: 2", method="post") + b"{}",
        head("content-length: 2", path="no/slash") + b"{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
    ],
    ids="feeds first-feed last-feed version no-version method path http2 tls nonsense".split(),
)
def test_what_is_no_http_1_request_is_refused(gateway: RunningGateway, request_bytes: bytes) -> None:
    assert [got.status for got in talk(gateway, request_bytes + INNER)] == [400]


@pytest.mark.parametrize(
    "chunk",
    [
        b"0x2\r\n{}\r\n",
        b"-2\r\n{}\r\n",
        b"+2\r\n{}\r\n",
        b"2 \r\n{}\r\n",
        b" 2\r\n{}\r\n",
        b"2g\r\n{}\r\n",
        b"\r\n{}\r\n",
        b"2\n{}\r\n",
        b"2\r\n{}\n",
        b"2\r\n{}",
        b"1\r\n{}\r\n",
        b"2;a\nb\r\n{}\r\n",
        b"2;a\rb\r\n{}\r\n",
        b"fffffffffffffffff\r\n{}\r\n",
        b"0\r\ncontent-length: 5\r\n",
        b"0\r\n bad: trailer\r\n",
        b"0\r\nbad trailer\r\n",
        b"0\r\n\n",
    ],
    ids=repr,
)
def test_a_chunk_that_could_be_read_in_two_ways_is_refused(gateway: RunningGateway, chunk: bytes) -> None:
    data = head("transfer-encoding: chunked") + chunk + b"0\r\n\r\n" + INNER
    answers = talk(gateway, data)
    assert [got.status for got in answers] in ([400], [])  # the door may have begun: then it only closes


@pytest.mark.parametrize("garbage", [b"nonsense\r\n\r\n", b"{}", b"\0", b"GET / HTTP/9.9\r\n\r\n"])
def test_garbage_after_a_request_does_not_cost_its_answer(fast: RunningGateway, garbage: bytes) -> None:
    assert [said(got) for got in talk(fast, whole("first") + garbage)] == ["first"]
    answers = talk(fast, head(method="GET", path="/v1/models") + garbage)
    assert [got.status for got in answers] == [200]


# anything at all


@FUZZ
@given(cuts=st.lists(st.integers(0, 400), max_size=6), stream=st.booleans(), chunked=st.booleans())
def test_a_request_cut_anywhere_gets_the_same_answer(
    gateway: RunningGateway, cuts: list[int], stream: bool, chunked: bool
) -> None:
    data = whole("Hello there", stream=stream)
    if chunked:
        data = head("transfer-encoding: chunked") + in_chunks(asked(stream=stream), 9)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    with connected(gateway) as (client, file):
        for begin, end in itertools.pairwise(places):
            client.sendall(data[begin:end])
        assert said(read(file)) == "Hello there"


PARTS = [
    *(b"\r\n", b"\n", b"\r\n\r\n", b"0\r\n\r\n", b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n"),
    *(b"connection: upgrade\r\nupgrade: x\r\n", b"expect: 100-continue\r\n"),
    *(b"GET / HTTP/1.1\r\n\r\n", whole()),
]
GARBAGE = st.binary(max_size=60) | st.sampled_from(PARTS)


@FUZZ
@given(
    base=st.sampled_from(
        [b"", whole(), whole(stream=True), head("transfer-encoding: chunked") + in_chunks(asked(), 9)]
    ),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 20), GARBAGE), max_size=4),
)
def test_no_bytes_make_the_server_fail(
    gateway: RunningGateway, base: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    data = base
    for place, cut, put in changes:
        data = data[:place] + put + data[place + cut :]
    with connected(gateway) as (client, file):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            assert b" 500 " not in file.readline()
    assert said(talk(gateway, whole("fine", "connection: close"))[0]) == "fine"
