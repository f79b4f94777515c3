"""Clients that send too much, too slowly or without end, and those that go or do not read."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from headgate.core.answer import Answer
from headgate.server import arriving, lane
from rawhttp import CHAT, LIMIT, asked, connected, head, in_chunks, read, said, talk, whole
from servers import RunningGateway, Upstream


@pytest.mark.parametrize("step", [1000, 200_000])
@pytest.mark.parametrize(
    "begin",
    [
        head().removesuffix(b"\r\n") + b"x-long: ",
        b"POST /v1/",
        b"GET /v1/models?",
        head("transfer-encoding: chunked") + b"1;",
        head("transfer-encoding: chunked") + b"0",
        head("transfer-encoding: chunked") + b"0\r\nx-long: ",
    ],
    ids="header path query extension size trailer".split(),
)
def test_what_never_ends_is_cut_off_at_the_limit(fast: RunningGateway, begin: bytes, step: int) -> None:
    with connected(fast) as (client, file):
        client.sendall(begin)
        for _ in range(500_000 // step):
            client.sendall(b"0" * step)
        assert (got := read(file)) is not None
        assert got.status == 431
        assert read(file) is None


def test_a_large_head_is_refused_in_one_piece_too(fast: RunningGateway) -> None:
    lines = [f"x-{number}: {'v' * 1000}" for number in range(66)]
    for method, path in (("POST", CHAT), ("GET", "/v1/models")):
        answers = talk(fast, head(*lines, "content-length: 2", method=method, path=path) + b"{}")
        assert [got.status for got in answers] == [431]
        fine = talk(fast, head(*lines[:60], "connection: close", method=method, path=path))
        assert [got.status for got in fine] == [400 if method == "POST" else 200]


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/messages/count_tokens", "/v1/models"])
@pytest.mark.parametrize("length", [LIMIT + 1, 2**64 - 1])
def test_a_body_that_would_be_too_large_is_refused_unread(
    fast: RunningGateway, path: str, length: int
) -> None:
    answers = talk(fast, head(f"content-length: {length}", "expect: 100-continue", path=path))
    assert [got.status for got in answers] == [413]
    assert f"{LIMIT} bytes" in json.loads(answers[0].body)["error"]["message"]


@pytest.mark.parametrize("chunk", [b"10000\r\n" + b"x" * 65536 + b"\r\n", b"1\r\nx\r\n" * 1000])
def test_a_body_that_grows_too_large_is_cut_off(gateway: RunningGateway, chunk: bytes) -> None:
    with connected(gateway) as (client, file):
        client.sendall(head("transfer-encoding: chunked"))
        size = 0
        while size <= LIMIT:
            client.sendall(chunk)
            size += chunk.count(b"x")
        assert (got := read(file)) is not None
        assert got.status == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", CHAT, 413), ("POST", "/v1/nothing", 404), ("GET", "/v1/models", 200)],
)
@pytest.mark.parametrize("piece", [b"10000\r\n" + b"x" * 65536 + b"\r\n", b"0\r\nx-trailer: " + b"x" * 65536])
def test_who_never_ends_is_closed(
    fast: RunningGateway, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int, piece: bytes
) -> None:
    """A page may have been answered by then: there is no second answer."""
    monkeypatch.setattr(lane, "LINGER_SECONDS", 0.1)
    with connected(fast) as (client, file):
        client.sendall(head("transfer-encoding: chunked", method=method, path=path))
        if method == "GET" or status == 404:
            assert (got := read(file)) is not None
            assert got.status == status
        end = time.monotonic() + 5
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.monotonic() < end:
                client.sendall(piece)
                piece = piece.removeprefix(b"0\r\nx-trailer: ")


def test_behind_a_body_that_is_too_large_nothing_is_answered(fast: RunningGateway) -> None:
    data = head("transfer-encoding: chunked") + in_chunks(b"x" * LIMIT + b"x", 65536)
    with connected(fast) as (client, file):
        client.sendall(data[:-8])
        client.sendall(data[-8:] + head(method="GET", path="/v1/models") + whole("second"))
        assert (got := read(file)) is not None
        assert got.status == 413
        assert read(file) is None


@pytest.mark.parametrize("size", [1, 5000, LIMIT - 200])
def test_a_body_up_to_the_limit_is_taken(gateway: RunningGateway, size: int) -> None:
    text = "x" * size
    with connected(gateway) as (client, file):
        client.sendall(whole(text))
        assert said(read(file)) == text
        client.sendall(head("transfer-encoding: chunked") + in_chunks(asked(text), 4000))
        assert said(read(file)) == text


@pytest.mark.parametrize(
    ("limit", "sent", "status"),
    [
        ("HEAD_SECONDS", b"POST", 0),
        ("HEAD_SECONDS", head()[:-1], 0),
        ("BODY_SECONDS", head("content-length: 2"), 408),
        ("BODY_SECONDS", head("content-length: 2") + b"{", 408),
        ("BODY_SECONDS", head("transfer-encoding: chunked") + b"1\r\n{\r\n0", 408),
        ("BODY_SECONDS", head("content-length: 2", path="/v1/messages/count_tokens") + b"{", 408),
    ],
    ids="method head no-body body chunk page".split(),
)
@pytest.mark.parametrize(
    "before", [b"", whole(), head(method="GET", path="/v1/models")], ids=["first", "after call", "after page"]
)
def test_a_client_that_stops_in_the_middle_is_closed(
    fast: RunningGateway, monkeypatch: pytest.MonkeyPatch, before: bytes, limit: str, sent: bytes, status: int
) -> None:
    with connected(fast) as (client, file):
        if before:
            client.sendall(before)
            assert read(file) is not None
        monkeypatch.setattr(lane, limit, 0.05)
        client.sendall(sent)
        got = read(file)
        assert (got.status if got else 0) == status
        assert read(file) is None


def test_a_client_that_says_nothing_is_closed(fast: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "HEAD_SECONDS", 0.05)
    with connected(fast) as (_, file):
        assert read(file) is None


def test_a_client_that_stops_is_told_through_the_other_door_too(
    doors: dict[str, RunningGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "BODY_SECONDS", 0.05)
    with connected(doors["asgi"]) as (client, file):
        client.sendall(head("content-length: 2") + b"{")
        assert (got := read(file)) is not None
        assert got.status == 408


# clients that go, and clients that do not read

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_goes_in_the_middle_of_a_stream_closes_the_upstream(
    gateway: RunningGateway, upstream: Upstream, reset: bool
) -> None:
    upstream.closed.clear()
    upstream.script = lambda _: [STREAM, EVENT % b"Hel", b""]
    with connected(gateway) as (client, file):
        client.sendall(whole(model="gpt", stream=True))
        while b"Hel" not in file.readline():
            pass
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert upstream.closed.wait(5)


class Flood:
    """An upstream's script: many events, counted as they are written."""

    EVENTS = 400

    def __init__(self) -> None:
        self.written = 0

    def __call__(self, body: bytes) -> Iterator[bytes]:
        yield STREAM
        for _ in range(self.EVENTS):
            self.written += 1
            yield EVENT % (b"x" * 65536)
        yield b"data: [DONE]\n\n"


def slow_reader(gateway: RunningGateway, upstream: Upstream, paused: threading.Event) -> socket.socket:
    """A client that asked for a flood, and reads nothing; returns when the upstream has been paused."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.settimeout(10)
    client.connect(("127.0.0.1", gateway.port))
    client.sendall(whole(model="gpt", stream=True))
    assert paused.wait(10)
    return client


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when an upstream was told to wait."""
    event, pause = threading.Event(), Answer.pause

    def noticed(answer: Answer) -> None:
        pause(answer)
        event.set()

    monkeypatch.setattr(Answer, "pause", noticed)
    return event


def test_a_client_that_reads_nothing_pauses_the_upstream(
    gateway: RunningGateway, upstream: Upstream, paused: threading.Event
) -> None:
    flood = Flood()
    upstream.script = flood  # type: ignore[assignment]
    with slow_reader(gateway, upstream, paused) as client, client.makefile("rb") as file:
        for _ in range(20):  # the gateway is awake all the while
            assert said(talk(gateway, whole("awake", "connection: close"))[0]) == "awake"
        assert flood.written < 300  # what sockets hold, of 26 MB
        assert said(read(file)) == "x" * 65536 * flood.EVENTS


def test_a_client_that_reads_nothing_is_closed_in_the_end(
    fast: RunningGateway, upstream: Upstream, paused: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "WRITE_SECONDS", 0.1)
    monkeypatch.setattr(lane, "TICK_SECONDS", 0.05)
    upstream.script = Flood()  # type: ignore[assignment]
    upstream.closed.clear()
    with slow_reader(fast, upstream, paused):
        assert upstream.closed.wait(10)


def test_who_does_not_read_answers_cannot_ask_for_more(fast: RunningGateway, upstream: Upstream) -> None:
    came = threading.Semaphore(0)
    answer = json.dumps({"id": "x", "choices": [], "more": "x" * 2**20}).encode()

    def script(body: bytes) -> list[bytes]:
        came.release()
        return [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)]

    upstream.script = script
    with connected(fast) as (client, file):
        sent = 0
        while sent < 50:
            client.sendall(whole(model="gpt"))
            sent += 1
            if not came.acquire(timeout=0.3):
                break
        assert sent < 50  # of these 50 MB, what sockets hold
        for _ in range(sent):
            assert (got := read(file)) is not None
            assert got.body == answer


def test_who_sends_too_much_ahead_still_gets_the_first_answer(
    fast: RunningGateway, upstream: Upstream
) -> None:
    first, second = threading.Event(), threading.Event()

    def script(body: bytes) -> Iterator[bytes]:
        first.set()
        assert second.wait(10)
        yield b"HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n" + b'{"id":"x","choices":[]}'

    upstream.script = script  # type: ignore[assignment]
    with connected(fast) as (client, file):
        client.sendall(whole(model="gpt"))
        assert first.wait(10)
        for _ in range(20):
            client.sendall(whole("x" * 50_000))
        second.set()
        assert (got := read(file)) is not None
        assert b'"id":"x"' in got.body
        while (rest := read(file)) is not None and rest.status == 200:
            pass  # read before there was too much
        assert rest is None or rest.status == 400  # why, where that is quicker than the end of the connection
