"""Amazon Bedrock's model invocation jobs. Pure.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html, and for the files
https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html and …/batch-inference-results.html
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from headgate.errors import APIResponseValidationError
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
    Summary,
    encode,
    is_object,
    joined,
    place_of,
    whole,
)
from headgate.wire.ir import Usage

_STATUS: Final = {
    "Submitted": "validating",
    "Validating": "validating",
    "Scheduled": "in_progress",
    "InProgress": "in_progress",
    "Completed": "completed",
    "PartiallyCompleted": "completed",
    "Failed": "failed",
    "Stopping": "cancelling",
    "Stopped": "cancelled",
    "Expired": "expired",
}
_WITH_RESULTS: Final = ("Completed", "PartiallyCompleted", "Stopped")
"""A job that failed was not begun, and so one that expired: it had waited in vain."""
_CONVERSE: Final = "bedrock_converse"
_HOURS: Final = range(24, 169)
_NONE: Final = Raw(b"null")


class _Fault(Struct, rename="camel"):
    error_code: int | str = ""
    error_message: str = ""


class _Line(Struct, rename="camel"):
    record_id: str = ""
    model_output: Raw = _NONE
    error: _Fault | None = None


class _Manifest(Struct, rename="camel"):
    input_token_count: int = 0
    output_token_count: int = 0


_line: Final = msgspec.json.Decoder(_Line).decode
_manifest: Final = msgspec.json.Decoder(_Manifest).decode


def line(asked: Asked) -> Record:
    return Record(encode({"recordId": asked.custom_id, "modelInput": Raw(asked.body)}))


def order(made: Order) -> dict[str, Any]:
    own = made.settings
    asked = joined({"s3Uri": made.asked, "s3InputFormat": "JSONL", "s3BucketOwner": own.get("owner")})
    answered = {
        "s3Uri": made.answered,
        "s3EncryptionKeyId": own.get("key"),
        "s3BucketOwner": own.get("owner"),
    }
    return joined(
        {
            "jobName": made.name,
            "clientRequestToken": made.name,
            "roleArn": own.get("role"),
            "modelId": made.model,
            "modelInvocationType": "Converse" if made.spoken == _CONVERSE else "InvokeModel",
            "inputDataConfig": {"s3InputDataConfig": asked},
            "outputDataConfig": {"s3OutputDataConfig": joined(answered)},
            "timeoutDurationInHours": made.hours if made.hours in _HOURS else None,
        }
    )


def state(document: Mapping[str, Any]) -> State:
    """What makes a job answers with its ARN alone."""
    name = str(document.get("jobArn") or "").rpartition("/")[2]
    if not name:
        raise APIResponseValidationError(
            "a job of Bedrock has no jobArn: expected …:model-invocation-job/<id>"
        )
    word = str(document.get("status") or "Submitted")
    status = _STATUS.get(word, "in_progress")
    return State(
        id=name,
        status=status,
        name=str(document.get("jobName") or ""),
        message=str(document.get("message") or ""),
        created=seconds(document.get("submitTime")),
        begun=seconds(document.get("submitTime")),
        ended=seconds(document.get("endTime") or document.get("lastModifiedTime"))
        if status in ENDED
        else None,
        expires=seconds(document.get("jobExpirationTime")),
        total=whole(document.get("totalRecordCount")),
        completed=whole(document.get("successRecordCount")),
        failed=whole(document.get("errorRecordCount")),
        results=_results(document, name) if word in _WITH_RESULTS else None,
    )


def _results(document: Mapping[str, Any], name: str) -> Place | None:
    """In a folder of the job's, under the name of what was asked."""
    asked = place_of(_uri(document, "inputDataConfig", "s3InputDataConfig"))
    folder = place_of(_uri(document, "outputDataConfig", "s3OutputDataConfig"))
    if asked is None or folder is None:
        return None
    path = "/".join(filter(None, (folder.key.rstrip("/"), name, asked.key.rpartition("/")[2] + ".out")))
    return Place(folder.bucket, path)


def _uri(document: Mapping[str, Any], *path: str) -> Any:
    node: Any = document
    for name in (*path, "s3Uri"):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def read(data: bytes) -> Outcome:
    found = _line(data)
    if found.error is None and is_object(found.model_output):
        return Outcome(found.record_id, bytes(found.model_output))
    fault = found.error or _Fault("no_output", "Bedrock told neither an output nor an error.")
    return Outcome(found.record_id, b"", str(fault.error_code or "error"), fault.error_message)


def _beside(results: Place) -> Place:
    return Place(results.bucket, results.key.rpartition("/")[0] + "/manifest.json.out")


def _used(data: bytes) -> Usage:
    found = _manifest(data)
    return Usage(input=found.input_token_count, output=found.output_token_count)


FORM: Final = Form(
    scheme="s3",
    stop="/stop",
    line=line,
    order=order,
    state=state,
    read=read,
    summary=Summary(_beside, _used),
)
