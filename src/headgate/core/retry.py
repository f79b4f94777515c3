"""Which failures are worth another try, and after how long. Pure but for the dice it is handed."""

from collections.abc import Callable
from typing import Final

from headgate import errors

FIRST_DELAY: Final = 0.5
MAX_DELAY: Final = 8.0
PATIENCE: Final = 10.0
"""Seconds of `retry-after` that we wait for; a provider that asks for more is not tried again."""

RETRYABLE: Final = (
    errors.APIConnectionError,
    errors.Timeout,
    errors.ConflictError,
    errors.RateLimitError,
    errors.InternalServerError,
    errors.BadGatewayError,
    errors.ServiceUnavailableError,
)


def delay(error: errors.HeadgateError, tries: int, retries: int, dice: Callable[[], float]) -> float | None:
    """Seconds to wait before the next try, None where there should be none. `tries` counts those made.

    Exponential from half a second with full jitter over the upper half; `retry-after` is obeyed.
    """
    if tries > retries or not isinstance(error, RETRYABLE):
        return None
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= PATIENCE else None
    step = min(MAX_DELAY, FIRST_DELAY * 2.0 ** (tries - 1))
    return step * (0.5 + dice() / 2)
