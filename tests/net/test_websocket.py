"""Websockets to providers, on real sockets: trust, proxies, and what is no websocket."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

from headgate.errors import APIConnectionError, Timeout
from headgate.net.websocket import NotUpgraded, dial
from headgate.ports import Origin


async def echo(connection: ServerConnection) -> None:
    async for frame in connection:
        await connection.send(frame)


@asynccontextmanager
async def echoing(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    tasks: set[asyncio.Future[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the other side may go first
            await handle(reader, writer)
            writer.close()
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve_one(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 5)


def origin(port: int, scheme: str = "http", **more: object) -> Origin:
    return Origin(scheme=scheme, host="localhost", port=port, **more)  # type: ignore[arg-type]


def tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    file = tmp_path / "ca.pem"
    file.write_bytes(ca.cert_pem.bytes())
    return context, str(file)


async def test_a_private_ca_is_trusted_where_it_is_named(tmp_path: Path) -> None:
    context, ca = tls(tmp_path)
    async with echoing(context) as port:
        url = f"https://localhost:{port}/x"
        connection = await dial(url, origin(port, "https", ca_file=ca), [], 5)
        await connection.send("hi")
        assert await connection.recv() == "hi"
        await connection.close()
        connection = await dial(url, origin(port, "https", verify=False), [], 5)
        await connection.close()
        with pytest.raises(APIConnectionError, match="certificate verify failed"):
            await dial(url, origin(port, "https"), [], 5)


async def test_the_way_leads_over_the_proxy() -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        there, back = await asyncio.open_connection("localhost", int(head.split()[1].rpartition(b":")[2]))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async with echoing() as port, listening(proxy) as way:
        to = origin(port, proxy=f"http://127.0.0.1:{way}")
        connection = await dial(f"http://localhost:{port}/x", to, [("x-own", "1")], 5)
        await connection.send(b"\x00")
        assert await connection.recv() == b"\x00"
        await connection.close()
    assert asked == [b"CONNECT localhost:%d HTTP/1.1" % port]


async def test_plain_answers_are_told() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\ncontent-length: 2\r\n\r\nno")

    async with listening(refuse) as port:
        with pytest.raises(NotUpgraded) as caught:
            await dial(f"http://localhost:{port}/", origin(port), [], 5)
    told = caught.value.told
    assert (told.status, told.headers["retry-after"], told.body) == (429, "7", b"no")


@pytest.mark.parametrize("answer", [b"", b"\x00\x01\x02 nonsense\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n"])
async def test_what_is_no_http_is_a_connection_error(answer: bytes) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with listening(babble) as port:
        with pytest.raises(APIConnectionError, match=f"no websocket to localhost:{port}"):
            await dial(f"http://localhost:{port}/", origin(port), [], 5)


async def test_who_says_nothing_is_not_waited_for() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silence) as port:
        with pytest.raises(Timeout, match=r"in 0\.1 s"):
            await dial(f"http://localhost:{port}/", origin(port), [], 0.1)


async def test_nobody_there() -> None:
    async with listening(echo) as port:  # type: ignore[arg-type]
        pass
    with pytest.raises(APIConnectionError):
        await dial(f"http://localhost:{port}/", origin(port), [], 5)
