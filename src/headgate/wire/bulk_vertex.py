"""Vertex AI's batch prediction jobs on files in Cloud Storage: of Gemini, of Claude and of open models. Pure.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs, and for the lines
https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage,
…/partner-models/claude/batch and …/maas/capabilities/batch-prediction

A line of Gemini's has no place for an id: it travels in the request's labels, which come back with the answer. Their
values are made of few letters, so the id is in base 32.
"""

from base64 import b32decode, b32encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire.batches import seconds
from headgate.wire.bulk import ENDED, Form, Order, Outcome, Place, State, encode, is_object, place_of, whole
from headgate.wire.failures import message_of

_STATUS: Final = {
    "JOB_STATE_QUEUED": "validating",
    "JOB_STATE_PENDING": "validating",
    "JOB_STATE_SUCCEEDED": "completed",
    "JOB_STATE_PARTIALLY_SUCCEEDED": "completed",
    "JOB_STATE_FAILED": "failed",
    "JOB_STATE_CANCELLING": "cancelling",
    "JOB_STATE_CANCELLED": "cancelled",
    "JOB_STATE_EXPIRED": "expired",
}
"""All others are in progress."""
LABEL: Final = "headgate-id"
_VALUE: Final = 60
"""Letters of a label's value: a label holds 63. https://cloud.google.com/resource-manager/docs/labels-overview"""
_MOST: Final = 512
_NONE: Final = Raw(b"null")


class _Request(Struct):
    labels: dict[str, str] | None = None


class _Response(Struct):
    """Of any model: what is looked at. Open models have their reply as a `body`, with its status around it."""

    status_code: int | None = None
    body: Raw = _NONE
    error: Raw = _NONE


class _Line(Struct):
    custom_id: str = ""
    status: Raw = _NONE
    request: _Request | None = None
    response: Raw = _NONE
    error: Raw = _NONE


_line: Final = msgspec.json.Decoder(_Line).decode
_response: Final = msgspec.json.Decoder(_Response).decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_labels: Final = msgspec.json.Decoder(dict[str, Raw] | None).decode


def line(custom_id: str, body: bytes, spoken: str) -> bytes:
    """Raises BadRequestError for an id that is too long."""
    if spoken == "gemini":
        fields = _fields(body)
        labels = _labels(fields.get("labels", _NONE)) or {}
        return encode({"request": {**fields, "labels": {**labels, **labelled(custom_id)}}})
    if spoken == "anthropic":
        return encode({"custom_id": custom_id, "request": Raw(body)})
    return encode(
        {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": Raw(body)}
    )


def labelled(custom_id: str) -> dict[str, str]:
    """An id as labels: headgate-id-0, headgate-id-1, … Raises BadRequestError for one that is too long."""
    data = custom_id.encode()
    if len(data) > _MOST:
        raise BadRequestError(f"custom_id has {len(data)} bytes: expected {_MOST} at most", param="custom_id")
    text = b32encode(data).decode().rstrip("=").lower()
    parts = [text[at : at + _VALUE] for at in range(0, len(text), _VALUE)] or [""]
    return {f"{LABEL}-{at}": part for at, part in enumerate(parts)}


def unlabelled(labels: Mapping[str, str]) -> str:
    """The id that they hold, "" for none."""
    text = "".join(labels.get(f"{LABEL}-{at}", "") for at in range(len(labels))).upper()
    try:
        return b32decode(text + "=" * (-len(text) % 8)).decode()
    except ValueError:
        return ""


def order(made: Order) -> dict[str, Any]:
    return {
        "displayName": made.name,
        "model": made.model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [made.asked]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": made.answered}},
    }


def state(document: Mapping[str, Any]) -> State:
    name = str(document.get("name") or "").rpartition("/")[2]
    if not name:
        raise APIResponseValidationError(
            "a batch prediction job has no name: expected …/batchPredictionJobs/<id>"
        )
    status = _STATUS.get(str(document.get("state")), "in_progress")
    counts = document.get("completionStats") or {}
    done, bad, left = (whole(counts.get(f"{kind}Count")) for kind in ("successful", "failed", "incomplete"))
    known = [count for count in (done, bad, left) if count is not None]
    return State(
        id=name,
        status=status,
        message=str((document.get("error") or {}).get("message") or ""),
        created=seconds(document.get("createTime")),
        begun=seconds(document.get("startTime")),
        ended=seconds(document.get("endTime") or document.get("updateTime")) if status in ENDED else None,
        total=sum(known) or None,
        completed=done,
        failed=bad if bad is not None or done is None else 0,
        results=_results(document) if status in ENDED else None,
    )


def _results(document: Mapping[str, Any]) -> Place | None:
    folder = place_of((document.get("outputInfo") or {}).get("gcsOutputDirectory"))
    return None if folder is None else Place(folder.bucket, folder.key.rstrip("/") + "/")


def read(data: bytes) -> Outcome:
    """A reply counts, whatever stands beside it; else the first that says why there is none."""
    found = _line(data)
    labels = found.request.labels if found.request else None
    name = found.custom_id or unlabelled(labels or {})
    told = _response(found.response) if is_object(found.response) else _Response()
    body = told.body if is_object(told.body) else found.response
    if is_object(body) and not is_object(told.error) and (told.status_code or 200) < 300:
        return Outcome(name, bytes(body))
    said = (message_of(bytes(raw)) for raw in (told.error, body, found.error, found.status) if raw != _NONE)
    words = next((one for one in said if one.message), None)
    if words is None:
        return Outcome(name, b"", "error", "Vertex AI told neither an answer nor an error.")
    return Outcome(name, b"", words.type or words.code or "error", words.message)


FORM: Final = Form(scheme="gs", stop=":cancel", line=line, order=order, state=state, read=read)
