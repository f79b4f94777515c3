"""A provider's files and batches for tests, on a real socket, and what tests of them ask of a gateway."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import openai
import pytest

from servers import KEY, RunningGateway

CLIENTS: list[openai.OpenAI] = []
Answer = tuple[int, dict[str, str], bytes]


class Asked(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Keeper(http.server.ThreadingHTTPServer):
    """`answers` maps "METHOD /path" to a document, bytes (of a file), or a function of the request; what is not in it
    is a 404, unless `other` answers it. No body is read before `go`; those of paths in `counted` are read in pieces,
    and only their sizes are kept. `plays` are whole answers; `cut` is set when a body ends too early.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.counted: dict[str, int] = {}
        self.cut = threading.Event()
        self.go = threading.Event()
        self.go.set()
        self.plays: dict[str, Answer] = {}
        self.refuses: dict[str, Answer] = {}
        self.other: Callable[[Asked], Answer | None] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def last(self, method: str, path: str) -> Asked:
        return next(one for one in reversed(self.asked) if (one.method, one.path) == (method, path))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Keeper

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 -- the base class's name

    def _serve(self) -> None:
        try:
            self._answer()
        except EOFError:  # the client has gone: nobody waits for an answer
            self.close_connection = True

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        keeper, key = self.server, f"{self.command} {parts.path}"
        if key in keeper.refuses:  # before a byte of the body is read
            self.close_connection = True
            self._send(*keeper.refuses[key])
            while self.rfile.read1(65536):  # closing on unread bytes would take the answer back
                pass
            return
        body = b""
        keeper.go.wait(20)
        for piece in self._pieces():
            if key in keeper.counted:
                keeper.counted[key] += len(piece)
            else:
                body += piece
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, parts.path, parts.query, headers, body)
        keeper.asked.append(asked)
        if key in keeper.plays:
            self._send(*keeper.plays[key])
            return
        found = keeper.answers.get(key)
        if callable(found):
            found = found(asked)
        if found is None and keeper.other is not None and (own := keeper.other(asked)) is not None:
            self._send(*own)
        elif found is None:
            message = f"No such thing: {key}, and the key was {headers.get('authorization')}"
            self._send(404, {}, json.dumps({"error": {"message": message}}).encode())
        elif isinstance(found, bytes):
            self._send(200, {"content-type": "application/octet-stream"}, found)
        else:
            self._send(200, {"content-type": "application/json"}, json.dumps(found).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _serve

    def _pieces(self) -> Iterator[bytes]:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("content-length", 0))
        while left:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                self.server.cut.set()
                raise EOFError
            left -= len(piece)
            yield piece

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def keeping() -> Iterator[Keeper]:
    keeper = Keeper()
    thread = threading.Thread(target=keeper.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.shutdown()
        keeper.server_close()
        thread.join(5)


def line(number: int, model: str = "gpt-test", **body: Any) -> dict[str, Any]:
    asked = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10, **body}
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked}


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def key(gateway: RunningGateway, **fields: Any) -> str:
    status, _, body = gateway.request("/key/generate", fields)
    assert status == 200, body
    return str(json.loads(body)["key"])


def client(gateway: RunningGateway, own: str = KEY, **more: Any) -> openai.OpenAI:
    made = openai.OpenAI(
        api_key=own, base_url=f"http://127.0.0.1:{gateway.port}/v1", max_retries=0, timeout=20, **more
    )
    CLIENTS.append(made)
    return made


@pytest.fixture(name="keeper")
def fixture_keeper() -> Iterator[Keeper]:
    with keeping() as keeper:
        yield keeper


@pytest.fixture(autouse=True)
def fixture_closed() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def until(true: Callable[[], bool]) -> None:
    """Waits for work in the background."""
    pause = threading.Event()
    for _ in range(1000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come")


def spent(gateway: RunningGateway, own: str) -> Decimal:
    body = gateway.request("/key/info", headers={"authorization": f"Bearer {own}"})[2]
    return Decimal(str(json.loads(body)["info"]["spend"]))


def rows(gateway: RunningGateway) -> list[dict[str, Any]]:
    found = json.loads(gateway.request("/spend/logs")[2])
    return [row for row in found if row.get("call_type") == "batch"]
