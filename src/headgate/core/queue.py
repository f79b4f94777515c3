"""Calls that wait until a deployment of their group is free again: by priority, then in turns of those who call, each
by its weight. Bounded, and no longer than the time that a call has.
"""

import asyncio
import heapq
from itertools import count
from typing import Final, NamedTuple

from headgate.errors import RateLimitError, Timeout

DEFAULT_PRIORITY: Final = 128
MAX_PRIORITY: Final = 255
"""LiteLLM's priorities are 0 to 255, lower first."""
MAX_WAITING: Final = 1_000
_SMOOTH: Final = 0.2


class Share(NamedTuple):
    """Whose call it is, and how many turns they get for one of the others."""

    name: str = ""
    weight: float = 1.0


NOBODY: Final = Share()


class Ticket:
    """A call's place. It keeps it when it was woken and somebody else was quicker."""

    __slots__ = ("begin", "order", "turn")

    def __init__(self, order: tuple[int, float, int], begin: float) -> None:
        self.order = order
        self.begin = begin
        self.turn: asyncio.Future[None] | None = None

    def __lt__(self, other: "Ticket") -> bool:
        return self.order < other.order


class Queue:
    """Of one group, in one event loop. `promised` counts those that were woken and have not looked yet: who comes now
    must not be quicker.

    Turns by start-time fair queueing: a share's next call begins where its last one ended in virtual time, a call
    lasts 1 / weight, and the earliest beginning is served first.
    """

    def __init__(self, name: str, most: int = MAX_WAITING) -> None:
        self.promised = 0
        self._name = name
        self._most = most
        self._waiting: list[Ticket] = []
        self._numbers = count()
        self._now = 0.0
        """Virtual time: the beginning of the last call that was woken."""
        self._ends: dict[str, float] = {}
        self._interval = 0.0
        """Seconds between two places that were got, while somebody waited."""
        self._got = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def ticket(self, priority: int, share: Share, seconds: float) -> Ticket:
        """A place for a call that has so many seconds. Raises RateLimitError where too many wait, or where those
        before it take longer than it has."""
        if len(self._waiting) >= self._most:
            raise self._refusal(f"{len(self._waiting)} calls wait for them", "queue_full", 1.0)
        begin = max(self._now, self._ends.get(share.name, 0.0))
        made = Ticket((priority, begin, next(self._numbers)), begin)
        ahead = sum(1 for other in self._waiting if other < made)
        if (expected := ahead * self._interval) > seconds:
            told = f"the {ahead} calls before this one will take {expected:.1f} s, and it has {seconds:.1f}"
            raise self._refusal(told, "queue_too_long", expected)
        self._ends[share.name] = begin + 1.0 / share.weight
        return made

    async def wait(self, ticket: Ticket, seconds: float, whole: float) -> None:
        """Until `wake` finds it. Raises Timeout after `seconds`, the rest of `whole`."""
        ticket.turn = turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, ticket)
        if len(self._waiting) == 1:
            self._got = 0.0  # nobody waited until now: what came before says nothing
        looked = False
        try:
            async with asyncio.timeout(seconds):
                await turn
            looked = True
        except TimeoutError:
            raise Timeout(
                f"no deployment of {self._name!r} was free within {whole:g} s", model=self._name, code="queue"
            ) from None
        finally:
            if turn.done() and not turn.cancelled():
                self.promised -= 1
                if not looked:
                    self.wake()  # it was this one's turn, and it has gone
            else:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
            if not self._waiting and not self.promised:
                self._now, self._interval = 0.0, 0.0
                self._ends.clear()

    def wake(self, after: Ticket | None = None) -> None:
        """A place is free: the first one that waits may try; `after`: the first one behind that."""
        if not self._waiting:
            return
        if after is None:
            found = heapq.heappop(self._waiting)
        else:
            later = [other for other in self._waiting if after < other]
            if not later:
                return
            found = min(later)
            self._waiting.remove(found)
            heapq.heapify(self._waiting)
        self._now = max(self._now, found.begin)
        self.promised += 1
        if found.turn is not None:
            found.turn.set_result(None)

    def wake_in(self, seconds: float) -> None:
        """A place will be free by itself."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None and self._timer.when() > loop.time():
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self.wake)

    def served(self) -> None:
        """One of those that waited has got a place: so long does it take."""
        now = asyncio.get_running_loop().time()
        if self._got:
            gap = now - self._got
            self._interval += (gap - self._interval) * (_SMOOTH if self._interval else 1.0)
        self._got = now

    def _refusal(self, why: str, code: str, seconds: float) -> RateLimitError:
        return RateLimitError(
            f"all deployments of {self._name!r} are busy: {why}",
            model=self._name,
            code=code,
            retry_after=max(1.0, seconds),
        )
