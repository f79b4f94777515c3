"""Where a call goes when a group has failed, and with which fields: pure."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from headgate import errors
from headgate.core.call import Fallback, Options


def after(options: Options, error: errors.HeadgateError) -> tuple[Fallback, ...]:
    """By class of error first, then those of all errors."""
    if isinstance(error, errors.ContextWindowExceededError):
        return options.context_window_fallbacks or options.fallbacks
    if isinstance(error, errors.ContentPolicyViolationError):
        return options.content_policy_fallbacks or options.fallbacks
    return options.fallbacks


def of(options: Options) -> Iterator[Fallback]:
    """All that a call may come to."""
    yield from options.fallbacks
    yield from options.context_window_fallbacks
    yield from options.content_policy_fallbacks


def target(fallback: Fallback, model: str) -> tuple[str, dict[str, Raw]]:
    """The group, `model` where only parameters change, and the fields that replace the request's."""
    if isinstance(fallback, str):
        return fallback, {}
    fields: dict[str, Any] = dict(fallback)
    name = str(fields.pop("model", model))
    return name, {key: Raw(msgspec.json.encode(value)) for key, value in fields.items()}
