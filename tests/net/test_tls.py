"""TLS against real sockets: whom we trust, who we say we are, and what a cut connection is."""

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as keys
from msgspec.structs import replace

from headgate.errors import APIConnectionError, Timeout
from headgate.net.pool import Pool
from headgate.ports import Origin, Timeouts

HEAD = b"POST /x HTTP/1.1\r\nhost: h\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"content-length: 5\r\n\r\nhello"


class Files:
    """A CA of our own, what it issued, and files that are wrong."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.folder = folder
        self.ca_file = self._write("ca.pem", self.ca.cert_pem.bytes())
        client = self.ca.issue_cert("client@example.com")
        secret = client.private_key_pem.bytes()
        self.cert = self._write("client.pem", client.cert_chain_pems[0].bytes())
        self.key = self._write("client.key", secret)
        self.both = self._write("both.pem", client.private_key_and_cert_chain_pem.bytes())
        self.locked = self._write("locked.key", _locked(secret))
        self.other_key = self._write("other.key", trustme.CA().private_key_pem.bytes())
        self.garbage = self._write("garbage.pem", b"no certificate")
        self.missing = str(folder / "missing.pem")

    def server(self, *names: str) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names).configure_cert(made)
        return made

    def _write(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)


def _locked(secret: bytes) -> bytes:
    key = keys.load_pem_private_key(secret, None)
    locked = keys.BestAvailableEncryption(b"password")
    return key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.TraditionalOpenSSL, locked)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def context(files: Files) -> ssl.SSLContext:
    return files.server("127.0.0.1", "localhost")


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every request on the connection gets HELLO, in two pieces."""
    while True:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        writer.write(HELLO[:-2])
        await writer.drain()
        writer.write(HELLO[-2:])


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None, play: Callable[..., Any] = answer
) -> AsyncIterator[tuple[Pool, Origin, list[Any]]]:
    """A server on 127.0.0.1; `connections` are those whose handshake was finished."""
    connections: list[Any] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        try:
            await play(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    pool = Pool()
    try:
        yield pool, Origin(scheme="https", host="127.0.0.1", port=port_of(server)), connections
    finally:
        await pool.close()
        async with asyncio.timeout(10):  # over when the client has left no connection open
            ending = asyncio.ensure_future(server.wait_closed())
            await asyncio.sleep(0)  # Python 3.11 waits for connections only when asked before close()
            server.close()
            await asyncio.gather(ending, *connections)


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def body(pool: Pool, origin: Origin, timeouts: Timeouts | None = None) -> bytes:
    return await (await pool.send(origin, HEAD, b"{}", timeouts or Timeouts())).read()


async def test_a_server_of_our_own_authority_is_trusted_and_kept_alive(
    files: Files, context: ssl.SSLContext
) -> None:
    async with serving(context) as (pool, origin, connections):
        origin = replace(origin, ca_file=files.ca_file)
        assert await body(pool, origin) == b"hello"
        streamed = await pool.send(origin, HEAD, b"{}", Timeouts())
        assert b"".join([piece async for piece in streamed]) == b"hello"
        pieces: list[bytes] = []
        await (await pool.send(origin, HEAD, b"{}", Timeouts())).relay(pieces.append)
        assert b"".join(pieces) == b"hello"
        assert len(connections) == 1
        assert pool.stats().idle == 1


REFUSED = {
    "the default trust store": ({}, "127.0.0.1", "certificate verify failed"),
    "another name": ({"ca_file": "ca_file"}, "other.example", "not valid for '127.0.0.1'"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_who_is_not_trusted_is_refused_by_name_and_with_the_reason(files: Files, case: str) -> None:
    options, name, reason = REFUSED[case]
    async with serving(files.server(name)) as (pool, origin, connections):
        origin = replace(origin, **{key: getattr(files, value) for key, value in options.items()})
        with pytest.raises(APIConnectionError) as caught:
            await body(pool, origin)
        assert f"could not connect to 127.0.0.1:{origin.port}: " in str(caught.value)
        assert reason in str(caught.value)
        assert (connections, pool.stats().open) == ([], 0)


async def test_without_verification_every_certificate_is_taken(files: Files) -> None:
    async with serving(files.server("other.example")) as (pool, origin, _):
        assert await body(pool, replace(origin, verify=False)) == b"hello"


async def test_the_server_is_told_which_host_is_asked(files: Files) -> None:
    seen: list[str | None] = []
    context = files.server("localhost")
    context.sni_callback = lambda _, name, __: seen.append(name)
    async with serving(context) as (pool, origin, _):
        origin = replace(origin, ca_file=files.ca_file, host="localhost", address="127.0.0.1")
        assert await body(pool, origin) == b"hello"
        assert seen == ["localhost"]


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def asking(request: pytest.FixtureRequest, files: Files, context: ssl.SSLContext) -> ssl.SSLContext:
    """A server that wants a certificate of its clients."""
    context.maximum_version = request.param
    context.verify_mode = ssl.CERT_REQUIRED
    files.ca.configure_trust(context)
    return context


@pytest.mark.parametrize("pair", ["cert key", "both"])
async def test_a_client_shows_its_certificate(files: Files, asking: ssl.SSLContext, pair: str) -> None:
    cert, key = ([getattr(files, name) for name in pair.split()] + [None])[:2]
    async with serving(asking) as (pool, origin, _):
        origin = replace(origin, ca_file=files.ca_file, client_cert=cert, client_key=key)
        assert [await body(pool, origin), await body(pool, origin)] == [b"hello", b"hello"]


async def test_a_client_without_its_certificate_is_told_what_the_server_said(
    files: Files, asking: ssl.SSLContext
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A handshake by hand: asyncio's own server closes without the alert that others send."""
        coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        hands = asking.wrap_bio(coming, going, server_side=True)
        refused = False
        while not refused:
            coming.write(await reader.read(65536))
            try:
                hands.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                refused = True
            writer.write(going.read())
        await reader.read()

    said = "handshake failure" if asking.maximum_version == ssl.TLSVersion.TLSv1_2 else "certificate required"
    async with serving(None, refuse) as (pool, origin, _):
        with pytest.raises(APIConnectionError, match=rf"127\.0\.0\.1:{origin.port}\b.*{said}"):
            await body(pool, replace(origin, ca_file=files.ca_file))
        assert pool.stats().open == 0


UNUSABLE = {
    "no CA file": ({"ca_file": "missing"}, "missing"),
    "CA file of garbage": ({"ca_file": "garbage"}, "garbage"),
    "no certificate": ({"client_cert": "missing", "client_key": "key"}, "missing"),
    "certificate of garbage": ({"client_cert": "garbage", "client_key": "key"}, "garbage"),
    "no key": ({"client_cert": "cert", "client_key": "missing"}, "missing"),
    "key of garbage": ({"client_cert": "cert", "client_key": "garbage"}, "garbage"),
    "another's key": ({"client_cert": "cert", "client_key": "other_key"}, "other_key"),
    "key with a password": ({"client_cert": "cert", "client_key": "locked"}, "locked"),
    "certificate without key": ({"client_cert": "cert"}, "cert"),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_a_file_that_cannot_be_used_is_named(files: Files, context: ssl.SSLContext, case: str) -> None:
    options, culprit = UNUSABLE[case]
    async with serving(context) as (pool, origin, connections):
        origin = replace(origin, **{key: getattr(files, value) for key, value in options.items()})
        with pytest.raises(APIConnectionError) as caught:
            await body(pool, origin)
        assert getattr(files, culprit) in str(caught.value)
        assert (connections, pool.stats().open) == ([], 0)


def quietly(writer: asyncio.StreamWriter) -> None:
    """The end of the connection without TLS's own word for it."""
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as twin:
        twin.shutdown(socket.SHUT_WR)


def by_reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("end", [quietly, by_reset, asyncio.StreamWriter.close])
@pytest.mark.parametrize(
    "data",
    [OK + b"content-length: 9\r\n\r\nhello", OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    ids=["content-length", "chunked"],
)
async def test_a_body_that_is_cut_off_is_an_error_however_the_connection_ends(
    files: Files, context: ssl.SSLContext, data: bytes, end: Callable[[asyncio.StreamWriter], None]
) -> None:
    read = asyncio.Event()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(data)
        await read.wait()
        end(writer)
        await reader.read()

    async with serving(context, cut) as (pool, origin, _):
        answer = await pool.send(replace(origin, ca_file=files.ca_file), HEAD, b"{}", Timeouts())
        read.set()
        with pytest.raises(APIConnectionError, match="broke off its answer after 5 bytes"):
            await answer.read()
        assert pool.stats().open == 0


async def test_a_server_without_tls_is_refused_by_name(files: Files) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HELLO)
        await reader.read()

    async with serving(None, greet) as (pool, origin, _):
        with pytest.raises(APIConnectionError, match=f"could not connect to 127.0.0.1:{origin.port}: "):
            await body(pool, origin)


async def test_a_server_that_never_shakes_hands_runs_into_the_connect_limit() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(None, hang) as (pool, origin, _):
        with pytest.raises(Timeout, match=rf"could not connect to 127\.0\.0\.1:{origin.port} within 0.05 s"):
            await body(pool, origin, Timeouts(connect=0.05))
        assert pool.stats().open == 0
