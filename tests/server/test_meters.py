"""Meters against an exact log of what was let in: never more than allowed, never less than could be."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.server.meters import (
    GRAIN,
    WINDOW,
    Budget,
    Entry,
    Hold,
    Leased,
    Meters,
    Parallel,
    Refusal,
    SharedParallel,
    SharedWindow,
    Want,
    Window,
    settle_all,
    take_all,
)
from headgate.store.periods import period

KEY = ("key", "k")
TICK = 1 / 1024
"""Times are whole numbers of these: sums and differences of them are exact."""
ENOUGH = 10**9


def reserve(meters: Meters, tokens: int, amount: int, now: float) -> Hold | Refusal:
    taken = take_all([(meters, tokens, amount)], now)
    return taken if isinstance(taken, Refusal) else taken[0]


pauses = st.sampled_from([0, 1, 4, 9, 10, 11, 12, 100, 1024, 5 * 1024, 30 * 1024, 60 * 1024 - 1, 60 * 1024])
Log = list[tuple[float, int]]


def _window(limit: int | None) -> Window:
    window = Window("requests", KEY)
    window.limit = limit
    return window


def _since(log: Log, edge: float) -> int:
    return sum(amount for time, amount in log if time > edge)


def _admit(meter: Window, amount: int, now: float, log: Log) -> Refusal | None:
    refusal = meter.refuse(amount, now)
    if refusal is None:
        meter.take(amount, now)
        log.append((now, amount))
    return refusal


# windows


@given(st.integers(1, 20), st.lists(st.tuples(pauses, st.integers(0, 8)), max_size=60))
def test_no_sixty_seconds_hold_more_than_the_limit(limit: int, steps: list[tuple[int, int]]) -> None:
    window, log, now = _window(limit), Log(), 1000.0
    for pause, amount in steps:
        now += pause * TICK
        before = _since(log, now - WINDOW)
        if _admit(window, amount, now, log) is None:
            assert before + amount <= limit or not before
        else:  # nor is anything refused that fits, even if what was taken lasts 10 ms longer
            assert _since(log, now - WINDOW - GRAIN) + amount > limit


@given(st.integers(0, 20), st.lists(st.tuples(pauses, st.integers(0, 25)), max_size=60))
def test_whoever_waits_as_long_as_told_is_let_in_and_not_before(
    limit: int, steps: list[tuple[int, int]]
) -> None:
    window, log, now = _window(limit), Log(), 1000.0
    for pause, amount in steps:
        now += pause * TICK
        refusal = _admit(window, amount, now, log)
        if refusal is None:
            continue
        assert (refusal.limit, refusal.wanted, refusal.left) == (limit, amount, window.left(now))
        if not limit:
            assert refusal.wait is None
            continue
        assert refusal.wait is not None
        assert 0 < refusal.wait <= WINDOW
        almost = now + refusal.wait - TICK
        if almost >= now:
            assert window.refuse(amount, almost) is not None
        now += refusal.wait
        assert _admit(window, amount, now, log) is None


Take = tuple[int, int, int]
"""A pause, what is asked for, and what is really used."""


@given(st.lists(st.tuples(pauses, st.integers(0, 9), st.integers(0, 30)), max_size=40))
def test_what_was_used_takes_the_place_of_what_was_held(steps: list[Take]) -> None:
    window, now = _window(ENOUGH), 1000.0
    open_: list[tuple[Entry, list[float]]] = []
    log: list[list[float]] = []
    for pause, amount, used in steps:
        now += pause * TICK
        window.left(now)
        if open_ and used % 2:
            entry, taken = open_.pop(used % len(open_))
            if entry.time > now - WINDOW:
                window.correct(entry, used - int(taken[1]))
                taken[1] = used
            else:  # it has left the window: nothing of it counts any more
                before = window.left(now)
                window.correct(entry, used - int(taken[1]))
                assert window.left(now) == before
        taken = [now, amount]
        open_.append((window.take(amount, now), taken))
        log.append(taken)
        held = ENOUGH - window.left(now)
        assert sum(n for time, n in log if time > now - WINDOW) <= held
        assert held <= sum(n for time, n in log if time > now - WINDOW - GRAIN)


def test_what_was_taken_within_ten_milliseconds_leaves_with_the_last_of_it() -> None:
    window = _window(10)
    window.take(1, 0.0)
    window.take(9, 9 * TICK)
    assert window.left(60.0) == 0
    assert window.left(60.0 + 9 * TICK) == 10


def test_memory_is_bounded_however_many_calls_come() -> None:
    window = _window(ENOUGH)
    for tick in range(200_000):
        window.left(tick * TICK)
        window.take(1, tick * TICK)
    assert len(window._entries) <= WINDOW / GRAIN + 1


@pytest.mark.parametrize(
    ("limit", "taken", "wanted", "refused"),
    [
        (None, 100, 100, False),
        (10, 0, 10, False),
        (10, 1, 10, True),
        (10, 0, 11, False),  # else it never would be let in
        (10, 1, 11, True),
        (0, 0, 1, True),
        (0, 0, 0, False),
    ],
)
def test_a_window_refuses_what_is_too_much(limit: int | None, taken: int, wanted: int, refused: bool) -> None:
    window = _window(limit)
    if taken:
        window.take(taken, 5.0)
    assert (window.refuse(wanted, 6.0) is not None) is refused


def test_a_window_is_empty_sixty_seconds_after_the_last() -> None:
    window = _window(3)
    assert window.reset(0.0) == 0.0
    window.take(1, 10.0)
    window.take(1, 30.0)
    assert window.reset(40.0) == 50.0
    assert window.left(89.0) == 2
    assert window.left(90.0) == 3


def test_a_limit_that_is_lowered_counts_what_was_taken_before() -> None:
    window = _window(10)
    window.take(8, 0.0)
    window.limit = 5
    assert window.left(1.0) == 0
    refusal = window.refuse(1, 1.0)
    assert refusal is not None
    assert refusal.wait == 59.0


# calls in flight


@given(st.integers(0, 5), st.lists(st.booleans(), max_size=40))
def test_no_more_calls_are_in_flight_than_allowed(limit: int, steps: list[bool]) -> None:
    parallel = Parallel(KEY)
    parallel.limit = limit
    meters = Meters(parallels=(parallel,))
    held: list[Hold] = []
    for begin in steps:
        if begin:
            taken = reserve(meters, 0, 0, 0.0)
            if isinstance(taken, Hold):
                held.append(taken)
            else:
                assert len(held) == limit
                assert (taken.wait is None) is (limit == 0)
        elif held:
            held.pop().settle(0, 0, 0.0)
        assert parallel.held == len(held) <= limit


# budgets


@dataclass
class Purse:
    """A budget, and what we know ourselves of what happened to it."""

    limit: int | None
    duration: str = ""
    rolled: list[float] = field(default_factory=list)
    open: list[tuple[Hold, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.budget = Budget(KEY, lambda scope, since: self.rolled.append(since))
        self.budget.limit = self.limit
        self.budget.last(self.duration, 0.0, 0.0)

    def call(self, amount: int, cost: int, now: float) -> Refusal | None:
        taken = reserve(Meters(budgets=(self.budget,)), 0, amount, now)
        if isinstance(taken, Refusal):
            return taken
        self.open.append((taken, cost))
        return None

    def settle(self, which: int, now: float) -> int:
        hold, cost = self.open.pop(which % len(self.open))
        hold.settle(0, cost, now)
        return cost


Step = tuple[int, int, int]
"""What to do, how much it may cost, a number for the rest."""
steps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 1000)), max_size=80)


@given(st.integers(0, 100), steps)
def test_a_strict_budget_is_never_overspent_in_any_order(limit: int, given: Sequence[Step]) -> None:
    purse, spent, now = Purse(limit), 0, 0.0
    for what, amount, number in given:
        now += number
        budget = purse.budget
        if what == 0 and purse.open:
            spent += purse.settle(number, now)
        else:
            left = limit - budget.spent - budget.held
            refusal = purse.call(amount, number % (amount + 1), now)
            assert (refusal is None) is (budget.spent < limit and amount <= left)
            if refusal is not None:
                assert (refusal.left, refusal.wanted, refusal.limit) == (left, amount, limit)
        assert budget.spent == budget.total == spent
        assert budget.spent + budget.held <= limit
    while purse.open:
        spent += purse.settle(0, now)
    assert (purse.budget.held, purse.budget.spent) == (0, spent)
    assert purse.rolled == []


@given(st.integers(1, 100), steps)
def test_a_budget_begins_anew_with_its_period(limit: int, given: Sequence[Step]) -> None:
    purse, now, total = Purse(limit, "1h"), 0.0, 0
    by_period: dict[float, int] = {}
    for what, amount, number in given:
        now += number * 3.0
        if what == 0 and purse.open:
            cost = purse.settle(number, now)
            begun = period("1h", now, 0.0)[0]
            by_period[begun] = by_period.get(begun, 0) + cost
            total += cost
        else:
            refusal = purse.call(amount, number % (amount + 1), now)
            if refusal is not None and refusal.wait != 1.0:
                assert refusal.wait == period("1h", now, 0.0)[1] - now
        purse.budget.turn(now)
        assert purse.budget.since == period("1h", now, 0.0)[0]
        assert purse.budget.spent == by_period.get(purse.budget.since, 0)
        assert purse.budget.spent + purse.budget.held <= limit
        assert purse.budget.total == total
    assert purse.rolled == sorted(set(purse.rolled))
    assert all(since % 3600 == 0 for since in purse.rolled)


def test_whoever_waits_for_calls_in_flight_is_told_to_come_back_soon() -> None:
    purse = Purse(10, "1d")
    assert purse.call(8, 1, 0.0) is None
    refusal = purse.call(8, 1, 100.0)
    assert refusal is not None
    assert refusal.wait == 1.0
    purse.settle(0, 100.0)
    assert purse.call(8, 1, 100.0) is None


@pytest.mark.parametrize(("duration", "wait"), [("", None), ("1d", 86_300.0), ("1h", 3_500.0)])
def test_a_budget_that_is_used_up_says_when_it_begins_anew(duration: str, wait: float | None) -> None:
    purse = Purse(10, duration)
    purse.call(10, 10, 0.0)
    purse.settle(0, 50.0)
    for amount in (0, 1):  # a call that costs nothing is refused, too
        refusal = purse.call(amount, 0, 100.0)
        assert refusal is not None
        assert (refusal.wait, refusal.left) == (wait, 0)


def test_a_budget_without_a_limit_only_counts() -> None:
    purse = Purse(None)
    assert purse.call(ENOUGH, 7, 0.0) is None
    purse.settle(0, 0.0)
    assert (purse.budget.spent, purse.budget.left) == (7, 0)


def test_budgets_that_are_only_counted_refuse_nothing() -> None:
    purse = Purse(1)
    hold = reserve(Meters(counted=(purse.budget,)), 0, 100, 0.0)
    assert isinstance(hold, Hold)
    hold.settle(0, 100, 0.0)
    assert (purse.budget.spent, purse.budget.held) == (100, 0)


# a share of what other processes use, too


def test_a_share_of_a_budget_is_all_that_can_be_spent() -> None:
    budget = Leased(KEY, lambda scope, since: None)
    budget.limit = 100
    meters = Meters(budgets=(budget,))
    refusal = reserve(meters, 0, 10, 1.0)
    assert isinstance(refusal, Refusal)
    assert refusal.lease is budget
    budget.granted = 25
    holds = [reserve(meters, 0, 10, 1.0) for _ in range(3)]
    assert [isinstance(hold, Hold) for hold in holds] == [True, True, False]
    for hold in holds[:2]:
        assert isinstance(hold, Hold)
        hold.settle(0, 10, 2.0)
    assert (budget.spare, budget.unbooked, budget.spent) == (5, 20, 20)
    budget.booked(20)  # the lease shrinks by what the database knows
    assert (budget.spare, budget.granted, budget.unbooked) == (5, 5, 0)
    budget.dry = 10.0
    refusal = reserve(meters, 0, 10, 9.0)
    assert isinstance(refusal, Refusal)
    assert refusal.lease is None


@given(st.integers(0, 50), steps)
def test_what_was_granted_is_never_overspent(granted: int, given: Sequence[Step]) -> None:
    budget = Leased(KEY, lambda scope, since: None)
    budget.limit, budget.granted = 1000, granted
    open_: list[tuple[Hold, int]] = []
    paid = unbooked = 0
    for what, amount, number in given:
        if what == 0 and open_:
            hold, cost = open_.pop(number % len(open_))
            hold.settle(0, cost, 0.0)
            paid, unbooked = paid + cost, unbooked + cost
        elif what == 1:
            budget.booked(unbooked)
            unbooked = 0
        else:
            taken = reserve(Meters(budgets=(budget,)), 0, amount, 0.0)
            if isinstance(taken, Hold):
                open_.append((taken, number % (amount + 1)))
        assert paid + budget.held <= granted
        assert budget.spare == granted - paid - budget.held


def test_a_share_of_a_rate_is_used_up_before_more_is_asked_for() -> None:
    window = SharedWindow("requests", KEY)
    window.limit, window.granted, window.known = 100, 3, 40
    meters = Meters(requests=(window,))
    assert window.left(0.0) == 63
    taken = [reserve(meters, 0, 0, 1.0) for _ in range(4)]
    assert [isinstance(one, Hold) for one in taken] == [True, True, True, False]
    assert isinstance(taken[3], Refusal)
    assert taken[3].lease is window
    window.alone = 5.0  # the others can't be asked: it counts by itself
    assert isinstance(reserve(meters, 0, 0, 2.0), Hold)


def test_a_share_of_calls_in_flight_is_used_up_before_more_is_asked_for() -> None:
    parallel = SharedParallel(KEY)
    parallel.limit, parallel.granted = 10, 1
    meters = Meters(parallels=(parallel,))
    assert isinstance(reserve(meters, 0, 0, 1.0), Hold)
    refusal = reserve(meters, 0, 0, 1.0)
    assert isinstance(refusal, Refusal)
    assert refusal.lease is parallel
    parallel.alone = 5.0
    assert isinstance(reserve(meters, 0, 0, 2.0), Hold)


# all of them together


def _all(limits: Sequence[int | None]) -> Meters:
    requests, tokens, parallel = Window("requests", KEY), Window("tokens", KEY), Parallel(KEY)
    budget = Budget(KEY, lambda scope, since: None)
    for meter, limit in zip((requests, tokens, parallel, budget), limits, strict=True):
        meter.limit = limit  # type: ignore[attr-defined]
    return Meters((requests,), (tokens,), (parallel,), (budget,))


def _state(meters: Meters, now: float) -> list[object]:
    windows = [(window.left(now), window.reset(now)) for window in meters.requests + meters.tokens]
    return [windows, [p.held for p in meters.parallels], [(b.held, b.spent) for b in meters.budgets]]


limit = st.none() | st.integers(0, 30)
calls = st.lists(st.tuples(pauses, st.integers(0, 20), st.integers(0, 20), st.booleans()), max_size=30)


@given(st.lists(st.tuples(limit, limit, limit, limit), min_size=1, max_size=3), calls)
def test_a_call_takes_all_that_it_needs_or_nothing(
    limits: list[tuple[int | None, ...]], given: list[tuple[int, int, int, bool]]
) -> None:
    meters, now = Meters(), 0.0
    for several in limits:
        meters += _all(several)
    held: list[tuple[Hold, int]] = []
    for pause, tokens, amount, settle in given:
        now += pause * TICK
        if settle and held:
            hold, most = held.pop(0)
            hold.settle(tokens, min(amount, most), now)
            continue
        before = _state(meters, now)
        taken = reserve(meters, tokens, amount, now)
        if isinstance(taken, Refusal):
            assert _state(meters, now) == before
            continue
        held.append((taken, amount))
        assert all(parallel.held == len(held) for parallel in meters.parallels)
        assert all(budget.held == sum(most for _, most in held) for budget in meters.budgets)
    for hold, _ in held:
        hold.settle(0, 0, now)
    assert all(parallel.held == 0 for parallel in meters.parallels)
    assert all(budget.held == 0 for budget in meters.budgets)


calls_elsewhere = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["", *"abcd"]), st.integers(0, 20), st.integers(0, 20)),
    max_size=20,
)


@given(calls_elsewhere)
def test_meters_of_groups_count_what_their_group_answered(
    given: list[tuple[str, str, int, int]],
) -> None:
    """Asked, answered, what was held and what it came to."""
    whole = Budget(KEY, lambda scope, since: None)
    budgets = {group: Budget(("key_model", group), lambda scope, since: None, group) for group in "abc"}
    tokens = {group: Window("tokens", KEY, group) for group in "abc"}
    for meter in (whole, *budgets.values(), *tokens.values()):
        meter.limit = ENOUGH  # type: ignore[attr-defined]
    of = {g: Meters(tokens=(tokens[g],), budgets=(budgets[g],), only=("model", g)) for g in "abc"}
    due = dict.fromkeys(["", *"abcd"], 0)
    for asked, answered, held, used in given:
        wants = [(Meters(budgets=(whole,)), 0, held)]
        for group in dict.fromkeys((asked, answered, asked, answered)):  # it may come to a group again
            wants += [(of[group], held, held)] * 2 if group in of else []
        holds = take_all(wants, 0.0)
        assert isinstance(holds, list)
        settle_all(holds, [("model", answered)], used, used, 0.0)
        due[answered] += used
    assert (whole.held, whole.spent) == (0, sum(due.values()))
    for group, budget in budgets.items():
        assert (budget.held, budget.spent) == (0, due[group])
        assert tokens[group].left(0.0) == ENOUGH - due[group]


def test_what_is_held_beside_is_only_given_back() -> None:
    budgets = [Budget(KEY, lambda scope, since: None) for _ in range(2)]
    for budget in budgets:
        budget.limit = 100
    budgets[1].strict = False
    window = Window("tokens", KEY)
    (hold,) = _taken([(Meters(tokens=(window,), budgets=tuple(budgets)), 5, 60)])
    more = hold.beside()
    assert (more.budgets, more.tokens) == ((budgets[0],), ())
    assert isinstance(take_all([(more, 0, 41)], 0.0), Refusal)
    holds = [hold, *_taken([(more, 0, 40)])]
    assert [budget.held for budget in budgets] == [100, 60]
    settle_all(holds, (), 7, 90, 0.0)
    assert [(budget.held, budget.spent) for budget in budgets] == [(0, 90), (0, 90)]


def _taken(wants: list[Want]) -> list[Hold]:
    taken = take_all(wants, 0.0)
    assert isinstance(taken, list)
    return taken
