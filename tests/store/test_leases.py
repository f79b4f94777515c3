"""Shares of a budget: what is booked and what is leased, together, are never more than the limit."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from headgate.store import leases, ledger, tables
from headgate.store.database import Database
from headgate.store.leases import GAP, SECONDS, beat, grant, held, resign
from records import NOON, record, several

KEY = ("key", "k1")
OWNERS = ("a", "b", "c")


class Clock:
    """In place of the database's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr(leases, "_now", lambda connection: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def take(database: Database, owner: str, want: int, limit: int = 100, since: float = 0.0) -> int:
    work = partial(grant, owner=owner, scope=KEY, limit=limit, since=since, want=want)
    return database.write(work).amount


def lives(database: Database, owner: str, **returned: int) -> None:
    given = {("key", name): amount for name, amount in returned.items()}
    database.write(lambda connection: beat(connection, owner, given))


def in_all(database: Database) -> int:
    """What is spent and what is leased."""
    spent = database.read(lambda c: ledger.spent(c, [KEY])).get(KEY, (0, 0, 0.0))[0]
    return spent + sum(database.read(partial(held, owner=owner)).get(KEY, 0) for owner in OWNERS)


def test_shares_are_given_until_there_is_nothing_left(database: Database) -> None:
    assert [take(database, owner, 40) for owner in OWNERS] == [40, 40, 20]
    assert take(database, "a", 1) == 0
    assert [database.read(partial(held, owner=owner)) for owner in OWNERS] == [
        {KEY: 40},
        {KEY: 40},
        {KEY: 20},
    ]


def test_what_was_spent_is_not_given_again(database: Database) -> None:
    database.write(lambda c: ledger.book(c, [record(1, cost=70)]))
    found = database.write(partial(grant, owner="a", scope=KEY, limit=100, since=0.0, want=50))
    assert (found.amount, found.spent) == (30, 70)


def test_a_share_shrinks_by_what_is_booked_of_it(database: Database) -> None:
    assert take(database, "a", 60) == 60
    book = partial(ledger.book_segment, name="s", records=[record(1, cost=25)], owner="a")
    database.write(book)
    assert database.read(partial(held, owner="a")) == {KEY: 35}
    assert in_all(database) == 60
    assert take(database, "b", 100) == 40
    database.write(partial(ledger.book_segment, name="t", records=[record(2, cost=99)], owner="a"))
    assert database.read(partial(held, owner="a")) == {KEY: 0}  # never below


def test_whoever_ends_gives_everything_back(database: Database) -> None:
    take(database, "a", 60)
    database.write(partial(resign, owner="a"))
    assert take(database, "b", 100) == 100


def test_what_is_not_needed_goes_back(database: Database) -> None:
    take(database, "a", 60)
    lives(database, "a", k1=50)
    assert database.read(partial(held, owner="a")) == {KEY: 10}
    lives(database, "a", k1=10)
    assert database.read(partial(held, owner="a")) == {}


def test_the_shares_of_the_dead_return_and_those_of_the_living_stay(database: Database, clock: Clock) -> None:
    take(database, "a", 60)
    take(database, "b", 30)
    for _ in range(12):
        lives(database, "b")
        assert take(database, "b", 0) == 0
        clock.now += 1.0
    assert take(database, "c", 100) == 70
    assert database.read(partial(held, owner="a")) == {}


def test_nobody_dies_of_a_database_that_was_away(database: Database, clock: Clock) -> None:
    for _ in range(int(SECONDS) + 2):
        lives(database, "b")
        clock.now += 1.0
    take(database, "a", 60)
    clock.now += SECONDS + GAP  # nobody could say anything
    lives(database, "b")
    assert take(database, "c", 100) == 40
    for _ in range(int(SECONDS) + 1):
        clock.now += 1.0
        lives(database, "b")
    assert take(database, "c", 100) == 60  # now it has had the time


def test_a_new_period_begins_with_a_share_of_it(database: Database) -> None:
    database.write(lambda c: ledger.book(c, [record(1, cost=90), record(2, cost=7, ended=NOON + 20)]))
    assert take(database, "a", 100) == 3
    assert take(database, "a", 100, since=NOON + 10) == 90  # 7 were spent in it, and 3 are leased
    assert database.read(lambda c: ledger.spent(c, [KEY]))[KEY] == (7, 97, NOON + 10)


@pytest.mark.parametrize("limit", [1, 50, 997])
def test_many_who_ask_at_once_get_no_more_than_there_is(database: Database, limit: int) -> None:
    with ThreadPoolExecutor(6) as threads:
        amounts = list(threads.map(lambda n: take(database, OWNERS[n % 3], 7, limit), range(60)))
    assert sum(amounts) == min(limit, 60 * 7)
    assert in_all(database) == sum(amounts)


steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "book", "beat", "resign"]), st.sampled_from(OWNERS), st.integers(0, 60)
    ),
    max_size=20,
)


@several
@given(steps)
def test_in_any_order_no_more_is_spent_and_leased_than_the_limit(
    database: Database, given: list[tuple[str, str, int]]
) -> None:
    def empty() -> None:
        for table in (tables.leases, tables.spend, tables.calls, tables.segments):
            database.write(lambda c, table=table: c.execute(table.delete()))

    empty()
    for number, (what, owner, amount) in enumerate(given):
        mine = database.read(partial(held, owner=owner)).get(KEY, 0)
        if what == "take":
            take(database, owner, amount)
        elif what == "beat":
            lives(database, owner, k1=min(amount, mine))
        elif what == "resign":
            database.write(partial(resign, owner=owner))
        else:
            paid = [record(number, cost=min(amount, mine))]
            database.write(partial(ledger.book_segment, name=f"{number}", records=paid, owner=owner))
        assert in_all(database) <= 100
    rows = database.read(lambda c: c.scalars(select(tables.leases.c.amount)).all())
    assert all(amount >= 0 for amount in rows)


# batches


def test_what_a_batch_can_cost_is_nobody_s_share(database: Database, clock: Clock) -> None:
    assert take(database, "a", 60) == 60
    database.write(partial(leases.reserve, batch="b1", amounts={KEY: 40}, seconds=1000.0, owner="a"))
    database.write(partial(leases.reserve, batch="b2", amounts={KEY: 10}, seconds=2000.0, owner=""))
    assert database.read(partial(held, owner="a")) == {KEY: 20}
    assert database.read(leases.reserved) == {KEY: 50}
    assert take(database, "b", 100) == 30
    for _ in range(int(3 * SECONDS)):  # whoever dies: batches go on
        clock.now += 1.0
        lives(database, "c")
    assert take(database, "c", 100) == 50
    assert database.write(partial(leases.release, batch="b1")) == {KEY: 40}
    assert database.write(partial(leases.release, batch="b1")) == {}
    assert take(database, "c", 100) == 40


def test_a_batch_holds_for_so_long_at_most(database: Database, clock: Clock) -> None:
    for name, seconds in (("b1", 1000.0), ("b2", 2000.0)):
        amounts = {KEY: 5, ("team", "t"): 7}
        database.write(partial(leases.reserve, batch=name, amounts=amounts, seconds=seconds, owner=""))
    assert database.write(leases.lapsed) == {}
    clock.now += 1001.0
    assert database.write(leases.lapsed) == {KEY: 5, ("team", "t"): 7}
    assert database.read(leases.reserved) == {KEY: 5, ("team", "t"): 7}
