"""Each strategy to the numbers of its definition; and that to choose among fifty costs few calls."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.played import call, deployment
from headgate.core.deployment import Deployment
from headgate.core.route import Group, Routing
from headgate.core.strategies import EXPLORE_EVERY, SLOWER, STRATEGIES, Moment

NOW = 120.0


def rows(count: int, **params: Any) -> list[Deployment]:
    return [deployment(api_base=f"http://h{at}/v1", **params) for at in range(count)]


def group(strategy: str, found: list[Deployment], **routing: Any) -> Group:
    return Group("g", found, Routing(strategy=strategy, **routing))


def counted(made: Group, calls: int = 400, **more: Any) -> Counter[int]:
    dice = random.Random(7).random
    asked = call(**more)
    at = {one: number for number, one in enumerate(made.deployments)}
    return Counter(at[made.pick(asked, (), NOW, dice)] for _ in range(calls))


def test_the_fewest_calls_in_flight() -> None:
    found = rows(4)
    for one, flight in zip(found, (3, 1, 2, 1), strict=True):
        one.track.in_flight = flight
    assert counted(group("least-busy", found)).keys() == {1, 3}


def test_the_lowest_mean_of_the_last_ten_per_token() -> None:
    found = rows(3)
    for one, seconds, tokens in zip(found, (2.0, 3.0, 1.0), (10, 100, 2), strict=True):
        for _ in range(20):
            one.track.wholes.add(seconds, NOW, tokens)
    assert counted(group("latency-based-routing", found)).keys() == {1}  # 0.03 s a token
    for _ in range(10):
        found[0].track.wholes.add(0.1, NOW, 10)
    assert counted(group("latency-based-routing", found)).keys() == {0}


def test_streams_have_latencies_of_their_own_and_a_buffer_widens_the_best() -> None:
    found = rows(3)
    for one, first, whole in zip(found, (0.1, 0.14, 0.3), (9.0, 1.0, 1.0), strict=True):
        one.track.first_tokens.add(first, NOW)
        one.track.wholes.add(whole, NOW)
    assert counted(group("latency-based-routing", found), stream=True).keys() == {0}
    wide = group("latency-based-routing", found, arguments={"lowest_latency_buffer": 0.5})
    assert counted(wide, stream=True).keys() == {0, 1}


@pytest.mark.parametrize("strategy", ["usage-based-routing", "usage-based-routing-v2"])
def test_the_fewest_tokens_of_this_minute_within_the_limits(strategy: str) -> None:
    found = [deployment(api_base=f"http://h{at}/v1", tpm=100, rpm=3) for at in range(3)]
    for one, tokens in zip(found, (50, 20, 90), strict=True):
        one.track.use(tokens, NOW)
    assert counted(group(strategy, found)).keys() == {1}
    for _ in range(3):
        found[1].track.begin(NOW)
    assert counted(group(strategy, found)).keys() == {0}  # the other has no request left
    found[0].track.hear(0, 1_000, NOW)
    assert counted(group(strategy, found)).keys() == {2}  # nor has this one a token, as others say


def test_the_lowest_price() -> None:
    found = [
        deployment(api_base="http://a/v1", input_cost_per_token=1e-6, output_cost_per_token=4e-6),
        deployment(api_base="http://b/v1", input_cost_per_token=2e-6, output_cost_per_token=2e-6),
        deployment("openai/unheard-of", api_base="http://c/v1"),
    ]
    assert counted(group("cost-based-routing", found)).keys() == {1}


def test_p2c_draws_among_the_fast_and_takes_the_less_busy() -> None:
    found = rows(6)
    for one, seconds in zip(found, (0.1, 0.11, 0.12, 0.1 * SLOWER * 1.1, 1.0, 5.0), strict=True):
        one.track.wholes.add(seconds, NOW)
    shares = counted(group("p2c", found), 20 * EXPLORE_EVERY)
    assert shares[0] + shares[1] + shares[2] >= 19.8 * EXPLORE_EVERY
    assert shares[0] > shares[1] > EXPLORE_EVERY  # the slowest of the fast only when others are busy
    found[0].track.in_flight = 100
    shares = counted(group("p2c", found), 1_000)
    assert shares[0] < 50


def test_p2c_looks_at_who_has_not_been_heard_of() -> None:
    found = rows(3)
    for one, seconds, at in zip(found, (0.1, 0.1, 9.0), (10.0, 20.0, 1.0), strict=True):
        one.track.wholes.add(seconds, at)
    assert counted(group("p2c", found), EXPLORE_EVERY)[2] == 1


def test_affinity_keeps_a_conversation_where_it_is() -> None:
    found = rows(8)
    made = group("affinity", found)
    where: dict[str, set[int]] = {}
    for number in range(64):
        body = {"messages": [{"role": "system", "content": f"You are number {number}."}]}
        for _ in range(3):
            where.setdefault(str(number), set()).update(counted(made, 1, body=body))
    assert all(len(places) == 1 for places in where.values())
    assert len(set.union(*where.values())) >= 6
    left = Group("g", found[:-1], Routing(strategy="affinity"))
    moved = 0
    for number, places in where.items():
        body = {"messages": [{"role": "system", "content": f"You are number {number}."}]}
        moved += counted(left, 1, body=body).keys() != places
    assert moved <= 24  # a share of an eighth, and no more than some


def test_affinity_goes_on_to_the_next_when_one_is_busy() -> None:
    found = rows(4)
    body = {"messages": [{"role": "user", "content": "the same"}]}
    (usual,) = counted(group("affinity", found), 1, body=body)
    found[usual].track.in_flight = 50
    made = group("affinity", found)
    assert usual not in counted(made, 40, body=body)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(
    flights=st.lists(st.integers(0, 5), min_size=1, max_size=8),
    latencies=st.lists(st.floats(0.001, 100), min_size=8, max_size=8),
    stream=st.booleans(),
    dice=st.floats(0, 0.9999999),
)
def test_somebody_is_always_picked(
    strategy: str, flights: list[int], latencies: list[float], stream: bool, dice: float
) -> None:
    found = rows(len(flights))
    for one, flight, seconds in zip(found, flights, latencies, strict=False):
        one.track.in_flight = flight
        one.track.wholes.add(seconds, NOW)
    moment = Moment(now=NOW, dice=lambda: dice, stream=stream, prefix=b"x")
    choose = STRATEGIES[strategy]()
    assert all(choose(found, moment) in found for _ in range(3))
