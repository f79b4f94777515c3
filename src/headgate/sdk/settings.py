"""Module settings: attributes of `headgate`, read when a call is made. Names and defaults are LiteLLM's."""

import sys
import warnings
from collections.abc import Mapping
from typing import Any, Final

_DEFAULTS: Final[Mapping[str, Any]] = {
    "drop_params": None,
    "modify_params": False,
    "num_retries": None,
    "request_timeout": None,
    "api_key": None,
    "api_base": None,
    "api_version": None,
    "organization": None,
    "headers": None,
    "ssl_verify": None,
    "fallbacks": None,
    "context_window_fallbacks": None,
    "default_fallbacks": None,
    "set_verbose": False,
    "suppress_debug_info": False,
    "telemetry": False,
}


NO_EFFECT: Final = frozenset(
    """success_callback failure_callback callbacks input_callback service_callback audit_log_callbacks cache caching
    pre_call_rules post_call_rules model_alias_map custom_provider_map max_budget budget_duration allowed_fails
    content_policy_fallbacks max_fallbacks client_session aclient_session ssl_certificate vertex_project
    vertex_location max_tokens add_function_to_prompt custom_prompt_dict cost_discount_config cost_margin_config
    enable_json_schema_validation use_litellm_proxy model_cost_map_url credential_list project force_ipv4 http2
    turn_off_message_logging redact_user_api_key_info json_logs log_raw_request_response""".split()
)
"""LiteLLM's settings that are not built here."""


def warn(name: str) -> None:
    """Nobody loses a callback or a cache without a word."""
    if name in NO_EFFECT:
        warnings.warn(f"headgate.{name} is a setting of LiteLLM's that has no effect here", stacklevel=3)


def default(name: str) -> Any:
    """Raises KeyError for a name that is no setting."""
    if name.endswith("_key") and not name.startswith("_"):
        return None
    return _DEFAULTS[name]


def get(name: str) -> Any:
    """The user's value, else the default."""
    return vars(sys.modules["headgate"]).get(name, _DEFAULTS.get(name))
