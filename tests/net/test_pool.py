"""The HTTP client against real sockets that play every kind of server."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headgate.errors import APIConnectionError, APIResponseValidationError, Timeout
from headgate.net.pool import Pool
from headgate.ports import Origin, Timeouts

HEAD = b"POST /x HTTP/1.1\r\nhost: h\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]


@asynccontextmanager
async def serving(*answers: list[bytes], keep: bool = True) -> AsyncIterator[tuple[Pool, Origin, list[Any]]]:
    """A server that gives the answers in turn, each in pieces; `connections` are those that were made."""
    queue = list(answers)
    connections: list[Any] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                for piece in queue.pop(0):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if not keep:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    pool = Pool()
    origin = Origin(scheme="http", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    try:
        yield pool, origin, connections
    finally:
        await pool.close()
        server.close()
        async with asyncio.timeout(5):  # over when the client has left no connection open
            await asyncio.gather(*connections)


async def body(pool: Pool, origin: Origin, timeouts: Timeouts | None = None) -> bytes:
    answer = await pool.send(origin, HEAD, b"{}", timeouts or Timeouts())
    return await answer.read()


def raw_deflate(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, wbits=-15)
    return packer.compress(data) + packer.flush()


def packed(coding: bytes, data: bytes) -> bytes:
    return OK + b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding, len(data)) + data


BODIES = {
    "content-length": OK + b"content-length: 5\r\n\r\nhello",
    "chunked": OK + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "trailers": OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-a: b\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: a\r\n\r\n"
    + OK
    + b"content-length: 5\r\n\r\nhello",
    "gzip": packed(b"gzip", gzip.compress(b"hello")),
    "deflate": packed(b"deflate", zlib.compress(b"hello")),
    "raw deflate": packed(b"Deflate", raw_deflate(b"hello")),
    "raw deflate, stored": packed(b"deflate", raw_deflate(b"hello", level=0)),
    "gzip called deflate": packed(b"deflate", gzip.compress(b"hello")),
    "another coding": packed(b"br", b"hello"),
    "two codings": packed(b"gzip, br", b"hello"),
}


@pytest.mark.parametrize("case", BODIES)
async def test_bodies_of_every_framing_whole_and_byte_by_byte(case: str) -> None:
    data = BODIES[case]
    async with serving([data], [data[at : at + 1] for at in range(len(data))]) as (pool, origin, connections):
        assert [await body(pool, origin), await body(pool, origin)] == [b"hello", b"hello"]
        assert len(connections) == 1


async def test_an_unknown_coding_is_passed_on_with_its_name() -> None:
    async with serving([BODIES["another coding"]], [BODIES["deflate"]]) as (pool, origin, _):
        for encoded, name in ((False, "br"), (True, "deflate")):
            answer = await pool.send(origin, HEAD, b"{}", Timeouts())
            assert (answer.encoded, answer.headers.get("content-encoding")) == (encoded, name)
            assert await answer.read() == b"hello"


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)
async def test_a_packed_body_that_ends_too_early_is_an_error(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    async with serving([packed(coding.encode(), pack(b"hello")[:-1])]) as (pool, origin, _):
        with pytest.raises(APIConnectionError, match="broke off its compressed answer"):
            await body(pool, origin)


LINE = b"x: " + b"y" * 1000 + b"\r\n"


async def test_a_large_body_in_the_packet_of_a_small_head_is_no_head() -> None:
    large = b"z" * 200_000
    data = OK + b"content-length: %d\r\n\r\n" % len(large) + large
    async with serving([data], [data[:60_000], data[60_000:]]) as (pool, origin, connections):
        assert [await body(pool, origin), await body(pool, origin)] == [large, large]
        assert len(connections) == 1


async def test_every_answer_has_a_bound_of_its_own() -> None:
    data = OK + LINE * 60 + b"content-length: 5\r\n\r\nhello"
    async with serving([data], [data]) as (pool, origin, connections):
        assert [await body(pool, origin), await body(pool, origin)] == [b"hello", b"hello"]
        assert len(connections) == 1


@pytest.mark.parametrize("pieces", [1, 2, 50])
async def test_the_sum_of_header_lines_is_bounded_however_they_arrive(pieces: int) -> None:
    data = OK + LINE * 70 + b"content-length: 5\r\n\r\nhello"
    step = len(data) // pieces + 1
    async with serving([data[at : at + step] for at in range(0, len(data), step)]) as (pool, origin, _):
        with pytest.raises(APIConnectionError, match="sent a head of more than 65536 bytes"):
            await body(pool, origin)
        assert pool.stats().open == 0


@pytest.mark.parametrize(
    "rest", [LINE * 300, b"x: " + b"y" * 300_000, b"1;" + b"z" * 300_000], ids=lambda rest: rest[:2]
)
async def test_what_follows_a_body_is_bounded_too(rest: bytes) -> None:
    """Trailers, one of them, and the extension of a chunk."""
    end = b"" if rest.startswith(b"1;") else b"0\r\n"
    data = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n" + end + rest
    async with serving([data[at : at + 30_000] for at in range(0, len(data), 30_000)]) as (pool, origin, _):
        with pytest.raises(APIConnectionError, match=r"sent (a head of )?more than"):
            await body(pool, origin)
        assert pool.stats().open == 0


async def test_a_body_until_the_connection_closes() -> None:
    async with serving([OK + b"\r\nhel", b"lo"], keep=False) as (pool, origin, _):
        assert await body(pool, origin) == b"hello"


async def test_no_content() -> None:
    async with serving([b"HTTP/1.1 204 X\r\n\r\n"], [BODIES["chunked"]]) as (pool, origin, _):
        assert [await body(pool, origin), await body(pool, origin)] == [b"", b"hello"]


async def test_a_stale_connection_is_replaced_once() -> None:
    answers = [BODIES["content-length"]], [BODIES["content-length"]]
    async with serving(*answers, keep=False) as (pool, origin, connections):
        assert [await body(pool, origin), await body(pool, origin)] == [b"hello", b"hello"]
        assert len(connections) == 2


async def test_pieces_are_relayed_and_iterated() -> None:
    data = [OK + b"transfer-encoding: chunked\r\n\r\n", b"2\r\nhe\r\n", b"3\r\nllo\r\n", b"0\r\n\r\n"]
    async with serving(data, data) as (pool, origin, _):
        pieces: list[bytes] = []
        await (await pool.send(origin, HEAD, b"{}", Timeouts())).relay(pieces.append)
        assert b"".join(pieces) == b"hello"
        answer = await pool.send(origin, HEAD, b"{}", Timeouts())
        assert b"".join([piece async for piece in answer]) == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        OK + b"content-length: 9\r\n\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhel",
        OK + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
        OK + b"x: y\r\n" * 300 + b"\r\n",
        packed(b"gzip", b"hello"),
        packed(b"deflate", b"\x07hello"),
        b"",
    ],
    ids=["garbage", "short", "cut chunk", "large head", "many headers", "no gzip", "no deflate", "nothing"],
)
async def test_broken_answers_are_connection_errors_that_name_the_host(data: bytes) -> None:
    async with serving([data], keep=False) as (pool, origin, _):
        with pytest.raises(APIConnectionError, match=r"127\.0\.0\.1"):
            await body(pool, origin)
        assert pool.stats().open == 0


async def test_an_answer_over_the_limit_is_refused() -> None:
    async with serving([BODIES["content-length"]]) as (pool, origin, _):
        answer = await pool.send(origin, HEAD, b"{}", Timeouts())
        with pytest.raises(APIResponseValidationError):
            await answer.read(3)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [([], "did not answer"), ([OK + b"content-length: 5\r\n\r\nhe"], "sent nothing more")],
)
async def test_slow_servers_run_into_the_limit_that_is_named(pieces: list[bytes], words: str) -> None:
    limits = Timeouts(first_byte=0.05, between_chunks=0.05)
    async with serving(pieces, pieces) as (pool, origin, _):
        with pytest.raises(Timeout, match=words):
            await body(pool, origin, limits)


async def test_a_cancelled_call_closes_its_connection() -> None:
    async with serving([], []) as (pool, origin, connections):
        call = asyncio.ensure_future(body(pool, origin))
        while not connections:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert pool.stats().open == 0
