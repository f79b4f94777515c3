"""Gemini generateContent, both ways: what AI Studio and Vertex speak upstream and google-genai clients to us.

https://ai.google.dev/api/generate-content. `DIALECT` is the whole interface.
"""

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from headgate.wire import ir
from headgate.wire.dialect import Dialect
from headgate.wire.fold import fold
from headgate.wire.gemini import failure, media, reply, request, request_write, sniff, stream, stream_write
from headgate.wire.gemini.check import FAMILY

__all__ = ["DIALECT", "Gemini"]


class Gemini:
    name: ClassVar[str] = "gemini"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request_write.write_request)
    write_reply = staticmethod(reply.write_reply)
    stream_reader = stream.StreamReader
    stream_writer = stream_write.StreamWriter
    read_error = staticmethod(failure.read_error)
    write_error = staticmethod(failure.write_error)
    write_stream_error = staticmethod(failure.write_stream_error)
    glance = staticmethod(sniff.glance)
    sniffer = sniff.Sniffer

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        """An array of answers is a stream that came without `alt=sse`: read as what it adds up to."""
        if body.lstrip()[:1] != b"[":
            return reply.read_reply(body, echo)
        reader = stream.StreamReader(echo)
        return fold([*reader.feed(body), *reader.close()])

    def is_opening(self, data: bytes) -> bool:
        return b'"parts"' not in data and b'"finishReason"' not in data and b'"promptFeedback"' not in data

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        """Addresses that AI Studio can't open: all of the web but YouTube and its own files."""
        found = [source for turn in request.turns for source in media.sources(turn.blocks)]
        return [source for source in found if media.must_be_fetched(source)]


DIALECT: Final = Gemini()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
