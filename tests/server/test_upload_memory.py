"""Large uploads on a gateway process: they pass without being held in memory, however slowly the upstream reads."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateways import KEY, Process
from headgate.wire.multipart import Part, Writer

SIZE = 25 * 1024 * 1024
MOST = 10 * 1024 * 1024


class Way(NamedTuple):
    """One operation that takes a file."""

    path: str
    model: str
    file: Part
    fields: dict[str, str]
    answer: bytes


WAYS = {
    "sound": Way(
        "/v1/audio/transcriptions",
        "openai/whisper-1",
        Part("file", "a.mp3", "audio/mpeg"),
        {},
        b'{"text":"Hi."}',
    ),
    "picture": Way(
        "/v1/images/edits",
        "openai/gpt-image-1",
        Part("image", "a.png", "image/png"),
        {"prompt": "a hat", "n": "1"},
        b'{"data":[{"b64_json":"AA=="}]}',
    ),
}


class Slow:
    """An upstream that reads the beginning of a request, waits until it may go on, and counts what it got."""

    def __init__(self) -> None:
        self.answer = b""
        self.go_on = threading.Event()
        self.began = threading.Event()
        self.received = 0
        self._sock = socket.create_server(("127.0.0.1", 0))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.base = f"http://127.0.0.1:{self._sock.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        data = connection.recv(16 * 1024)
        while b"\r\n\r\n" not in data:
            data += connection.recv(16 * 1024)
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        assert found is not None
        left, size = int(found[1]) - len(body), len(body)
        self.began.set()
        assert self.go_on.wait(60)
        while left:
            piece = connection.recv(min(left, 64 * 1024))
            if not piece:
                return
            left -= len(piece)
            size += len(piece)
        self.received = size
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(self.answer), self.answer)
        )

    def stop(self) -> None:
        self.go_on.set()
        self._sock.close()


@pytest.fixture(name="upstream")
def fixture_upstream() -> Iterator[Slow]:
    upstream = Slow()
    yield upstream
    upstream.stop()


def memory(pid: int, what: str) -> int:
    """Bytes: VmRSS is what is held now, VmHWM the most that ever was."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def upload(port: int, way: Way, size: int) -> bytes:
    """Sends a form with a file of that size, whose fields come after it, and returns the answer."""
    form = Writer(b"theirs")
    head = form.head(way.file)
    fields = {**way.fields, "model": "m"}
    tail = form.tail + b"".join(form.field(name, value) for name, value in fields.items()) + form.end()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(
            b"POST %b HTTP/1.1\r\nhost: h\r\nauthorization: Bearer %b\r\n"
            b"content-type: %b\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
            % (
                way.path.encode(),
                KEY.encode(),
                form.content_type.encode(),
                len(head) + size + len(tail),
                head,
            )
        )
        block = os.urandom(64 * 1024)
        for _ in range(size // len(block)):
            sock.sendall(block)
        sock.sendall(tail)
        answer = b""
        while piece := sock.recv(64 * 1024):
            answer += piece
    return answer


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_large_file_is_not_held_in_memory(upstream: Slow, tmp_path: Path, way: Way) -> None:
    upstream.answer = way.answer
    params = {"model": way.model, "api_base": upstream.base, "api_key": "sk-up"}
    config = {
        "model_list": [{"model_name": "m", "litellm_params": params}],
        "general_settings": {"master_key": KEY},
    }
    env = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    gateway = Process(tmp_path / "gateway", config, env).start()
    try:
        upstream.go_on.set()
        assert upload(gateway.port, way, 2 * 1024 * 1024).endswith(way.answer)  # all modules are loaded now
        upstream.go_on.clear()
        upstream.began.clear()
        before = memory(gateway.pid, "VmHWM")
        answers: list[bytes] = []
        client = threading.Thread(target=lambda: answers.append(upload(gateway.port, way, SIZE)))
        client.start()
        assert upstream.began.wait(60)
        upstream.go_on.set()
        client.join(60)
        assert answers[0].startswith(b"HTTP/1.1 200") and answers[0].endswith(way.answer), answers
        assert upstream.received > SIZE
        assert memory(gateway.pid, "VmHWM") - before < MOST
    finally:
        gateway.stop()
