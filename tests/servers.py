"""Real servers for tests: an upstream that plays a script, and a gateway on a port of its own.

Each runs its own event loop in a thread, so that tests may be plain functions with blocking clients.
"""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import uvicorn
import yaml

from headgate.server.app import App, build
from headgate.server.background import Background
from headgate.server.config.load import load
from headgate.server.gateway import Gateway
from headgate.server.lane import lane_for

KEY = "sk-test-gateway-7d1f0c"


class Upstream:
    """Answers every request with `script`: raw bytes, or a function of the request that gives pieces.

    `requests` are those that came, as (request line, headers, body).
    """

    def __init__(self) -> None:
        self.script: bytes | Callable[[bytes], list[bytes]] = b""
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.closed = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n"
        self.script = head.encode("latin-1", "replace") + body

    def stop(self) -> None:
        async def end() -> None:
            self._server.close()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**24)
            self.port = self._server.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                line, *rows = head.decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (row.partition(":") for row in rows if row)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((line, headers, body))
                pieces = [self.script] if isinstance(self.script, bytes) else self.script(body)
                for piece in pieces:
                    if not piece:  # an empty piece: hang until the other side goes
                        await reader.read(1)
                        self.closed.set()
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if not isinstance(self.script, bytes) or b"content-length" not in self.script.lower():
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed.set()
        finally:
            writer.close()


def an_upstream(scope: Literal["function", "module"]) -> Any:
    """The fixture `upstream`: one for each test, or one for all tests of a file."""

    @pytest.fixture(scope=scope, name="upstream")
    def made() -> Iterator[Upstream]:
        upstream = Upstream()
        yield upstream
        upstream.stop()

    return made


class RunningGateway:
    """A gateway that listens, on a loop in a thread. `request` is one HTTP exchange with it."""

    def __init__(self, gateway: Gateway, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = gateway
        self.port = port
        self.loop = loop

    def request(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None, method: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"authorization": f"Bearer {KEY}", "content-type": "application/json", **(headers or {})}
        try:
            connection.request(method or ("GET" if data is None else "POST"), path, data, given)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@contextmanager
def running(
    config: dict[str, Any], tmp_path: Any, *, lane: bool = True, workers: int = 1
) -> Iterator[RunningGateway]:
    """A gateway with this configuration; `lane=False` leaves everything to the ASGI door. With several `workers` it
    shares its budgets by leases, as if there were others."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    gateway = build(load(str(file), {}), {}, tmp_path / "data", workers=workers)
    app = App(gateway)
    sock = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves Nagle's algorithm on
    sock.bind(("127.0.0.1", 0))
    settings = uvicorn.Config(
        app,
        http=lane_for(app) if lane else "httptools",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(settings)
    done = threading.Event()

    loops: list[asyncio.AbstractEventLoop] = []

    def run() -> None:
        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            background = Background(gateway)
            background.start()
            await server.serve(sockets=[sock])
            await gateway.snapshot.engine.close()
            await background.close()

        asyncio.run(serve())
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        done.wait(0.01)
    try:
        yield RunningGateway(gateway, sock.getsockname()[1], loops[0])
    finally:
        server.should_exit = True
        thread.join(10)
        sock.close()
