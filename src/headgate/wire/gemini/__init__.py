"""Gemini generateContent, both ways: what AI Studio and Vertex speak upstream and google-genai clients to us.

https://ai.google.dev/api/generate-content. `DIALECT` is the whole interface.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.fold import fold
from headgate.wire.gemini import failure, media, reply, request, request_write, sniff, stream, stream_write
from headgate.wire.gemini.check import FAMILY

__all__ = ["DIALECT", "Gemini"]


class Gemini:
    name: ClassVar[str] = "gemini"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return request_write.write_request(request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        """An array of answers is a stream that came without `alt=sse`: read as what it adds up to."""
        if body.lstrip()[:1] != b"[":
            return reply.read_reply(body, echo)
        reader = stream.StreamReader(echo)
        return fold([*reader.feed(body), *reader.close()])

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return reply.write_reply(reply_, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader(echo)

    def stream_writer(self, frame: Frame) -> stream_write.StreamWriter:
        return stream_write.StreamWriter(frame)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failure.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error, call_id)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return failure.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return sniff.glance(body)

    def sniffer(self) -> sniff.Sniffer:
        return sniff.Sniffer()

    def is_opening(self, data: bytes) -> bool:
        return b'"parts"' not in data and b'"finishReason"' not in data and b'"promptFeedback"' not in data

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        """Addresses that AI Studio can't open: all of the web but YouTube and its own files."""
        found = [source for turn in request.turns for source in media.sources(turn.blocks)]
        return [source for source in found if media.must_be_fetched(source)]


DIALECT: Final = Gemini()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
