"""Calls that wait until a deployment of their group is free again: by priority, then by their order. Bounded."""

import asyncio
import heapq
from itertools import count
from typing import Final

from headgate.errors import RateLimitError, Timeout

DEFAULT_PRIORITY: Final = 128
"""LiteLLM's priorities are 0 to 255, lower first."""
MAX_WAITING: Final = 1_000


class Queue:
    """Of one group, in one event loop."""

    def __init__(self, name: str, most: int = MAX_WAITING) -> None:
        self._name = name
        self._most = most
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, priority: int, seconds: float | None) -> None:
        """Until `wake` finds it. Raises RateLimitError where too many wait, Timeout after `seconds`."""
        if len(self._waiting) >= self._most:
            raise RateLimitError(
                f"all deployments of {self._name!r} are busy, and {len(self._waiting)} calls wait for them",
                model=self._name,
                code="queue_full",
                retry_after=1.0,
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._numbers), turn))
        try:
            async with asyncio.timeout(seconds):
                await turn
        except TimeoutError:
            raise Timeout(
                f"no deployment of {self._name!r} was free within {seconds:g} s",
                model=self._name,
                code="queue",
            ) from None
        finally:
            if not turn.done() or turn.cancelled():
                self._waiting = [entry for entry in self._waiting if entry[2] is not turn]
                heapq.heapify(self._waiting)

    def wake(self) -> None:
        """A place is free: the first one that waits may try."""
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
