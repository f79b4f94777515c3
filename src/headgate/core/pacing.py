"""How many requests and tokens a provider still allows, by the headers of its answers: who is about to be refused
waits instead. Arithmetic over headers; the time is handed in.

https://platform.openai.com/docs/guides/rate-limits (`x-ratelimit-*`, which Groq, Mistral and others send, too) and
https://docs.anthropic.com/en/api/rate-limits#response-headers. Both fill their buckets all the time, not by the
minute.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from msgspec import Struct

from headgate.ports import Headers

MINUTE: Final = 60.0
"""Where the time of filling is not told (Azure): its limits are per minute."""
LOW: Final = 0.1
"""A bucket with less than this share in it is looked at before each call."""
_DUST: Final = 1e-6
"""What additions of fractions leave behind."""
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_REQUESTS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-limit-requests", "x-ratelimit-reset-requests"),
    (
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-reset",
    ),
)
_TOKENS: Final = (
    ("x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens", "x-ratelimit-reset-tokens"),
    (
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-reset",
    ),
)


NOTHING_SENT: Final = (0, 0)
_WORD: Final = "ratelimit"


@lru_cache(maxsize=256)
def tells_limits(names: tuple[str, ...]) -> bool:
    """Whether an answer with these headers says anything of limits."""
    return any(_WORD in name for name in names)


class Bucket(Struct):
    """`left` of `most` at the time `at`, `rate` more come every second."""

    left: float
    most: float
    rate: float
    at: float

    def level(self, now: float) -> float:
        return min(self.most, self.left + (now - self.at) * self.rate)

    def take(self, amount: float, now: float) -> None:
        self.left, self.at = self.level(now) - amount, now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until so much is in it; what is more than it holds goes when it is full."""
        lacking = min(amount, self.most) - self.level(now)
        return 0.0 if lacking <= _DUST else lacking / self.rate if self.rate else MINUTE

    def low(self, now: float) -> bool:
        return self.level(now) < max(2.0, LOW * self.most)


class Pace:
    """Of one deployment. `sent` are the requests and the tokens that went there in all."""

    __slots__ = ("requests", "sent", "tokens")

    def __init__(self) -> None:
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.sent = (0, 0)

    def learn(self, headers: Headers, sent: tuple[int, int], now: float, time: float) -> None:
        """What an answer says to the call that `take` gave this `sent`: what went there since is not in it. `now` is
        monotonic, `time` Unix seconds."""
        self.requests = _bucket(headers, _REQUESTS, now, time, self.sent[0] - sent[0]) or self.requests
        self.tokens = _bucket(headers, _TOKENS, now, time, self.sent[1] - sent[1]) or self.tokens

    def take(self, tokens: int, now: float) -> tuple[int, int]:
        if self.requests is not None:
            self.requests.take(1, now)
        if self.tokens is not None:
            self.tokens.take(tokens, now)
        self.sent = self.sent[0] + 1, self.sent[1] + tokens
        return self.sent

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until a call of so many tokens is allowed, 0.0 for at once."""
        first = 0.0 if self.requests is None else self.requests.wait(1, now)
        return first if self.tokens is None else max(first, self.tokens.wait(tokens, now))

    def low(self, now: float) -> bool:
        return (self.requests is not None and self.requests.low(now)) or (
            self.tokens is not None and self.tokens.low(now)
        )


def _bucket(
    told: Headers, names: Sequence[tuple[str, str, str]], now: float, time: float, since: int
) -> Bucket | None:
    for remaining, limit, reset in names:
        if (left := _number(told.get(remaining))) is not None:
            most = max(_number(told.get(limit)) or left, left, 1.0)
            seconds = _seconds(told.get(reset) or "", time)
            missing = most - left
            rate = missing / seconds if seconds and missing else most / MINUTE
            return Bucket(left - since, most, rate, now)
    return None


def _number(text: str | None) -> float | None:
    """A count, None for what is none."""
    return float(text) if text is not None and text.isdecimal() and len(text) < 16 else None


def _seconds(text: str, time: float) -> float:
    """Of "6m0s", "20ms", "1.5", or until a time in RFC 3339; 0.0 for what is neither."""
    found = _DURATION.fullmatch(text)
    if text and found is not None:
        hours, minutes, seconds, millis = (float(part or 0) for part in found.groups())
        return hours * 3_600 + minutes * 60 + seconds + millis / 1_000
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return max(0.0, datetime.fromisoformat(text).timestamp() - time)
    except (ValueError, OverflowError, OSError):
        return 0.0
