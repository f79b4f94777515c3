"""When a deployment rests after failures, and for how long: LiteLLM's rules, and a probe before the full return.

https://docs.litellm.ai/docs/routing#cooldowns. Different here (docs/differences.md): the only deployment of a group
never rests, since its error says more than ours would; a deployment that can't be reached at all counts as failed.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from headgate import errors
from headgate.core.track import Track
from headgate.errors import HeadgateError

DEFAULT_SECONDS: Final = 5.0
AT_ONCE: Final = frozenset((401, 404, 408, 429))
COUNTED: Final = frozenset((401, 402, 404, 408, 429))
"""And every status from 500 on."""
SHARE: Final = 0.5
"""More failures than this of the calls of a minute, and the deployment rests."""
FEW: Final = 5
"""Calls of a minute below which a share says nothing."""
MAX_SECONDS: Final = 300.0
"""A provider that asks for more time is asked again then."""
UNSET: Final = 3
"""LiteLLM's default of `allowed_fails`, which it takes for "not given"."""
POLICY: Final[tuple[tuple[str, type[HeadgateError]], ...]] = (
    ("ContentPolicyViolationErrorAllowedFails", errors.ContentPolicyViolationError),
    ("BadRequestErrorAllowedFails", errors.BadRequestError),
    ("AuthenticationErrorAllowedFails", errors.AuthenticationError),
    ("TimeoutErrorAllowedFails", errors.Timeout),
    ("RateLimitErrorAllowedFails", errors.RateLimitError),
    ("InternalServerErrorAllowedFails", errors.InternalServerError),
)


class Cooldown(Struct, frozen=True, kw_only=True):
    """`seconds` is `cooldown_time`. `allowed` fails within it are no reason, None: the rules by status and share;
    `policy` is the same by class of error, in LiteLLM's words."""

    seconds: float = DEFAULT_SECONDS
    allowed: int | None = None
    policy: Mapping[str, int] = {}
    off: bool = False

    def rest(
        self, error: HeadgateError, track: Track, own: float | None, others: bool, now: float
    ) -> float | None:
        """Seconds that the deployment rests after this failure, None for not at all. `own` is its own time,
        `others`: the group has more."""
        if self.off or not others or not _counted(error):
            return None
        if not (track.probing or self._too_many(error, track, now)):
            return None
        if own is not None:
            return own
        if error.retry_after is not None:
            return min(error.retry_after, MAX_SECONDS)
        return min(self.seconds * 2.0 ** min(track.rests, 6), max(self.seconds, 60.0))

    def _too_many(self, error: HeadgateError, track: Track, now: float) -> bool:
        kinds = (name for name, kind in POLICY if name in self.policy and isinstance(error, kind))
        allowed = next((self.policy[name] for name in kinds), None)
        if allowed is None and self.allowed not in (None, UNSET):
            allowed = self.allowed
        if allowed is not None:
            return sum(1 for at, _ in track.fails if now - at <= self.seconds) > allowed
        if error.status_code in AT_ONCE and not isinstance(error, errors.APIConnectionError):
            return True
        return track.calls >= FEW and track.failures > SHARE * track.calls


def _counted(error: HeadgateError) -> bool:
    return error.status_code in COUNTED or error.status_code >= 500
