"""`kill -9` under load: the database holds one record for every answer that a client had received in full."""

import json
import os
import socket
import threading
from decimal import Decimal
from pathlib import Path

import pytest

from gateways import KEY, Process
from headgate.money import dollars
from headgate.store.database import embedded
from headgate.store.tables import calls, spend

ROUNDS = int(os.environ.get("HEADGATE_CRASHES", "3"))
"""How often it is killed: more by hand, with HEADGATE_CRASHES=20."""
CLIENTS = 8


class Client(threading.Thread):
    """Calls until the gateway is gone; `received` are the ids of complete answers."""

    def __init__(self, port: int, key: str, enough: threading.Semaphore, stream: bool) -> None:
        super().__init__(daemon=True)
        body = {"model": "m", "messages": [{"role": "user", "content": "one two three"}], "stream": stream}
        data = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        self._request = head.encode() + b"content-length: %d\r\n\r\n" % len(data) + data
        self._port = port
        self._enough = enough
        self._stream = stream
        self.received: list[str] = []

    def run(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), 20) as sock, sock.makefile("rb") as file:
                while True:
                    sock.sendall(self._request)
                    status = file.readline()
                    headers = {}
                    while (line := file.readline()) not in (b"\r\n", b""):
                        name, _, value = line.decode().partition(":")
                        headers[name] = value.strip()
                    if b" 200 " not in status or not self._whole(file, headers):
                        return
                    self.received.append(headers["x-headgate-call-id"])
                    self._enough.release()
        except (OSError, ValueError):
            return

    def _whole(self, file, headers: dict[str, str]) -> bool:
        if not self._stream:
            size = int(headers["content-length"])
            return len(file.read(size)) == size
        while (line := file.readline()) and line.strip():
            size = int(line, 16)
            if len(file.read(size + 2)) < size + 2:
                return False
            if size == 0:
                return True
        return False


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_answer_received_is_booked_once_after_kill_9(tmp_path: Path, stream: bool) -> None:
    gateway = Process(tmp_path).start()
    _, made = gateway.ask("/key/generate", {"max_budget": 1000})
    received: set[str] = set()
    for _ in range(ROUNDS):
        enough = threading.Semaphore(0)
        clients = [Client(gateway.port, made["key"], enough, stream) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(300):
            enough.acquire(timeout=20)
        gateway.kill()
        for client in clients:
            client.join(20)
            received.update(client.received)
        gateway.start()
    gateway.stop()
    database = embedded(tmp_path / "data")
    rows = database.read(lambda c: c.execute(calls.select()).all())
    ids = [row.id for row in rows]
    assert len(ids) == len(set(ids)) >= 300 * ROUNDS
    assert received <= set(ids)
    total = sum(row.cost or 0 for row in rows)
    spent = {
        (row.kind, row.id): row.total for row in database.read(lambda c: c.execute(spend.select()).all())
    }
    assert spent["global", ""] == spent["key", made["id"]] == total
    assert dollars(total) == Decimal("0.003") * sum(
        row.status == 200 and row.cost is not None for row in rows
    )
    assert not list((tmp_path / "data" / "journal").glob("*.damaged"))
    database.close()
    assert KEY not in gateway.log
