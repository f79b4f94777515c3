"""Durations and budget periods in LiteLLM's words: `30s`, `15m`, `1h`, `7d`, `2w`, `1mo`. Pure; times are UTC.

Periods begin where LiteLLM resets them: minutes and hours at the full one, `1d` at midnight, whole weeks on a Monday,
`30d` and months on the first of one, parts of a year counted from January; other numbers of days, and of months where
they start, count from when the budget was made.
"""

import re
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Final

_FORM: Final = re.compile(r"([0-9]{1,6})(s|m|h|d|w|mo)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "mo": 2_592_000}
_NAMES: Final = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "1mo"}
_MONDAY: Final = 4 * 86_400
"""The first Monday of Unix time."""
_YEARS: Final = (MINYEAR, MAXYEAR)
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
        return _months(number if unit == "mo" else 1, now, anchor)
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
    return anchor // 1.0  # whole seconds, so that every end is exactly the next one's beginning


def _months(number: int, now: float, anchor: float) -> tuple[float, float]:
    """Parts of a year begin in January."""
    month = _month(now)
    first = month - (month - (0 if 12 % number == 0 else _month(anchor))) % number
    return _first(first), _first(first + number)


def _month(moment: float) -> int:
    day = datetime.fromtimestamp(moment, UTC)
    return day.year * 12 + day.month - 1


def _first(month: int) -> float:
    """When a month begins, of those that have a date."""
    month = max(_YEARS[0] * 12, min(month, _YEARS[1] * 12 + 11))
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()
