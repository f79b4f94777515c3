"""Bodies that are sent in pieces, on real sockets: framing, back-pressure, time, and what goes wrong on the way."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headgate.errors import APIConnectionError, BadRequestError, Timeout
from headgate.net.pool import Pool
from headgate.ports import Origin, Outgoing, Timeouts

HEAD = b"POST /x HTTP/1.1\r\nhost: h\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 413 Large\r\ncontent-length: 2\r\n\r\nno"
MB = 1024 * 1024


class Taker:
    """Reads requests and answers. `took` are their bodies; with `early` it answers before it reads one, with `stuck`
    it reads nothing of it. `stall` is set to let it go on."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.took: list[int] = []
        self.connections = 0
        self.early = self.stuck = False
        self.reading = asyncio.Event()
        self.reading.set()

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if self.early:
                    writer.write(REFUSED)
                    await reader.read()
                    return
                if self.stuck:
                    await asyncio.Event().wait()
                await self.reading.wait()
                self.took.append(await self._body(head, reader))
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _body(self, head: bytes, reader: asyncio.StreamReader) -> int:
        size = 0
        if b"content-length: " in head:
            left = size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
            while left:
                left -= len(await reader.readexactly(min(left, 65536)))
            return size
        while part := int(await reader.readline(), 16):
            size += part
            await reader.readexactly(part + 2)
        await reader.readline()
        return size


@asynccontextmanager
async def taking() -> AsyncIterator[tuple[Pool, Origin, Taker]]:
    taker = Taker()
    tasks: set[Any] = set()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        await taker.play(reader, writer)

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    pool = Pool()
    try:
        yield (
            pool,
            Origin(scheme="http", host="127.0.0.1", port=server.sockets[0].getsockname()[1]),
            taker,
        )
    finally:
        await pool.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def endless(asked: list[int]) -> AsyncIterator[bytes]:
    while True:
        asked.append(1)
        yield b"x" * 65536
        await asyncio.sleep(0)


@pytest.mark.parametrize("length", [6, None])
async def test_pieces_arrive(length: int | None) -> None:
    async with taking() as (pool, origin, taker):
        for _ in range(2):
            body = Outgoing(pieces=pieces(b"ab", b"", b"cdef"), length=length)
            answer = await pool.send(origin, HEAD, body, Timeouts())
            assert (answer.status, await answer.read()) == (200, b"ok")
        assert taker.took == [6, 6]
        assert (b"content-length: 6" in taker.heads[0]) == (length is not None)
        assert taker.connections == 2  # one that was used before may be stale
        assert await (await pool.send(origin, HEAD, b"{}", Timeouts())).read() == b"ok"
        assert taker.connections == 2


async def test_nothing_is_asked_of_an_empty_body() -> None:
    async with taking() as (pool, origin, taker):
        asked: list[int] = []
        answer = await pool.send(origin, HEAD, Outgoing(pieces=endless(asked), length=0), Timeouts())
        assert (await answer.read(), taker.took, asked) == (b"ok", [0], [])


async def test_who_takes_slowly_is_not_overrun() -> None:
    async with taking() as (pool, origin, taker):
        taker.reading.clear()
        asked: list[int] = []

        async def some() -> AsyncIterator[bytes]:
            async for piece in endless(asked):
                yield piece
                if len(asked) == 1600:
                    return

        tracemalloc.start()
        try:
            sending = asyncio.ensure_future(
                pool.send(origin, HEAD, Outgoing(pieces=some()), Timeouts(first_byte=30))
            )
            while not asked or not taker.heads:
                await asyncio.sleep(0)
            seen = -1
            while seen != len(asked):  # until the sockets' own buffers are full
                seen = len(asked)
                for _ in range(100):
                    await asyncio.sleep(0)
            assert len(asked) < 1600
            taker.reading.set()
            assert await (await sending).read() == b"ok"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taker.took == [1600 * 65536]
        assert peak < 8 * MB


async def test_an_upstream_that_takes_nothing_is_given_up() -> None:
    async with taking() as (pool, origin, taker):
        taker.stuck = True
        body = Outgoing(pieces=endless([]))
        with pytest.raises(Timeout, match="did not answer"):
            await pool.send(origin, HEAD, body, Timeouts(first_byte=0.1))
        assert pool.stats().open == 0


async def test_an_upstream_that_has_all_and_does_not_answer_is_given_up() -> None:
    async with taking() as (pool, origin, taker):
        taker.stuck = True
        with pytest.raises(Timeout):
            await pool.send(origin, HEAD, Outgoing(pieces=pieces(b"ab"), length=2), Timeouts(first_byte=0.1))


async def test_a_client_that_is_slow_does_not_cost_the_upstreams_time() -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0.3)
        yield b"b"

    async with taking() as (pool, origin, _):
        answer = await pool.send(origin, HEAD, Outgoing(pieces=slow(), length=2), Timeouts(first_byte=0.15))
        assert await answer.read() == b"ok"


async def test_an_early_answer_ends_the_sending() -> None:
    async with taking() as (pool, origin, taker):
        taker.early = True
        asked: list[int] = []
        answer = await pool.send(origin, HEAD, Outgoing(pieces=endless(asked)), Timeouts())
        assert (answer.status, await answer.read()) == (413, b"no")
        assert pool.stats().idle == 0  # the rest of the body would be taken for the next request
        seen = len(asked)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(asked) == seen


async def test_what_the_pieces_raise_is_raised() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        raise BadRequestError("the client's form is cut")

    async with taking() as (pool, origin, taker):
        for length in (5, None):
            with pytest.raises(BadRequestError, match="cut"):
                await pool.send(origin, HEAD, Outgoing(pieces=broken(), length=length), Timeouts())
        assert (taker.took, pool.stats().open) == ([], 0)


@pytest.mark.parametrize(("length", "what"), [(3, "longer"), (9, "ended 5 bytes before")])
async def test_a_length_that_is_wrong_is_told(length: int, what: str) -> None:
    async with taking() as (pool, origin, taker):
        with pytest.raises(APIConnectionError, match=what):
            await pool.send(origin, HEAD, Outgoing(pieces=pieces(b"ab", b"cd"), length=length), Timeouts())
        assert taker.took == []


async def test_a_caller_that_leaves_ends_the_sending() -> None:
    async with taking() as (pool, origin, taker):
        taker.stuck = True
        asked: list[int] = []
        sending = asyncio.ensure_future(pool.send(origin, HEAD, Outgoing(pieces=endless(asked)), Timeouts()))
        while not asked:
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        seen = len(asked)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (len(asked), pool.stats().open) == (seen, 0)
