"""Replicas that tell each other of their deployments, on a real Valkey."""

import secrets
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from core.played import deployment
from databases import valkey as fixture_valkey
from headgate.core.deployment import Deployment
from headgate.core.route import Group
from headgate.server.shared import Shared
from headgate.store import rates as rates_module
from headgate.store.rates import Rates, RedisSettings

valkey = fixture_valkey


class Clock:
    now = 1_000.0

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def monotonic(self) -> float:
        return self.now


class Replica:
    def __init__(self, rates: Rates, clock: Clock) -> None:
        self.one: Deployment = deployment(info={"id": "one"})
        self.two: Deployment = deployment(info={"id": "two"})
        group = Group("group", [self.one, self.two])
        self.gateway: Any = SimpleNamespace(snapshot=SimpleNamespace(groups={"group": group}))
        self._shared = Shared(rates, secrets.token_hex(8), clock)

    async def exchange(self) -> None:
        await self._shared.exchange(self.gateway)


@pytest.fixture(name="pair")
async def fixture_pair(
    valkey: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Replica, Replica, Clock]]:
    monkeypatch.setattr(rates_module, "BOARD", f"test:board:{secrets.token_hex(8)}")
    rates, clock = Rates(RedisSettings(host=valkey[0], port=valkey[1])), Clock()
    yield Replica(rates, clock), Replica(rates, clock), clock
    await rates.close()


Pair = tuple[Replica, Replica, Clock]


async def test_who_rests_on_one_rests_on_the_other(pair: Pair) -> None:
    here, there, clock = pair
    here.one.track.rest(5.0, "RateLimitError", clock.now)
    await here.exchange()
    await there.exchange()
    assert there.one.track.resting == pytest.approx(clock.now + 5.0)
    assert there.one.track.reason == "RateLimitError"
    assert not there.two.track.ill


async def test_a_rest_ends_though_everybody_has_heard_of_it(pair: Pair) -> None:
    here, there, clock = pair
    here.one.track.rest(2.0, "Timeout", clock.now)
    for _ in range(6):
        await here.exchange()
        clock.now += 0.7
        await there.exchange()
    for replica in (here, there):
        assert not replica.one.track.rests_at(clock.now)
        replica.one.track.succeed(clock.now)
    await here.exchange()
    await there.exchange()
    await here.exchange()
    assert not here.one.track.ill
    assert not there.one.track.ill


async def test_what_others_used_in_this_minute_counts(pair: Pair) -> None:
    here, there, clock = pair
    track = here.one.track
    track.end(track.begin(clock.now))
    track.use(70, clock.now)
    track.succeed(clock.now)
    await here.exchange()
    await there.exchange()
    assert there.one.track.others == (1, 70)
    clock.now += 60.0
    await there.exchange()
    assert there.one.track.others == (0, 0)


async def test_who_knows_no_latency_takes_that_of_others(pair: Pair) -> None:
    here, there, clock = pair
    here.one.track.succeed(clock.now)
    here.one.track.wholes.add(0.5, clock.now)
    await here.exchange()
    await there.exchange()
    assert there.one.track.wholes.score == pytest.approx(0.5)
