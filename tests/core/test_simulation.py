"""The engine in virtual time: the bars of `python -m bench.simulate_routing`, with less traffic."""

import pytest
from bench.simulate_routing import SCENARIOS, holds, simulate


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("strategy", ["p2c", "simple-shuffle", "latency-based-routing"])
def test_nothing_fails_while_one_deployment_is_healthy(scenario: str, strategy: str) -> None:
    kinds = SCENARIOS[scenario]
    seen = simulate(
        kinds, strategy, seconds=100.0 if "50" in scenario else 130.0 if "turn" in scenario else 40.0
    )
    assert holds(kinds, strategy, seen), seen
    assert seen.upstream <= 1.2
