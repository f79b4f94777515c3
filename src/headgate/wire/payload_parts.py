"""A container's stream in SageMaker's frames: `PayloadPart`s hold the container's own bytes, cut anywhere.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointWithResponseStream.html. Some
containers answer with server-sent events, some with lines of JSON
(https://docs.djl.ai/master/docs/serving/serving/docs/lmi/user_guides/lmi_input_output_schema.html), some with the
whole document. Requests and whole answers are the inner dialect's. Knows no container.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import eventstream, ir
from headgate.wire.dialect import Dialect, Glance, Target
from headgate.wire.framed import Reader
from headgate.wire.servers import ServersOnly
from headgate.wire.sse import MAX_EVENT

_PART: Final = "PayloadPart"


class Parts(ServersOnly):
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"
    stream_type: ClassVar[str] = "application/vnd.amazon.eventstream"
    family: ClassVar[str]

    def __init__(self, inner: Dialect) -> None:
        self.inner = inner

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return self.inner.write_request(request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return self.inner.read_reply(body, echo)

    def stream_reader(self, echo: ir.Echo | None = None) -> Reader:
        return Reader(self.inner.stream_reader(echo), Lines())

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return self.inner.read_error(status, headers, body)

    def glance(self, body: bytes) -> Glance:
        return self.inner.glance(body)

    def is_opening(self, data: bytes) -> bool:
        """A piece that begins inside a frame is none."""
        try:
            found = b"".join(_payload(message) for message in eventstream.Decoder().feed(data))
        except HeadgateError:
            return False
        return not found or self.inner.is_opening(found)

    def remote_media(self, request: Any) -> list[ir.Source]:
        return self.inner.remote_media(request)


class Chat(Parts):
    name = "framed_chat"
    family: ClassVar[str] = "openai"


class Text(Parts):
    name = "framed_text"
    family: ClassVar[str] = "tgi"


def _payload(message: eventstream.Message) -> bytes:
    return message.payload if message.name in (_PART, "") else b""


class Lines:
    """See framed.Opens. Lines of JSON become server-sent events; all else is left as it is. A lone line is held until
    the end: it may be the whole answer."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._seen = 0
        self._lined: bool | None = None

    def opened(self, message: eventstream.Message) -> bytes:
        data = _payload(message)
        if self._lined is False:
            return data
        self._held += data if self._held else data.lstrip()
        if len(self._held) > MAX_EVENT:
            raise APIResponseValidationError(f"a line of the stream is over {MAX_EVENT} bytes")
        if self._lined is None:
            self._lined = self._look()
            if not self._lined:
                return b"" if self._lined is None else self.rest()
        elif b"\n" not in data:
            return b""
        *lines, self._held = self._held.split(b"\n")
        return b"".join(map(_event, lines))

    def rest(self) -> bytes:
        held, self._held = self._held, bytearray()
        return _event(held) if self._lined else bytes(held)

    def _look(self) -> bool | None:
        """Whether it is lines of JSON, None where that can't be told yet. Nothing is looked at twice."""
        held = self._held
        if held and held[:1] != b"{":
            return False
        end = held.find(b"\n", self._seen)
        if end < 0:
            self._seen = len(held)
            return None
        self._seen = end
        following = held[end:].lstrip()[:1]
        return following == b"{" if following else None


def _event(line: bytearray) -> bytes:
    return b"data: %b\n\n" % bytes(line.strip()) if line.strip() else b""
