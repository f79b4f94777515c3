"""A second deployment is asked when the first is late: the first content wins, the other is cancelled."""

import asyncio
from typing import Any

import pytest

from core.played import Bench, Played, PlayedAnswer, call, chat_answer, deployment, failed, ok
from headgate import errors
from headgate.core import hedge
from headgate.core.call import Call
from headgate.core.hedge import HedgeAfter, Hedges
from headgate.core.route import Group, Routing
from headgate.ports import Origin, Timeouts

LATE = HedgeAfter(seconds=0.001)


class Hanging(Played):
    """Hosts in `hang` never answer; `given_up` are those whose call was cancelled."""

    def __init__(self, *script: PlayedAnswer | Exception, hang: tuple[str, ...]) -> None:
        super().__init__(*script)
        self.hang = hang
        self.given_up: list[str] = []

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> PlayedAnswer:
        if origin.host in self.hang:
            self.sent.append((origin.host, {}))
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.given_up.append(origin.host)
                raise
        return await super().send(origin, head, body, timeouts)


def hedged(*script: Any, hang: tuple[str, ...] = ("a",)) -> Bench:
    bench = Bench()
    bench.transport = Hanging(*script, hang=hang)
    bench.engine._transports = {"http": bench.transport, "https": bench.transport}
    rows = [deployment(api_base=f"http://{name}/v1", weight=1 - at) for at, name in enumerate("ab")]
    bench.groups["group"] = Group("group", rows, Routing(hedge_after=LATE))
    return bench


async def run(bench: Bench, **more: Any) -> tuple[Any, Call]:
    asked = call(**more)
    answer = await bench.run(asked)
    assert [one.track.in_flight for one in bench.groups["group"].deployments] == [0, 0]
    return answer, asked


async def test_the_second_answers_and_the_first_is_given_up() -> None:
    bench = hedged(ok())
    answer, asked = await run(bench)
    assert (answer.body, bench.transport.given_up) == (chat_answer(), ["a"])
    assert (asked.deployment.params["api_base"], asked.attempts, asked.cause) == ("http://b/v1", 2, "hedge")
    assert [(leg.cause, leg.error) for leg in asked.legs] == [("hedge", "Hedged")]
    assert (asked.usage.input, asked.usage.output) == (5, 2)
    assert answer.call is asked


async def test_who_answers_in_time_is_not_hedged() -> None:
    bench = hedged(ok(), hang=())
    _, asked = await run(bench)
    assert ([host for host, _ in bench.transport.sent], asked.legs, asked.cause) == (["a"], [], "first")


async def test_when_the_second_fails_the_first_is_waited_for() -> None:
    bench = hedged(failed(500))
    asked = call()
    task = asyncio.ensure_future(bench.run(asked))
    while len(bench.transport.sent) < 2:
        await asyncio.wait([task], timeout=0.001)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.transport.given_up == ["a"]
    assert [one.track.in_flight for one in bench.groups["group"].deployments] == [0, 0]


async def test_when_both_fail_the_error_is_told() -> None:
    bench = hedged(failed(500), failed(503), hang=())
    with pytest.raises(errors.HeadgateError):
        await run(bench, retries=0)


def test_calls_are_asked_twice_up_to_a_share() -> None:
    hedges = Hedges(LATE)
    taken = 0
    for _ in range(1_000):
        hedges.counted()
        taken += hedges.take()
    assert taken <= 1_000 * hedge.SHARE + 1


def test_a_percentile_is_of_what_calls_took_lately() -> None:
    rows = [deployment(api_base=f"http://{name}/v1") for name in "ab"]
    hedges = Hedges(HedgeAfter(percentile=50))
    assert hedges.wait(rows, False) is None
    for at in range(10):
        rows[at % 2].track.wholes.add(float(at), 0.0, tokens=7)
    assert hedges.wait(rows, False) == 5.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("p95", HedgeAfter(percentile=95)),
        (0.5, HedgeAfter(seconds=0.5)),
        ("2", HedgeAfter(seconds=2.0)),
    ],
)
def test_settings_are_read(given: Any, expected: HedgeAfter) -> None:
    assert hedge.parse(given) == expected


@pytest.mark.parametrize("given", ["p0", "p00", "p100", "soon", 0, -1, float("nan"), 1e9])
def test_settings_that_mean_nothing_are_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r".*"):
        hedge.parse(given)
