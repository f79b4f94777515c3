"""One time for a whole call: no attempt begins after it, and none is given more than what is left."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from bench.simulate_routing import Clock, Reply, VirtualLoop

from core.played import call, deployment
from headgate.core.engine import Engine
from headgate.core.route import Group
from headgate.errors import APIConnectionError, HeadgateError, Timeout
from headgate.ports import Headers, Origin, Timeouts


class Upstream:
    """Fails after some virtual time; `begun` are when attempts began, `limits` what they were given."""

    def __init__(self, loop: VirtualLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self.begun: list[float] = []
        self.limits: list[Timeouts] = []

    async def send(self, origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> Reply:
        self.begun.append(self._loop.now)
        self.limits.append(timeouts)
        await asyncio.sleep(self._seconds)
        raise APIConnectionError("reset")

    async def close(self) -> None: ...


@pytest.fixture(name="run")
def fixture_run() -> Callable[..., tuple[Upstream, HeadgateError, float]]:
    def run(
        seconds: float, count: int, total: float, started: float = 0.0, **options: Any
    ) -> tuple[Upstream, HeadgateError, float]:
        loop = VirtualLoop()
        upstream = Upstream(loop, seconds)
        engine = Engine({"http": upstream}, Clock(loop), dice=lambda: 0.5)  # type: ignore[dict-item, arg-type]
        rows = [deployment(api_base=f"http://h{at}/v1") for at in range(count)]
        asked = call(timeouts=Timeouts(total=total), **options)
        asked.started = started
        try:
            with pytest.raises(HeadgateError) as caught:
                loop.run_until_complete(engine.run(asked, lambda _: Group("group", rows)))
            return upstream, caught.value, loop.now
        finally:
            loop.close()

    return run


@pytest.mark.parametrize(("count", "retries"), [(1, 20), (8, 20), (8, 2)])
def test_no_attempt_begins_after_the_calls_time(run: Any, count: int, retries: int) -> None:
    upstream, _, ended = run(0.4, count, 1.0, retries=retries)
    assert upstream.begun
    assert max(upstream.begun) < 1.0
    assert ended <= 1.4


def test_each_attempt_is_given_what_is_left(run: Any) -> None:
    upstream, _, _ = run(0.4, 5, 1.0)
    assert [limits.total for limits in upstream.limits] == pytest.approx([1.0, 0.6, 0.2])


def test_a_call_whose_time_is_over_is_not_begun(run: Any) -> None:
    upstream, error, _ = run(0.4, 2, 2.0, started=-5.0)
    assert upstream.begun == []
    assert isinstance(error, Timeout)


class Pinging:
    """See ports.Incoming: a stream that keeps its connection alive and says nothing."""

    status = 200
    headers = Headers.of([("content-type", "text/event-stream")])

    async def next(self) -> bytes:
        await asyncio.sleep(0.2)
        return b": ping\n\n"

    def abort(self) -> None: ...


def test_pings_are_no_first_token() -> None:
    loop = VirtualLoop()
    upstream = Upstream(loop, 0.0)

    async def send(origin: Origin, head: bytes, body: bytes, timeouts: Timeouts) -> Pinging:
        upstream.begun.append(loop.now)
        upstream.limits.append(timeouts)
        return Pinging()

    upstream.send = send  # type: ignore[assignment, method-assign]
    engine = Engine({"http": upstream}, Clock(loop), dice=lambda: 0.5)  # type: ignore[dict-item, arg-type]
    rows = [
        deployment(api_base=f"http://{name}/v1", ttft_timeout=1.0, stream_idle_timeout=7.0) for name in "ab"
    ]
    asked = call(stream=True, retries=0)
    asked.started = 0.0
    try:
        with pytest.raises(Timeout, match="no content within 1 s"):
            loop.run_until_complete(engine.run(asked, lambda _: Group("group", rows)))
        assert loop.now == pytest.approx(1.0, abs=0.01)
        assert upstream.limits[0].between_chunks == 7.0
        assert rows[0].track.in_flight == 0
    finally:
        loop.close()
