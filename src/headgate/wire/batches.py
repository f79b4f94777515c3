"""Batches: OpenAI's files of requests and results, and Anthropic's Message Batches told in OpenAI's words. Pure: it
knows neither who keeps a batch nor what it costs.

https://platform.openai.com/docs/api-reference/batch and https://docs.anthropic.com/en/api/creating-message-batches
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from headgate.errors import BadRequestError

ENDPOINTS: Final = {
    "/chat/completions": "openai_chat",
    "/completions": "completions",
    "/embeddings": "openai_embeddings",
    "/responses": "responses",
}
"""How the end of a batch's endpoint tells the format of its answers."""
FINAL: Final = ("completed", "failed", "expired", "cancelled")
_NONE: Final = Raw(b"null")
_encode: Final = msgspec.json.Encoder().encode


class Line(Struct):
    """One request of an input file. `body` is a JSON object."""

    custom_id: str
    body: Raw
    url: str = ""
    method: str = "POST"


class Result(Struct):
    """`body` is the whole reply, b"" where there is none."""

    custom_id: str
    body: bytes = b""


class _Asked(Struct):
    custom_id: str
    params: Raw


class _Batch(Struct):
    requests: list[_Asked]


class _Response(Struct):
    status_code: int = 0
    body: Raw = _NONE


class _Output(Struct):
    custom_id: str = ""
    response: _Response | None = None


class _Fault(Struct):
    type: str = ""
    message: str = ""


class _Failure(Struct):
    error: _Fault = field(default_factory=_Fault)


class _Outcome(Struct):
    type: str = ""
    message: Raw = _NONE
    error: _Failure | None = None


class _Message(Struct):
    custom_id: str = ""
    result: _Outcome = field(default_factory=_Outcome)


_line: Final = msgspec.json.Decoder(Line).decode
_batch: Final = msgspec.json.Decoder(_Batch).decode
_output: Final = msgspec.json.Decoder(_Output).decode
_message: Final = msgspec.json.Decoder(_Message).decode


def request_line(data: bytes, number: int) -> Line:
    """Raises BadRequestError that says which line is wrong."""
    try:
        line = _line(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadRequestError(
            f"line {number} of the input file can't be read: {error}. Expected "
            '{"custom_id": …, "method": "POST", "url": …, "body": {…}}',
            param="input_file_id",
        ) from None
    if bytes(line.body)[:1] != b"{":
        raise BadRequestError(f"line {number}: 'body' must be a JSON object", param="input_file_id")
    return line


def message_lines(body: bytes) -> list[Line]:
    """The requests of a Message Batch. Raises BadRequestError."""
    try:
        found = _batch(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadRequestError(f"requests: {error}", param="requests") from None
    for at, one in enumerate(found.requests):
        if bytes(one.params)[:1] != b"{":
            raise BadRequestError("must be an object", param=f"requests[{at}].params")
    return [Line(one.custom_id, one.params) for one in found.requests]


def endpoint_dialect(document: Mapping[str, Any]) -> str:
    """The format of the answers of an OpenAI batch, "" for one that has no tokens we could count."""
    endpoint = str(document.get("endpoint") or "")
    return next((name for end, name in ENDPOINTS.items() if endpoint.endswith(end)), "")


def openai_result(data: bytes) -> Result:
    """A line of an output file. Raises msgspec.DecodeError."""
    found = _output(data)
    told = found.response
    good = told is not None and told.status_code < 300 and bytes(told.body)[:1] == b"{"
    return Result(found.custom_id, bytes(told.body) if good and told is not None else b"")


def message_result(data: bytes) -> Result:
    """A line of a Message Batch's results. Raises msgspec.DecodeError."""
    found = _message(data)
    return Result(found.custom_id, bytes(found.result.message) if found.result.type == "succeeded" else b"")


def told_result(data: bytes, reply: Callable[[str, bytes], bytes]) -> bytes:
    """A line of a Message Batch's results as a line of an output file. `reply` writes the answer to a request, named
    by its custom_id, in the format that was asked for."""
    found = _message(data)
    outcome = found.result
    if outcome.type == "succeeded":
        return output_line(found.custom_id, reply(found.custom_id, bytes(outcome.message)))
    code, message = _ENDS.get(outcome.type, ("", ""))
    if outcome.error is not None:
        code, message = outcome.error.error.type, outcome.error.error.message
    return output_line(found.custom_id, None, code or outcome.type, message)


def output_line(custom_id: str, body: bytes | None, code: str = "", message: str = "") -> bytes:
    """A line of an output file: the reply to a request, or what went wrong with it."""
    good = None if body is None else {"status_code": 200, "request_id": "", "body": Raw(body)}
    error = {"code": code, "message": message} if body is None else None
    return _encode({"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": good, "error": error})


_ENDS: Final = {
    "canceled": ("batch_cancelled", "The batch was cancelled before this request was made."),
    "expired": ("batch_expired", "The batch expired before this request was made."),
}


def openai_final(document: Mapping[str, Any]) -> bool:
    return document.get("status") in FINAL


def message_final(document: Mapping[str, Any]) -> bool:
    return document.get("processing_status") == "ended"


def told_batch(document: Mapping[str, Any], own: Mapping[str, Any], output_file_id: str) -> dict[str, Any]:
    """A Message Batch as OpenAI's batch object. `own` are the fields of the request that made it."""
    counts = {name: int(n or 0) for name, n in (document.get("request_counts") or {}).items()}
    ended, cancelled = seconds(document.get("ended_at")), seconds(document.get("cancel_initiated_at"))
    created = seconds(document.get("created_at"))
    return batch_object(
        own,
        id=document["id"],
        status=_status(document, counts),
        created=created or 0,
        begun=created,
        ended=ended,
        expires=seconds(document.get("expires_at")),
        cancelling=cancelled,
        counts={
            "total": sum(counts.values()),
            "completed": counts.get("succeeded", 0),
            "failed": sum(counts.get(name, 0) for name in ("errored", "canceled", "expired")),
        },
        output=output_file_id if message_final(document) else None,
    )


def batch_object(
    own: Mapping[str, Any],
    *,
    id: str,  # noqa: A002 -- the field's name everywhere
    status: str,
    created: int,
    begun: int | None,
    ended: int | None,
    expires: int | None,
    counts: Mapping[str, int],
    cancelling: int | None = None,
    output: str | None = None,
    errors: str | None = None,
    faults: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """OpenAI's batch. `own` are the fields of the request that made it; times are Unix seconds; `output` and `errors`
    are files, `faults` is why the batch as a whole failed."""
    return {
        "id": id,
        "object": "batch",
        "endpoint": own.get("endpoint") or "/v1/chat/completions",
        "errors": {"object": "list", "data": faults} if faults else None,
        "input_file_id": own.get("input_file_id") or "",
        "completion_window": own.get("completion_window") or "24h",
        "status": status,
        "output_file_id": output,
        "error_file_id": errors,
        "created_at": created,
        "in_progress_at": begun,
        "expires_at": expires,
        "finalizing_at": None,
        **{f"{word}_at": ended if status == word else None for word in FINAL},
        "cancelling_at": cancelling,
        "request_counts": dict(counts),
        "metadata": own.get("metadata"),
    }


def _status(document: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    if not message_final(document):
        return "cancelling" if document.get("processing_status") == "canceling" else "in_progress"
    if document.get("cancel_initiated_at"):
        return "cancelled"
    return "expired" if counts.get("expired") and not counts.get("succeeded") else "completed"


def seconds(time: Any) -> int | None:
    """Unix seconds of a time in RFC 3339, None for what is none."""
    try:
        return int(datetime.fromisoformat(str(time)).timestamp())
    except ValueError:
        return None
