"""Any dialect in InvokeModel's envelope: the inner dialect's bodies and streams, Bedrock's errors and frames.

A frame `chunk` holds `{"bytes": base64 of one JSON event}`.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
Knows no maker: subclasses say how an event looks inside, and what the body must or may not hold.
"""

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

import msgspec

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import aws, eventstream, ir
from headgate.wire.dialect import Dialect, Frame, Glance, StreamWriter, Target
from headgate.wire.framed import Reader, Watch

_CHUNK = "chunk"


class _Chunk(msgspec.Struct):
    bytes: str


_DECODE = msgspec.json.Decoder(_Chunk).decode


def document_of(message: eventstream.Message) -> bytes:
    """The event inside a chunk, b"" in a frame that is none. Raises APIResponseValidationError."""
    if message.name != _CHUNK:
        return b""
    try:
        return b64decode(_DECODE(message.payload).bytes, validate=True)
    except (msgspec.DecodeError, ValueError) as error:
        raise APIResponseValidationError(f"a chunk of the upstream's stream can't be read: {error}") from None


def chunk_of(document: bytes) -> bytes:
    return eventstream.event(_CHUNK, msgspec.json.encode({"bytes": b64encode(document).decode()}))


class Invoke(ABC):
    """Subclasses set `name` and `family`, and implement `unwrapper`, `wrapper` and, where they need to, `written`."""

    name: ClassVar[str]
    family: ClassVar[str]
    stream_type: ClassVar[str] = "application/vnd.amazon.eventstream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    def __init__(self, inner: Dialect) -> None:
        self.inner = inner

    @abstractmethod
    def unwrapper(self) -> Callable[[bytes], bytes]:
        """A function from one event to bytes of the inner dialect's stream."""

    @abstractmethod
    def wrapper(self) -> Callable[[bytes], list[bytes]]:
        """A function from pieces of the inner dialect's stream to the events that they complete."""

    def written(self, written: ir.Written, target: Target) -> ir.Written:
        """What the inner dialect wrote, as this API takes it."""
        return written

    # --- the dialect ---------------------------------------------------------------------------------

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return self.inner.read_request({"model": "", **body})

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        written = self.inner.write_request(request, target)
        for key in ("model", "stream", "stream_options"):
            written.body.pop(key, None)
        return self.written(written, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return self.inner.read_reply(body, echo)

    def write_reply(self, reply: ir.Reply, frame: Frame) -> bytes:
        return self.inner.write_reply(reply, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> Reader:
        return Reader(self.inner.stream_reader(echo), _Opened(self.unwrapper()))

    def stream_writer(self, frame: Frame) -> "Writer":
        return Writer(self.inner.stream_writer(frame), self.wrapper())

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return aws.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return aws.write_error(error)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return aws.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return self.inner.glance(body)

    def sniffer(self) -> Watch:
        return Watch(self.inner.sniffer(), _Opened(self.unwrapper()))

    def is_opening(self, data: bytes) -> bool:
        """A piece that begins inside a frame is none."""
        try:
            found = [document_of(message) for message in eventstream.Decoder().feed(data)]
        except HeadgateError:
            return False
        unwrap = self.unwrapper()
        return all(self.inner.is_opening(unwrap(document)) for document in found if document)

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return self.inner.remote_media(request)


class _Opened:
    """See framed.Opens."""

    def __init__(self, unwrap: Callable[[bytes], bytes]) -> None:
        self._unwrap = unwrap

    def opened(self, message: eventstream.Message) -> bytes:
        document = document_of(message)
        return self._unwrap(document) if document else b""

    def rest(self) -> bytes:
        return b""


class Writer:
    def __init__(self, inner: StreamWriter, wrap: Callable[[bytes], list[bytes]]) -> None:
        self._inner = inner
        self._wrap = wrap
        self._over = False

    def write(self, events: Iterable[ir.Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            if isinstance(event, ir.StreamFailure):
                self._over = True
                out.append(aws.write_stream_error(event.error))
            else:
                out += [chunk_of(document) for document in self._wrap(self._inner.write([event]))]
        return b"".join(out)
