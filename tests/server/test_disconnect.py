"""What a stream costs whose client goes away: cancelled at once, or drained to learn the usage."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headgate.store.tables import calls
from servers import KEY, RunningGateway, Upstream, running

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
STATUSES = ("failure", "success")
USAGE = {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}


def chunk(text: str = "word ", **more: Any) -> bytes:
    row = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}], **more}
    return b"data: " + json.dumps(row).encode() + b"\n\n"


class Paused:
    """An upstream's stream that waits in the middle until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, body: bytes) -> Iterator[bytes]:
        yield HEAD + chunk()
        yield chunk()
        self.released.wait(20)
        for _ in range(38):
            yield chunk()
        yield (
            b"data: "
            + json.dumps({"id": "c", "model": "m", "choices": [], "usage": USAGE}).encode()
            + b"\n\n"
        )
        yield b"data: [DONE]\n\n"


def config(upstream: Upstream, **general: Any) -> dict[str, Any]:
    params = {
        "model": "openai/gpt-4o",
        "api_base": upstream.base,
        "api_key": "k",
        "output_cost_per_token": 0.001,
    }
    return {
        "model_list": [{"model_name": "m", "litellm_params": {**params, "input_cost_per_token": 0}}],
        "general_settings": {"master_key": KEY, **general},
    }


def leave_early(gateway: RunningGateway) -> None:
    """Reads the first words and goes."""
    body = json.dumps(
        {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    ).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as client:
        client.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        data = b""
        while data.count(b"word") < 2:
            data += client.recv(65536)


def booked(gateway: RunningGateway) -> Any:
    """The one record, as soon as it is there."""
    for _ in range(400):
        status, _, data = gateway.request("/spend/logs")
        assert status == 200
        if rows := json.loads(data):
            return rows[0]
        threading.Event().wait(0.02)
    raise AssertionError("nothing was booked")


def test_cancelled_streams_are_charged_by_what_was_relayed(upstream: Upstream, tmp_path: Path) -> None:
    paused = Paused()
    upstream.script = paused  # type: ignore[assignment]
    with running(config(upstream), tmp_path) as gateway:
        leave_early(gateway)
        row = booked(gateway)
        paused.released.set()
        assert (row["status_code"], row["usage_from"]) == (499, "estimated")
        assert 2 <= row["completion_tokens"] < 40
        assert row["spend"] == pytest.approx(row["completion_tokens"] * 0.001)


def test_drained_streams_are_charged_by_the_providers_usage(upstream: Upstream, tmp_path: Path) -> None:
    paused = Paused()
    upstream.script = paused  # type: ignore[assignment]
    with running(config(upstream, on_disconnect="drain"), tmp_path) as gateway:
        leave_early(gateway)
        paused.released.set()
        row = booked(gateway)
        assert (row["usage_from"], row["completion_tokens"], row["spend"]) == ("provider", 40, 0.04)


def test_draining_ends_at_its_bound_of_tokens(upstream: Upstream, tmp_path: Path) -> None:
    paused = Paused()
    upstream.script = paused  # type: ignore[assignment]
    with running(config(upstream, on_disconnect="drain(5, 20)"), tmp_path) as gateway:
        leave_early(gateway)
        paused.released.set()
        row = booked(gateway)
        assert row["usage_from"] in ("estimated", "provider")
        assert row["completion_tokens"] <= 40


def test_draining_ends_at_its_bound_of_time(upstream: Upstream, tmp_path: Path) -> None:
    paused = Paused()
    upstream.script = paused  # type: ignore[assignment]
    with running(config(upstream, on_disconnect="drain(1000, 0.2)"), tmp_path) as gateway:
        leave_early(gateway)
        assert booked(gateway)["usage_from"] == "estimated"
        paused.released.set()


def test_a_stream_that_broke_has_failed_though_it_began_well(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script = lambda body: [HEAD + chunk(), chunk()]
    with running(config(upstream), tmp_path) as gateway:
        asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        assert gateway.request("/v1/chat/completions", asked)[0] == 200
        row = booked(gateway)
        assert (row["status_code"], row["status"], row["error"]) == (200, "failure", "APIConnectionError")
        found = [json.loads(gateway.request(f"/spend/logs/v2?status_filter={name}")[2]) for name in STATUSES]
        assert [page["total"] for page in found] == [1, 0]
        (day,) = json.loads(gateway.request("/global/spend/report?group_by=day")[2])
        assert (day["calls"], day["failed"]) == (1, 1)


def test_a_stream_that_is_read_to_its_end_is_booked_before_its_last_byte(
    upstream: Upstream, tmp_path: Path
) -> None:
    paused = Paused()
    paused.released.set()
    upstream.script = paused  # type: ignore[assignment]
    with running(config(upstream), tmp_path) as gateway:
        seen: list[int] = []
        ledger = gateway.gateway.ledger
        assert ledger is not None
        _, _, data = gateway.request(
            "/v1/chat/completions",
            {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]},
        )
        assert data.endswith(b"data: [DONE]\n\n")
        ledger.finish()
        ledger._drain()
        assert gateway.gateway.database is not None
        seen = gateway.gateway.database.read(
            lambda c: [row.output_tokens for row in c.execute(calls.select())]
        )
        assert seen == [40]
