"""What a gateway does besides answering: the ledger is moved on, changes of others are heard, old records go."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Final

from headgate.errors import HeadgateError
from headgate.server import batches, uploads
from headgate.server.gateway import Gateway
from headgate.server.shares import BEAT_SECONDS
from headgate.store import changes, ledger, responses
from headgate.store.mover import EVERY_SECONDS
from headgate.store.periods import seconds

HEAR_SECONDS: Final = 0.5
RELOADED: Final = 500
"""A change on one replica is known to all within a second."""
WATCH_SECONDS: Final = 2.0
HEALTH_SECONDS: Final = 1.0
"""How often it is looked whether a round of health checks is due."""
BATCH_SECONDS: Final = 300.0
"""How often it is looked what has become of batches."""
CLEAN_SECONDS: Final = 3600.0
UNFINISHED_SECONDS: Final = 86_400.0
"""After which nobody writes a file any more."""
CLEAN_BATCH: Final = 1_000
_logger = logging.getLogger("headgate")


class Background:
    """Started and closed on the event loop of its gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tasks: list[asyncio.Task[None]] = []
        self._heard: changes.Heard | None = None
        self._next_check = 0.0
        self._closing = False

    def start(self) -> None:
        gateway = self._gateway
        self._tasks.append(asyncio.ensure_future(self._every(HEALTH_SECONDS, self._check)))
        if gateway.ledger is None or gateway.database is None:
            return
        if gateway.shares is not None:
            loop, shares = asyncio.get_running_loop(), gateway.shares
            gateway.ledger.owner = shares.owner
            gateway.ledger.booked = lambda paid: _tell(loop, partial(shares.booked, paid))
        gateway.ledger.start()
        self._heard = changes.Heard(gateway.database)
        self._tasks += [
            asyncio.ensure_future(self._every(EVERY_SECONDS, self._move)),
            asyncio.ensure_future(self._every(HEAR_SECONDS, self._hear)),
            asyncio.ensure_future(self._every(CLEAN_SECONDS, self._clean)),
            asyncio.ensure_future(self._every(BATCH_SECONDS, partial(batches.watch, gateway))),
        ]
        if gateway.reloader is not None:
            self._tasks.append(asyncio.ensure_future(self._every(WATCH_SECONDS, gateway.reloader.watch)))
        if gateway.shares is not None:
            self._tasks.append(asyncio.ensure_future(self._every(BEAT_SECONDS, gateway.shares.beat)))
        if gateway.pace is not None:
            self._tasks.append(asyncio.ensure_future(self._every(BEAT_SECONDS, gateway.pace.beat)))
        if gateway.shared is not None:
            exchange = partial(gateway.shared.exchange, gateway)
            self._tasks.append(asyncio.ensure_future(self._every(BEAT_SECONDS, exchange)))

    def soon(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._tasks.append(asyncio.ensure_future(work()))

    async def close(self) -> None:
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._gateway.ledger is not None:
            await asyncio.to_thread(self._gateway.ledger.close)
        if self._gateway.shares is not None:
            await self._gateway.shares.close()
        if self._gateway.pace is not None:
            await self._gateway.pace.close()
        if self._gateway.database is not None:
            await asyncio.get_running_loop().shutdown_default_executor()  # those who still ask it finish
            self._gateway.database.close()

    async def _every(self, pause: float, work: Callable[[], Awaitable[None]]) -> None:
        """Until the end; a database that is away is asked again."""
        failing = False
        while not self._closing:  # a cancellation may be lost in a library: redis' client has such places
            await asyncio.sleep(pause)
            try:
                await work()
                failing = False
            except HeadgateError as error:
                if not failing:
                    _logger.warning("%s", error.message)
                failing = True
            except Exception as bug:
                _logger.error("work in the background failed", exc_info=bug)

    async def _move(self) -> None:
        if self._gateway.ledger is not None:
            self._gateway.ledger.finish()

    async def _hear(self) -> None:
        if self._heard is not None and self._gateway.callers is not None:
            news = await asyncio.to_thread(self._heard.news)
            callers = self._gateway.callers
            dropped = {token for kind, name in news for token in callers.forget(kind, name)}
            for token in list(dropped)[:RELOADED]:  # at once, while the database is there: it may go away
                await callers.load(token)
            if self._gateway.reloader is not None and any(
                kind in ("model", "credential") for kind, _ in news
            ):
                await self._gateway.reloader.reload(file=False)

    async def _check(self) -> None:
        """Health checks, where and as often as the running configuration wants them."""
        settings, now = self._gateway.snapshot.config.general, self._gateway.clock.monotonic()
        if settings.background_health_checks and now >= self._next_check:
            self._next_check = now + settings.health_check_interval
            await self._gateway.health.watch()

    async def _clean(self) -> None:
        database, period = self._gateway.database, self._gateway.snapshot.config.general
        if database is None:
            return
        await database.run(changes.forget)
        await database.run(responses.forget)
        if (folder := self._gateway.jobs.folder) is not None:
            before = self._gateway.clock.time() - UNFINISHED_SECONDS
            await asyncio.to_thread(uploads.forget, folder, before)
        if period.maximum_spend_logs_retention_period is None:
            return
        before = self._gateway.clock.time() - seconds(period.maximum_spend_logs_retention_period)
        while await database.run(partial(ledger.forget, before=before, limit=CLEAN_BATCH)) == CLEAN_BATCH:  # noqa: ASYNC110 -- a pause: others want the database, too
            await asyncio.sleep(0.1)


def _tell(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended: nobody needs to know any more
        loop.call_soon_threadsafe(what)
