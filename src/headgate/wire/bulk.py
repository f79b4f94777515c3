"""Batches that are jobs on files in a bucket: what a job is told, what it tells, and how OpenAI says it. Pure.

A cloud's `Form` (bulk_bedrock.py, bulk_vertex.py) writes the lines of an input file and reads those of the results.
Knows no bucket's API and no model's format.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from headgate.errors import BadRequestError
from headgate.wire.batches import batch_object, output_line
from headgate.wire.ir import Usage

_WINDOW: Final = re.compile(r"(\d{1,4})h")
ENDED: Final = ("completed", "failed", "expired", "cancelled")


class Place(Struct, frozen=True):
    """A file in a bucket; a folder where the key ends with a slash."""

    bucket: str
    key: str


class Asked(Struct, frozen=True, kw_only=True):
    """A request of a file: `body` is written for `model` in the format `spoken`."""

    custom_id: str
    body: bytes
    spoken: str
    model: str


class Record(Struct, frozen=True):
    """A request as a line of the cloud's file. `shared` is what it wants of the job as a whole: all lines must want
    the same."""

    line: bytes
    shared: dict[str, Any] = {}


class Order(Struct, frozen=True, kw_only=True):
    """A job to be made. `name` is its own and tells one that is asked for twice; `asked` and `answered` are addresses
    ("s3://…") of a file and of a folder, `spoken` is the format of the requests, `shared` what they want of the job,
    `hours` how long it may take at most, None for the cloud's own rule. `settings` are those of the row."""

    name: str
    model: str
    asked: str
    answered: str
    spoken: str
    hours: int | None
    settings: Mapping[str, str]
    shared: Mapping[str, Any] = {}


class State(Struct, frozen=True, kw_only=True):
    """A job as it is told. `status` is OpenAI's word; times are Unix seconds. Counts are None where nobody tells.
    `results` is where they are, None as long as there are none; `name` is that of its order."""

    id: str
    status: str
    name: str = ""
    message: str = ""
    created: int | None = None
    begun: int | None = None
    ended: int | None = None
    expires: int | None = None
    total: int | None = None
    completed: int | None = None
    failed: int | None = None
    results: Place | None = None


class Outcome(Struct, frozen=True):
    """A line of the results: the whole reply in the model's format, or why there is none."""

    custom_id: str
    body: bytes = b""
    code: str = ""
    message: str = ""


class Summary(Struct, frozen=True):
    """A file beside the results, told by `place` of theirs, that says what all of them used."""

    place: Callable[[Place], Place]
    read: Callable[[bytes], Usage]


class Form(Struct, frozen=True, kw_only=True):
    """How a cloud says it. `scheme` begins addresses; `stop` follows the id of a job that is to end. `line` writes a
    request and raises BadRequestError; `order` writes the document that makes a job; `state` reads one. `state`,
    `read` and the summary's raise APIResponseValidationError and msgspec.DecodeError for what is none."""

    scheme: str
    stop: str
    line: Callable[[Asked], Record]
    order: Callable[[Order], dict[str, Any]]
    state: Callable[[Mapping[str, Any]], State]
    read: Callable[[bytes], Outcome]
    summary: Summary | None = None


def place_of(uri: Any) -> Place | None:
    """Of "gs://bucket/key", None for what is none."""
    scheme, mark, rest = str(uri or "").partition("://")
    bucket, _, key = rest.partition("/")
    return Place(bucket, key) if scheme and mark and bucket else None


def hours_of(window: Any) -> int | None:
    """Of "24h"."""
    found = _WINDOW.fullmatch(str(window or ""))
    return int(found[1]) if found else None


def whole(value: Any) -> int | None:
    """A count, which Google writes as a text."""
    text = str(value)
    return int(text) if text.isdecimal() else None


def told(state: State, own: Mapping[str, Any], output: str, errors: str) -> dict[str, Any]:
    """The job as OpenAI's batch. `own` are the fields of the request that made it, `count` its lines among them;
    `output` and `errors` are the ids of its files."""
    there = state.results is not None
    total = state.total if state.total is not None else int(own.get("count") or 0)
    failed = [{"code": "batch_failed", "message": state.message, "param": None, "line": None}]
    return batch_object(
        own,
        id=state.id,
        status=state.status,
        created=state.created or 0,
        begun=state.begun,
        ended=state.ended,
        expires=state.expires,
        counts={"total": total, "completed": state.completed or 0, "failed": state.failed or 0},
        output=output if there else None,
        errors=errors if there and state.failed != 0 else None,
        faults=failed if state.status == "failed" and state.message else None,
    )


def told_outcome(outcome: Outcome, reply: Callable[[str, bytes], bytes]) -> bytes:
    """A line of an output file, or of an error file. `reply` writes the answer to the request of a custom_id in the
    format that was asked for."""
    if not outcome.code:
        return output_line(outcome.custom_id, reply(outcome.custom_id, outcome.body))
    return output_line(outcome.custom_id, None, outcome.code, outcome.message)


def one_text(found: int) -> None:
    """Raises BadRequestError for several texts: replies to parts of a request could come in any order."""
    if found != 1:
        raise BadRequestError(
            f"input: has {found} texts, and batches of this model take one in a line: make a line of each",
            param="input",
        )


def is_object(raw: Raw) -> bool:
    return bytes(raw)[:1] == b"{" and bytes(raw) != b"{}"


def joined(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is empty."""
    return {name: value for name, value in fields.items() if value}


encode: Final = msgspec.json.Encoder().encode
