"""This process's shares of budgets that others spend, too: asked for when they are used up, given back when idle."""

import asyncio
import logging
import secrets
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from headgate.errors import HeadgateError, ServiceUnavailableError
from headgate.ports import Clock
from headgate.server.meters import Leased
from headgate.server.registry import Registry
from headgate.store import leases
from headgate.store.database import Database
from headgate.store.ledger import Scope

BEAT_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 2.0
"""After which a share that nobody uses goes back."""
DRY_SECONDS: Final = 0.25
AHEAD: Final = 16
"""Calls that a share is asked for at first; twice as many each time that it did not last for a beat."""
MOST: Final = 20
"""A share is at most this part of what is left at a time, unless one call needs more."""
_logger = logging.getLogger("headgate")


class Shares:
    """`owner` is this process, to the others."""

    def __init__(self, database: Database, registry: Registry, clock: Clock) -> None:
        self.owner = secrets.token_hex(8)
        self._database = database
        self._registry = registry
        self._clock = clock
        self._locks: WeakValueDictionary[Scope, asyncio.Lock] = WeakValueDictionary()
        """Each as long as somebody asks: customers are many."""

    async def extend(self, budget: Leased, amount: int) -> None:
        """Asks for enough for one more call, and some ahead. Raises ServiceUnavailableError."""
        lock = self._locks.setdefault(budget.scope, asyncio.Lock())
        async with lock:
            # what was spent while there was no limit is booked, and no lease shrank by it
            budget.granted = max(budget.granted, 0)
            one = max(amount, 1)
            need = one - budget.spare
            now = self._clock.time()
            if need <= 0 or budget.limit is None or now < budget.dry:
                return
            budget.ahead = AHEAD if now - budget.asked > BEAT_SECONDS else budget.ahead * 2
            budget.asked = now
            want = max(need, min(one * budget.ahead, (budget.limit - budget.spent) // MOST))
            work = partial(
                leases.grant,
                owner=self.owner,
                scope=budget.scope,
                limit=budget.limit,
                since=budget.since,
                want=want,
            )
            try:
                found = await self._database.run(work)
            except ServiceUnavailableError as error:
                if not budget.strict:  # its calls go on, and are reconciled when they are booked
                    budget.granted += need
                    return
                error.message = f"the share of a budget is used up, and {error.message}"
                raise
            budget.granted += found.amount
            budget.spent = found.spent + budget.unbooked
            if found.amount < need:
                budget.dry = self._clock.time() + DRY_SECONDS

    async def beat(self) -> None:
        """Tells the others that we live, and gives back what is idle."""
        now = self._clock.time()
        idle = {
            budget.scope: budget.spare
            for budget in self._registry.leased()
            if budget.spare > 0 and now - budget.used > IDLE_SECONDS
        }
        self.moved(idle)  # at once: nobody may hold it while it goes back
        try:
            await self._database.run(partial(leases.beat, owner=self.owner, returned=idle))
        except HeadgateError:
            self.moved({scope: -amount for scope, amount in idle.items()})
            raise

    def booked(self, paid: dict[Scope, int]) -> None:
        for scope, cost in paid.items():
            budget = self._registry.budget(scope)
            if isinstance(budget, Leased):
                budget.booked(cost)

    def moved(self, amounts: dict[Scope, int]) -> None:
        """Out of our shares: held for a batch, or given back."""
        for scope, amount in amounts.items():
            budget = self._registry.budget(scope)
            if isinstance(budget, Leased):
                budget.granted -= amount

    async def close(self) -> None:
        try:
            await self._database.run(partial(leases.resign, owner=self.owner))
        except HeadgateError as error:
            _logger.warning("the shares of budgets return in %g s: %s", leases.SECONDS, error.message)
