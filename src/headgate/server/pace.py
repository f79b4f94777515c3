"""This replica's shares of rates and of calls in flight that others use, too, kept in Redis."""

import asyncio
from typing import Final
from weakref import WeakValueDictionary

from headgate.errors import ServiceUnavailableError
from headgate.ports import Clock
from headgate.server.meters import SharedParallel, SharedWindow
from headgate.server.registry import Registry
from headgate.store.rates import Rates, key_of

PART: Final = 200
"""A share of a rate is this part of its limit, so that few requests of a window can lie unused."""
PARALLEL_PART: Final = 50
IDLE_SECONDS: Final = 1.0
"""After which a share that nobody uses goes back."""
DRY_SECONDS: Final = 0.1
ALONE_SECONDS: Final = 1.0
"""How long the replica counts by itself before it asks Redis again."""


class Pace:
    """`owner` is this replica, to the others."""

    def __init__(self, rates: Rates, registry: Registry, clock: Clock, owner: str) -> None:
        self._rates = rates
        self._registry = registry
        self._clock = clock
        self._owner = owner
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """Each as long as somebody asks: customers are many."""
        self._alone = 0.0

    async def extend(self, meter: SharedWindow | SharedParallel, amount: int) -> None:
        """Asks for enough for one more call. Without Redis the replica goes on by its own counting."""
        async with self._locks.setdefault(id(meter), asyncio.Lock()):
            now = self._clock.time()
            if now < self._alone:  # Redis did not answer somebody else just now
                meter.alone = self._alone
            if meter.limit is None or now < meter.dry or now < meter.alone:
                return
            try:
                if isinstance(meter, SharedWindow):
                    await self._take(meter, amount, meter.limit)
                else:
                    await self._hold(meter, meter.limit)
            except ServiceUnavailableError:
                meter.alone = self._alone = self._clock.time() + ALONE_SECONDS

    async def _take(self, window: SharedWindow, amount: int, limit: int) -> None:
        need = amount - window.granted
        if need <= 0:
            return
        want = max(need, limit // PART)
        granted, window.known = await self._rates.take(self._key(window), limit, want, need)
        window.granted += granted
        if granted < need:
            window.dry = self._clock.time() + DRY_SECONDS

    async def _hold(self, parallel: SharedParallel, limit: int) -> None:
        if parallel.held < parallel.granted:
            return
        least = parallel.held + 1
        wanted = least + limit // PARALLEL_PART
        key = key_of("parallel", parallel.scope, "")
        parallel.granted = await self._rates.hold(key, self._owner, limit, wanted, least)
        if parallel.granted < least:
            parallel.dry = self._clock.time() + DRY_SECONDS

    async def ping(self) -> None:
        """Raises ServiceUnavailableError where Redis does not answer."""
        await self._rates.ping()

    async def beat(self) -> None:
        """Gives back what is idle, and says that the calls in flight still are. Raises ServiceUnavailableError."""
        now = self._clock.time()
        windows, parallels = self._registry.rates()
        for window in windows:
            if now - window.used > IDLE_SECONDS or window.granted < 0:
                amount, window.granted = window.granted, 0
                try:
                    await self._rates.give(self._key(window), amount)
                except ServiceUnavailableError:
                    window.granted += amount
                    raise
        for parallel in parallels:
            if parallel.limit is not None:
                key = key_of("parallel", parallel.scope, "")
                held = parallel.held
                parallel.granted = await self._rates.hold(key, self._owner, parallel.limit, held, held)

    async def close(self) -> None:
        await self._rates.close()

    def _key(self, window: SharedWindow) -> str:
        return key_of(window.what, window.scope, window.model)
