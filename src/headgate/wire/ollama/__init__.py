"""Ollama's /api/chat, both ways: what its servers and its cloud speak upstream and its clients speak to us.

https://docs.ollama.com/api/chat. `DIALECT` is the whole interface.
"""

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Dialect, Frame
from headgate.wire.fold import fold
from headgate.wire.ollama import failure, reply, request, sniff, stream, stream_write
from headgate.wire.ollama.fields import FAMILY

__all__ = ["DIALECT", "Ollama"]


class Ollama:
    name: ClassVar[str] = "ollama"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "application/x-ndjson"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request.write_request)
    write_reply = staticmethod(reply.write_reply)
    read_error = staticmethod(failures.read_error)
    write_stream_error = staticmethod(failure.write_stream_error)
    glance = staticmethod(sniff.glance)
    sniffer = sniff.Sniffer

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        """Several lines are a stream that nobody asked for: read as what it adds up to."""
        if b"}\n{" not in body:
            return reply.read_reply(body)
        reader = stream.StreamReader()
        return fold([*reader.feed(body), *reader.close()])

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader()

    def stream_writer(self, frame: Frame) -> stream_write.StreamWriter:
        return stream_write.StreamWriter(frame)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error)

    def is_opening(self, data: bytes) -> bool:
        return b'"message"' not in data

    def remote_media(self, request_: ir.Request) -> list[ir.Source]:
        """Pictures named by an address: the format takes data alone."""
        blocks = [block for turn in request_.turns for block in turn.blocks]
        blocks += [inner for block in blocks if isinstance(block, ir.ToolResult) for inner in block.content]
        return [
            block.source for block in blocks if isinstance(block, ir.Image) and block.source.kind == "url"
        ]


DIALECT: Final = Ollama()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
