"""Money in exact units. In memory and in SQLite an amount is a whole number of `UNIT`s; PostgreSQL has NUMERIC.

A unit is a trillionth of a US dollar: finer than any price per token, and a 64-bit number of them still
reaches nine million dollars.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, Numeric
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

DIGITS: Final = 12
UNITS: Final = 10**DIGITS
"""Units of a dollar."""


def units(dollars: Decimal) -> int:
    """Rounded once, half to even; every later sum is exact."""
    return int(dollars.scaleb(DIGITS).to_integral_value(ROUND_HALF_EVEN))


def dollars(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-DIGITS)


class Money(TypeDecorator[int]):
    """A column of units."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(38, DIGITS))
        return dialect.type_descriptor(BigInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name != "postgresql" else dollars(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return units(value) if isinstance(value, Decimal) else value
