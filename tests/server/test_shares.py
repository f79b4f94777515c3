"""A process's shares of budgets: large enough that calls seldom ask for more, never more than its part."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import new_database
from headgate.server.meters import Leased
from headgate.server.registry import NOTHING, Registry
from headgate.server.shares import AHEAD, MOST, Shares
from headgate.store.database import Database

KEY = ("key", "k")
COST = 100
LIMIT = 1_000_000_000


class Clock:
    now = 1_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class World:
    def __init__(self, database: Database) -> None:
        self.clock = Clock()
        registry = Registry(lambda scope, since: None, shared=True)
        meters = registry.meters(KEY, {"max_budget": LIMIT}, NOTHING, self.clock.now)
        (budget,) = meters.budgets
        assert isinstance(budget, Leased)
        self.budget = budget
        self.shares = Shares(database, registry, self.clock)

    async def spend(self, calls: int, cost: int = COST) -> int:
        """How often the database was asked."""
        asked = 0
        for _ in range(calls):
            if self.budget.refuse(cost, self.clock.now) is not None:
                asked += 1
                await self.shares.extend(self.budget, cost)
                assert self.budget.refuse(cost, self.clock.now) is None
            self.budget.held += cost
            self.budget.pay(cost, cost)
        return asked


@pytest.fixture(name="world")
def fixture_world(tmp_path: Path) -> Iterator[World]:
    database = new_database("sqlite", tmp_path)
    yield World(database)
    database.close()


async def test_a_share_that_is_used_up_quickly_grows(world: World) -> None:
    assert await world.spend(10_000) < 12
    assert world.budget.ahead > 100 * AHEAD


async def test_calls_that_cost_less_than_they_hold_ask_no_more_often(world: World) -> None:
    asked = 0
    for number in range(2_000):
        if world.budget.refuse(COST, world.clock.now) is not None:
            asked += 1
            await world.shares.extend(world.budget, COST)
        world.budget.held += COST
        world.budget.pay(COST, 60 + number % 7)
    assert asked < 10


async def test_a_share_that_lasts_stays_small(world: World) -> None:
    for _ in range(20):
        assert await world.spend(AHEAD) <= 1
        world.clock.now += 10
    assert world.budget.ahead == AHEAD


async def test_no_share_is_more_than_its_part_of_what_is_left(world: World) -> None:
    cost = LIMIT // 200
    for _ in range(100):
        before = world.budget.granted
        await world.spend(1, cost)
        got = world.budget.granted - before
        assert got <= max(cost, (LIMIT - world.budget.spent + cost) // MOST)


async def test_what_was_spent_without_a_limit_is_no_part_of_a_share(world: World) -> None:
    world.budget.limit = None
    for _ in range(5):
        world.budget.pay(0, COST)
        world.shares.booked({KEY: COST})
    world.budget.limit = LIMIT
    assert await world.spend(10) == 1
    assert world.budget.spare >= 0


async def test_nothing_is_kept_of_budgets_that_nobody_asks_for(world: World) -> None:
    await world.spend(10)
    assert len(world.shares._locks) == 0
