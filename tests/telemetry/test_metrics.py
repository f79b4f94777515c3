"""Metrics: what was booked is what is told, whenever it is asked for, and over several workers."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from headgate.money import UNITS
from headgate.record import Finished, Record
from headgate.telemetry.metrics import AT_ONCE, MAX_SERIES, Metrics

NOON = 1_795_003_200.0
Labels = tuple[tuple[str, str], ...]


def finished(overhead: float = 0.0, stream: bool = False, **fields: Any) -> Finished:
    usual = {
        "id": "call-1",
        "started": NOON,
        "first_token": NOON + 0.25,
        "ended": NOON + 2.0,
        "model_group": "fast",
        "deployment": "row-1",
        "provider": "openai",
        "operation": "chat",
        "status": 200,
        "attempts": 1,
    }
    return Finished(Record(**{**usual, **fields}), "", "pass", stream, overhead, [], "")


def told(metrics: Metrics) -> dict[tuple[str, Labels], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The sum of all samples of a name with these labels."""
    wanted = labels.items()
    return sum(
        found
        for (own, given), found in told(metrics).items()
        if own == name and wanted <= dict(given).items()
    )


def test_a_call_is_told_at_once_in_all_that_is_known_of_it() -> None:
    metrics = Metrics()
    used = {"input_tokens": 10, "output_tokens": 20, "tokens": {"cache_read": 4}, "cost": UNITS // 4}
    metrics.add(finished(0.0015, True, attempts=4, fallbacks=1, **used))
    assert value(metrics, "headgate_calls_total", group="fast", deployment="row-1", status="200") == 1
    assert value(metrics, "headgate_cost_usd_total", provider="openai") == 0.25
    assert value(metrics, "headgate_retries_total") == 2
    assert value(metrics, "headgate_fallbacks_total") == 1
    kinds = {"input": 10, "output": 20, "cache_read": 4}
    assert {kind: value(metrics, "headgate_tokens_total", kind=kind) for kind in kinds} == kinds
    assert value(metrics, "headgate_latency_seconds_sum") == 2.0
    assert value(metrics, "headgate_latency_seconds_bucket", le="1.0") == 0
    assert value(metrics, "headgate_latency_seconds_bucket", le="2.5") == 1
    assert value(metrics, "headgate_first_token_seconds_bucket", le="0.25") == 1
    assert value(metrics, "headgate_overhead_seconds_bucket", le="0.002") == 1


def test_a_whole_answer_has_no_first_token() -> None:
    metrics = Metrics()
    metrics.add(finished())
    assert value(metrics, "headgate_first_token_seconds_count") == 0


def test_errors_are_counted_by_the_deployment_that_had_them() -> None:
    metrics = Metrics()
    for deployment in ("row-1", "row-1", None):
        metrics.add(finished(status=429, error="RateLimitError", deployment=deployment))
    assert value(metrics, "headgate_upstream_errors_total", error="RateLimitError") == 2
    assert value(metrics, "headgate_calls_total", status="429") == 3


calls = st.lists(
    st.builds(
        finished,
        overhead=st.floats(0, 1),
        stream=st.booleans(),
        status=st.sampled_from([200, 404]),
        deployment=st.sampled_from(["row-1", "row-2"]),
        input_tokens=st.integers(0, 10**6),
        cost=st.none() | st.integers(0, UNITS),
    ),
    max_size=3 * AT_ONCE,
)


@given(calls, st.integers(1, 3))
def test_however_they_come_and_over_all_workers_sums_are_sums(found: list[Finished], workers: int) -> None:
    several = [Metrics() for _ in range(workers)]
    for number, one in enumerate(found):
        several[number % workers].add(one)
    total = Metrics()
    for one_of_them in several:
        total.merge(msgspec.json.decode(msgspec.json.encode(one_of_them.dump())))
    for deployment in ("row-1", "row-2"):
        own = [one for one in found if one.record.deployment == deployment]
        assert value(total, "headgate_calls_total", deployment=deployment) == len(own)
        spent = sum(one.record.cost or 0 for one in own)
        assert round(value(total, "headgate_cost_usd_total", deployment=deployment) * UNITS) == spent
        tokens = sum(one.record.input_tokens for one in own)
        assert value(total, "headgate_tokens_total", deployment=deployment, kind="input") == tokens
        streams = sum(one.stream for one in own)
        assert value(total, "headgate_first_token_seconds_count", deployment=deployment) == streams


def test_label_sets_are_bounded() -> None:
    metrics = Metrics()
    for number in range(MAX_SERIES + 10):
        metrics.add(finished(model_group=f"m{number}", deployment=f"row-{number}"))
    assert value(metrics, "headgate_calls_total") == MAX_SERIES + 10
    assert value(metrics, "headgate_calls_total", group="other") == 10
