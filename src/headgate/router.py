"""The Router and its policies under the module name that LiteLLM's users import them from."""

from headgate.sdk.router import Router
from headgate.sdk.router_settings import AllowedFailsPolicy, RetryPolicy

__all__ = ["AllowedFailsPolicy", "RetryPolicy", "Router"]
