"""Lets `except openai.RateLimitError` catch ours, as LiteLLM's users write, without importing `openai`.

A program that catches openai's classes has imported the package itself. Before an error is raised we look
whether it is there, and if so make our classes subclasses of its classes, once.
"""

import sys
from typing import Final

from headgate import errors
from headgate.errors import HeadgateError

_PAIRS: Final = {
    errors.BadRequestError: "BadRequestError",
    errors.AuthenticationError: "AuthenticationError",
    errors.PermissionDeniedError: "PermissionDeniedError",
    errors.NotFoundError: "NotFoundError",
    errors.ConflictError: "ConflictError",
    errors.UnprocessableEntityError: "UnprocessableEntityError",
    errors.RateLimitError: "RateLimitError",
    errors.InternalServerError: "InternalServerError",
    errors.BadGatewayError: "APIStatusError",
    errors.ServiceUnavailableError: "APIStatusError",
    errors.APIError: "APIError",
    errors.Timeout: "APITimeoutError",
    errors.APIConnectionError: "APIConnectionError",
    errors.APIResponseValidationError: "APIResponseValidationError",
}


def adopt() -> None:
    """Adds openai's bases where the program has loaded them. Cheap when there is nothing to do."""
    module = sys.modules.get("openai")
    if module is None or errors.BadRequestError.__bases__ != (HeadgateError,):
        return
    for ours, name in _PAIRS.items():
        theirs = getattr(module, name, None)
        if isinstance(theirs, type) and issubclass(theirs, Exception):
            ours.__bases__ = (*ours.__bases__, theirs)
