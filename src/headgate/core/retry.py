"""Which failures are worth another try, and after how long. Pure but for the dice it is handed."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from headgate import errors
from headgate.errors import HeadgateError

FIRST_DELAY: Final = 0.5
MAX_DELAY: Final = 8.0
PATIENCE: Final = 10.0
"""Seconds of `retry-after` that we wait for; a provider that asks for more is not tried again."""
DEFAULT_RETRIES: Final = 2
MOST_ELSEWHERE: Final = 10
"""Further deployments of a group that one call may ask."""

RETRYABLE: Final = (
    errors.APIConnectionError,
    errors.Timeout,
    errors.ConflictError,
    errors.RateLimitError,
    errors.InternalServerError,
    errors.BadGatewayError,
    errors.ServiceUnavailableError,
)
ELSEWHERE: Final = (
    errors.AuthenticationError,
    errors.PermissionDeniedError,
    errors.PaymentRequiredError,
    errors.NotFoundError,
)
"""Faults of one deployment, its key or its model's name: another one may do better, the same one won't."""
POLICY: Final[tuple[tuple[str, type[HeadgateError]], ...]] = (
    ("ContentPolicyViolationErrorRetries", errors.ContentPolicyViolationError),
    ("BadRequestErrorRetries", errors.BadRequestError),
    ("AuthenticationErrorRetries", errors.AuthenticationError),
    ("NotFoundErrorRetries", errors.NotFoundError),
    ("TimeoutErrorRetries", errors.Timeout),
    ("RateLimitErrorRetries", errors.RateLimitError),
    ("ServiceUnavailableErrorRetries", errors.ServiceUnavailableError),
    ("InternalServerErrorRetries", errors.InternalServerError),
)
"""LiteLLM's `RetryPolicy`, the narrow classes before the wide ones."""
ANY: Final = "DefaultRetries"


class Retries(Struct, frozen=True, kw_only=True):
    """`policy` is the number of retries by class of error, over everything else; `least` the seconds between tries of
    one deployment (`retry_after`)."""

    policy: Mapping[str, int] = {}
    least: float = 0.0

    def allowed(self, error: HeadgateError, asked: int) -> int:
        """How often a call is tried again after this failure. `asked` is the number where no policy says one."""
        for name, kind in POLICY:
            if name in self.policy and isinstance(error, kind):
                return self.policy[name]
        if ANY in self.policy:
            return self.policy[ANY]
        return asked if isinstance(error, (*RETRYABLE, *ELSEWHERE)) else 0

    def elsewhere(self, error: HeadgateError, asked: int) -> int:
        """The same where another deployment is left that was not asked: that one may do at once what others can't, so
        that a number that was not meant for this error does not keep a call from who is well. 0 stays 0."""
        allowed = self.allowed(error, asked)
        return max(allowed, MOST_ELSEWHERE) if allowed and not self.policy else allowed

    def wait(self, error: HeadgateError, tries: int, dice: Callable[[], float]) -> float | None:
        """Seconds until the same deployment is asked again, None where it should not be. `tries` counts those made.

        Exponential from half a second with full jitter over the upper half; `retry-after` is obeyed.
        """
        if isinstance(error, ELSEWHERE) and not self.policy:
            return None
        if error.retry_after is not None:
            return max(error.retry_after, self.least) if error.retry_after <= PATIENCE else None
        step = min(MAX_DELAY, FIRST_DELAY * 2.0 ** (tries - 1))
        return max(step * (0.5 + dice() / 2), self.least)
