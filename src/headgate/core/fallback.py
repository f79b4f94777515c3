"""Where a call goes when a group has failed, and with which fields: pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from headgate import errors

Fallback: TypeAlias = str | Mapping[str, Any]
"""A group's name, or a `model` with request parameters of its own."""

WRONG: Final = (errors.BadRequestError, errors.UnprocessableEntityError)
"""What lies in the request: no other model is asked, unless a rule for just that reason says so."""


class Fallbacks(Struct, frozen=True, kw_only=True):
    """Of a group, or of a request."""

    general: tuple[Fallback, ...] = ()
    context_window: tuple[Fallback, ...] = ()
    content_policy: tuple[Fallback, ...] = ()

    def after(self, error: errors.HeadgateError) -> tuple[Fallback, ...]:
        if isinstance(error, errors.ContextWindowExceededError):
            return self.context_window or self.general
        if isinstance(error, errors.ContentPolicyViolationError):
            return self.content_policy
        return () if is_callers(error) else self.general

    def all(self) -> Iterator[Fallback]:
        yield from self.general
        yield from self.context_window
        yield from self.content_policy

    def over(self, other: "Fallbacks") -> "Fallbacks":
        """Each list of this one, where it has one, else the other's."""
        if self is NONE or other is NONE:
            return other if self is NONE else self
        return Fallbacks(
            general=self.general or other.general,
            context_window=self.context_window or other.context_window,
            content_policy=self.content_policy or other.content_policy,
        )


NONE: Final = Fallbacks()


PRETENDED: Final[Mapping[str, type[errors.HeadgateError]]] = {
    "mock_testing_fallbacks": errors.InternalServerError,
    "mock_testing_context_fallbacks": errors.ContextWindowExceededError,
    "mock_testing_content_policy_fallbacks": errors.ContentPolicyViolationError,
    "mock_testing_rate_limit_error": errors.RateLimitError,
}
"""How a request says that its first group is to fail, unasked: https://docs.litellm.ai/docs/proxy/reliability."""


def is_callers(error: errors.HeadgateError) -> bool:
    """Whether the reason lies in the request."""
    return isinstance(error, WRONG) and not isinstance(error, errors.PaymentRequiredError)


def target(fallback: Fallback, model: str) -> tuple[str, dict[str, Raw]]:
    """The group, `model` where only parameters change, and the fields that replace the request's."""
    if isinstance(fallback, str):
        return fallback, {}
    fields: dict[str, Any] = dict(fallback)
    name = str(fields.pop("model", model))
    return name, {key: Raw(msgspec.json.encode(value)) for key, value in fields.items()}
