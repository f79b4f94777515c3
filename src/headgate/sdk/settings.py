"""Module settings: attributes of `headgate`, read when a call is made. Names and defaults are LiteLLM's."""

import sys
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


def default(name: str) -> Any:
    """Raises KeyError for a name that is no setting."""
    if name.endswith("_key") and not name.startswith("_"):
        return None
    return _DEFAULTS[name]


def get(name: str) -> Any:
    """The user's value, else the default."""
    return vars(sys.modules["headgate"]).get(name, _DEFAULTS.get(name))
