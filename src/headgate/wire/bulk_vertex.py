"""Vertex AI's batch prediction jobs on files in Cloud Storage: of Gemini, of Claude, of open models and of those that
make embeddings. Pure.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs, and for the lines
https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage,
…/partner-models/claude/batch, …/maas/capabilities/batch-prediction and
…/embeddings/batch-prediction-genai-embeddings

A line of Gemini's has no place for an id: it travels in the request's labels, which come back with the answer. Their
values are made of few letters, so the id is in base 32. One of Gemini's embeddings has a key beside the request; of
older models' embeddings the line is the instance itself, and the job says which of its fields is the key. What else
they can be asked, such as the size of vectors, the job says for all.
"""

from base64 import b32decode, b32encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from headgate.errors import APIResponseValidationError, BadRequestError
from headgate.wire.batches import seconds
from headgate.wire.bulk import (
    ENDED,
    Asked,
    Form,
    Order,
    Outcome,
    Place,
    Record,
    State,
    encode,
    is_object,
    one_text,
    place_of,
    whole,
)
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
_KEY: Final = "key"
_EMBEDDINGS: Final = "vertex_embeddings"
_GEMINI: Final = "gemini-embedding"
_CONFIG: Final = {"outputDimensionality": "output_dimensionality", "autoTruncate": "auto_truncate"}
_NONE: Final = Raw(b"null")


class _Request(Struct):
    labels: dict[str, str] | None = None


class _Response(Struct):
    """Of any model: what is looked at. Open models have their reply as a `body`, with its status around it."""

    status_code: int | None = None
    body: Raw = _NONE
    error: Raw = _NONE


class _Instance(Struct):
    key: str = ""


class _Line(Struct):
    custom_id: str = ""
    key: str = ""
    status: Raw = _NONE
    request: _Request | None = None
    response: Raw = _NONE
    error: Raw = _NONE
    instance: _Instance | None = None
    predictions: list[Raw] = []
    prediction: Raw = _NONE


class _Predict(Struct):
    """What older models are asked for embeddings, where it is no batch."""

    instances: list[dict[str, Any]]
    parameters: dict[str, Any] = {}


_predict: Final = msgspec.json.Decoder(_Predict).decode
_line: Final = msgspec.json.Decoder(_Line).decode
_response: Final = msgspec.json.Decoder(_Response).decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_labels: Final = msgspec.json.Decoder(dict[str, Raw] | None).decode


def line(asked: Asked) -> Record:
    """Raises BadRequestError for an id that is too long, and for what a line can't say."""
    write = _LINES.get(asked.spoken, _chat)
    return write(asked)


def _gemini(asked: Asked) -> Record:
    fields = _fields(asked.body)
    labels = _labels(fields.get("labels", _NONE)) or {}
    return Record(encode({"request": {**fields, "labels": {**labels, **labelled(asked.custom_id)}}}))


def _claude(asked: Asked) -> Record:
    return Record(encode({"custom_id": asked.custom_id, "request": Raw(asked.body)}))


def _chat(asked: Asked) -> Record:
    own = {"custom_id": asked.custom_id, "method": "POST", "url": "/v1/chat/completions"}
    return Record(encode({**own, "body": Raw(asked.body)}))


def _embedded(asked: Asked) -> Record:
    body = _predict(asked.body)
    one_text(len(body.instances))
    (instance,) = body.instances
    if _GEMINI not in asked.model:
        return Record(encode({_KEY: asked.custom_id, **instance}), body.parameters)
    content = {"parts": [{"text": instance.pop("content", "")}]}
    return _configured(asked, content, {**instance, **body.parameters})


def _embed_content(asked: Asked) -> Record:
    fields = _fields(asked.body)
    return _configured(asked, fields.pop("content", _NONE), fields)


def _configured(asked: Asked, content: Any, settings: Mapping[str, Any]) -> Record:
    config = {_CONFIG.get(name, name): value for name, value in settings.items()}
    told = {"content": content, **({"embed_content_config": config} if config else {})}
    return Record(encode({_KEY: asked.custom_id, "request": told}))


_LINES: Final = {
    "gemini": _gemini,
    "anthropic": _claude,
    _EMBEDDINGS: _embedded,
    "vertex_embed_content": _embed_content,
}
"""By the format of the body; all others are as OpenAI's."""


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
    instances = made.spoken == _EMBEDDINGS and _GEMINI not in made.model
    return {
        "displayName": made.name,
        "model": made.model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [made.asked]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": made.answered}},
        **({"instanceConfig": {"keyField": _KEY}} if instances else {}),
        **({"modelParameters": dict(made.shared)} if made.shared else {}),
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
        name=str(document.get("displayName") or ""),
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
    name = _name(found)
    if vectors := found.predictions or [found.prediction] * is_object(found.prediction):
        return Outcome(name, encode({"predictions": vectors}))
    told = _response(found.response) if is_object(found.response) else _Response()
    body = told.body if is_object(told.body) else found.response
    if is_object(body) and not is_object(told.error) and (told.status_code or 200) < 300:
        return Outcome(name, bytes(body))
    said = (message_of(bytes(raw)) for raw in (told.error, body, found.error, found.status) if raw != _NONE)
    words = next((one for one in said if one.message), None)
    if words is None:
        return Outcome(name, b"", "error", "Vertex AI told neither an answer nor an error.")
    return Outcome(name, b"", words.type or words.code or "error", words.message)


def _name(found: _Line) -> str:
    named = found.custom_id or found.key or (found.instance.key if found.instance else "")
    return named or unlabelled((found.request.labels if found.request else None) or {})


FORM: Final = Form(scheme="gs", stop=":cancel", line=line, order=order, state=state, read=read)
