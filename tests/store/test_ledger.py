"""The ledger: each call once, sums that are the sums of the records to the last digit, periods that begin anew."""

import math
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, inspect, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from headgate.store import ledger, tables
from headgate.store.database import Database
from headgate.store.ledger import GLOBAL, Record, Scope, book, book_segment
from records import DAY, NOON, anything, record, several

Spent = dict[Scope, tuple[int, int]]
TABLES = (tables.calls, tables.spend, tables.daily, tables.daily_named, tables.customers, tables.segments)


def _empty(database: Database) -> None:
    database.write(lambda connection: [connection.execute(table.delete()) for table in TABLES])


def _spent(database: Database) -> Spent:
    rows = database.read(lambda connection: connection.execute(select(tables.spend)).all())
    return {(row.kind, row.id): (row.spend, row.total) for row in rows}


def _days(database: Database, table: Any) -> dict[tuple[str, ...], tuple[int, ...]]:
    rows = database.read(lambda connection: connection.execute(select(table)).all())
    keys = len(table.primary_key.columns)
    return {tuple(row[:keys]): tuple(row[keys:]) for row in rows}


def _ids(database: Database) -> set[str]:
    return set(database.read(lambda connection: connection.scalars(select(tables.calls.c.id)).all()))


# what is kept of a call


@given(anything())
def test_a_record_goes_through_the_journal_unchanged(given: Record) -> None:
    assert ledger.decode(ledger.encode(given)) == given


def test_a_record_has_the_columns_of_its_table_in_their_order(database: Database) -> None:
    """A record's fields are the columns."""
    fields = [field.name for field in msgspec.structs.fields(Record)]
    assert [column.name for column in tables.calls.columns] == fields
    columns = database.read(lambda connection: inspect(connection).get_columns(tables.calls.name))
    assert [column["name"] for column in columns] == fields


@several
@given(st.lists(anything(), max_size=5, unique_by=lambda given: given.id))
def test_a_row_is_its_record(database: Database, given: list[Record]) -> None:
    _empty(database)
    database.write(lambda connection: book(connection, given))
    rows = database.read(lambda c: [dict(row) for row in c.execute(select(tables.calls)).mappings()])
    found = {row["id"]: Record(**{**row, "tags": _tuple(row["tags"])}) for row in rows}
    assert found == {made.id: made for made in given}


def _tuple(tags: list[str] | None) -> tuple[str, ...] | None:
    return None if tags is None else tuple(tags)


@pytest.mark.parametrize("count", [1, 3, 4, 31, 33, 255, 257, 300])
def test_any_number_of_records_is_booked(database: Database, count: int) -> None:
    assert database.write(lambda c: book(c, [record(n) for n in range(count)])) == count
    assert len(_ids(database)) == count


# each call once


def test_a_record_that_was_booked_counts_no_more(database: Database) -> None:
    given = [record(1), record(2, cost=5)]
    assert database.write(lambda c: book(c, given)) == 2
    once = (_spent(database), _days(database, tables.daily))
    again = [record(2, cost=5), record(3, cost=0), record(3, cost=0), record(1)]
    assert database.write(lambda c: book(c, again)) == 1
    assert _ids(database) == {"call-1", "call-2", "call-3"}
    assert _spent(database) == once[0]
    assert database.write(lambda c: book(c, [])) == 0


def test_a_segment_is_booked_once(database: Database) -> None:
    given = [record(1), record(2)]
    book_it = partial(book_segment, name="s", records=given)
    paid = database.write(book_it)
    assert paid[GLOBAL] == paid["key", "k1"] == 2_000_000
    assert database.write(book_it) == {}
    assert database.write(lambda c: book_segment(c, "t", [])) == {}
    assert _spent(database)[GLOBAL] == (2_000_000, 2_000_000)
    assert _ids(database) == {"call-1", "call-2"}


def test_a_segment_whose_booking_fails_leaves_nothing(database: Database) -> None:
    database.write(lambda c: book(c, [record(2)]))
    before = _spent(database), _days(database, tables.daily), _ids(database)
    given = [record(1), record(2)]
    with pytest.raises(IntegrityError):
        database.write(lambda c: book_segment(c, "s", given))
    assert (_spent(database), _days(database, tables.daily), _ids(database)) == before
    database.write(lambda c: book_segment(c, "s", [record(1)]))
    assert _ids(database) == {"call-1", "call-2"}


def test_sums_alone_are_kept_where_no_rows_are_wanted(database: Database) -> None:
    database.write(lambda c: book_segment(c, "s", [record(1, tags=("a",), customer="c")], rows=False))
    assert _ids(database) == set()
    assert _spent(database)["tag", "a"] == (1_000_000, 1_000_000)
    assert len(_days(database, tables.daily)) == 1


LONG = random.Random(1).randbytes(10_000).hex()
"""No index takes it, however it is compressed."""
TOO_MUCH = record(4, input_tokens=2**70, cost=2**70)
ODD = [
    record(2, model="a\0b", customer="c\0d", tags=("x\0",), metadata={"k\0": "v\0"}),
    record(3, metadata=msgspec.Raw(b'{"a": "\xff\xfe"}')),
    TOO_MUCH,
    record(5, model_group="m" * 100_000, upstream_model="\U0001f600" * 10_000, provider="p"),
    record(6, session=LONG, customer=LONG),
]


def test_what_a_database_does_not_take_is_mended_and_the_others_are_booked_as_they_are(
    database: Database,
) -> None:
    given = [record(1), *ODD, record(7)]
    refused: list[Record] = []
    paid = database.write(lambda c: book_segment(c, "s", given, refused=refused))
    assert _ids(database) >= {"call-1", "call-2", "call-4", "call-5", "call-6", "call-7"}
    assert paid[GLOBAL] == _spent(database)[GLOBAL][1]
    assert [odd.id for odd in refused] in ([], ["call-3"])
    assert database.write(lambda c: book_segment(c, "s", given, refused=refused)) == {}


def test_what_was_booked_before_is_left_out_of_a_segment(database: Database) -> None:
    database.write(lambda c: book(c, [record(2)]))
    refused: list[Record] = []
    given = [record(1), record(2), record(3)]
    paid = database.write(lambda c: book_segment(c, "s", given, refused=refused))
    assert (paid[GLOBAL], refused) == (2_000_000, [])
    assert _spent(database)[GLOBAL] == (3_000_000, 3_000_000)


# sums


def _payers(given: Record) -> list[Scope]:
    """Said again, in other words than the ledger's."""
    group = given.model_group or ""
    served = {"model": group, "deployment": given.deployment, "provider": given.provider}
    found = [("key", given.key)]
    for kind in ("user", "team", "organization"):
        if name := getattr(given, f"{kind}_id"):
            found.append((kind, name))
    if given.customer:
        found.append(("customer", given.customer))
    if given.team_id and given.user_id:
        found.append(("member", f"{given.team_id}/{given.user_id}"))
    found += [("tag", tag) for tag in given.tags or ()]
    of_model = [(f"{kind}_model", f"{name}\x1f{group}") for kind, name in found if group]
    return [GLOBAL, *((kind, name) for kind, name in served.items() if name), *found, *of_model]


def _sums(given: Sequence[Record], keys: Callable[[Record], list[tuple[str, ...]]]) -> Mapping[Any, Any]:
    found: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * 8)
    for one in given:
        tokens = one.tokens or {}
        values = (
            one.cost or 0,
            1,
            int(one.status >= 400 or one.error is not None),
            one.input_tokens,
            one.output_tokens,
            *(tokens.get(kind, 0) for kind in ("cache_read", "cache_write", "reasoning")),
        )
        for key in keys(one):
            found[key] = [a + b for a, b in zip(found[key], values, strict=True)]
    return {key: tuple(values) for key, values in found.items()}


def _day_of(one: Record) -> list[tuple[str, ...]]:
    whose = (one.key, one.user_id or "", one.team_id or "", one.organization_id or "")
    what = (one.model_group or "", one.upstream_model or "", one.provider or "")
    return [(ledger.day(one.ended), *whose, *what)]


def _named_days_of(one: Record) -> list[tuple[str, ...]]:
    names = [("tag", tag) for tag in one.tags or ()]
    if one.customer:
        names.append(("customer", one.customer))
    rest = (one.key, one.model_group or "", one.provider or "")
    return [(ledger.day(one.ended), kind, name, *rest) for kind, name in names]


@several
@given(st.lists(st.lists(anything(), max_size=12), max_size=4), st.sampled_from((1, 5, ledger.AT_ONCE)))
def test_all_sums_are_the_sums_of_the_records(
    database: Database, batches: list[list[Record]], at_once: int
) -> None:
    _empty(database)
    for number, batch in enumerate(batches):
        with patch.object(ledger, "AT_ONCE", at_once):
            paid = database.write(partial(book_segment, name=str(number), records=iter(batch)))
        due: dict[Scope, int] = defaultdict(int)
        for one in batch:
            for payer in _payers(one):
                due[payer] += one.cost or 0
        assert {scope: cost for scope, cost in paid.items() if cost} == {s: c for s, c in due.items() if c}
    given = [one for batch in batches for one in batch]
    spent: dict[Scope, int] = defaultdict(int)
    for one in given:
        for payer in _payers(one):
            spent[payer] += one.cost or 0
    found = _spent(database)
    assert {scope: row for scope, row in found.items() if row[1]} == {
        scope: (cost, cost) for scope, cost in spent.items() if cost
    }
    assert _days(database, tables.daily) == _sums(given, _day_of)
    assert _days(database, tables.daily_named) == _sums(given, _named_days_of)
    total = database.read(lambda c: c.scalar(select(func.sum(tables.calls.c.cost))))
    assert (total or 0) == found.get(GLOBAL, (0, 0))[1]
    customers = database.read(lambda c: c.scalars(select(tables.customers.c.user_id)).all())
    assert sorted(customers) == sorted({one.customer for one in given if one.customer})


def test_what_was_spent_is_exact_to_the_last_digit(database: Database) -> None:
    """A third of a trillionth would be lost in binary fractions long before this."""
    costs = [333_333_333_333_333 + n for n in range(500)]
    for at in range(0, 500, 100):
        part = [record(n, cost=costs[n]) for n in range(at, at + 100)]
        database.write(lambda c, part=part: book(c, part))
    assert _spent(database)["key", "k1"] == (sum(costs), sum(costs))


def test_a_customer_that_is_known_stays_as_it_is(database: Database) -> None:
    row = {"user_id": "c", "alias": "ours", "blocked": True, "max_budget": 5}
    history = {"created_at": 1.0, "created_by": "me", "updated_at": 1.0, "updated_by": "me"}
    database.write(lambda c: c.execute(tables.customers.insert(), [{**row, **history}]))
    database.write(lambda c: book(c, [record(1, customer="c"), record(2, customer="new")]))
    found = database.read(lambda c: c.execute(select(tables.customers)).all())
    rows = {one.user_id: (one.alias, one.blocked, one.created_by) for one in found}
    assert rows == {"c": ("ours", True, "me"), "new": (None, False, "first call")}


def test_many_processes_may_book_for_the_same_payers(database: Database) -> None:
    """Whoever locks rows does so in one order: nobody waits in a circle."""
    teams = [f"t{n}" for n in range(8)]

    def work(worker: int) -> None:
        for turn in range(5):
            chosen = teams[worker:] + teams[:worker] if turn % 2 else teams[::-1]
            batch = [
                record(f"{worker}-{turn}-{team}", team_id=team, key=team, tags=(team,)) for team in chosen
            ]
            database.write(partial(book_segment, name=f"{worker}-{turn}", records=batch))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    found = _spent(database)
    assert found[GLOBAL][1] == 6 * 5 * 8 * 1_000_000
    assert {found["team", team] for team in teams} == {(30_000_000, 30_000_000)}


# periods


def test_a_new_period_begins_with_the_calls_that_ended_in_it(database: Database) -> None:
    given = [record(n, ended=NOON + n, cost=10**n, team_id="t", user_id="u") for n in range(4)]
    database.write(lambda c: book(c, given))
    scopes: list[Scope] = [
        GLOBAL,
        ("key", "k1"),
        ("team", "t"),
        ("user", "u"),
        ("member", "t/u"),
        ("model", "gpt"),
        ("key_model", "k1\x1fgpt"),
        ("member_model", "t/u\x1fgpt"),
    ]
    for scope in scopes:
        database.write(partial(ledger.roll, scope=scope, since=NOON + 2))
    assert [_spent(database)[scope] for scope in scopes] == [(1100, 1111)] * len(scopes)
    for scope in scopes:
        database.write(partial(ledger.roll, scope=scope, since=NOON + 1))  # an older one changes nothing
        database.write(partial(ledger.roll, scope=scope, since=NOON + 2))
    assert [_spent(database)[scope] for scope in scopes] == [(1100, 1111)] * len(scopes)


@pytest.mark.parametrize("at_once", [1, 2, ledger.AT_ONCE])
def test_what_ended_before_the_period_counts_to_the_total_only(
    database: Database, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "AT_ONCE", at_once)
    database.write(partial(ledger.roll, scope=("key", "k1"), since=NOON))
    assert _spent(database)["key", "k1"] == (0, 0)
    late = [record(1, ended=NOON - 1, cost=5), record(2, ended=NOON, cost=7), record(3, ended=NOON + 1)]
    database.write(lambda c: book(c, late))
    assert _spent(database)["key", "k1"] == (1_000_007, 1_000_012)
    assert _spent(database)[GLOBAL] == (1_000_012, 1_000_012)


@several
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)) | st.integers(0, 20), max_size=12))
def test_a_period_holds_what_ended_in_it_in_any_order(
    database: Database, steps: list[tuple[int, int] | int]
) -> None:
    """A pair is a call, with when it ended and its cost; a number begins a period."""
    _empty(database)
    since, ended = 0.0, []
    for number, step in enumerate(steps):
        if isinstance(step, int):
            database.write(partial(ledger.roll, scope=("key", "k1"), since=NOON + step))
            since = max(since, NOON + step)
        else:
            at, cost = NOON + step[0], step[1]
            database.write(partial(book, records=[record(number, ended=at, cost=cost)]))
            ended.append((at, cost))
    now = sum(cost for at, cost in ended if at >= since)
    found = _spent(database).get(("key", "k1"), (0, 0))
    assert found == (now, sum(cost for _, cost in ended))


def test_what_was_spent_in_a_period_is_counted_where_nobody_began_it(database: Database) -> None:
    given = [record(n, ended=NOON - DAY + n * DAY / 2, cost=10**n) for n in range(4)]
    database.write(lambda c: book(c, given))
    scopes: list[Scope] = [("key", "k1"), ("key", "nobody")]
    found = database.read(lambda c: ledger.spent(c, scopes, {("key", "k1"): NOON}))
    assert found == {("key", "k1"): (1100, 1111, NOON)}
    assert database.read(lambda c: ledger.spent(c, scopes)) == {("key", "k1"): (1111, 1111, 0.0)}


def test_many_scopes_are_asked_for_at_once(database: Database) -> None:
    given = [record(n, key=f"k{n}", cost=n + 1) for n in range(1000)]
    database.write(lambda c: book(c, given))
    found = database.read(lambda c: ledger.spent(c, [("key", f"k{n}") for n in range(1000)]))
    assert [found["key", f"k{n}"][0] for n in range(1000)] == [n + 1 for n in range(1000)]


# forgetting


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_old_records_go_oldest_first_in_batches_and_their_sums_stay(database: Database, limit: int) -> None:
    database.write(lambda c: book(c, [record(n, ended=NOON + n) for n in range(10)]))
    before = _spent(database), _days(database, tables.daily)
    gone = []
    while count := database.write(partial(ledger.forget, before=NOON + 6, limit=limit)):
        gone.append(count)
        assert _ids(database) == {f"call-{n}" for n in range(sum(gone), 10)}
    assert sum(gone) == 7  # a call begins a second before it ends here
    assert len(gone) == math.ceil(7 / limit)
    assert (_spent(database), _days(database, tables.daily)) == before


def test_a_call_s_payers_are_those_whose_spend_it_counts_to(database: Database) -> None:
    given = record(1, user_id="u", team_id="t", organization_id="o", customer="c", tags=("a", "b"))

    def work(connection: Connection) -> set[Scope]:
        book(connection, [given])
        return set(_rows(connection))

    assert database.write(work) == set(_payers(given))


def _rows(connection: Connection) -> list[Scope]:
    return [(row.kind, row.id) for row in connection.execute(select(tables.spend))]
