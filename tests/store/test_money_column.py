"""Money is exact: what goes into a database comes out of it, and sums are sums."""

from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, func, select, update
from sqlalchemy.engine import Connection

from headgate.money import DIGITS, UNITS
from headgate.store.database import Database
from headgate.store.money import Money

MOST = 2**63 - 1
"""Units that SQLite's numbers hold: nine million dollars."""
wallet = Table("wallet", MetaData(), Column("id", Integer, primary_key=True), Column("amount", Money))

amounts = st.integers(-MOST, MOST) | st.integers(-UNITS, UNITS)
several = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def _fill(connection: Connection, values: Sequence[int | None]) -> None:
    wallet.create(connection, checkfirst=True)
    connection.execute(wallet.delete())
    connection.execute(wallet.insert(), [{"id": n, "amount": value} for n, value in enumerate(values)])


@several
@given(st.lists(amounts | st.none(), min_size=1, max_size=20))
def test_amounts_come_back_as_they_were(database: Database, values: list[int | None]) -> None:
    database.write(lambda connection: _fill(connection, values))
    rows = database.read(lambda connection: list(connection.scalars(select(wallet.c.amount).order_by("id"))))
    assert rows == values
    assert all(type(row) is int for row in rows if row is not None)


@several
@given(st.lists(st.integers(-MOST // 50, MOST // 50), min_size=1, max_size=50))
def test_the_databases_sum_is_ours(database: Database, values: list[int]) -> None:
    database.write(lambda connection: _fill(connection, values))
    found = database.read(lambda connection: connection.scalar(select(func.sum(wallet.c.amount))))
    assert found == sum(values)
    assert type(found) is int


@several
@given(amounts, st.integers(-MOST, MOST))
def test_the_databases_arithmetic_is_ours(database: Database, first: int, second: int) -> None:
    second = max(-MOST, min(MOST, first + second)) - first
    database.write(lambda connection: _fill(connection, [first]))
    database.write(lambda c: c.execute(update(wallet).values(amount=wallet.c.amount + second)))
    assert database.read(lambda c: c.scalar(select(wallet.c.amount))) == first + second


@several
@given(amounts, amounts)
def test_the_databases_order_is_ours(database: Database, first: int, second: int) -> None:
    database.write(lambda connection: _fill(connection, [first, second]))
    below = select(wallet.c.id).where(wallet.c.amount < second)
    rows = database.read(lambda connection: list(connection.scalars(below)))
    assert (0 in rows) == (first < second)


def test_ten_thousand_amounts_lose_nothing(database: Database) -> None:
    values = [333_333_333_333 + n for n in range(10_000)]
    database.write(lambda connection: _fill(connection, values))
    total = database.read(lambda connection: connection.scalar(select(func.sum(wallet.c.amount))))
    assert total == sum(values)


def test_more_than_sqlite_holds_is_kept_by_postgresql(database: Database) -> None:
    if not database.is_sqlite:
        database.write(lambda connection: _fill(connection, [10**25, 1]))
        assert database.read(lambda c: c.scalar(select(func.sum(wallet.c.amount)))) == 10**25 + 1
    assert DIGITS == 12
