"""Four gateways, one PostgreSQL, one Valkey: budgets that nobody overspends, rates that hold, keys that all know,
and a database that goes away."""

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateways import CONFIG, Process
from headgate.money import UNITS
from headgate.store.database import connect
from headgate.store.tables import calls, spend
from process.conftest import Shared

OUTAGE = float(os.environ.get("HEADGATE_OUTAGE", "3"))
"""Seconds that PostgreSQL is away: 60 by hand."""
BODY = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "a b c d e f g h i j"}]}


@contextmanager
def replicas(
    folder: Path, env: dict[str, str], count: int = 4, config: dict[str, Any] = CONFIG
) -> Iterator[list[Process]]:
    processes = [Process(folder / f"replica-{number}", config, env=env) for number in range(count)]
    try:
        for process in processes:
            process.start()
        yield processes
    finally:
        for process in processes:
            process.stop()


def at_once(processes: list[Process], key: str, count: int) -> Counter[int]:
    """So many calls, all open at the same time, by turns."""

    async def one(port: int) -> int:
        data = json.dumps(BODY).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
        head += "connection: close\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + b"content-length: %d\r\n\r\n" % len(data) + data)
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1])

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one(processes[n % len(processes)].port) for n in range(count)))

    return Counter(asyncio.run(all_of_them()))


def key_for(process: Process, **limits: Any) -> str:
    status, made = process.ask("/key/generate", limits)
    assert status == 200, made
    return str(made["key"])


@pytest.mark.parametrize("redis", [False, True], ids=["PostgreSQL alone", "with Redis"])
def test_no_number_of_calls_overspends_a_strict_budget(shared: Shared, tmp_path: Path, redis: bool) -> None:
    env = shared.env if redis else {"DATABASE_URL": shared.url}
    with replicas(tmp_path, env) as processes:
        key = key_for(processes[0], max_budget=1)
        answers = at_once(processes, key, 1000)
        assert set(answers) == {200, 422}
        assert 90 <= answers[200] <= 100
        assert at_once(processes, key, 100)[200] + answers[200] <= 100
    database = connect(shared.url)
    rows = {(row.kind, row.id): row.total for row in database.read(lambda c: c.execute(spend.select()).all())}
    costs = database.read(lambda c: [row.cost or 0 for row in c.execute(calls.select())])
    database.close()
    assert rows["global", ""] == sum(costs) <= UNITS


@pytest.mark.parametrize("bound", ["model", "provider"])
def test_budgets_of_models_and_providers_hold_over_all_replicas(
    shared: Shared, tmp_path: Path, bound: str
) -> None:
    limits: dict[str, Any] = {"model_max_budget": {"m": 0.5}} if bound == "model" else {}
    providers = {"provider_budget_config": {"mock": {"budget_limit": 0.5}}} if bound == "provider" else {}
    config = {**CONFIG, "router_settings": providers}
    with replicas(tmp_path, {"DATABASE_URL": shared.url}, config=config) as processes:
        answers = at_once(processes, key_for(processes[0], **limits), 300)
        assert set(answers) == {200, 422 if bound == "model" else 429}
        assert 40 <= answers[200] <= 50


def test_who_has_spent_before_it_got_a_budget_may_use_it(shared: Shared, tmp_path: Path) -> None:
    with replicas(tmp_path, {"DATABASE_URL": shared.url}, 1) as (process,):
        key = key_for(process)
        assert at_once([process], key, 20) == {200: 20}
        until = time.monotonic() + 10
        while process.ask(f"/key/info?key={key}")[1]["info"]["spend"] < 0.2 and time.monotonic() < until:
            time.sleep(0.05)  # until all is booked
        assert process.ask("/key/update", {"key": key, "max_budget": 0.25})[0] == 200
        assert [process.ask("/v1/chat/completions", BODY, key)[0] for _ in range(6)] == [200] * 5 + [422]


def test_rates_hold_over_all_replicas(shared: Shared, tmp_path: Path) -> None:
    with replicas(tmp_path, shared.env) as processes:
        for limit in (50, 100):
            answers = at_once(processes, key_for(processes[0], rpm_limit=limit), 400)
            assert set(answers) == {200, 429}
            assert limit * 0.98 <= answers[200] <= limit


def test_a_change_of_a_key_is_known_to_all_within_a_second(shared: Shared, tmp_path: Path) -> None:
    with replicas(tmp_path, shared.env, 2) as (one, other):
        key = key_for(one)
        assert [process.ask("/v1/chat/completions", BODY, key)[0] for process in (one, other)] == [200, 200]
        assert one.ask("/key/block", {"key": key})[0] == 200
        until = time.monotonic() + 5
        while other.ask("/v1/chat/completions", BODY, key)[0] == 200 and time.monotonic() < until:
            time.sleep(0.02)
        assert other.ask("/v1/chat/completions", BODY, key)[0] == 401


def test_a_repeated_call_is_one_call_on_whatever_replica(shared: Shared, tmp_path: Path) -> None:
    with replicas(tmp_path, shared.env) as processes:
        key = key_for(processes[0])

        def ask(at: int, model: str = "m") -> tuple[int, Any]:
            named = {"idempotency-key": "one"}
            status, answer = processes[at % 4].ask(
                "/v1/chat/completions", {**BODY, "model": model}, key, named
            )
            return status, answer

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
        assert [status for status, _ in answers] == [200] * 8
        assert len({answer["id"] for _, answer in answers}) == 1
        assert ask(3) == answers[0]
        assert ask(1, "n")[0] == 409


def test_ten_replicas_may_start_at_once_on_an_empty_database(shared: Shared, tmp_path: Path) -> None:
    processes = [Process(tmp_path / f"start-{number}", env=shared.env) for number in range(10)]
    starts = [threading.Thread(target=process.start) for process in processes]
    for start in starts:
        start.start()
    for start in starts:
        start.join(60)
    states = [process.ask("/health/readiness")[0] for process in processes]
    for process in processes:
        process.stop()
    assert states == [200] * 10


def test_no_call_fails_while_database_and_redis_are_away(shared: Shared, tmp_path: Path) -> None:
    """Rates and estimated budgets; unknown keys get 503, and every record arrives afterwards."""
    with replicas(tmp_path, shared.env, 2) as processes:
        key = key_for(processes[0], max_budget=1000, budget_mode="estimate", rpm_limit=1_000_000)
        answers: Counter[int] = Counter(
            process.ask("/v1/chat/completions", BODY, key)[0] for process in processes
        )
        shared.postgres.stop()
        shared.stop_valkey()
        until = time.monotonic() + OUTAGE
        while time.monotonic() < until:
            answers += at_once(processes, key, 20)
            time.sleep(0.05)
        status, body = processes[0].ask("/v1/chat/completions", BODY, "sk-never-seen-before-1")
        assert (status, body["error"]["type"]) == (503, "no_db_connection")
        shared.postgres.start()
        shared.start_valkey()
        answers += at_once(processes, key, 20)
        assert set(answers) == {200}
    database = connect(shared.url)
    kept = database.read(lambda c: [row.status for row in c.execute(calls.select())])
    database.close()
    assert kept.count(200) == answers[200]
