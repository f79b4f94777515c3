"""Reports against a list of the same calls: what is found, in which order, how much it adds up to."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from headgate.errors import BadRequestError
from headgate.store import ledger, reports, tables
from headgate.store.database import Database
from headgate.store.ledger import Record
from headgate.store.reports import FILTERS, GROUPS, NAMED
from records import DAY, NOON, anything, record, several

EVER = ("2000-01-01", "2100-01-01")
MANY = st.lists(anything(), max_size=25, unique_by=lambda one: one.id)
filters = st.dictionaries(
    st.sampled_from(["api_key", "user_id", "team_id", "end_user", "model", "model_id", "session_id"]),
    st.lists(st.sampled_from(["k1", "u1", "u2", "t1", "c1", "gpt", "d1", "s", "nobody"]), min_size=1),
    max_size=2,
)
moments = st.none() | st.integers(-3, 2).map(lambda days: NOON + days * DAY)


def book(database: Database, given: Sequence[Record]) -> None:
    def work(connection: Connection) -> None:
        for table in (tables.calls, tables.daily, tables.daily_named, tables.spend):
            connection.execute(table.delete())
        ledger.book(connection, given)

    database.write(work)


def pages(database: Database, size: int, **asked: Any) -> tuple[list[dict[str, Any]], int]:
    """All pages, one after the other."""
    given = {"where": {}, "start": None, "end": None, "failed": None, **asked}
    found: list[dict[str, Any]] = []
    for number in range(1, 100):
        rows, total = database.read(partial(reports.single_calls, page=number, size=size, **given))
        found += rows
        if len(rows) < size:
            return found, total
    raise AssertionError("there is no end")


# single calls


@several
@given(MANY, filters, moments, moments, st.none() | st.booleans(), st.integers(1, 9))
def test_pages_hold_what_was_asked_for_newest_first(
    database: Database,
    given: list[Record],
    where: dict[str, list[str]],
    start: float | None,
    end: float | None,
    failed: bool | None,
    size: int,
) -> None:
    book(database, given)
    found, total = pages(database, size, where=where, start=start, end=end, failed=failed)
    expected = [
        one
        for one in given
        if all(getattr(one, FILTERS[name].name) in values for name, values in where.items())
        and (start is None or one.started >= start)
        and (end is None or one.started < end)
        and (failed is None or (one.status >= 400 or one.error is not None) is failed)
    ]
    expected.sort(key=lambda one: (one.started, one.id), reverse=True)
    assert [row["id"] for row in found] == [one.id for one in expected]
    assert total == len(expected)


def test_calls_of_the_same_moment_are_on_one_page_each(database: Database) -> None:
    book(database, [record(number) for number in range(50)])
    found, total = pages(database, 7)
    assert total == len({row["id"] for row in found}) == len(found) == 50


def test_bodies_are_read_where_they_are_asked_for(database: Database) -> None:
    book(database, [record(1, request={"messages": []}, response="text", metadata={"a": 1})])
    light, _ = pages(database, 5)
    whole, _ = pages(database, 5, bodies=True)
    assert light[0].keys() ^ whole[0].keys() == {"request", "response"}
    assert (whole[0]["request"], whole[0]["response"]) == ({"messages": []}, "text")
    assert (light[0]["metadata"], light[0]["cost"]) == ({"a": 1}, 1_000_000)


INDEXED = ("request_id", "api_key", "user_id", "team_id", "organization_id", "end_user", "session_id")


@pytest.mark.parametrize("name", [None, *INDEXED])
def test_a_page_is_found_by_an_index(database: Database, name: str | None) -> None:
    """A full scan takes a second where there are millions."""
    made = [
        record(
            n, user_id=f"u{n}", customer=f"c{n}", session=f"s{n}", organization_id=f"o{n}", team_id=f"t{n}"
        )
        for n in range(10)
    ]
    book(database, made)
    statements: list[tuple[str, Any]] = []

    def hear(connection: Any, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        statements.append((statement, given))

    event.listen(database.engine, "before_cursor_execute", hear)
    where = {name: ["u5"]} if name else {}
    pages(database, 5, where=where, start=None if name else NOON + DAY)
    event.remove(database.engine, "before_cursor_execute", hear)
    for statement, values in statements:
        if statement.startswith("SELECT"):
            plan = database.read(partial(_plan, statement=statement, given=values))
            assert "INDEX" in plan.upper(), plan
            assert f"SCAN {tables.calls.name}\n" not in plan
            assert "Seq Scan" not in plan


def _plan(connection: Connection, statement: str, given: Any) -> str:
    word = "EXPLAIN QUERY PLAN"
    if connection.dialect.name == "postgresql":
        word = "EXPLAIN"
        connection.execute(text("SET LOCAL enable_seqscan = off"))  # for ten rows it is the cheapest
    rows = connection.exec_driver_sql(f"{word} {statement}", given).all()
    return "\n".join(str(row[-1]) for row in rows) + "\n"


# sums

_OF = {
    "key": lambda one: [one.key],
    "user": lambda one: [one.user_id or ""],
    "team": lambda one: [one.team_id or ""],
    "organization": lambda one: [one.organization_id or ""],
    "model": lambda one: [one.model_group or ""],
    "upstream_model": lambda one: [one.upstream_model or ""],
    "provider": lambda one: [one.provider or ""],
    "day": lambda one: [ledger.day(one.ended)],
    "customer": lambda one: [one.customer] if one.customer else [],
    "tag": lambda one: one.tags or [],
}
TOGETHER = ("key", "model", "provider", "day")
"""What sums by customer or tag are kept by, too."""


def _expected(given: Sequence[Record], by: Sequence[str]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in given:
        keys: list[tuple[str, ...]] = [()]
        for name in by:
            keys = [(*key, value) for key in keys for value in _OF[name](one)]
        for key in keys:
            sums = found[key]
            sums[0] += one.cost or 0
            sums[1] += 1
            sums[2] += one.output_tokens
    return {key: (spend, calls, tokens) for key, (spend, calls, tokens) in found.items()}


def _found(rows: Sequence[dict[str, Any]], by: Sequence[str]) -> dict[tuple[str, ...], tuple[int, int, int]]:
    return {
        tuple(row[name] for name in by): (row["spend"], row["calls"], row["output_tokens"]) for row in rows
    }


groups = st.lists(st.sampled_from([name for name in GROUPS if name not in NAMED]), min_size=1, unique=True)
named_groups = st.tuples(st.sampled_from(NAMED), st.lists(st.sampled_from(TOGETHER), unique=True, max_size=3))


@several
@given(MANY, groups.map(lambda names: names[:3]) | named_groups.map(lambda pair: [pair[0], *pair[1]]))
def test_sums_are_the_sums_of_the_calls(database: Database, given: list[Record], by: list[str]) -> None:
    book(database, given)
    rows = database.read(partial(reports.sums, by=by, start=EVER[0], end=EVER[1]))
    assert _found(rows, by) == _expected(given, by)
    assert [row["spend"] for row in rows] == sorted((row["spend"] for row in rows), reverse=True)
    few = database.read(partial(reports.sums, by=by, start=EVER[0], end=EVER[1], limit=2))
    assert few == rows[:2]


@several
@given(
    MANY, st.sampled_from(["user", "model", "tag"]), st.lists(st.sampled_from(["u1", "gpt", "a"]), min_size=1)
)
def test_sums_are_narrowed(database: Database, given: list[Record], name: str, values: list[str]) -> None:
    book(database, given)
    where = {name: values}
    rows = database.read(partial(reports.sums, by=["day"], start=EVER[0], end=EVER[1], where=where))
    if name == "tag":  # a call with two of them counts to each
        by_tag = _expected(given, ["day", "tag"])
        assert sum(row["calls"] for row in rows) == sum(
            sums[1] for key, sums in by_tag.items() if key[1] in values
        )
    else:
        kept = [one for one in given if set(_OF[name](one)) & set(values)]
        assert _found(rows, ["day"]) == _expected(kept, ["day"])


def test_the_first_and_the_last_day_are_in_it(database: Database) -> None:
    book(database, [record(n, ended=NOON + n * DAY) for n in range(-3, 4)])
    days = [ledger.day(NOON + n * DAY) for n in range(-3, 4)]
    rows = database.read(partial(reports.sums, by=["day"], start=days[1], end=days[4]))
    assert sorted(row["day"] for row in rows) == days[1:5]


@pytest.mark.parametrize(
    ("by", "where"),
    [
        (["tag", "team"], {}),
        (["tag"], {"team": ["t1"]}),
        (["customer"], {"user": ["u1"]}),
        (["tag", "customer"], {}),
        (["tag"], {"customer": ["c1"]}),
    ],
)
def test_what_is_not_kept_together_is_refused(
    database: Database, by: list[str], where: dict[str, list[str]]
) -> None:
    with pytest.raises(BadRequestError, match="are not kept"):
        database.read(partial(reports.sums, by=by, start=EVER[0], end=EVER[1], where=where))
