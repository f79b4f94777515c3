"""Busy groups: who waits, in which order, how long, and who is told at once that it makes no sense."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from bench.simulate_routing import Clock, VirtualLoop

from core.played import call, chat_answer, deployment
from headgate.core.call import Wish
from headgate.core.engine import Engine
from headgate.core.queue import NOBODY, Share
from headgate.core.route import Group, Routing
from headgate.errors import HeadgateError, RateLimitError, Timeout
from headgate.ports import Headers, Origin, Timeouts


class Reply:
    """See ports.Incoming."""

    def __init__(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status = status
        self.headers = Headers.of(headers)

    async def read(self, limit: int | None = None) -> bytes:
        return chat_answer() if self.status == 200 else b'{"error":{"message":"slow down"}}'

    def abort(self) -> None: ...


class Upstream:
    """Takes `seconds` for a call. With `per_second` it allows so many, says so in its headers, and refuses more."""

    def __init__(self, loop: VirtualLoop, seconds: float, per_second: float = 0.0, most: int = 10) -> None:
        self._loop = loop
        self._seconds = seconds
        self._per_second = per_second
        self._most = most
        self._left = float(most)
        self._at = 0.0
        self.in_flight = self.peak = self.refused = 0
        self.hosts: list[str] = []

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> Reply:
        self.hosts.append(origin.host)
        if self._per_second:
            now = self._loop.now
            self._left, self._at = min(self._most, self._left + (now - self._at) * self._per_second), now
            if self._left < 1:
                self.refused += 1
                return Reply(429, self._headers())
            self._left -= 1
        headers = self._headers() if self._per_second else []
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.in_flight -= 1
        return Reply(200, headers)

    def _headers(self) -> list[tuple[str, str]]:
        reset = (self._most - int(self._left)) / self._per_second
        return [
            ("x-ratelimit-limit-requests", str(self._most)),
            ("x-ratelimit-remaining-requests", str(int(self._left))),
            ("x-ratelimit-reset-requests", f"{reset:.3f}s"),
        ]

    async def close(self) -> None: ...


class Place:
    """A group, and calls to it in virtual time. `order` are the names of the calls in the order of their ends."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.order: list[str] = []
        self.failed: dict[str, HeadgateError] = {}

    def group(self, upstream: Upstream, *rows: Any, **routing: Any) -> None:
        self.engine = Engine({"http": upstream}, Clock(self.loop), dice=lambda: 0.5)  # type: ignore[dict-item, arg-type]
        self.queued = Group("group", rows, Routing(**routing))

    async def ask(self, name: str, share: Share = NOBODY, wish: Wish | None = None, **options: Any) -> None:
        asked = call(retries=0, **options)
        asked.started, asked.share = self.loop.now, share
        if wish is not None:
            asked.wish = wish
        try:
            await self.engine.run(asked, lambda _: self.queued)
            self.order.append(name)
        except HeadgateError as error:
            self.failed[name] = error


@pytest.fixture(name="loop")
def fixture_loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()


@pytest.fixture(name="place")
def fixture_place(loop: VirtualLoop) -> Place:
    return Place(loop)


Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(name="run")
def fixture_run(loop: VirtualLoop) -> Run:
    return loop.run_until_complete


def row(host: str = "a", **params: Any) -> Any:
    return deployment(api_base=f"http://{host}/v1", **{"max_parallel_requests": 1, **params})


async def together(*calls: Coroutine[Any, Any, None]) -> None:
    """Each begins a moment after the one before."""
    tasks = []
    for one in calls:
        tasks.append(asyncio.ensure_future(one))
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)


def test_calls_wait_for_their_turn(place: Place, run: Run) -> None:
    upstream = Upstream(place.loop, 1.0)
    place.group(upstream, row(max_parallel_requests=2))
    run(together(*(place.ask(str(at)) for at in range(10))))
    assert place.order == [str(at) for at in range(10)]
    assert upstream.peak == 2
    assert place.loop.now == pytest.approx(5.0, abs=0.1)


def test_who_comes_later_is_not_quicker(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 1.0), row())

    async def late() -> None:
        await asyncio.sleep(1.0)  # just when the first call ends and the second is woken
        await asyncio.gather(*(place.ask(f"late {at}") for at in range(3)))

    run(together(place.ask("first"), place.ask("second"), late()))
    assert place.order[:2] == ["first", "second"]
    assert len(place.order) == 5


def test_priorities_go_first(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 1.0), row())
    asked = [("a", 128), ("b", 128), ("c", 200), ("d", 1), ("e", 128)]
    run(together(*(place.ask(name, priority=priority) for name, priority in asked)))
    assert place.order == ["a", "d", "b", "e", "c"]


def test_many_calls_of_one_key_do_not_hold_up_another(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 1.0), row())
    many, few = Share("many"), Share("few")
    calls = [place.ask(f"m{at}", many) for at in range(20)] + [place.ask(f"f{at}", few) for at in range(3)]
    run(together(*calls))
    assert max(place.order.index(f"f{at}") for at in range(3)) <= 6


def test_keys_get_turns_by_their_weight(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 1.0), row())
    heavy, light = Share("heavy", 3.0), Share("light", 1.0)
    calls = [place.ask("first")]
    for at in range(24):
        calls += [place.ask(f"l{at}", light), place.ask(f"h{at}", heavy)]
    run(together(*calls))
    first = place.order[1:25]
    assert sum(name[0] == "h" for name in first) == pytest.approx(18, abs=1)


def test_a_call_whose_time_is_too_short_is_told_at_once(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 1.0), row())

    async def crowd() -> None:
        waiting = asyncio.gather(*(place.ask(str(at)) for at in range(20)))
        await asyncio.sleep(4.5)
        began = place.loop.now
        await place.ask("short", timeouts=Timeouts(total=3.0))
        assert place.loop.now == began
        await place.ask("long", timeouts=Timeouts(total=60.0))
        await waiting

    run(crowd())
    error = place.failed["short"]
    assert isinstance(error, RateLimitError)
    assert error.code == "queue_too_long"
    assert error.retry_after == pytest.approx(15.0, abs=2.0)
    assert place.order[-1] == "long"


def test_nobody_waits_longer_than_it_has(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 10.0), row())
    run(together(place.ask("first"), place.ask("second", timeouts=Timeouts(total=2.0))))
    assert isinstance(place.failed["second"], Timeout)
    assert not len(place.queued.queue)


def test_a_full_queue_refuses(place: Place, run: Run) -> None:
    place.group(Upstream(place.loop, 1.0), row())
    place.queued.queue._most = 3
    run(together(*(place.ask(str(at)) for at in range(6))))
    assert [error.code for error in place.failed.values()] == ["queue_full"] * 2
    assert place.order == ["0", "1", "2", "3"]


@pytest.mark.parametrize("moment", [0.5, 1.0, 1.0015, 1.5])
def test_who_gives_up_leaves_its_turn_to_the_next(place: Place, run: Run, moment: float) -> None:
    place.group(Upstream(place.loop, 1.0), row())

    async def some() -> None:
        tasks = []
        for at in range(4):
            tasks.append(asyncio.ensure_future(place.ask(str(at))))
            await asyncio.sleep(0.001)
        await asyncio.sleep(moment - 0.004)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(some())
    assert [name for name in place.order if name != "1"] == ["0", "2", "3"]
    assert place.queued.deployments[0].track.in_flight == 0


def test_what_is_free_for_another_wish_is_not_lost(place: Place, run: Run) -> None:
    """A row that the first one waiting may not use goes to the next who may."""
    upstream = Upstream(place.loop, 1.0)
    place.group(upstream, row("a", tags=["a"]), row("b", tags=["b"]))
    a, b = (Wish(tags=frozenset((name,))) for name in "ab")

    async def some() -> None:
        slow = asyncio.ensure_future(place.ask("a0", wish=a))
        await asyncio.sleep(0.5)
        rest = [
            place.ask("b0", wish=b),
            place.ask("a1", wish=a),
            place.ask("a2", wish=a),
            place.ask("b1", wish=b),
        ]
        await asyncio.gather(slow, together(*rest))

    run(some())
    assert place.order == ["a0", "b0", "a1", "b1", "a2"]


def test_calls_are_paced_by_what_the_provider_allows(place: Place, run: Run) -> None:
    upstream = Upstream(place.loop, 0.05, per_second=5.0, most=10)
    place.group(upstream, row(max_parallel_requests=None), paced=True)

    async def some() -> None:
        await place.ask("first")
        await asyncio.gather(*(place.ask(str(at)) for at in range(60)))

    run(some())
    assert not place.failed
    assert upstream.refused == 0
    assert place.loop.now == pytest.approx(10.0, rel=0.2)


def test_without_pacing_the_provider_refuses(place: Place, run: Run) -> None:
    upstream = Upstream(place.loop, 0.05, per_second=5.0, most=10)
    place.group(upstream, row(max_parallel_requests=None))
    run(together(*(place.ask(str(at)) for at in range(60))))
    assert upstream.refused


def test_another_deployment_is_asked_where_one_would_refuse(place: Place, run: Run) -> None:
    upstream = Upstream(place.loop, 0.05, per_second=0.1, most=1)
    place.group(
        upstream,
        row("a", order=1, max_parallel_requests=None),
        row("b", order=2, max_parallel_requests=None),
        paced=True,
    )

    async def some() -> None:
        await place.ask("first")
        upstream._left = 1.0
        await place.ask("second")

    run(some())
    assert upstream.hosts == ["a", "b"]


def test_a_provider_that_allows_nothing_for_long_is_not_waited_for(place: Place, run: Run) -> None:
    upstream = Upstream(place.loop, 0.05, per_second=0.01, most=1)
    place.group(upstream, row(max_parallel_requests=None), paced=True)

    async def some() -> None:
        await place.ask("first")
        began = place.loop.now
        await place.ask("second", timeouts=Timeouts(total=5.0))
        assert place.loop.now == began

    run(some())
    error = place.failed["second"]
    assert isinstance(error, RateLimitError)
    assert (error.status_code, error.code) == (429, "deployments_busy")
    assert error.retry_after == pytest.approx(100.0, rel=0.1)
