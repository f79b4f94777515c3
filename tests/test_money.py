"""Money in units: prices are rounded once, and amounts are shown as people write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.money import UNITS, dollars, shown, units


@given(st.integers(-(10**24), 10**24))
def test_units_are_dollars_and_back(amount: int) -> None:
    assert units(dollars(amount)) == amount


@given(st.integers(-(10**16), 10**16) | st.integers(-UNITS, UNITS))
def test_what_is_shown_is_the_amount_without_a_digit_too_many(amount: int) -> None:
    text = shown(amount)
    assert Decimal(text) == dollars(amount)
    assert "E" not in text.upper()
    assert text == (text.rstrip("0").rstrip(".") if "." in text else text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000000001"), (1_500_000, "0.0000015"), (UNITS, "1"), (-25 * UNITS // 10, "-2.5")],
)
def test_amounts_are_shown_in_dollars(amount: int, text: str) -> None:
    assert shown(amount) == text


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ("1", UNITS),
        ("0.000000000001", 1),
        ("0.0000000000005", 0),
        ("0.0000000000015", 2),
        ("0.00000000000050001", 1),
        ("1E-12", 1),
        ("-2.5E-12", -2),
        ("9007199.254740993", 9_007_199_254_740_993_000),
    ],
)
def test_a_price_is_rounded_once_half_to_even(price: str, expected: int) -> None:
    assert units(Decimal(price)) == expected
