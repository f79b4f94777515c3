"""Proxies: a real one between client and origin, and which of them the environment names."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from msgspec import Struct
from msgspec.structs import replace

from headgate.errors import APIConnectionError, BadRequestError, Timeout
from headgate.net.pool import Pool
from headgate.net.proxy import proxy_for
from headgate.ports import Origin, Timeouts

HEAD = b"POST /x?y=1 HTTP/1.1\r\nhost: h\r\n"
HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
OPEN = b"HTTP/1.1 200 Connection established\r\nvia: p\r\n\r\n"
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Scene(Struct):
    """`asked` and `heard` are the heads that came to the proxy and to the origin, a list per connection."""

    pool: Pool
    origin: Origin
    asked: list[list[bytes]]
    heard: list[list[bytes]]

    async def body(self, timeouts: Timeouts | None = None) -> bytes:
        return await (await self.pool.send(self.origin, HEAD, b"{}", timeouts or Timeouts())).read()


class Trust(Struct):
    """An authority of our own, and a server's certificate of it."""

    ca_file: str
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    ca = trustme.CA()
    path = str(tmp_path_factory.mktemp("ca") / "ca.pem")
    ca.cert_pem.write_to_path(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return Trust(path, context)


@asynccontextmanager
async def listening(play: Play, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server; at the end it waits until its clients have left."""
    tasks: list[Any] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, OSError):
            await play(reader, writer)
        writer.close()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        async with asyncio.timeout(10):  # over when the client has left no connection open
            ending = asyncio.ensure_future(server.wait_closed())
            await asyncio.sleep(0)  # Python 3.11 waits for connections only when asked before close()
            server.close()
            await asyncio.gather(ending, *tasks)


def answering(heads: list[list[bytes]]) -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append([])
        while True:
            heads[-1].append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(2)
            writer.write(HELLO)

    return play


def tunnelling(heads: list[list[bytes]], pieces: list[bytes]) -> Play:
    """Answers CONNECT with the pieces and passes on what comes then, both ways."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append([head])
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        there, to = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, to), pass_on(there, writer))

    return play


@asynccontextmanager
async def scene(
    trust: Trust,
    scheme: str = "https",
    *,
    user: str = "",
    play: Play | list[bytes] | None = None,
    secure: bool = False,
) -> AsyncIterator[Scene]:
    """`play` is what the proxy does, or its answer to CONNECT in pieces."""
    asked: list[list[bytes]] = []
    heard: list[list[bytes]] = []
    if not callable(play):
        play = tunnelling(asked, play or [OPEN]) if scheme == "https" else answering(asked)
    async with (
        listening(answering(heard), trust.context if scheme == "https" else None) as port,
        listening(play, trust.context if secure else None) as by,
    ):
        proxy = f"http{'s' if secure else ''}://{user}127.0.0.1:{by}"
        origin = Origin(scheme=scheme, host="127.0.0.1", port=port, ca_file=trust.ca_file, proxy=proxy)
        pool = Pool()
        try:
            yield Scene(pool, origin, asked, heard)
        finally:
            await pool.close()


def where(url: str | None) -> str:
    """A proxy as messages name it."""
    return f"the proxy {(url or '').rpartition('@')[2].rpartition('/')[2]}"


@pytest.mark.parametrize("secure", [False, True], ids=["by http", "by https"])
async def test_a_tunnel_is_kept_for_the_next_request(trust: Trust, secure: bool) -> None:
    async with scene(trust, secure=secure) as there:
        assert [await there.body(), await there.body()] == [b"hello", b"hello"]
        name = b"127.0.0.1:%d" % there.origin.port
        assert there.asked == [[b"CONNECT " + name + b" HTTP/1.1\r\nhost: " + name + b"\r\n\r\n"]]
        assert there.heard == [[HEAD + b"content-length: 2\r\n\r\n"] * 2]


@pytest.mark.parametrize("secure", [False, True], ids=["by http", "by https"])
async def test_an_origin_without_tls_is_asked_for_by_its_whole_url(trust: Trust, secure: bool) -> None:
    async with scene(trust, "http", secure=secure) as there:
        assert [await there.body(), await there.body()] == [b"hello", b"hello"]
        line = b"POST http://127.0.0.1:%d/x?y=1 HTTP/1.1\r\n" % there.origin.port
        assert there.asked == [[line + b"host: h\r\ncontent-length: 2\r\n\r\n"] * 2]
        assert there.heard == []


NAMES = {("h", 80): "h", ("h", 81): "h:81", ("::1", 80): "[::1]", ("::1", 81): "[::1]:81"}


@pytest.mark.parametrize(("host", "port"), NAMES)
async def test_hosts_are_named_as_urls_name_them(trust: Trust, host: str, port: int) -> None:
    async with scene(trust, "http") as there:
        there.origin = replace(there.origin, host=host, port=port)
        assert await there.body() == b"hello"
        assert there.asked[0][0].startswith(b"POST http://%b/x?y=1 HTTP/1.1\r\n" % NAMES[host, port].encode())


async def test_a_tunnel_to_an_ipv6_address(trust: Trust) -> None:
    async with scene(trust, play=[b"HTTP/1.1 502 No\r\n\r\n"]) as there:
        there.origin = replace(there.origin, host="::1", port=443)
        with pytest.raises(APIConnectionError, match=r"\[::1\]:443"):
            await there.body()
        assert there.asked == [[b"CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n\r\n"]]


USERS = {
    "me:pw@": "me:pw",
    "me@": "me:",
    "a%40b:c%3Ad%2F@": "a@b:c:d/",
    ":pw@": ":pw",
    "me:p%C3%A4ss@": "me:päss",
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_credential_is_for_the_proxy_alone(trust: Trust, scheme: str, user: str) -> None:
    async with scene(trust, scheme, user=user) as there:
        assert [await there.body(), await there.body()] == [b"hello", b"hello"]
        line = b"\r\nproxy-authorization: Basic %b\r\n" % base64.b64encode(USERS[user].encode())
        assert [head.count(line) for head in there.asked[0]] == [1] * (1 if scheme == "https" else 2)
        assert not any(b"proxy-auth" in head for heads in there.heard for head in heads)


REFUSALS = {
    "407": (
        b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n",
        "refused .*: 'HTTP/1.1 407 Who are you'",
    ),
    "502": (b"HTTP/1.0 502 Bad gateway\r\n\r\n<html>", "refused .*: 'HTTP/1.0 502 Bad gateway'"),
    "no status": (b"HTTP/1.1\r\n\r\n", "refused .*: 'HTTP/1.1'"),
    "half a status": (b"HTTP/1.1 20 OK\r\n\r\n", "refused .*: 'HTTP/1.1 20 OK'"),
    "garbage": (b"\x00\x01garbage\r\n\r\n", r"refused .*: '\\x00\\x01garbage'"),
    "an endless line": (b"x" * 70_000, "refused .*: 'x{80}'"),
    "an endless head": (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "refused .*: 'HTTP/1.1 200 OK'"),
    "nothing": (b"", "closed the connection"),
    "half a head": (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
    "no TLS behind it": (OPEN + b"\r\n" + HELLO, "could not connect"),
    "nothing behind it": (OPEN, "could not connect"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_proxy_that_does_not_connect_is_named_but_not_its_password(trust: Trust, case: str) -> None:
    data, words = REFUSALS[case]

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)

    async with scene(trust, play=play, user="me:s3cret@") as there:
        with pytest.raises(APIConnectionError, match=words) as caught:
            await there.body()
        assert where(there.origin.proxy) in str(caught.value)
        assert f"127.0.0.1:{there.origin.port}" in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert (there.heard, there.pool.stats().open) == ([], 0)


async def test_an_answer_to_connect_may_come_byte_by_byte(trust: Trust) -> None:
    async with scene(trust, play=[OPEN[at : at + 1] for at in range(len(OPEN))]) as there:
        assert await there.body() == b"hello"


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200 ", OPEN], ids=["at once", "in its answer", "in the tunnel"]
)
async def test_a_proxy_that_hangs_runs_into_the_connect_limit(trust: Trust, data: bytes) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()

    async with scene(trust, play=play, user="me:s3cret@") as there:
        with pytest.raises(Timeout, match=r"within 0\.05 s") as caught:
            await there.body(Timeouts(connect=0.05))
        assert where(there.origin.proxy) in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert there.pool.stats().open == 0


async def test_a_proxy_that_is_not_there_is_named(trust: Trust) -> None:
    async with scene(trust) as there:
        async with listening(answering([])) as port:
            pass
        for scheme in ("http", "https"):
            there.origin = replace(there.origin, scheme=scheme, proxy=f"http://me:s3cret@127.0.0.1:{port}")
            with pytest.raises(APIConnectionError, match=f"by the proxy 127.0.0.1:{port}: ") as caught:
                await there.body()
            assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("secure", [False, True], ids=["the origin", "the proxy"])
async def test_who_is_not_trusted_is_refused_through_a_tunnel_too(trust: Trust, secure: bool) -> None:
    async with scene(trust, secure=secure) as there:
        there.origin = replace(there.origin, ca_file=None)
        name = f"127.0.0.1:{there.origin.port} by {where(there.origin.proxy)}: .*certificate verify failed"
        with pytest.raises(APIConnectionError, match=name):
            await there.body()
        assert there.heard == []


UNREADABLE = """socks5://me:s3cret@p:1080 http://me:s3cret@p:port http://me:1/s3cret@p:80 http://me:1#s3cret@p:80
    http://me:1?s3cret@p:80 http://me:s3cret@[::1 http://me:s3cret@:80 http:// http://me:s3cret@p:99999"""


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxy", UNREADABLE.split())
async def test_the_url_of_a_proxy_that_cannot_be_read_is_an_error_without_its_password(
    scheme: str, proxy: str
) -> None:
    pool = Pool()
    with pytest.raises(BadRequestError, match="expected http://") as caught:
        await pool.send(Origin(scheme=scheme, host="h", port=80, proxy=proxy), HEAD, b"{}", Timeouts())
    assert "s3cret" not in str(caught.value)
    assert pool.stats().open == 0
    await pool.close()


# which proxy the environment names

P = "http://p:8"
RULES = [  # NO_PROXY, scheme://host:port, whether it is reached directly
    ("*", "https://api.example.com:443", True),
    ("other, *", "https://api.example.com:443", True),
    ("api.example.com", "https://api.example.com:443", True),
    ("API.Example.com", "https://api.example.COM:443", True),
    ("example.com", "https://api.example.com:443", True),
    (".example.com", "https://api.example.com:443", True),
    (".example.com", "https://example.com:443", True),
    ("*.example.com", "https://api.example.com:443", True),
    ("ample.com", "https://api.example.com:443", False),
    ("api.example.com.org", "https://api.example.com:443", False),
    ("example.com:443", "https://api.example.com:443", True),
    ("example.com:80", "https://api.example.com:443", False),
    ("example.com:", "https://api.example.com:443", False),
    ("a b,,\tlocalhost ,c", "http://localhost:80", True),
    ("", "https://api.example.com:443", False),
    (" , ", "https://api.example.com:443", False),
    (".", "https://api.example.com:443", False),
    ("10.0.0.0/8", "http://10.1.2.3:80", True),
    ("10.0.0.0/8:80", "http://10.1.2.3:80", True),
    ("10.0.0.0/8:81", "http://10.1.2.3:80", False),
    ("10.0.0.1/8", "http://10.1.2.3:80", True),
    ("10.1.2.3", "http://10.1.2.3:80", True),
    ("10.1.2.3:80", "http://10.1.2.3:80", True),
    ("11.0.0.0/8", "http://10.1.2.3:80", False),
    ("2.3", "http://10.1.2.3:80", False),
    ("10.0.0.0/8", "http://10.example.com:80", False),
    ("fd00::/8", "http://[fd12::1]:80", True),
    ("fd12::1", "http://[fd12::1]:80", True),
    ("[fd12::1]", "http://[fd12::1]:80", True),
    ("[fd12::1]:80", "http://[fd12::1]:80", True),
    ("[fd12::1]:81", "http://[fd12::1]:80", False),
    ("10.0.0.0/8", "http://[fd12::1]:80", False),
]


@pytest.mark.parametrize(("rules", "url", "direct"), RULES)
def test_no_proxy_names_who_is_reached_directly(rules: str, url: str, direct: bool) -> None:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    env = {"ALL_PROXY": P, "NO_PROXY": rules}
    assert proxy_for(parts.scheme, parts.hostname, parts.port, env) == (None if direct else P)


VARIABLES = [  # the environment, a scheme, the proxy
    ({}, "https", None),
    ({"HTTPS_PROXY": "http://up:1"}, "https", "http://up:1"),
    ({"HTTPS_PROXY": "http://up:1", "https_proxy": "http://low:2"}, "https", "http://low:2"),
    ({"HTTPS_PROXY": "http://up:1", "https_proxy": ""}, "https", "http://up:1"),
    ({"HTTPS_PROXY": " "}, "https", None),
    ({"HTTPS_PROXY": "http://up:1"}, "http", None),
    ({"HTTP_PROXY": "http://up:1"}, "https", None),
    ({"HTTP_PROXY": "http://up:1"}, "http", "http://up:1"),
    ({"ALL_PROXY": "http://all:3"}, "http", "http://all:3"),
    ({"ALL_PROXY": "http://all:3", "HTTPS_PROXY": "http://up:1"}, "https", "http://up:1"),
    ({"ALL_PROXY": "http://all:3", "all_proxy": "http://low:4"}, "https", "http://low:4"),
    ({"HTTP_PROXY": "http://forged:1", "REQUEST_METHOD": "GET"}, "http", None),
    (
        {"http_proxy": "http://low:2", "HTTP_PROXY": "http://forged:1", "REQUEST_METHOD": "GET"},
        "http",
        "http://low:2",
    ),
    ({"HTTPS_PROXY": "http://up:1", "REQUEST_METHOD": "GET"}, "https", "http://up:1"),
    ({"https_proxy": "up:1"}, "https", "http://up:1"),
    ({"https_proxy": "me:pw@up:1"}, "https", "http://me:pw@up:1"),
    ({"https_proxy": "https://up:1"}, "https", "https://up:1"),
    ({"https_proxy": P, "no_proxy": "other", "NO_PROXY": "*"}, "https", P),
    ({"https_proxy": P, "no_proxy": "*", "NO_PROXY": "other"}, "https", None),
]


@pytest.mark.parametrize(("env", "scheme", "proxy"), VARIABLES)
def test_the_environment_names_a_proxy(env: dict[str, str], scheme: str, proxy: str | None) -> None:
    assert proxy_for(scheme, "api.example.com", 443, env) == proxy
