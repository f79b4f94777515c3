"""Money in exact units: an amount is a whole number of them.

A unit is a trillionth of a US dollar: finer than any price per token, and a 64-bit number of them still reaches nine
million dollars.
"""

from decimal import Decimal
from typing import Final

DIGITS: Final = 12
UNITS: Final = 10**DIGITS
"""Units of a dollar."""


def units(dollars: Decimal) -> int:
    """Rounded once, half to even; every later sum is exact."""
    return round(dollars * UNITS)


def units_of(dollars: float | str) -> int:
    """Of a number as people write it: 0.1 is a tenth."""
    return units(Decimal(str(dollars)))


def dollars(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-DIGITS)


def shown(amount: int) -> str:
    """In dollars, without exponent and trailing zeros: 0.0000015."""
    if amount < 0:
        return "-" + shown(-amount)
    digits = str(amount)
    if len(digits) <= DIGITS:
        return (_BELOW_ONE[len(digits)] + digits).rstrip("0").rstrip(".")
    return f"{digits[:-DIGITS]}.{digits[-DIGITS:]}".rstrip("0").rstrip(".")


_BELOW_ONE: Final = tuple("0." + "0" * (DIGITS - length) for length in range(DIGITS + 1))
