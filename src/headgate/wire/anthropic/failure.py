"""Errors in Anthropic's words, towards Messages clients. https://docs.anthropic.com/en/api/errors"""

from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import sse

_BY_STATUS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_TYPES: Final = frozenset({"api_error", "overloaded_error", "timeout_error"})


def type_of(error: HeadgateError) -> str:
    """Anthropic's name. A failing upstream's own type says more than the status that we answer with."""
    status = error.status_code
    if status >= 500 and error.type in _SERVER_TYPES:
        return error.type
    default = "invalid_request_error" if 400 <= status < 500 else "api_error"
    return _BY_STATUS.get(status, default)


def write_error(error: HeadgateError, call_id: str | None = None) -> bytes:
    return msgspec.json.encode(_document(error, call_id))


def write_stream_error(error: HeadgateError) -> bytes:
    return sse.encode(msgspec.json.encode(_document(error, None)), "error")


def _document(error: HeadgateError, call_id: str | None) -> dict[str, Any]:
    document = {"type": "error", "error": {"type": type_of(error), "message": error.message}}
    return document if call_id is None else {**document, "request_id": call_id}
