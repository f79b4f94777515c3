"""A gateway among upstreams that reset, hang, refuse, break and dawdle: no client notices while two are well.

HEADGATE_CHAOS=60 runs it for a minute; without it, three seconds.
"""

import asyncio
import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gateways import KEY, Process

SECONDS = float(os.environ.get("HEADGATE_CHAOS", "3"))
CLIENTS = 16
DEADLINE = 20.0
KEPT = 4 * CLIENTS
"""Connections to upstreams that wait for the next call."""
ANSWER = json.dumps(
    {
        "id": "c",
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }
).encode()
ROLE = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
TEXT = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n'
END = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
KINDS = ("good", "good", "slow", "reset", "hang", "429", "500", "529", "cut")


def whole(status: int, body: bytes, *lines: str) -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} X", *lines, f"content-length: {len(body)}"))
    return head.encode() + b"\r\n" + body


class Upstreams:
    """One server for each kind, in a thread of their own. `times` are when calls came, by kind."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def calls(self) -> int:
        return sum(map(len, self.times.values()))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            for kind in KINDS:
                server = await asyncio.start_server(self._serving(kind), "127.0.0.1", 0)
                self._servers.append(server)
                self.ports.append(server.sockets[0].getsockname()[1])
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        for server in self._servers:
            server.close()
        self._loop.run_until_complete(asyncio.gather(*(server.wait_closed() for server in self._servers)))
        self._loop.close()

    def _serving(self, kind: str) -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).lower()
                    size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                    body = await reader.readexactly(size)
                    self.times[kind].append(time.monotonic())
                    if not await self._answer(kind, b'"stream":true' in body, reader, writer):
                        break

        return serve

    async def _answer(
        self, kind: str, stream: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection stays."""
        if kind == "reset":
            return False
        if kind == "hang":
            await reader.read(1)
            return False
        if kind.isdigit():
            lines = ("retry-after: 1",) if kind == "429" else ()
            writer.write(whole(int(kind), b'{"error":{"message":"no"}}', *lines))
            return True
        if kind == "slow":
            await asyncio.sleep(0.3)
        if kind == "cut":
            writer.write(HEAD + ROLE if stream else whole(200, ANSWER)[:-20])
            return False
        writer.write(HEAD + ROLE + TEXT + END if stream else whole(200, ANSWER))
        return not stream


@pytest.fixture(name="upstreams")
def fixture_upstreams() -> Iterator[Upstreams]:
    made = Upstreams()
    yield made
    made.stop()


def call(connection: http.client.HTTPConnection, stream: bool) -> str:
    """What is wrong with the answer, "" for nothing."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    headers = {"authorization": f"Bearer {KEY}", "x-headgate-timeout": str(DEADLINE)}
    connection.request("POST", "/v1/chat/completions", json.dumps(body, separators=(",", ":")), headers)
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        return f"{answer.status}: {data[:300]!r}"
    good = data == ROLE + TEXT + END if stream else data == ANSWER
    return "" if good else repr(data[:300])


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_no_client_notices_while_two_are_well(tmp_path: Path, upstreams: Upstreams) -> None:
    rows = [
        {
            "model_name": "m",
            "litellm_params": {
                "model": "openai/m",
                "api_base": f"http://127.0.0.1:{port}/v1",
                "api_key": "sk-up",
                "timeout": 1.0,
            },
        }
        for port in upstreams.ports
    ]
    config = {"model_list": rows, "general_settings": {"master_key": KEY}}
    gateway = Process(tmp_path, config)
    gateway.start()
    try:
        before, ends = open_files(gateway.pid), time.monotonic() + SECONDS
        asked = [0] * CLIENTS
        problems: list[str] = []

        def client(number: int) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
            while time.monotonic() < ends:
                asked[number] += 1
                if wrong := call(connection, stream=asked[number] % 2 == 0):
                    problems.append(wrong)
            connection.close()

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(client, range(CLIENTS)))
        assert not problems, (len(problems), sum(asked), problems[:5])
        assert sum(asked) > 100 * min(SECONDS, 3)
        assert upstreams.calls <= 1.2 * sum(asked), (upstreams.calls, sum(asked))
        settled(gateway, before)
    finally:
        gateway.stop()
    assert "Traceback" not in gateway.log


def settled(gateway: Process, before: int) -> None:
    """Nothing is in flight any more, and no connection is left but those that are kept for the next call."""

    def quiet() -> bool:
        metrics = bytes(gateway.ask("/metrics")[1])
        flights = [one["in_flight"] for one in gateway.ask("/router/state")[1]["m"]["deployments"]]
        left = open_files(gateway.pid) - before
        return b"headgate_in_flight_calls 0.0" in metrics and not any(flights) and left <= KEPT

    gateway.until(quiet)
