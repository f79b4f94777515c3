"""Durations and budget periods: every moment is in one period, and they begin where LiteLLM resets budgets."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.store.periods import parse, period, seconds

MOMENT = st.floats(0, 32_503_680_000, allow_nan=False)
"""Until the year 3000."""
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "mo": 2_592_000}
durations = st.one_of(
    st.tuples(st.integers(1, 5_000), st.sampled_from("smhdw")),
    st.tuples(st.integers(1, 60), st.just("mo")),
).map(lambda pair: f"{pair[0]}{pair[1]}")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@given(durations, MOMENT, MOMENT)
def test_a_period_contains_its_moment(text: str, now: float, anchor: float) -> None:
    begun, ends = period(text, now, anchor)
    assert begun <= now < ends


@given(durations, MOMENT, MOMENT)
def test_a_period_is_the_same_from_each_of_its_moments(text: str, now: float, anchor: float) -> None:
    begun, ends = period(text, now, anchor)
    for share in (0.0, 0.3, 0.999):
        moment = begun + (ends - begun) * share
        assert period(text, moment, anchor) == (begun, ends)


@given(durations, MOMENT, MOMENT)
def test_periods_join_without_gap_or_overlap(text: str, now: float, anchor: float) -> None:
    begun, ends = period(text, now, anchor)
    following, later = period(text, ends, anchor)
    assert following == ends
    assert later > ends
    before, joins = period(text, begun - 1e-3, anchor)
    assert joins == begun
    assert before < begun


@given(durations.filter(lambda text: not text.endswith("mo") and text != "30d"), MOMENT, MOMENT)
def test_a_period_lasts_as_long_as_its_name_says(text: str, now: float, anchor: float) -> None:
    begun, ends = period(text, now, anchor)
    assert ends - begun == seconds(text)


@pytest.mark.parametrize(
    ("text", "now", "begun", "ends"),
    [
        ("1d", "2026-11-21 13:45:59", "2026-11-21", "2026-11-22"),
        ("daily", "2026-11-21 00:00:00", "2026-11-21", "2026-11-22"),
        ("7d", "2026-11-21 13:45:00", "2026-11-16", "2026-11-23"),
        ("7d", "2026-11-23 00:00:00", "2026-11-23", "2026-11-30"),
        ("1w", "2026-11-22 23:59:59", "2026-11-16", "2026-11-23"),
        ("weekly", "2026-01-01 00:00:00", "2025-12-29", "2026-01-05"),
        ("30d", "2026-11-21 13:45:00", "2026-11-01", "2026-12-01"),
        ("1mo", "2026-12-31 23:59:59", "2026-12-01", "2027-01-01"),
        ("monthly", "2024-02-29 12:00:00", "2024-02-01", "2024-03-01"),
        ("3mo", "2026-05-17 00:00:00", "2026-04-01", "2026-07-01"),
        ("12mo", "2026-05-17 00:00:00", "2026-01-01", "2027-01-01"),
        ("1h", "2026-11-21 13:45:59", "2026-11-21 13:00", "2026-11-21 14:00"),
        ("6h", "2026-11-21 13:45:59", "2026-11-21 12:00", "2026-11-21 18:00"),
        ("12h", "2026-11-21 12:00:00", "2026-11-21 12:00", "2026-11-22 00:00"),
        ("24h", "2026-11-21 13:45:59", "2026-11-21", "2026-11-22"),
        ("15m", "2026-11-21 13:44:59", "2026-11-21 13:30", "2026-11-21 13:45"),
        ("30s", "2026-11-21 13:44:59", "2026-11-21 13:44:30", "2026-11-21 13:45:00"),
        ("10d", "2026-11-21 13:45:00", "2026-11-13 08:30", "2026-11-23 08:30"),
        ("5mo", "2026-11-21 13:45:00", "2026-09-01", "2027-02-01"),
    ],
)
def test_periods_begin_where_litellm_resets(text: str, now: str, begun: str, ends: str) -> None:
    made = at("2025-11-08 08:30")
    assert period(text, at(now), made) == (at(begun), at(ends))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0d",
        "d",
        "1",
        "1y",
        "-1d",
        "1.5h",
        " 1d",
        "1d ",
        "1 d",
        "1D",
        "1day",
        "1h30m",
        "\u0661d",
        "1234567s",
        "1d\n",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    for use in (parse, seconds, lambda text: period(text, 0.0, 0.0)):
        with pytest.raises(ValueError, match="expected a duration such as 30s, 15m, 12h, 7d, 2w or 1mo"):
            use(text)


@pytest.mark.parametrize(("unit", "length"), UNITS.items())
def test_a_duration_has_a_length(unit: str, length: int) -> None:
    assert seconds(f"3{unit}") == 3 * length


@pytest.mark.parametrize("text", ["999999mo", "999999w", "999999d"])
def test_the_longest_durations_have_a_period(text: str) -> None:
    now = at("2026-11-21")
    begun, ends = period(text, now, now)
    assert begun <= now < ends
