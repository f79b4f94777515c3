"""What a provider allows, as its headers tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.pacing import MINUTE, Bucket, Pace
from headgate.ports import Headers

NOW, TIME = 100.0, 1_700_000_000.0


def told(**headers: str) -> Pace:
    pace = Pace()
    pace.learn(
        Headers.of([(name.replace("_", "-"), value) for name, value in headers.items()]), (0, 0), NOW, TIME
    )
    return pace


def requests(fields: dict[str, str]) -> Headers:
    return Headers.of((f"x-ratelimit-{name}-requests", value) for name, value in fields.items())


def openai(remaining: int, reset: str, limit: int = 100) -> Pace:
    return told(
        x_ratelimit_limit_requests=str(limit),
        x_ratelimit_remaining_requests=str(remaining),
        x_ratelimit_reset_requests=reset,
    )


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("1s", 1.0), ("6m0s", 360.0), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("2m59.56s", 179.56), ("7.5", 7.5)],
)
def test_durations(reset: str, seconds: float) -> None:
    assert openai(0, reset).wait(0, NOW) == pytest.approx(seconds / 100)


def test_anthropic_names_a_time() -> None:
    pace = told(
        anthropic_ratelimit_requests_limit="50",
        anthropic_ratelimit_requests_remaining="0",
        anthropic_ratelimit_requests_reset="2023-11-14T22:13:30Z",
    )
    assert pace.wait(0, NOW) == pytest.approx(10 / 50)


def test_without_a_time_it_is_by_the_minute() -> None:
    pace = told(x_ratelimit_remaining_requests="0", x_ratelimit_limit_requests="60")
    assert pace.wait(0, NOW) == pytest.approx(MINUTE / 60)


def test_tokens_count_as_requests_do() -> None:
    pace = told(
        x_ratelimit_limit_tokens="1000", x_ratelimit_remaining_tokens="100", x_ratelimit_reset_tokens="9s"
    )
    assert pace.wait(100, NOW) == 0.0
    assert pace.wait(600, NOW) == pytest.approx(5.0)
    assert pace.wait(5_000, NOW) == pytest.approx(9.0), "what is more than all goes when it is full"


def test_calls_take_from_it_until_the_next_answer() -> None:
    pace = openai(2, "1s")
    pace.take(0, NOW)
    assert pace.wait(0, NOW) == 0.0
    pace.take(0, NOW)
    assert pace.wait(0, NOW) > 0.0
    assert pace.wait(0, NOW + 0.5) == 0.0


def test_calls_that_were_sent_since_are_not_forgotten() -> None:
    pace = openai(5, "10s", limit=10)
    first = pace.take(0, NOW)
    for _ in range(3):
        pace.take(0, NOW)
    limits = {"limit": "10", "remaining": "4", "reset": "12s"}
    pace.learn(
        Headers.of([(f"x-ratelimit-{name}-requests", value) for name, value in limits.items()]),
        first,
        NOW,
        TIME,
    )
    pace.take(0, NOW)
    assert pace.wait(0, NOW) > 0.0


def test_nothing_told_is_nothing_known() -> None:
    pace = told(content_type="application/json", x_ratelimit_remaining_requests="many")
    assert pace.requests is None
    assert pace.wait(10**9, NOW) == 0.0


@given(st.dictionaries(st.sampled_from(["limit", "remaining", "reset"]), st.text(max_size=20)))
def test_any_header_is_harmless(fields: dict[str, str]) -> None:
    pace = Pace()
    pace.learn(
        Headers.of([(f"x-ratelimit-{name}-requests", value) for name, value in fields.items()]),
        (0, 0),
        NOW,
        TIME,
    )
    assert 0.0 <= pace.wait(10, NOW) < 1e12


@given(st.floats(0, 1e6), st.floats(1, 1e6), st.floats(0, 1e3), st.floats(0, 1e4))
def test_a_bucket_is_never_more_than_full(left: float, most: float, rate: float, later: float) -> None:
    bucket = Bucket(min(left, most), most, rate, 0.0)
    assert bucket.level(later) <= most
    assert bucket.wait(1.0, later) >= 0.0
