"""When a deployment rests, for how long, and how it comes back."""

from typing import Any

import pytest

from core.played import Bench, call, deployment, failed, ok
from headgate import errors
from headgate.core.cooldown import DEFAULT_SECONDS, FEW, Cooldown
from headgate.core.route import Group, Routing
from headgate.core.track import Track

NOW = 600.0


def error(status: int, **more: Any) -> errors.HeadgateError:
    return errors.for_status(status)("no", status_code=status, **more)


def failing(track: Track, failure: errors.HeadgateError, cooldown: Cooldown, **more: Any) -> float | None:
    track.fail(type(failure).__name__, NOW)
    return cooldown.rest(failure, track, more.get("own"), more.get("others", True), NOW)


@pytest.mark.parametrize("status", [401, 404, 408, 429])
def test_some_failures_are_enough(status: int) -> None:
    assert failing(Track(), error(status), Cooldown()) == DEFAULT_SECONDS


@pytest.mark.parametrize("status", [500, 502, 503, 529])
def test_others_count_when_they_are_more_than_half_of_a_few(status: int) -> None:
    track = Track()
    for _ in range(FEW - 1):
        assert failing(track, error(status), Cooldown()) is None
    assert failing(track, error(status), Cooldown()) == DEFAULT_SECONDS
    well = Track()
    for _ in range(10):
        well.succeed(NOW)
    assert [failing(well, error(status), Cooldown()) for _ in range(10)] == [None] * 10
    assert failing(well, error(status), Cooldown()) == DEFAULT_SECONDS


def test_a_deployment_that_can_not_be_reached_counts_as_failed() -> None:
    track = Track()
    found = [failing(track, errors.APIConnectionError("reset"), Cooldown()) for _ in range(FEW)]
    assert found == [None] * (FEW - 1) + [DEFAULT_SECONDS]


@pytest.mark.parametrize("status", [400, 403, 409, 422])
def test_what_says_nothing_of_the_deployment_does_not_count(status: int) -> None:
    assert [failing(Track(), error(status), Cooldown()) for _ in range(20)] == [None] * 20


def test_the_only_one_of_a_group_never_rests() -> None:
    assert failing(Track(), error(429), Cooldown(), others=False) is None


def test_how_long_it_rests() -> None:
    assert failing(Track(), error(429, retry_after=42.0), Cooldown()) == 42.0
    assert failing(Track(), error(429, retry_after=42.0), Cooldown(), own=7.0) == 7.0
    assert failing(Track(), error(429, retry_after=1e6), Cooldown()) == 300.0
    assert failing(Track(), error(429), Cooldown(seconds=30.0)) == 30.0
    assert failing(Track(), error(429), Cooldown(off=True)) is None


def test_allowed_fails_are_counted_within_the_time() -> None:
    cooldown, track = Cooldown(allowed=2, seconds=10.0), Track()
    assert [failing(track, error(429), cooldown) for _ in range(3)] == [None, None, 10.0]
    policy = Cooldown(policy={"RateLimitErrorAllowedFails": 0, "TimeoutErrorAllowedFails": 5})
    assert failing(Track(), error(429), policy) == DEFAULT_SECONDS
    assert failing(Track(), error(408), policy) is None


def test_rests_double_until_it_is_well_again() -> None:
    track, cooldown = Track(), Cooldown()
    rests = []
    for _ in range(6):
        seconds = failing(track, error(429), cooldown)
        assert seconds is not None
        track.rest(seconds, "RateLimitError", NOW)
        rests.append(seconds)
    assert rests == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    track.succeed(NOW)
    assert failing(track, error(429), cooldown) == 5.0


def test_one_call_tries_it_before_others_may() -> None:
    track = Track()
    track.rest(5.0, "Timeout", NOW)
    assert track.rests_at(NOW + 4.9)
    assert not track.rests_at(NOW + 5.0)
    probe = track.begin(NOW + 5.0)
    assert probe
    assert track.rests_at(NOW + 5.1)
    track.end(probe)  # given up: the next one may try
    assert not track.rests_at(NOW + 5.1)
    probe = track.begin(NOW + 5.1)
    track.end(probe)
    track.succeed(NOW + 5.2)
    assert not track.ill


async def test_the_engine_leaves_out_who_rests_until_all_do() -> None:
    bench = Bench(failed(429), ok(), ok(), failed(429))
    rows = [deployment(api_base=f"http://{name}/v1", order=at) for at, name in enumerate("ab")]
    bench.groups["group"] = Group("group", rows, Routing())
    await bench.run(call())
    await bench.run(call())
    assert [host for host, _ in bench.transport.sent] == ["a", "b", "b"]
    with pytest.raises(errors.RateLimitError):
        await bench.run(call())
    with pytest.raises(errors.RateLimitError, match="Try again in 5 seconds") as caught:
        await bench.run(call())
    assert (caught.value.retry_after, len(bench.transport.sent)) == (5.0, 4)


async def test_what_lies_in_the_request_says_nothing_of_the_deployment() -> None:
    bench = Bench(*[failed(400)] * 10, ok())
    bench.group("group", deployment(api_base="http://a/v1"), deployment(api_base="http://b/v1"))
    for _ in range(10):
        with pytest.raises(errors.BadRequestError):
            await bench.run(call())
    tracks = [one.track for one in bench.groups["group"].deployments]
    assert [(track.failures, track.ill, track.in_flight) for track in tracks] == [(0, False, 0)] * 2
