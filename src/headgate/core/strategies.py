"""How one of several deployments is picked: each strategy is a function, `STRATEGIES` names them.

LiteLLM's are as https://docs.litellm.ai/docs/routing has them; `p2c` and `affinity` are ours. Pure: the moment is
handed in.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final, TypeAlias
from zlib import crc32

from msgspec import Struct

from headgate.core.deployment import Deployment
from headgate.core.track import Track

EXPLORE_EVERY: Final = 256
"""Of so many calls one goes where nothing has been heard from for the longest time: who was slow may be fast now."""
LOOK_EVERY: Final = 16
POINTS: Final = 32
"""Of each deployment on the ring of `affinity`."""
SLOWER: Final = 1.5
"""Those whose latency is more than this times the best are only picked to explore."""


ARGUMENTS: Final = ("ttl", "lowest_latency_buffer", "max_latency_list_size")
"""What `routing_strategy_args` may name."""


class Moment(Struct):
    """`tokens` is how many the input may have, 0 where nobody needs to know; `prefix` how the conversation begins;
    `limited`: some of the group have an rpm or a tpm."""

    now: float
    dice: Callable[[], float]
    stream: bool = False
    tokens: int = 0
    prefix: bytes = b""
    arguments: Mapping[str, Any] = {}
    limited: bool = False


Strategy: TypeAlias = Callable[[Sequence[Deployment], Moment], Deployment]


class Shuffled:
    """By `weight`, else rpm, else tpm, else evenly."""

    __slots__ = ("_of", "_steps")

    def __init__(self) -> None:
        self._of: Sequence[Deployment] = ()
        self._steps: list[float] = []

    def __call__(self, found: Sequence[Deployment], moment: Moment) -> Deployment:
        if found is not self._of:
            self._of, self._steps = found, steps(found)
        at = bisect_right(self._steps, moment.dice() * self._steps[-1])
        return found[at] if at < len(found) else found[-1]


def steps(found: Sequence[Deployment]) -> list[float]:
    """The running sums of their weights."""
    for name in ("weight", "rpm", "tpm"):
        given = [getattr(deployment, name) or 0.0 for deployment in found]
        if any(given):
            return list(accumulate(given))
    return list(accumulate([1.0] * len(found)))


_reached: Final = itemgetter(0)


def least_busy(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The fewest calls in flight."""
    flights = [one.track.in_flight for one in found]
    return _among(found, flights, min(flights), moment)


def by_latency(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The mean of the last calls, of the first token for streams; any within `lowest_latency_buffer` of the best."""
    found = _within_limits(found, moment)
    means = (
        [one.track.first_tokens.mean for one in found]
        if moment.stream
        else [one.track.wholes.mean for one in found]
    )
    buffer = float(moment.arguments.get("lowest_latency_buffer") or 0.0)
    return _among(found, means, min(means) * (1.0 + buffer), moment)


def by_usage(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The fewest tokens in this minute, of those with room for one more call."""
    found = _within_limits(found, moment)
    used = [one.track.tokens + one.track.others[1] for one in found]
    return _among(found, used, min(used), moment)


def by_cost(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The lowest price of an input and an output token together."""
    found = _within_limits(found, moment)
    prices = [one.price for one in found]
    return _among(found, prices, min(prices), moment)


class P2C:
    """The better of two that are drawn among the fast: by decayed latency and calls in flight. Who is fast is looked
    up anew every few calls."""

    __slots__ = ("_fast", "_left", "_of", "_seen", "_unknown")

    def __init__(self) -> None:
        self._of: Sequence[Deployment] = ()
        self._fast: Sequence[Deployment] = ()
        self._unknown = 1.0
        self._left = 0
        self._seen = 0

    def __call__(self, found: Sequence[Deployment], moment: Moment) -> Deployment:
        stream, dice = moment.stream, moment.dice
        self._seen += 1
        if self._seen % EXPLORE_EVERY == 0:
            return min(found, key=lambda deployment: deployment.track.latency(stream).at)
        self._left -= 1
        if self._left < 0 or found is not self._of:
            self._look(found, stream)
        fast = self._fast
        count = len(fast)
        at = int(dice() * count)
        one = fast[at]
        if count == 1:
            return one
        other = fast[(at + 1 + int(dice() * (count - 1))) % count]
        unknown = self._unknown
        return one if _load(one.track, stream, unknown) <= _load(other.track, stream, unknown) else other

    def _look(self, found: Sequence[Deployment], stream: bool) -> None:
        scores = [deployment.track.latency(stream).score for deployment in found]
        best = min(filter(None, scores), default=0.0)
        self._of, self._left, self._unknown = found, LOOK_EVERY, best or 1.0
        self._fast = found
        if best:
            edge = best * SLOWER
            self._fast = [one for one, score in zip(found, scores, strict=True) if score <= edge]


def _load(track: Track, stream: bool, unknown: float) -> float:
    return (track.latency(stream).score or unknown) * (track.in_flight + 1)


def _within_limits(found: Sequence[Deployment], moment: Moment) -> Sequence[Deployment]:
    """Those with room under their rpm and tpm for one more call; all where none has any."""
    if not moment.limited:
        return found
    return [one for one in found if not over(one, moment.tokens, moment.now)] or found


def over(deployment: Deployment, tokens: int, now: float) -> str:
    """Which of its rates one more call would pass, "" for none."""
    track = deployment.track
    track.turn(now)
    requests, used = track.others
    if deployment.rpm is not None and track.requests + requests + 1 > deployment.rpm:
        return "rpm"
    return "tpm" if deployment.tpm is not None and track.tokens + used + tokens > deployment.tpm else ""


def _among(found: Sequence[Deployment], values: Sequence[float], most: float, moment: Moment) -> Deployment:
    """Any of those whose value is not above `most`."""
    best = [at for at, value in enumerate(values) if value <= most]
    return found[best[0] if len(best) == 1 else best[int(moment.dice() * len(best))]]


class Affine:
    """The same for every call whose conversation begins alike, so that the provider's prompt cache hits; the next on
    the ring where that one has more than its share of the calls in flight. Who joins or leaves moves few others."""

    __slots__ = ("_left", "_of", "_ring", "_room")

    def __init__(self) -> None:
        self._of: Sequence[Deployment] = ()
        self._ring: list[tuple[int, Deployment]] = []
        self._left = 0
        self._room = 2

    def __call__(self, found: Sequence[Deployment], moment: Moment) -> Deployment:
        if found is not self._of:
            points = ((crc32(one.mark, at), one) for one in found for at in range(POINTS))
            self._of, self._ring, self._left = found, sorted(points, key=_reached), 0
        self._left -= 1
        if self._left < 0:
            self._left = LOOK_EVERY
            self._room = 2 * (1 + sum(one.track.in_flight for one in found) // len(found))
        ring = self._ring
        at = bisect_right(ring, crc32(moment.prefix), key=_reached)
        for step in range(len(ring)):
            one = ring[(at + step) % len(ring)][1]
            if one.track.in_flight < self._room:
                return one
        return ring[at % len(ring)][1]


STRATEGIES: Final[Mapping[str, Callable[[], Strategy]]] = {
    "simple-shuffle": Shuffled,
    "provider-budget-routing": Shuffled,
    "least-busy": lambda: least_busy,
    "latency-based-routing": lambda: by_latency,
    "usage-based-routing": lambda: by_usage,
    "usage-based-routing-v2": lambda: by_usage,
    "cost-based-routing": lambda: by_cost,
    "p2c": P2C,
    "affinity": Affine,
}
"""What makes a group's strategy."""
