"""OpenAI's error body, as LiteLLM's users get it: `code` is a string.

https://platform.openai.com/docs/guides/error-codes
"""

from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import sse

_ENCODE: Final = msgspec.json.Encoder().encode


def _body(error: HeadgateError) -> dict[str, Any]:
    return {
        "message": error.message,
        "type": error.type,
        "param": error.param,
        "code": error.code or str(error.status_code),
    }


def write_error(error: HeadgateError, call_id: str | None = None) -> bytes:
    body = _body(error)
    if call_id is not None:
        body["litellm_call_id"] = call_id
    return _ENCODE({"error": body})


def write_stream_error(error: HeadgateError) -> bytes:
    """The event that OpenAI's clients raise; no `[DONE]` follows."""
    return sse.encode(write_error(error))
