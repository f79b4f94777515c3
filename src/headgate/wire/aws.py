"""Errors in the words of AWS's services, both ways: `x-amzn-errortype`, `__type` and exceptions of event streams.

https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and the errors of
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. Knows no service's format.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import eventstream, failures

_STATUS: Final = {
    "validationexception": 400,
    "accessdeniedexception": 403,
    "unrecognizedclientexception": 401,
    "invalidsignatureexception": 401,
    "incompletesignatureexception": 401,
    "missingauthenticationtokenexception": 401,
    "expiredtokenexception": 401,
    "resourcenotfoundexception": 404,
    "modeltimeoutexception": 408,
    "throttlingexception": 429,
    "toomanyrequestsexception": 429,
    "modelnotreadyexception": 429,
    "servicequotaexceededexception": 429,
    "internalserverexception": 500,
    "internalfailure": 500,
    "modelerrorexception": 500,
    "modelstreamerrorexception": 500,
    "serviceunavailableexception": 503,
}
"""What a class of error means, where AWS's own status says less: 403 for a wrong key, 400 for a full quota, 424
for a model that failed."""

_MODEL_FAILED: Final = 424
_CLASS: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
    """Any body. Header names are lower case. Never raises."""
    return _read(status, headers, body, headers.get("x-amzn-errortype", ""))


def read_exception(message: eventstream.Message) -> HeadgateError:
    """An exception or an error of an event stream."""
    text = message.headers.get(":error-message")
    body = message.payload or msgspec.json.encode({"message": str(text or "")})
    return _read(500, {}, body, message.name)


def _read(status: int, headers: Mapping[str, str], body: bytes, name: str) -> HeadgateError:
    words = failures.message_of(body)
    name = _bare(name or words.type or "")
    status = _STATUS.get(name.lower(), status)
    own = words.document.get("originalStatusCode") if isinstance(words.document, dict) else None
    if status == 500 and isinstance(own, int) and 400 <= own < 600 and own != _MODEL_FAILED:
        status = own
    return failures.classify(
        status, headers, words.message, name or None, words.param, words.code, words.document
    )


def _bare(name: str) -> str:
    """`com.amazon.coral.service#ThrottlingException:http://internal…` by its own name."""
    return name.partition(":")[0].rpartition("#")[2].strip()


def name_of(error: HeadgateError) -> str:
    return _CLASS.get(
        error.status_code, "InternalServerException" if error.status_code >= 500 else _CLASS[400]
    )


def write_error(error: HeadgateError) -> bytes:
    return msgspec.json.encode({"__type": name_of(error), "message": error.message})


def write_stream_error(error: HeadgateError) -> bytes:
    """The exception that ends an event stream: its name begins with a small letter there."""
    name = name_of(error)
    return eventstream.exception(name[0].lower() + name[1:], msgspec.json.encode({"message": error.message}))
