"""Counters and histograms of calls, kept as plain numbers; Prometheus' library writes them out when scraped.

A scrape is rare and a call is not: nothing here locks, formats or imports the library on a call's way.
Label sets are bounded: past `MAX_SERIES` further ones are counted under "other".
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from headgate.money import UNITS
from headgate.record import Finished

MAX_SERIES: Final = 5_000
AT_ONCE: Final = 64
"""Calls that are counted together: each alone would cost several times as much."""
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
OVERHEAD: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
TIMINGS: Final = ("latency", "first_token", "overhead")
LABELS: Final = ("group", "deployment", "provider", "operation", "status")

Key = tuple[str, str, str, str, str]


class Histogram(Struct):
    """Counts per bucket; the last one is beyond all bounds."""

    counts: list[int]
    sum: float = 0.0

    def add(self, bounds: tuple[float, ...], values: list[float]) -> None:
        counts = self.counts
        for value in values:
            counts[bisect_left(bounds, value)] += 1
        self.sum += sum(values)

    @classmethod
    def of(cls, bounds: tuple[float, ...]) -> "Histogram":
        return cls(counts=[0] * (len(bounds) + 1))


class Series(Struct):
    """What is known of one label set. Tokens by kind, cost in units (`money.py`)."""

    latency: Histogram
    first_token: Histogram
    overhead: Histogram
    tokens: dict[str, int]
    calls: int = 0
    cost: int = 0
    retries: int = 0
    fallbacks: int = 0

    def use(self, kind: str, amount: int) -> None:
        self.tokens[kind] = self.tokens.get(kind, 0) + amount


class Metrics:
    """One per gateway process."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.lost_log_lines = 0
        self._fresh: list[Finished] = []
        self._series: dict[Key, Series] = {}
        self._errors: dict[tuple[str, str, str], int] = {}

    def add(self, finished: Finished) -> None:
        """Books one call; it is counted with others."""
        self._fresh.append(finished)
        if len(self._fresh) >= AT_ONCE:
            self._count()

    def _count(self) -> None:
        fresh, self._fresh = self._fresh, []
        alike: defaultdict[tuple[str, str, str, str, int], list[Finished]] = defaultdict(list)
        for one in fresh:
            record = one.record
            alike[
                record.model_group or "",
                record.deployment or "",
                record.provider or "",
                record.operation,
                record.status,
            ].append(one)
        for (*names, status), found in alike.items():
            key: Key = (*names, str(status))  # type: ignore[assignment]
            series = self._series.get(key) or self._new(key)
            records = [one.record for one in found]
            series.calls += len(found)
            series.latency.add(SECONDS, [record.seconds for record in records])
            series.overhead.add(OVERHEAD, [one.overhead for one in found])
            firsts = [one.record.seconds_to_first_token for one in found if one.stream]
            series.first_token.add(SECONDS, [seconds for seconds in firsts if seconds is not None])
            series.use("input", sum([record.input_tokens for record in records]))
            series.use("output", sum([record.output_tokens for record in records]))
            for kinds in [record.tokens for record in records if record.tokens]:
                for kind, amount in kinds.items():
                    series.use(kind, amount)
            series.cost += sum([record.cost or 0 for record in records])
            series.retries += sum([record.retries for record in records])
            series.fallbacks += sum([record.fallbacks for record in records])
            for error in [record.error for record in records if record.error and record.deployment]:
                at = (key[1], key[2], error)
                self._errors[at] = self._errors.get(at, 0) + 1

    def _new(self, key: Key) -> Series:
        if len(self._series) >= MAX_SERIES:
            key = ("other", "other", key[2], key[3], key[4])
            if key in self._series:
                return self._series[key]
        series = Series(Histogram.of(SECONDS), Histogram.of(SECONDS), Histogram.of(OVERHEAD), {})
        self._series[key] = series
        return series

    def dump(self) -> dict[str, Any]:
        """Everything, as JSON can carry it: how workers of one gateway tell each other."""
        self._count()
        return {
            "in_flight": self.in_flight,
            "lost": self.lost_log_lines,
            "series": [[list(key), _plain(series)] for key, series in self._series.items()],
            "errors": [[list(key), count] for key, count in self._errors.items()],
        }

    def merge(self, other: dict[str, Any]) -> None:
        """Adds what another worker dumped."""
        self.in_flight += other["in_flight"]
        self.lost_log_lines += other["lost"]
        for names, fields in other["series"]:
            key: Key = tuple(names)
            _add(self._series.get(key) or self._new(key), fields)
        for names, count in other["errors"]:
            at = tuple(names)
            self._errors[at] = self._errors.get(at, 0) + count

    def exposition(self) -> bytes:
        """Prometheus' text format."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import generate_latest

        registry = CollectorRegistry()
        registry.register(_Collector(self))
        return generate_latest(registry)

    def collect(self) -> Iterator[Any]:
        """The metric families, as prometheus_client asks for them."""
        self._count()
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        calls = CounterMetricFamily("headgate_calls", "Calls by outcome", labels=LABELS)
        cost = CounterMetricFamily("headgate_cost_usd", "Cost in US dollars", labels=LABELS[:3])
        tokens = CounterMetricFamily("headgate_tokens", "Tokens by kind", labels=(*LABELS[:3], "kind"))
        retries = CounterMetricFamily("headgate_retries", "Tries after the first", labels=LABELS[:3])
        hops = CounterMetricFamily("headgate_fallbacks", "Fallbacks taken", labels=LABELS[:3])
        failures = CounterMetricFamily(
            "headgate_upstream_errors", "Failed calls by class", labels=("deployment", "provider", "error")
        )
        timings = {
            "latency": (
                HistogramMetricFamily("headgate_latency_seconds", "Whole call", labels=LABELS),
                SECONDS,
            ),
            "first_token": (
                HistogramMetricFamily("headgate_first_token_seconds", "Until the first token", labels=LABELS),
                SECONDS,
            ),
            "overhead": (
                HistogramMetricFamily(
                    "headgate_overhead_seconds", "Added before the upstream", labels=LABELS
                ),
                OVERHEAD,
            ),
        }
        for key, series in self._series.items():
            calls.add_metric(key, series.calls)
            cost.add_metric(key[:3], series.cost / UNITS)
            retries.add_metric(key[:3], series.retries)
            hops.add_metric(key[:3], series.fallbacks)
            for kind, amount in series.tokens.items():
                tokens.add_metric((*key[:3], kind), amount)
            for name, (family, bounds) in timings.items():
                histogram: Histogram = getattr(series, name)
                family.add_metric(key, _cumulative(bounds, histogram.counts), histogram.sum)
        for at, count in self._errors.items():
            failures.add_metric(at, count)
        flight = GaugeMetricFamily("headgate_in_flight_calls", "Calls being answered", value=self.in_flight)
        lost = CounterMetricFamily("headgate_lost_log_lines", "Log lines given up", value=self.lost_log_lines)
        yield from (calls, failures, flight, lost)
        for summed in (cost, retries, hops, tokens):
            summed.samples = _summed(summed.samples)
            yield summed
        yield from (family for family, _ in timings.values())


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self.collect = metrics.collect


def _cumulative(bounds: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    total, rows = 0, []
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        total += count
        rows.append((bound, float(total)))
    return rows


def _summed(samples: list[Any]) -> list[Any]:
    """One sample per label set: series that differ only in labels the family lacks are added up."""
    merged: dict[tuple[str, ...], Any] = {}
    for sample in samples:
        at = tuple(sample.labels.values())
        known = merged.get(at)
        merged[at] = sample if known is None else known._replace(value=known.value + sample.value)
    return list(merged.values())


def _plain(series: Series) -> dict[str, Any]:
    timings = {name: [getattr(series, name).counts, getattr(series, name).sum] for name in TIMINGS}
    return {
        "calls": series.calls,
        "tokens": series.tokens,
        "cost": series.cost,
        "retries": series.retries,
        "fallbacks": series.fallbacks,
        **timings,
    }


def _add(series: Series, fields: dict[str, Any]) -> None:
    series.calls += fields["calls"]
    series.cost += fields["cost"]
    series.retries += fields["retries"]
    series.fallbacks += fields["fallbacks"]
    for kind, amount in fields["tokens"].items():
        series.tokens[kind] = series.tokens.get(kind, 0) + amount
    for name in TIMINGS:
        histogram: Histogram = getattr(series, name)
        counts, total = fields[name]
        histogram.counts = [a + b for a, b in zip(histogram.counts, counts, strict=True)]
        histogram.sum += total
