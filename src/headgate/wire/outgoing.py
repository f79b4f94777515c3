"""Requests that are no plain JSON to a fixed address: what one function needs to send any of them.

A `Wire` is one HTTP request as a dialect wrote it, a `Step` the request with what to make of its answer: another
step (an upload, then a job, then asking after it) or the reply. Sending is the caller's:

    step = sent.step
    while isinstance(step, Step):
        (wait `step.after` seconds; send `step.wire`; on an error status raise `dialect.read_error`)
        step = step.then(headers, body)

Knows no API, does no I/O.
"""

from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar
from urllib.parse import quote, urlencode

from msgspec import Struct, field

from headgate.errors import BadRequestError
from headgate.wire.multipart import Part, Writer

T = TypeVar("T")


class ForwardFile(Struct, frozen=True):
    """The body is the caller's file, its bytes as they are."""


FORWARD_FILE: Final = ForwardFile()


class Form(Struct, frozen=True):
    """A multipart form: the fields in order, then the caller's file under the name `file`."""

    fields: tuple[tuple[str, str], ...]
    file: str = "file"


class Wire(Struct, frozen=True, kw_only=True):
    """One request.

    `operation` is the key of the row's `paths` where it isn't the call's own. `path_suffix` are segments after
    that path, not yet percent-encoded; `query` pairs likewise. `content_type` "" means the file's own;
    a form's is made when its boundary is known. Header names are lower case.
    """

    body: bytes | ForwardFile | Form = b""
    content_type: str = "application/json"
    method: str = "POST"
    operation: str = ""
    path_suffix: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = {}


class Step(Struct, Generic[T], frozen=True, kw_only=True):
    """A request and its meaning. `after`: seconds to wait before it is sent.

    `then(headers, body)` takes a successful answer, header names in lower case, and raises the error that it is or
    APIResponseValidationError. `raw`: the answer's body is the result itself, so it may be passed on in pieces
    while it comes; `then(headers, b"")` then says all but the bytes.
    """

    wire: Wire
    then: "Callable[[Mapping[str, str], bytes], Step[T] | T]"
    after: float = 0.0
    raw: bool = False


class Sent(Struct, Generic[T], frozen=True, kw_only=True):
    """`dropped` names what the target can't express, in the caller's words."""

    step: Step[T]
    dropped: list[str] = field(default_factory=list)


def address(url: str, wire: Wire) -> str:
    """The URL of the operation with the wire's segments and query.

    Raises BadRequestError for a segment that would lead to another path.
    """
    path, _, query = url.partition("?")
    for segment in wire.path_suffix:
        if segment in ("", ".", ".."):
            raise BadRequestError(f"{segment!r} can't be part of an address: expected a name or an id")
        path += "/" + quote(segment, safe="")
    asked = "&".join(filter(None, (query, urlencode(wire.query, quote_via=quote))))
    return f"{path}?{asked}" if asked else path


class Framed(Struct, frozen=True):
    """A body: `before`, the file's bytes where `file`, `after`."""

    content_type: str
    before: bytes
    after: bytes = b""
    file: bool = False


def framed(wire: Wire, boundary: bytes, file: Part | None = None) -> Framed:
    """How the body is laid out. `boundary` is a random one, used for a form. `file` is what the caller said of it.

    Raises BadRequestError where the request needs a file and there is none.
    """
    if isinstance(wire.body, bytes):
        return Framed(wire.content_type, wire.body)
    if file is None:
        raise BadRequestError(
            "file: required, expected the audio as a multipart part with a filename", param="file"
        )
    if isinstance(wire.body, ForwardFile):
        return Framed(wire.content_type or file.content_type or "application/octet-stream", b"", file=True)
    writer = Writer(boundary)
    fields = b"".join(writer.field(name, value) for name, value in wire.body.fields)
    head = writer.head(Part(wire.body.file, file.filename or "audio", file.content_type))
    return Framed(writer.content_type, fields + head, writer.tail + writer.end(), file=True)
