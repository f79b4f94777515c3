"""How one of several deployments is picked: each strategy is a function, `STRATEGIES` names them.

LiteLLM's are as https://docs.litellm.ai/docs/routing has them; `p2c` and `affinity` are ours. Pure: the moment is
handed in.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias
from zlib import crc32

from msgspec import Struct

from headgate.core.deployment import Deployment
from headgate.core.track import Track

UNKNOWN_PRICE: Final = 10.0
"""LiteLLM's: 5 for the input and 5 for the output, dearer than all that is known."""
EXPLORE_EVERY: Final = 256
"""Of so many calls one goes where nothing has been heard from for the longest time: who was slow may be fast now."""
LOOK_EVERY: Final = 16
SLOWER: Final = 1.5
"""Those whose latency is more than this times the best are only picked to explore."""


class Moment(Struct, kw_only=True):
    """`tokens` is how many the input may have, 0 where nobody needs to know; `prefix` how the conversation begins."""

    now: float
    dice: Callable[[], float]
    stream: bool = False
    tokens: int = 0
    prefix: bytes = b""
    arguments: Mapping[str, Any] = {}


Strategy: TypeAlias = Callable[[Sequence[Deployment], Moment], Deployment]


def shuffled(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """By `weight`, else rpm, else tpm, else evenly."""
    return drawn(steps(found), moment.dice)


def steps(found: Sequence[Deployment]) -> list[tuple[float, Deployment]]:
    """The running sums of their weights."""
    for name in ("weight", "rpm", "tpm"):
        given = [getattr(deployment, name) or 0.0 for deployment in found]
        if any(given):
            return list(zip(accumulate(given), found, strict=True))
    return list(zip(accumulate([1.0] * len(found)), found, strict=True))


def drawn(given: Sequence[tuple[float, Deployment]], dice: Callable[[], float]) -> Deployment:
    mark = dice() * given[-1][0]
    for reached, deployment in given:
        if mark < reached:
            return deployment
    return given[-1][1]


def least_busy(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The fewest calls in flight."""
    return _lowest(found, lambda deployment: deployment.track.in_flight, moment)


def by_latency(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The mean of the last calls, of the first token for streams; any within `lowest_latency_buffer` of the best."""
    found = _within_limits(found, moment)
    means = [(_mean(deployment.track, moment.stream), deployment) for deployment in found]
    best = min(mean for mean, _ in means)
    edge = best * (1.0 + float(moment.arguments.get("lowest_latency_buffer") or 0.0))
    return _any([deployment for mean, deployment in means if mean <= edge], moment)


def by_usage(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The fewest tokens in this minute, of those with room for one more call."""
    return _lowest(_within_limits(found, moment), lambda one: one.track.tokens + one.track.others[1], moment)


def by_cost(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The lowest price of an input and an output token together."""
    return _lowest(_within_limits(found, moment), _price, moment)


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


def _price(deployment: Deployment) -> float:
    sheet = deployment.sheet
    if sheet is None:
        return UNKNOWN_PRICE
    _, rates = sheet.tiers["standard"][0]
    return float((rates.input or 0) + (rates.output or 0))


def _mean(track: Track, stream: bool) -> float:
    recent = track.latency(stream).recent
    return sum(recent) / len(recent) if recent else 0.0


def _within_limits(found: Sequence[Deployment], moment: Moment) -> Sequence[Deployment]:
    """Those with room under their rpm and tpm for one more call; all where none has any."""
    left = [deployment for deployment in found if not over(deployment, moment.tokens, moment.now)]
    return left or found


def over(deployment: Deployment, tokens: int, now: float) -> str:
    """Which of its rates one more call would pass, "" for none."""
    track = deployment.track
    track.turn(now)
    requests, used = track.others
    if deployment.rpm is not None and track.requests + requests + 1 > deployment.rpm:
        return "rpm"
    return "tpm" if deployment.tpm is not None and track.tokens + used + tokens > deployment.tpm else ""


def _lowest(
    found: Sequence[Deployment], measure: Callable[[Deployment], float], moment: Moment
) -> Deployment:
    measured = [(measure(deployment), deployment) for deployment in found]
    least = min(value for value, _ in measured)
    return _any([deployment for value, deployment in measured if value == least], moment)


def _any(found: Sequence[Deployment], moment: Moment) -> Deployment:
    return found[0] if len(found) == 1 else found[int(moment.dice() * len(found))]


def affine(found: Sequence[Deployment], moment: Moment) -> Deployment:
    """The same for every call whose conversation begins alike, so that the provider's prompt cache hits; the next in
    the conversation's own order where that one has more than its share of the calls in flight."""
    salt = crc32(moment.prefix)
    ranked = sorted(found, key=lambda deployment: crc32(deployment.mark, salt), reverse=True)
    room = 2 * (1 + sum(deployment.track.in_flight for deployment in found) // len(found))
    return next((deployment for deployment in ranked if deployment.track.in_flight < room), ranked[0])


STRATEGIES: Final[Mapping[str, Callable[[], Strategy]]] = {
    "simple-shuffle": lambda: shuffled,
    "least-busy": lambda: least_busy,
    "latency-based-routing": lambda: by_latency,
    "usage-based-routing": lambda: by_usage,
    "usage-based-routing-v2": lambda: by_usage,
    "cost-based-routing": lambda: by_cost,
    "p2c": P2C,
    "affinity": lambda: affine,
}
"""What makes a group's strategy."""
