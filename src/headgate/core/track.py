"""What is known of a deployment from its own calls: in flight, failures, cooldown, latency, usage.

Knows no deployment and no policy: `cooldown.py` says when one rests, `strategies.py` who is picked. Times are seconds
of the engine's monotonic clock, handed in.
"""

from collections import deque
from math import exp
from typing import Any, Final

from headgate.core.pacing import NOTHING_SENT, Pace
from headgate.ports import Headers

MINUTE: Final = 60.0
DECAY_SECONDS: Final = 10.0
"""After this time a latency counts for a third."""
LATENCIES: Final = 10
"""LiteLLM's `max_latency_list_size`."""


HEAR_SECONDS: Final = 0.1
"""How long a provider's word about its limits is good, while they are far."""


class Latency:
    """Of calls of one kind. `lately` are the last ones in seconds, `recent` the same by token of output where there
    are some and `mean` theirs, `score` a decayed mean of seconds; 0.0 where none is known."""

    __slots__ = ("at", "lately", "mean", "recent", "score")

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=LATENCIES)
        self.lately: deque[float] = deque(maxlen=LATENCIES)
        self.mean = 0.0
        self.score = 0.0
        self.at = 0.0

    def add(self, seconds: float, now: float, tokens: int = 0) -> None:
        """`tokens` of output make the recent ones seconds per token, as LiteLLM has them."""
        value, recent = seconds / tokens if tokens else seconds, self.recent
        count = len(recent)
        self.mean += (value - recent[0]) / count if count == LATENCIES else (value - self.mean) / (count + 1)
        recent.append(value)
        self.lately.append(seconds)
        weight = exp((self.at - now) / DECAY_SECONDS) if self.score else 0.0
        if weight > 0.9:  # a burst at one moment counts, too
            weight = 0.9
        self.score = self.score * weight + seconds * (1.0 - weight)
        self.at = now


class Track:
    """One deployment. `resting` is until when it gets no calls, 0.0 while it is well; what ends a rest is a probe:
    one call, while `probing`, that shows whether it is well again."""

    __slots__ = (
        "_minute",
        "calls",
        "fails",
        "failures",
        "first_tokens",
        "heard",
        "ill",
        "in_flight",
        "others",
        "pace",
        "probing",
        "reason",
        "requests",
        "resting",
        "rests",
        "tokens",
        "unhealthy",
        "wholes",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.ill = False
        """Whether it rests, was found unhealthy, or is about to refuse calls: all that most calls look at."""
        self.pace: Pace | None = None
        """What its provider still allows, None where that was never told."""
        self.resting = 0.0
        self.rests = 0
        self.probing = False
        self.reason = ""
        self.heard = 0.0
        """When that was last told."""
        self.unhealthy = ""
        """What the last health check said, "" where it was fine."""
        self.wholes = Latency()
        self.first_tokens = Latency()
        self.fails: deque[tuple[float, str]] = deque(maxlen=1_000)
        """Failures by time and class, for policies that count them."""
        self._minute = -1.0
        self.requests = self.tokens = self.calls = self.failures = 0
        self.others = (0, 0)
        """Requests and tokens of other replicas."""

    def turn(self, now: float) -> None:
        """The counts are of the current minute."""
        minute = now // MINUTE
        if minute != self._minute:
            self._minute = minute
            self.requests = self.tokens = self.calls = self.failures = 0
            self.others = (0, 0)

    def hear(self, requests: int, tokens: int, now: float) -> None:
        """What other replicas have used in this minute."""
        self.turn(now)
        self.others = requests, tokens

    def begin(self, now: float) -> bool:
        """Whether the call is the probe that ends a rest."""
        if now // MINUTE != self._minute:
            self.turn(now)
        self.in_flight += 1
        self.requests += 1
        if self.resting:
            self.probing = True
        return self.probing

    def end(self, probe: bool) -> None:
        self.in_flight -= 1
        if probe:
            self.probing = False

    def succeed(self, now: float) -> None:
        """An answer came: the deployment is well."""
        if now // MINUTE != self._minute:
            self.turn(now)
        self.calls += 1
        if self.ill:
            self.resting, self.rests, self.probing, self.reason = 0.0, 0, False, ""
            self._judge(now)

    def answered(self, began: float, now: float, tokens: int, output: int, probe: bool) -> None:
        """A whole answer is here: all of the above, and what it took and used."""
        self.succeed(now)
        self.in_flight -= 1
        if probe:
            self.probing = False
        self.wholes.add(now - began, now, output)
        self.tokens += tokens

    def fail(self, name: str, now: float) -> None:
        self.turn(now)
        self.calls += 1
        self.failures += 1
        self.fails.append((now, name))

    def rest(self, seconds: float, reason: str, now: float) -> None:
        self.resting, self.probing, self.reason = now + seconds, False, reason
        self.rests += 1
        self.ill = True

    def found(self, problem: str, now: float) -> None:
        """What a health check said, "" for nothing."""
        self.unhealthy = problem
        self._judge(now)

    def take(self, tokens: int, now: float) -> tuple[int, int]:
        """A call of about so many tokens goes there; what it gets is for `learn`."""
        if self.pace is None:
            return NOTHING_SENT
        sent = self.pace.take(tokens, now)
        self._judge(now)
        return sent

    def learn(self, headers: Headers, sent: tuple[int, int], now: float, time: float) -> None:
        """What its provider allows, by the headers of an answer. `time` is Unix seconds. While there is plenty not
        every answer is read: what goes there meanwhile is counted here."""
        if self.pace is None:
            self.pace = Pace()
        elif now < self.heard + HEAR_SECONDS and not self.ill:
            return
        self.heard = now
        self.pace.learn(headers, sent, now, time)
        self._judge(now)

    def _judge(self, now: float) -> None:
        self.ill = bool(self.resting or self.unhealthy or (self.pace is not None and self.pace.low(now)))

    def rests_at(self, now: float) -> bool:
        """Whether no call may go there: it rests, or its one probe is under way."""
        return bool(self.resting) and (now < self.resting or self.probing)

    def latency(self, stream: bool) -> Latency:
        """Until the first token of streams, of the whole answer otherwise."""
        return self.first_tokens if stream else self.wholes

    def use(self, tokens: int, now: float) -> None:
        self.turn(now)
        self.tokens += tokens

    def shown(self, now: float) -> dict[str, Any]:
        """For /router/state."""
        self.turn(now)
        state = "resting" if self.rests_at(now) else "probing" if self.resting else "well"
        return {
            "state": state,
            "seconds_left": max(0.0, round(self.resting - now, 3)) if self.resting else 0.0,
            "reason": self.reason or self.unhealthy,
            "in_flight": self.in_flight,
            "latency": round(self.wholes.score, 6),
            "time_to_first_token": round(self.first_tokens.score, 6),
            "requests_this_minute": self.requests,
            "tokens_this_minute": self.tokens,
            "failures_this_minute": self.failures,
        }


class Tracks:
    """All of them by deployment id. They outlive changes of the configuration."""

    def __init__(self) -> None:
        self._tracks: dict[str, Track] = {}

    def of(self, deployment_id: str) -> Track:
        found = self._tracks.get(deployment_id)
        if found is None:
            found = self._tracks[deployment_id] = Track()
        return found

    def keep(self, ids: set[str]) -> None:
        """Forgets all others."""
        self._tracks = {name: track for name, track in self._tracks.items() if name in ids}
