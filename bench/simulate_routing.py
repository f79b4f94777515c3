"""The real engine in virtual time against deployments that are slow, failing, limited or changing: who gets the
calls, how many succeed, how long they take. `python -m bench.simulate_routing`; `--cost` measures a choice.

Seeded: the same run gives the same figures. An hour of traffic takes seconds.
"""

import argparse
import asyncio
import random
import selectors
import sys
import timeit
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec

from headgate.catalog.lookup import Catalog
from headgate.core.call import Call, Options
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.route import Group, Routing
from headgate.core.strategies import STRATEGIES
from headgate.errors import APIConnectionError, HeadgateError
from headgate.ports import Origin, Timeouts
from headgate.wire import envelope

BODY: Final = b'{"model":"g","messages":[{"role":"user","content":"Hello"}]}'
ANSWER: Final = (
    b'{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}'
)
SUCCESS: Final = 0.9999
SLOWER_THAN_ORACLE: Final = 1.2
COST_US: Final = 6.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Where nothing is ready, time jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        self._loop.now += timeout or 0.0
        return super().select(0)


class Kind(msgspec.Struct, frozen=True):
    """How a deployment behaves: the mean of its latency in seconds, a share of failures and their status (0: the
    connection is reset), the requests per second beyond which it says 429; from `until` on it is as `then`."""

    name: str
    seconds: float = 0.2
    fails: float = 0.0
    status: int = 500
    per_second: float = 0.0
    until: float = 0.0
    then: "Kind | None" = None


class Upstream:
    """See ports.Transport: all deployments of a scenario, told apart by their host."""

    def __init__(self, kinds: dict[str, Kind], loop: VirtualLoop, dice: random.Random) -> None:
        self.kinds = kinds
        self.calls: dict[str, int] = dict.fromkeys(kinds, 0)
        self._loop = loop
        self._dice = dice
        self._second: dict[str, tuple[int, int]] = {}

    def kind(self, host: str) -> Kind:
        kind = self.kinds[host]
        while kind.then is not None and self._loop.now >= kind.until:
            kind = kind.then
        return kind

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> "Reply":
        host = origin.host
        kind = self.kind(host)
        self.calls[host] += 1
        if kind.per_second and self._beyond(host, kind.per_second):
            await asyncio.sleep(0.02)
            return Reply(429, [("retry-after", "2")], b'{"error":{"message":"slow down"}}')
        if self._dice.random() < kind.fails:
            await asyncio.sleep(0.05)
            if not kind.status:
                raise APIConnectionError("reset")
            return Reply(kind.status, [], b'{"error":{"message":"no"}}')
        await asyncio.sleep(kind.seconds * self._dice.lognormvariate(0.0, 0.25))
        return Reply(200, [("content-type", "application/json")], ANSWER)

    def _beyond(self, host: str, most: float) -> bool:
        second = int(self._loop.now)
        at, count = self._second.get(host, (second, 0))
        count = count + 1 if at == second else 1
        self._second[host] = (second, count)
        return count > most

    async def close(self) -> None: ...


class Reply:
    """See ports.Incoming."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)

    async def read(self, limit: int | None = None) -> bytes:
        return self._body

    async def next(self) -> bytes:
        return b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body

    async def relay(self, sink: Callable[[bytes], None]) -> None:
        sink(self._body)

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def abort(self) -> None: ...


class Clock:
    def __init__(self, loop: VirtualLoop) -> None:
        self.time = self.monotonic = loop.time


GOOD, SLOW = Kind("good"), Kind("slow", seconds=2.0)
SCENARIOS: Final[dict[str, list[Kind]]] = {
    "10 alike": [GOOD] * 10,
    "50, a fifth slow": [GOOD] * 40 + [SLOW] * 10,
    "3, one healthy": [GOOD, Kind("resets", fails=1.0, status=0), Kind("broken", fails=1.0)],
    "10, three broken": [GOOD] * 7 + [Kind("broken", fails=1.0, status=503)] * 3,
    "10, all shaky": [Kind("shaky", fails=0.05)] * 10,
    "5, two limited": [GOOD] * 3 + [Kind("limited", per_second=5.0)] * 2,
    "20, half turn slow": [GOOD] * 10
    + [Kind("turning", until=60.0, then=Kind("turned", seconds=2.0, until=120.0, then=GOOD))] * 10,
}


class Figures(msgspec.Struct):
    """Latencies in seconds; `upstream` are calls made upstream for one of a client."""

    success: float
    p50: float
    p99: float
    oracle_p99: float
    upstream: float
    shares: dict[str, float]


def simulate(
    kinds: Sequence[Kind], strategy: str, *, seconds: float = 180.0, rate: float = 100.0, seed: int = 1
) -> Figures:
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(_run(loop, kinds, strategy, seconds, rate, seed))
    finally:
        loop.close()


async def _run(
    loop: VirtualLoop, kinds: Sequence[Kind], strategy: str, seconds: float, rate: float, seed: int
) -> Figures:
    dice = random.Random(seed)
    hosts = {f"h{at}": kind for at, kind in enumerate(kinds)}
    upstream = Upstream(hosts, loop, dice)
    engine = Engine({"http": upstream}, Clock(loop), dice=dice.random)  # type: ignore[dict-item, arg-type]
    group = Group("g", _deployments(len(kinds)), Routing(strategy=strategy))
    took: list[float] = []
    failed = 0

    async def one() -> None:
        nonlocal failed
        begun = loop.now
        try:
            await engine.run(_call(begun), lambda _: group)
            took.append(loop.now - begun)
        except HeadgateError:
            failed += 1

    tasks = []
    while loop.now < seconds:
        tasks.append(asyncio.ensure_future(one()))
        await asyncio.sleep(dice.expovariate(rate))
    await asyncio.gather(*tasks)
    took.sort()
    oracle = sorted(
        min(upstream_seconds(kind, seconds * at / 4_000) for kind in kinds) * dice.lognormvariate(0.0, 0.25)
        for at in range(4_000)
    )
    shares: dict[str, float] = {}
    for host, count in upstream.calls.items():
        name = hosts[host].name
        shares[name] = shares.get(name, 0.0) + count / sum(upstream.calls.values())
    return Figures(
        success=len(took) / len(tasks),
        p50=took[len(took) // 2],
        p99=took[int(len(took) * 0.99)],
        oracle_p99=oracle[int(len(oracle) * 0.99)],
        upstream=sum(upstream.calls.values()) / len(tasks),
        shares=shares,
    )


def upstream_seconds(kind: Kind, now: float) -> float:
    """What the oracle knows: the mean latency of those that answer."""
    while kind.then is not None and now >= kind.until:
        kind = kind.then
    return kind.seconds if kind.fails < 1.0 else float("inf")


def _deployments(count: int) -> list[Deployment]:
    catalog = Catalog()
    return [
        Deployment(
            "g",
            {"model": "openai/m", "api_key": "k", "api_base": f"http://h{at}/v1"},
            {"id": f"d{at}"},
            catalog=catalog,
            env={},
        )
        for at in range(count)
    ]


def _call(now: float) -> Call:
    return Call(
        id="c",
        operation="chat",
        dialect=dialect("openai_chat"),
        envelope=envelope.read(BODY),
        model="g",
        stream=False,
        started=now,
        created=0,
        options=Options(),
    )


def holds(kinds: Sequence[Kind], strategy: str, seen: Figures) -> bool:
    """The bars: nothing fails while one deployment is healthy; p2c is nearly as fast as who knows all."""
    healthy = any(not kind.fails and not kind.per_second for kind in kinds)
    if healthy and seen.success < SUCCESS:
        return False
    return strategy != "p2c" or seen.p99 <= SLOWER_THAN_ORACLE * seen.oracle_p99


def costs() -> dict[str, float]:
    """Microseconds of one choice among fifty."""
    found, rows, asked = {}, _deployments(50), _call(0.0)
    for one in rows:
        one.track.wholes.add(random.random(), 0.0)
    for name in STRATEGIES:
        group = Group("g", rows, Routing(strategy=name))

        def pick(group: Group = group) -> Deployment:
            return group.pick(asked, (), 1.0, random.random)

        found[name] = min(timeit.repeat(pick, number=2_000, repeat=9)) / 2_000 * 1e6
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.simulate_routing", description=__doc__)
    parser.add_argument("--cost", action="store_true", help="what a choice costs instead")
    parser.add_argument("--strategy", choices=STRATEGIES, action="append", help="only this one; repeatable")
    parser.add_argument("--seconds", type=float, default=180.0, help="of virtual time")
    options = parser.parse_args()
    out = sys.stdout.write
    if options.cost:
        found = costs()
        for name, cost in found.items():
            out(f"{name:<24}{cost:6.2f} µs\n")
        return int(max(found.values()) > COST_US)
    missed = False
    out(
        f"{'scenario':<20}{'strategy':<24}{'success':>10}{'p50':>8}{'p99':>8}{'oracle':>8}{'upstream':>10}  shares\n"
    )
    for name, kinds in SCENARIOS.items():
        for strategy in options.strategy or STRATEGIES:
            seen = simulate(kinds, strategy, seconds=options.seconds)
            shares = ", ".join(f"{kind} {share:.0%}" for kind, share in seen.shares.items())
            good = holds(kinds, strategy, seen)
            missed = missed or not good
            out(
                f"{name:<20}{strategy:<24}{seen.success:>10.3%}{seen.p50:>8.3f}{seen.p99:>8.3f}{seen.oracle_p99:>8.3f}"
                f"{seen.upstream:>10.3f}  {shares}{'' if good else '  MISS'}\n"
            )
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
