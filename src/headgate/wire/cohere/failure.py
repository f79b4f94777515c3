"""Errors in Cohere's words: read from answers and streams, and written for Cohere clients.

https://docs.cohere.com/reference/errors
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import failures, sse

_CUT: Final = "message-end"


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
    words = failures.message_of(body)
    document = words.document
    if isinstance(document, dict) and "message" not in document and isinstance(document.get("data"), str):
        words = words._replace(message=document["data"][: failures.MAX_MESSAGE])
    return failures.classify(status, headers, *words)


def in_reply(document: dict[str, Any]) -> HeadgateError | None:
    """The error that an answer under a good status is: its message is a text, or there is none."""
    if isinstance(document.get("message"), dict):
        return None
    if isinstance(document.get("message"), str) or document.get("error"):
        return failures.read_document(document)
    return None


def in_end(delta: dict[str, Any]) -> HeadgateError | None:
    """The error that a stream's last event tells."""
    if not delta.get("error"):
        return None
    return failures.read_document({"message": delta["error"], "error_type": delta.get("error_type")})


def write_error(error: HeadgateError, call_id: str | None = None) -> bytes:
    node = {"message": error.message} if call_id is None else {"id": call_id, "message": error.message}
    return msgspec.json.encode(node)


def write_stream_error(error: HeadgateError) -> bytes:
    """The last event, with the error in it; no `[DONE]` follows."""
    delta = {"finish_reason": "ERROR", "error": error.message, "error_type": error.type}
    return sse.encode(msgspec.json.encode({"type": _CUT, "delta": delta}), _CUT)
