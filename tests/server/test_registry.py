"""The registry: meters stay what they are while limits change, and those that nobody needs are forgotten."""

from typing import Any

import pytest

from headgate.money import UNITS
from headgate.server import registry as registries
from headgate.server.meters import Budget, Leased, SharedParallel, SharedWindow, take_all
from headgate.server.registry import NOTHING, Registry
from headgate.store.totals import of_model

KEY = ("key", "k")
NOON = 1_795_262_400.0
"""2026-11-21 12:00 UTC."""
MIDNIGHT = NOON - 43_200
ROW: dict[str, Any] = {"max_budget": 100, "rpm_limit": 2, "tpm_limit": 50, "max_parallel_requests": 3}
Rolled = list[tuple[tuple[str, str], float]]


@pytest.fixture
def rolled() -> Rolled:
    return []


@pytest.fixture
def registry(rolled: Rolled) -> Registry:
    return Registry(lambda scope, since: rolled.append((scope, since)))


def budget_of(registry: Registry, scope: tuple[str, str] = KEY) -> Budget:
    found = registry.budget(scope)
    assert found is not None
    return found


def test_a_row_without_limits_is_only_counted(registry: Registry) -> None:
    meters = registry.meters(KEY, {}, NOTHING, NOON)
    assert (meters.requests, meters.tokens, meters.parallels, meters.budgets) == ((), (), (), ())
    assert meters.counted == (budget_of(registry),)


def test_meters_outlive_a_change_of_their_limits(registry: Registry) -> None:
    before = registry.meters(KEY, ROW, NOTHING, NOON)
    before.take(10, 60, NOON)
    after = registry.meters(KEY, {**ROW, "max_budget": 50, "rpm_limit": 5}, NOTHING, NOON)
    assert after.requests == before.requests
    assert (after.requests[0].limit, after.requests[0].left(NOON)) == (5, 4)
    assert after.parallels[0].held == 1
    assert (after.budgets[0].held, after.budgets[0].left) == (60, 0)


def test_a_limit_that_is_taken_away_holds_no_more_for_calls_in_flight(registry: Registry) -> None:
    before = registry.meters(KEY, ROW, NOTHING, NOON)
    hold = before.take(10, 60, NOON)
    registry.meters(KEY, {}, NOTHING, NOON)
    assert isinstance(take_all([(before, 1000, 1000)], NOON), list)
    hold.settle(5, 20, NOON)
    assert budget_of(registry).spent == 20


def test_what_was_spent_before_is_known_from_the_database_once(registry: Registry) -> None:
    registry.meters(KEY, ROW, (30, 70, 0.0), NOON)
    registry.meters(KEY, ROW, (10, 10, 0.0), NOON)
    assert (budget_of(registry).spent, budget_of(registry).total) == (30, 70)


def test_a_budget_s_new_duration_begins_with_what_was_spent_in_it(registry: Registry, rolled: Rolled) -> None:
    registry.meters(KEY, ROW, (90, 90, 0.0), NOON)
    registry.meters(KEY, {**ROW, "budget_duration": "1d"}, (40, 90, MIDNIGHT), NOON)
    budget = budget_of(registry)
    assert (budget.spent, budget.total, budget.since) == (40, 90, MIDNIGHT)
    assert rolled == [(KEY, MIDNIGHT)]
    registry.meters(KEY, {**ROW, "budget_duration": "1d"}, (0, 90, MIDNIGHT), NOON + 1)
    assert budget.spent == 40  # from here on memory knows better


def test_a_period_that_is_over_is_not_what_was_spent_in_the_old_one(registry: Registry) -> None:
    row = {**ROW, "budget_duration": "1d"}
    registry.meters(KEY, row, (40, 90, MIDNIGHT), NOON)
    registry.meters(KEY, row, (40, 90, MIDNIGHT), NOON + 86_400)
    assert (budget_of(registry).spent, budget_of(registry).since) == (0, MIDNIGHT + 86_400)


def test_models_have_limits_of_their_own(registry: Registry, rolled: Rolled) -> None:
    row = {
        "model_rpm_limit": {"a": 1, "b": 2},
        "model_tpm_limit": {"a": 10},
        "model_max_budget": {"a": {"budget_limit": 1, "time_period": "1d"}, "c": "0.5"},
    }
    spent = {of_model(KEY, "a"): (7, 9, MIDNIGHT)}
    found = registry.by_model(KEY, row, spent, NOON)
    assert sorted(found) == ["a", "b", "c"]
    assert [(w.limit, w.model) for w in found["a"].requests + found["a"].tokens] == [(1, "a"), (10, "a")]
    (budget,) = found["a"].budgets
    assert (budget.limit, budget.spent, budget.ends, budget.model) == (UNITS, 7, MIDNIGHT + 86_400, "a")
    assert found["c"].budgets[0].limit == UNITS // 2
    assert all(meters.only == ("model", group) for group, meters in found.items())
    assert rolled == []


def test_what_a_model_spends_is_known_when_its_limit_comes_back(registry: Registry) -> None:
    limited = {"model_max_budget": {"a": 1}}
    registry.by_model(KEY, limited, {}, NOON)
    without = registry.by_model(KEY, {}, {}, NOON)
    without["a"].take(0, 0, NOON).settle(0, 40, NOON)
    (budget,) = registry.by_model(KEY, limited, {}, NOON)["a"].budgets
    assert (without["a"].budgets, budget.spent) == ((), 40)


def test_limits_of_models_that_are_not_asked_are_told(registry: Registry) -> None:
    row = {"model_max_budget": {"a": 1}, "model_rpm_limit": {"a": 3}}
    meters = registry.by_model(("user", "u"), row, {}, NOON, ask=False)["a"]
    assert (len(meters.requests), meters.budgets, len(meters.counted)) == (1, (), 1)


def test_estimated_budgets_are_not_strict(registry: Registry) -> None:
    assert registry.meters(KEY, {**ROW, "budget_mode": "estimate"}, NOTHING, NOON).budgets[0].strict is False
    assert registry.meters(KEY, ROW, NOTHING, NOON).budgets[0].strict is True


def test_a_budget_that_is_not_asked_is_told(registry: Registry) -> None:
    meters = registry.meters(KEY, ROW, NOTHING, NOON, ask=False)
    assert (meters.budgets, meters.counted) == ((), (budget_of(registry),))


@pytest.mark.parametrize("several", [True, False])
def test_what_several_processes_use_is_shared(several: bool) -> None:
    shared = Registry(lambda scope, since: None, shared=several, rates=several)
    meters = shared.meters(KEY, ROW, NOTHING, NOON)
    assert isinstance(meters.budgets[0], Leased) is several
    assert isinstance(meters.requests[0], SharedWindow) is several
    assert isinstance(meters.parallels[0], SharedParallel) is several
    assert (shared.leased(), shared.rates()) == ([], ([], []))
    if several:
        meters.budgets[0].granted = 5  # type: ignore[attr-defined]
        assert shared.leased() == [meters.budgets[0]]


def test_customers_without_a_limit_of_their_own_do_not_fill_the_memory(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "MOST_BUDGETS", 100)
    registry._most = 100
    busy = registry.meters(("customer", "busy"), {**ROW, "usual": True}, NOTHING, NOON)
    busy.take(1, 1, NOON)
    registry.meters(("customer", "limited"), ROW, (7, 7, 0.0), NOON)
    registry.meters(("team", "t"), {}, (8, 8, 0.0), NOON)
    for number in range(5_000):
        registry.meters(("customer", f"c{number}"), {}, NOTHING, NOON)
        registry.meters(("customer", f"u{number}"), {**ROW, "usual": True}, NOTHING, NOON)
        registry.meters(("tag", f"t{number}"), {}, NOTHING, NOON)
        of_all = {"model_max_budget": {"a": 1}, "model_rpm_limit": {"a": 1}, "usual": True}
        registry.by_model(("customer", f"u{number}"), of_all, {}, NOON)
    for kept in (registry._budgets, registry._windows, registry._parallels, registry._of_models):
        assert len(kept) < 250
    assert budget_of(registry, ("customer", "busy")) is busy.budgets[0]
    assert budget_of(registry, ("customer", "u4999")).limit == ROW["max_budget"]
    assert budget_of(registry, ("customer", "limited")).spent == 7
    assert budget_of(registry, ("team", "t")).spent == 8
    assert registry.budget(("customer", "c1")) is None


def test_what_a_batch_held_may_be_asked_for_as_soon_as_it_is_free() -> None:
    shared = Registry(lambda scope, since: None, shared=True)
    (budget,) = shared.meters(KEY, ROW, NOTHING, NOON).budgets
    assert isinstance(budget, Leased)
    for amount, dry in ((5, NOON), (-5, 0.0)):
        budget.dry = NOON
        shared.reserve({KEY: amount})
        assert (budget.dry, budget.held) == (dry, 0)


def test_what_is_held_for_a_batch_is_held_of_budgets_that_come_later(registry: Registry) -> None:
    registry.reserve({KEY: 60})
    (budget,) = registry.meters(KEY, ROW, NOTHING, NOON).budgets
    assert (budget.held, budget.left) == (60, 40)
    registry.reserve({KEY: -60})
    assert (budget.held, budget.left) == (0, 100)
