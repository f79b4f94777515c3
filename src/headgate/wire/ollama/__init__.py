"""Ollama's /api/chat, both ways: what its servers and its cloud speak upstream and its clients speak to us.

https://docs.ollama.com/api/chat. `DIALECT` is the whole interface.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.fold import fold
from headgate.wire.ollama import failure, reply, request, sniff, stream, stream_write
from headgate.wire.ollama.fields import FAMILY

__all__ = ["DIALECT", "Ollama"]


class Ollama:
    name: ClassVar[str] = "ollama"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "application/x-ndjson"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request_: ir.Request, target: Target) -> ir.Written:
        return request.write_request(request_, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        """Several lines are a stream that nobody asked for: read as what it adds up to."""
        if b"}\n{" not in body:
            return reply.read_reply(body)
        reader = stream.StreamReader()
        return fold([*reader.feed(body), *reader.close()])

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return reply.write_reply(reply_, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader()

    def stream_writer(self, frame: Frame) -> stream_write.StreamWriter:
        return stream_write.StreamWriter(frame)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return failure.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return sniff.glance(body)

    def sniffer(self) -> sniff.Sniffer:
        return sniff.Sniffer()

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
