"""Errors: Google's words in the upstream's answers, and the same words towards Gemini clients.

https://ai.google.dev/gemini-api/docs/troubleshooting
https://cloud.google.com/apis/design/errors
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.errors import BadRequestError, ContextWindowExceededError, HeadgateError
from headgate.wire import failures

_CLASSES: Final[tuple[tuple[str, type[HeadgateError]], ...]] = (
    ("request payload size exceeds", ContextWindowExceededError),
    ("has not been used in project", BadRequestError),
    ("unable to find your project", BadRequestError),
)
"""Phrases that only Google uses, and what they mean whatever the status."""

_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_RPC: Final = "type.googleapis.com/google.rpc."


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
    return _refine(failures.read_error(status, headers, body))


def read_document(document: Any) -> HeadgateError:
    """An error object that came under a good status, alone or inside a stream."""
    return _refine(failures.read_document(document))


def _refine(error: HeadgateError) -> HeadgateError:
    text = error.message.lower()
    kind = next((kind for phrase, kind in _CLASSES if phrase in text), None)
    if kind is None or isinstance(error, kind):
        return error
    return kind(
        error.message,
        type=error.type,
        param=error.param,
        code=error.code,
        retry_after=error.retry_after,
        headers=error.headers,
        body=error.body,
    )


def write_error(error: HeadgateError, call_id: str | None = None) -> bytes:
    return msgspec.json.encode(_document(error, call_id))


def write_stream_error(error: HeadgateError) -> bytes:
    return b"data: " + msgspec.json.encode(_document(error, None)) + b"\r\n\r\n"


def _document(error: HeadgateError, call_id: str | None) -> dict[str, Any]:
    status = error.status_code
    default = "INVALID_ARGUMENT" if 400 <= status < 500 else "INTERNAL"
    node: dict[str, Any] = {
        "code": status,
        "message": error.message,
        "status": _STATUS.get(status, default),
    }
    details: list[dict[str, Any]] = []
    if call_id is not None:
        details.append({"@type": _RPC + "RequestInfo", "requestId": call_id})
    if error.retry_after is not None:
        details.append({"@type": _RPC + "RetryInfo", "retryDelay": f"{error.retry_after:g}s"})
    if details:
        node["details"] = details
    return {"error": node}
