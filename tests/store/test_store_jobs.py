"""Jobs in the database: whose they are, and that a batch is paid once."""

from decimal import Decimal
from typing import Any

from headgate.money import units
from headgate.store import jobs, ledger
from headgate.store.database import Database
from headgate.store.jobs import Job
from headgate.store.ledger import GLOBAL, Record

NOW = 1_700_000_000.0


def job(name: str, **fields: Any) -> Job:
    given = {"kind": "batch", "created": NOW, "key": "k", "provider": "p", "deployment": "d", **fields}
    return Job(id=name, **given)


def save(database: Database, *rows: Job) -> None:
    database.write(lambda connection: jobs.save(connection, rows))


def owned(database: Database, key: str | None, team: str | None = None) -> list[str]:
    found = database.read(lambda connection: jobs.owned(connection, "batch", key, team, "p"))
    return [row.id for row in found]


def test_who_had_an_id_first_keeps_it(database: Database) -> None:
    first = job("a", payer={"user_id": "u"}, document={"n": 1}, team_id="t", batch="b")
    save(database, first)
    assert database.read(lambda connection: jobs.load(connection, "a")) == first
    save(database, job("a", key="thief", document={"n": 2}))
    found = database.read(lambda connection: jobs.load(connection, "a"))
    assert found is not None
    assert (found.key, found.document) == ("k", {"n": 2})
    database.write(lambda connection: jobs.remove(connection, "a"))
    assert database.read(lambda connection: jobs.load(connection, "a")) is None


def test_lists_are_the_keys_the_teams_or_everybodys(database: Database) -> None:
    save(
        database,
        job("a", created=NOW),
        job("b", created=NOW + 1, key="l", team_id="t"),
        job("c", created=NOW + 2, key="m", team_id="u"),
        job("d", kind="file"),
        job("e", provider="q"),
    )
    assert owned(database, "k") == ["a"]
    assert owned(database, "k", "t") == ["b", "a"]
    assert owned(database, "n") == []
    assert owned(database, None) == ["c", "b", "a"]
    found = database.read(lambda connection: jobs.among(connection, ["a", "d", "none"]))
    assert sorted(row.id for row in found) == ["a", "d"]


def test_a_batch_is_paid_once(database: Database) -> None:
    batch = job("a", key="k")
    save(database, batch, job("old", created=NOW - jobs.WATCH_SECONDS - 1), job("f", kind="file"))
    record = Record(
        id="a:m",
        started=NOW,
        first_token=None,
        ended=NOW,
        key="k",
        model="m\0",
        operation="batch",
        cost=units(Decimal("0.5")),
    )
    waiting = database.read(lambda connection: jobs.unpaid(connection, NOW))
    assert [row.id for row in waiting] == ["a"]
    for paid in (units(Decimal("0.5")), 0):
        found = database.write(lambda connection: jobs.pay(connection, batch, [record], rows=True))
        assert found[0].get(("key", "k"), 0) == paid
    spent = database.read(lambda connection: ledger.spent(connection, [GLOBAL, ("key", "k")], {}))
    assert {scope: row[1] for scope, row in spent.items()} == {
        GLOBAL: units(Decimal("0.5")),
        ("key", "k"): units(Decimal("0.5")),
    }
    assert database.read(lambda connection: jobs.unpaid(connection, NOW)) == []


def test_a_batch_without_results_is_paid_too(database: Database) -> None:
    batch = job("a")
    save(database, batch)
    assert database.write(lambda connection: jobs.pay(connection, batch, [], rows=True)) == ({}, {})
    assert database.read(lambda connection: jobs.unpaid(connection, NOW)) == []
