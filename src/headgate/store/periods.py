"""Durations and budget periods in LiteLLM's words: `30s`, `15m`, `1h`, `7d`, `2w`, `1mo`. Pure; times are UTC.

Periods begin where LiteLLM resets them: minutes and hours at the full one, `1d` at midnight, `7d` on Monday, `30d`
and `1mo` on the first of the month; other numbers of days count from when the budget was made.
"""

import re
from datetime import UTC, datetime
from typing import Final

_FORM: Final = re.compile(r"(\d{1,6})(s|m|h|d|w|mo)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "mo": 2_592_000}
_NAMES: Final = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "1mo"}
_MONDAY: Final = 4 * 86_400
"""The first Monday of Unix time."""
EXPECTED: Final = "a duration such as 30s, 15m, 12h, 7d, 2w or 1mo"


def parse(text: str) -> tuple[int, str]:
    """The number and the unit. Raises ValueError for anything else, zero included."""
    found = _FORM.fullmatch(_NAMES.get(text, text))
    if found is None or not int(found[1]):
        raise ValueError(f"expected {EXPECTED}")
    return int(found[1]), found[2]


def seconds(text: str) -> float:
    """How long it lasts; a month counts 30 days."""
    number, unit = parse(text)
    return float(number * _SECONDS[unit])


def period(text: str, now: float, anchor: float) -> tuple[float, float]:
    """When the period around `now` began and when it ends. `anchor` is when the budget was made."""
    number, unit = parse(text)
    if unit == "mo" or (number, unit) == (30, "d"):
        return _months(number if unit == "mo" else 1, now)
    length = float(number * _SECONDS[unit])
    start = _start(number, unit, anchor)
    begun = start + (now - start) // length * length
    return begun, begun + length


def _start(number: int, unit: str, anchor: float) -> float:
    """A moment at which some period begins."""
    if unit in "smh" or (number, unit) == (1, "d"):
        return 0.0
    if unit == "w" or number % 7 == 0:
        return float(_MONDAY)
    return anchor


def _months(number: int, now: float) -> tuple[float, float]:
    today = datetime.fromtimestamp(now, UTC)
    first = today.year * 12 + today.month - 1
    first -= first % number if number in (1, 2, 3, 4, 6, 12) else 0
    return _first(first), _first(first + number)


def _first(month: int) -> float:
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()
