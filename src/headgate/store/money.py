"""The column type of money: whole units in memory and in SQLite, NUMERIC in PostgreSQL."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Numeric, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from headgate.money import DIGITS, UNITS, dollars, units


def in_dollars(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for people to read: its money as numbers."""
    return {
        name: value / UNITS if value is not None and is_money(table, name) else value
        for name, value in row.items()
    }


def is_money(table: Table, name: str) -> bool:
    return name in table.c and isinstance(table.c[name].type, Money)


class Money(TypeDecorator[int]):
    """A column of units."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(38, DIGITS))
        return dialect.type_descriptor(BigInteger())

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return _numeric if dialect.name == "postgresql" else None

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        return whole if dialect.name == "postgresql" else None


def _numeric(value: int | None) -> Decimal | None:
    return None if value is None else dollars(value)


def whole(value: Any) -> Any:
    """What a driver gives for an amount, in units."""
    return units(value) if isinstance(value, Decimal) else value
