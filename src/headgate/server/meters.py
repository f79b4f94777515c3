"""Meters: counters with a limit and a window, and the holds that calls take on them. Pure: no clock, no store.

Everything is checked before anything is taken, between two awaits of one event loop, so that no number of
concurrent calls gets past a limit. Times are seconds of one clock (Unix), money is in units (`money.py`).
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from headgate.store.periods import period
from headgate.store.totals import Scope

WINDOW: Final = 60.0
"""Seconds of the sliding window of rpm and tpm."""
GRAIN: Final = WINDOW / 6_000
"""What comes within this time is one entry of a window, and leaves with the last of it: bounded memory."""

BESIDE: Final[Scope] = ("", "")
"""Nobody's: a hold that is only given back."""
What = Literal["requests", "tokens", "parallel requests", "budget"]


class Entry(Struct):
    """What was taken from a window from `begun` until `time`."""

    time: float
    amount: int
    begun: float


class Refusal(Struct, frozen=True):
    """Why a call can't be let in. `scope` is (kind, id); `wait` is in seconds, None where waiting is no use.

    `lease` is a meter whose share of this process is used up: more may be had by asking for it.
    """

    what: What
    scope: Scope
    model: str
    limit: int
    left: int
    wanted: int
    wait: float | None
    lease: "Leased | SharedWindow | SharedParallel | None" = None


class Window:
    """A rate over the last minute: of requests or of tokens."""

    __slots__ = ("_entries", "_last", "_total", "limit", "model", "scope", "what")

    def __init__(self, what: What, scope: Scope, model: str = "") -> None:
        self.what: What = what
        self.scope = scope
        self.model = model
        self.limit: int | None = None
        self._entries: deque[Entry] = deque()
        self._last = Entry(-WINDOW, 0, -WINDOW)
        self._total = 0

    def left(self, now: float) -> int:
        """What may still be taken. Without a limit there is nobody to ask."""
        if self._entries and self._entries[0].time <= now - WINDOW:
            self._expire(now)
        left = (self.limit or 0) - self._total
        return left if left > 0 else 0

    def refuse(self, amount: int, now: float) -> Refusal | None:
        """An amount over the whole limit is let in when the window is empty: else it never would be."""
        limit = self.limit
        if limit is None:
            return None
        if self._entries and self._entries[0].time <= now - WINDOW:
            self._expire(now)
        if self._total + amount <= limit or (not self._total and limit):
            return None
        left = max(0, limit - self._total)
        wait = self._wait(self._total + min(amount, limit) - limit, now)
        return Refusal(self.what, self.scope, self.model, limit, left, amount, wait)

    def take(self, amount: int, now: float) -> Entry:
        self._total += amount
        last = self._last
        if now - last.begun < GRAIN and self._entries:
            last.amount += amount
            last.time = now
            return last
        self._last = entry = Entry(now, amount, now)
        self._entries.append(entry)
        return entry

    def correct(self, entry: Entry, difference: int) -> None:
        """The amount was another one. What has left the window is not counted any more."""
        if self._entries and entry.time >= self._entries[0].time:
            entry.amount += difference
            self._total += difference

    def reset(self, now: float) -> float:
        """Seconds until the window is empty."""
        left = self._last.time + WINDOW - now
        return left if left > 0.0 else 0.0

    def _expire(self, now: float) -> None:
        entries = self._entries
        edge = now - WINDOW
        while entries and entries[0].time <= edge:
            self._total -= entries.popleft().amount

    def _wait(self, excess: int, now: float) -> float | None:
        if not self.limit:
            return None
        for entry in self._entries:
            excess -= entry.amount
            if excess <= 0:
                return entry.time + WINDOW - now
        return WINDOW


class Parallel:
    """Calls in flight."""

    __slots__ = ("held", "limit", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.limit: int | None = None
        self.held = 0

    def refuse(self, now: float) -> Refusal | None:
        if self.limit is None or self.held < self.limit:
            return None
        wait = 1.0 if self.limit else None
        return Refusal("parallel requests", self.scope, "", self.limit, 0, 1, wait)


class Budget:
    """Money over a period. `spent` is what calls have cost since `since`, `held` what those in flight may still
    cost; `total` is all that was ever spent. `ends` is when the period does, 0.0 for never. `usual`: its limit is
    that of all who have no own.

    `rolled` is told when a new period has begun.
    """

    __slots__ = (
        "_anchor",
        "_rolled",
        "duration",
        "ends",
        "held",
        "limit",
        "model",
        "scope",
        "since",
        "spent",
        "strict",
        "total",
        "usual",
    )

    def __init__(self, scope: Scope, rolled: Callable[[Scope, float], None], model: str = "") -> None:
        self.scope = scope
        self.model = model
        self.limit: int | None = None
        self.strict = True
        self.usual = False
        self.spent = 0
        self.total = 0
        self.held = 0
        self.duration = ""
        self.since = 0.0
        self.ends = 0.0
        self._anchor = 0.0
        self._rolled = rolled

    def last(self, duration: str, anchor: float, now: float) -> None:
        """How long a period is, "" for ever. Begins a new one where the known one is over."""
        self.duration, self._anchor = duration, anchor
        if not duration:
            self.ends = 0.0
            return
        begun, self.ends = period(duration, now, anchor)
        if begun > self.since:
            self._begin(begun)

    def turn(self, now: float) -> None:
        """Where the period is over, the next one begins."""
        if self.ends and now >= self.ends:
            begun, self.ends = period(self.duration, now, self._anchor)
            self._begin(begun)

    def _begin(self, since: float) -> None:
        self.spent, self.since = 0, since
        self._rolled(self.scope, since)

    def pay(self, amount: int, cost: int) -> None:
        """What was held is free again, what was spent is not."""
        self.held -= amount
        self.spent += cost
        self.total += cost

    def count(self, cost: int) -> None:
        """What is in the database already."""
        self.spent += cost
        self.total += cost

    def bound(self, limit: int | None) -> None:
        """Gives it another limit, None for none."""
        if limit != self.limit:
            self.limit = limit
            self.freed()

    def freed(self) -> None:
        """More may be left than was known."""

    @property
    def left(self) -> int:
        return max(0, (self.limit or 0) - self.spent - self.held)

    def refuse(self, amount: int, now: float) -> Refusal | None:
        """A budget that is used up refuses a call that costs nothing, too."""
        if self.ends and now >= self.ends:
            self.turn(now)
        limit = self.limit
        if limit is None or (self.spent < limit and self.spent + self.held + amount <= limit):
            return None
        wait = self.ends - now if self.ends else None
        if self.spent < limit and self.spent + amount <= limit:
            wait = 1.0  # calls in flight hold it, and may give most of it back
        return Refusal("budget", self.scope, self.model, limit, self.left, amount, wait)


class Leased(Budget):
    """A budget that several processes share: this one's part of it is `granted`.

    What is held, and what is spent and not booked yet, stays within the grant. `spent` is what all have spent as
    far as it is known here. Until `dry` nobody need ask for more: there was nothing left. More was `asked` for
    last, enough for so many calls `ahead`.
    """

    __slots__ = ("ahead", "asked", "dry", "granted", "unbooked", "used")

    def __init__(self, scope: Scope, rolled: Callable[[Scope, float], None], model: str = "") -> None:
        super().__init__(scope, rolled, model)
        self.granted = 0
        self.unbooked = 0
        self.ahead = 0
        self.asked = 0.0
        self.dry = 0.0
        self.used = 0.0

    def freed(self) -> None:
        self.dry = 0.0

    @property
    def spare(self) -> int:
        """What nobody needs now."""
        return self.granted - self.unbooked - self.held

    def refuse(self, amount: int, now: float) -> Refusal | None:
        if self.ends and now >= self.ends:
            self.turn(now)
        if self.limit is None or self.spare >= (amount or 1):
            self.used = now
            return None
        wait = self.ends - now if self.ends else None
        ask = self if now >= self.dry else None
        return Refusal("budget", self.scope, self.model, self.limit, max(0, self.spare), amount, wait, ask)

    def pay(self, amount: int, cost: int) -> None:
        super().pay(amount, cost)
        self.unbooked += cost

    def booked(self, cost: int) -> None:
        """The database knows it now: it is no part of the lease any more."""
        self.unbooked -= cost
        self.granted -= cost


class SharedWindow(Window):
    """A rate that several replicas share: this one's part of it is `granted`, counted already where all can see it.

    Where that can't be reached, until `alone`, the replica counts by itself.
    """

    __slots__ = ("alone", "dry", "granted", "known", "used")

    def __init__(self, what: What, scope: Scope, model: str = "") -> None:
        super().__init__(what, scope, model)
        self.granted = 0
        self.known = 0
        self.alone = 0.0
        self.dry = 0.0
        self.used = 0.0

    def left(self, now: float) -> int:
        if now < self.alone:
            return super().left(now)
        left = (self.limit or 0) - self.known
        return (left if left > 0 else 0) + (self.granted if self.granted > 0 else 0)

    def refuse(self, amount: int, now: float) -> Refusal | None:
        if self.limit is None or now < self.alone:
            return super().refuse(amount, now)
        if self.granted >= amount:
            self.used = now
            return None
        ask = self if now >= self.dry else None
        return Refusal(self.what, self.scope, self.model, self.limit, max(0, self.granted), amount, 1.0, ask)

    def take(self, amount: int, now: float) -> Entry:
        self.granted -= amount
        return super().take(amount, now)

    def correct(self, entry: Entry, difference: int) -> None:
        self.granted -= difference
        super().correct(entry, difference)


class SharedParallel(Parallel):
    """Calls in flight of several replicas: this one may have `granted`."""

    __slots__ = ("alone", "dry", "granted")

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self.granted = 0
        self.alone = 0.0
        self.dry = 0.0

    def refuse(self, now: float) -> Refusal | None:
        if self.limit is None or now < self.alone:
            return super().refuse(now)
        if self.held < self.granted:
            return None
        ask = self if now >= self.dry else None
        return Refusal("parallel requests", self.scope, "", self.limit, 0, 1, 1.0, ask)


class Hold:
    """What one call has taken of some meters, to be settled once. `only`: see Meters."""

    __slots__ = ("_amount", "_budgets", "_counted", "_parallels", "_tokens", "_windows", "only")

    def __init__(
        self,
        parallels: tuple[Parallel, ...],
        windows: list[tuple[Window, Entry]],
        tokens: int,
        budgets: tuple[Budget, ...],
        counted: tuple[Budget, ...],
        amount: int,
        only: Scope | None = None,
    ) -> None:
        self._parallels = parallels
        self._windows = windows
        self._tokens = tokens
        self._budgets = budgets
        self._counted = counted
        self._amount = amount
        self.only = only

    def settle(self, tokens: int, cost: int, now: float) -> None:
        """Puts what was used in the place of what was held."""
        for parallel in self._parallels:
            parallel.held -= 1
        difference = tokens - self._tokens
        if difference:
            for window, entry in self._windows:
                window.correct(entry, difference)
        amount = self._amount
        for budget in self._budgets:
            budget.turn(now)
            budget.pay(amount, cost)
        for budget in self._counted:
            budget.turn(now)
            budget.pay(0, cost)

    @property
    def strictly(self) -> dict[Scope, int]:
        """What is held of strict budgets."""
        return {budget.scope: self._amount for budget in self._budgets if budget.strict and self._amount}

    def bare(self, now: float) -> "Hold":
        """A hold of nothing on the same rates and budgets: for what is known only when it has been used."""
        windows = [(window, window.take(0, now)) for window, _ in self._windows]
        return Hold((), windows, 0, self._budgets, self._counted, 0, self.only)

    def beside(self) -> "Meters":
        """Its strict budgets, for more to be held of them that is only given back."""
        return Meters(budgets=tuple(one for one in self._budgets if one.strict), only=BESIDE)

    def spent(self, now: float) -> Refusal | None:
        """Which of its budgets is used up, whatever holds it."""
        for budget in self._budgets:
            budget.turn(now)
            if budget.limit is not None and budget.spent >= budget.limit:
                wait = budget.ends - now if budget.ends else None
                return Refusal("budget", budget.scope, budget.model, budget.limit, 0, 0, wait)
        return None


class Meters(Struct, frozen=True):
    """The meters that a call must pass, found when its key was loaded. `counted` are budgets that are not asked,
    only told. `only`: they count what this group, deployment or provider answers, None for everything."""

    requests: tuple[Window, ...] = ()
    tokens: tuple[Window, ...] = ()
    parallels: tuple[Parallel, ...] = ()
    budgets: tuple[Budget, ...] = ()
    counted: tuple[Budget, ...] = ()
    only: Scope | None = None

    @property
    def strict(self) -> bool:
        """Whether one of the budgets can't be overspent."""
        return any(budget.strict for budget in self.budgets)

    def __add__(self, other: "Meters") -> "Meters":
        return Meters(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.parallels + other.parallels,
            self.budgets + other.budgets,
            self.counted + other.counted,
            self.only or other.only,
        )

    def take(self, tokens: int, amount: int, now: float) -> Hold:
        """Of meters that do not refuse it."""
        for parallel in self.parallels:
            parallel.held += 1
        for window in self.requests:
            window.take(1, now)
        taken = [(window, window.take(tokens, now)) for window in self.tokens]
        for budget in self.budgets:
            budget.held += amount
        return Hold(self.parallels, taken, tokens, self.budgets, self.counted, amount, self.only)


Want: TypeAlias = tuple[Meters, int, int]
"""What a call wants of some meters: tokens, and units of money."""


def take_all(wants: Sequence[Want], now: float) -> list[Hold] | Refusal:
    """All or nothing, in one pass."""
    for meters, tokens, amount in wants:
        for parallel in meters.parallels:
            if refusal := parallel.refuse(now):
                return refusal
        for window in meters.requests:
            if refusal := window.refuse(1, now):
                return refusal
        for window in meters.tokens:
            if refusal := window.refuse(tokens, now):
                return refusal
        for budget in meters.budgets:
            if refusal := budget.refuse(amount, now):
                return refusal
    held = []
    for meters, tokens, amount in wants:
        held.append(meters.take(tokens, amount, now))
    return held


def settle_all(
    holds: Sequence[Hold], answered: Collection[Scope], tokens: int, cost: int, now: float
) -> None:
    """Puts what a call used in the place of what it held. Meters of a group, a deployment or a provider count what
    that one `answered`, as the ledger does; where a call came there again, the last hold is charged."""
    open_ = set(answered)
    for hold in reversed(holds):
        if hold.only is None:
            hold.settle(tokens, cost, now)
        elif hold.only in open_:
            open_.remove(hold.only)
            hold.settle(tokens, cost, now)
        else:
            hold.settle(0, 0, now)


NONE: Final = Meters()
