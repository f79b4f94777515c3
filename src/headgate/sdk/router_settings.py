"""What may be said to a `Router` beside its model list: names and defaults are LiteLLM's, and what can't be meant is
refused. It knows no deployments."""

import math
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from headgate.core import cooldown, retry
from headgate.core.strategies import ARGUMENTS, STRATEGIES
from headgate.errors import BadRequestError

DEFAULTS: Final[Mapping[str, Any]] = {
    "default_litellm_params": {},
    "default_max_parallel_requests": None,
    "num_retries": None,
    "max_fallbacks": 5,
    "timeout": None,
    "stream_timeout": None,
    "default_fallbacks": (),
    "fallbacks": (),
    "context_window_fallbacks": (),
    "content_policy_fallbacks": (),
    "model_group_alias": {},
    "enable_pre_call_checks": False,
    "enable_tag_filtering": False,
    "tag_filtering_match_any": True,
    "retry_after": 0,
    "retry_policy": {},
    "model_group_retry_policy": {},
    "allowed_fails": None,
    "allowed_fails_policy": {},
    "cooldown_time": None,
    "disable_cooldowns": False,
    "routing_strategy": None,
    "routing_strategy_args": {},
    "on_stream_break": "error",
    "hedge_after": None,
    "respect_provider_limits": False,
    "set_verbose": False,
    "debug_level": "INFO",
}
"""What may be given beside the model list, with its default."""
LATER: Final = frozenset(
    """assistants_config search_tools guardrail_list redis_url redis_host redis_port redis_password redis_db
    cache_responses cache_kwargs caching_groups client_ttl polling_interval default_priority plugins
    optional_pre_call_checks routing_groups provider_budget_config alerting_config router_general_settings
    deployment_affinity_ttl_seconds model_group_affinity_config ignore_invalid_deployments
    enable_health_check_routing health_check_staleness_threshold health_check_ignore_transient_errors
    background_health_check_model_groups enable_weighted_failover fallback_access_check fallback_budget_check
    auto_router_capability_limit tag_routing_prefix""".split()
)
"""LiteLLM's, not built here: to leave one out without a word would be another router than the one asked for."""
_NOTHING: Final[tuple[Any, ...]] = (None, False, [], {}, (), "")
_THEIRS: Final = {"client_ttl": 3600, "deployment_affinity_ttl_seconds": 3600}
"""Defaults of LiteLLM's that are more than nothing: who gives them asks for nothing."""


class RetryPolicy:
    """Retries by class of error, as LiteLLM's class of this name: `RetryPolicy(TimeoutErrorRetries=3)`. Raises
    TypeError for a class that it does not know."""

    known: Collection[str] = (*(name for name, _ in retry.POLICY), retry.ANY)

    def __init__(self, **numbers: int | None) -> None:
        for name in numbers:
            if name not in self.known:
                raise TypeError(f"{type(self).__name__} has no {name!r}: expected {', '.join(self.known)}")
        vars(self).update(numbers)


class AllowedFailsPolicy(RetryPolicy):
    """Failures that are let pass, by class of error: `AllowedFailsPolicy(RateLimitErrorAllowedFails=10)`."""

    known = tuple(name for name, _ in cooldown.POLICY)


def policy(given: Any) -> Mapping[str, int]:
    """A mapping, or an object with such attributes."""
    if not isinstance(given, Mapping):
        given = dict(vars(given)) if given is not None else {}
    return {name: value for name, value in given.items() if value is not None}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_seconds(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and value >= 0 and not math.isnan(value)


def _is_policy(names: Collection[str]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        if not isinstance(value, Mapping) and not hasattr(value, "__dict__"):
            return False
        return all(name in names and _is_count(number) for name, number in policy(value).items())

    return fits


def _are_rows(value: Any) -> bool:
    rows = value if isinstance(value, list | tuple) else None
    return rows is not None and all(
        isinstance(row, Mapping) and all(isinstance(listed, list | tuple) for listed in row.values())
        for row in rows
    )


def _are_arguments(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        name in ARGUMENTS and _is_seconds(number) for name, number in value.items()
    )


def _are_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)


_RETRIES: Final = _is_policy(RetryPolicy.known)
_POLICIES: Final = f"numbers by {', '.join(RetryPolicy.known)}"
_ROWS: Final = 'a list such as [{"group": ["another", "a third"]}]'
_EXPECTED: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    **dict.fromkeys(
        ("num_retries", "max_fallbacks", "allowed_fails", "default_max_parallel_requests"),
        (_is_count, "a whole number of 0 or more"),
    ),
    **dict.fromkeys(
        ("timeout", "stream_timeout", "retry_after", "cooldown_time"), (_is_seconds, "seconds, 0 or more")
    ),
    **dict.fromkeys(
        ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"), (_are_rows, _ROWS)
    ),
    **dict.fromkeys(("default_litellm_params", "model_group_alias"), (_is_mapping, "a dictionary")),
    "default_fallbacks": (_are_names, "a list of groups"),
    "retry_policy": (_RETRIES, _POLICIES),
    "model_group_retry_policy": (
        lambda value: isinstance(value, Mapping) and all(map(_RETRIES, value.values())),
        f"by group, {_POLICIES}",
    ),
    "allowed_fails_policy": (
        _is_policy(AllowedFailsPolicy.known),
        f"numbers by {', '.join(AllowedFailsPolicy.known)}",
    ),
    "routing_strategy": (STRATEGIES.__contains__, f"one of {', '.join(STRATEGIES)}"),
    "routing_strategy_args": (_are_arguments, f"numbers by {', '.join(ARGUMENTS)}"),
}


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say something. Raises TypeError for a name that nobody knows, BadRequestError for a value that
    can't be meant and for what is not built here."""
    for name, value in settings.items():
        if name in LATER and value not in _NOTHING and value != _THEIRS.get(name):
            raise BadRequestError(
                f"Router: {name!r} is a setting of LiteLLM's that is not built here", param=name
            )
        if name not in DEFAULTS and name not in LATER:
            near = get_close_matches(name, [*DEFAULTS, *LATER], n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"Router() has no setting {name!r}{hint}")
        if value is not None and name in _EXPECTED and not _EXPECTED[name][0](value):
            raise BadRequestError(
                f"Router: {name} must be {_EXPECTED[name][1]}, not {value!r:.80}", param=name
            )
    return {name: value for name, value in settings.items() if name in DEFAULTS and value is not None}
