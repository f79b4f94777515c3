"""`hedge_after`: a second deployment is asked when the first one's first content is late. Pure but for the race."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from headgate.core.deployment import Deployment
from headgate.errors import HeadgateError

EXPECTED: Final = "a number of seconds, or p50 … p99"
SHARE: Final = 0.05
"""Of the calls of a group so many may be asked twice."""
BURST: Final = 10.0
_PERCENTILE: Final = re.compile(r"p(\d\d)")
T = TypeVar("T")


class HedgeAfter(Struct, frozen=True):
    """`percentile` of what calls took lately, or `seconds`."""

    seconds: float = 0.0
    percentile: int = 0


def parse(value: float | str) -> HedgeAfter:
    """Raises ValueError."""
    if isinstance(value, str) and (found := _PERCENTILE.fullmatch(value)) is not None and int(found[1]):
        return HedgeAfter(percentile=int(found[1]))
    seconds = float(value)
    if not 0.0 < seconds < 3_600.0:
        raise ValueError(value)
    return HedgeAfter(seconds=seconds)


class Hedges:
    """How many calls of one group may still be asked twice: a share of all."""

    __slots__ = ("_left", "after")

    def __init__(self, after: HedgeAfter) -> None:
        self.after = after
        self._left = 1.0

    def counted(self) -> None:
        """One more call."""
        self._left = min(BURST, self._left + SHARE)

    def take(self) -> bool:
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def wait(self, deployments: Sequence[Deployment], stream: bool) -> float | None:
        """Seconds after which a call is late, None where too little is known."""
        if not self.after.percentile:
            return self.after.seconds
        took = sorted(seconds for one in deployments for seconds in one.track.latency(stream).lately)
        if len(took) < 2 * len(deployments) or not took:
            return None
        return took[min(len(took) - 1, len(took) * self.after.percentile // 100)]


async def race(
    first: Awaitable[T], late: float, second: Callable[[], Awaitable[T] | None]
) -> tuple[T, bool, HeadgateError | None]:
    """The answer, whether it is the second one's, and what became of the other one where that failed. `second` is
    asked for when the first is late; None where nobody is there. The loser is cancelled, and has ended."""
    tasks: list[asyncio.Future[T]] = [asyncio.ensure_future(first)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=late)
        more = None if done else second()
        if more is None:
            return await tasks[0], False, None
        tasks.append(asyncio.ensure_future(more))
        failed: HeadgateError | None = None
        waiting = set(tasks)
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=tasks.index):
                error = task.exception()
                if error is None:
                    return task.result(), task is tasks[1], failed
                if not isinstance(error, HeadgateError) or not waiting:
                    raise error
                failed = error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
