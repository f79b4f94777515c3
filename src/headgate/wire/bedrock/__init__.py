"""Amazon Bedrock's Converse and ConverseStream, both ways: one format for all models that Bedrock serves.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html. `DIALECT` is the whole interface.
"""

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import aws, ir
from headgate.wire.bedrock import reply, request, request_write, sniff, stream, stream_write
from headgate.wire.bedrock.check import FAMILY
from headgate.wire.bedrock.media import is_stored
from headgate.wire.dialect import Dialect

__all__ = ["DIALECT", "Converse"]

_CONTENT: Final = (b"contentBlockDelta", b"contentBlockStart", b"messageStop")


class Converse:
    name: ClassVar[str] = "bedrock_converse"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "application/vnd.amazon.eventstream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "address"

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request_write.write_request)
    read_reply = staticmethod(reply.read_reply)
    write_reply = staticmethod(reply.write_reply)
    stream_reader = stream.StreamReader
    stream_writer = stream_write.StreamWriter
    read_error = staticmethod(aws.read_error)
    write_stream_error = staticmethod(aws.write_stream_error)
    glance = staticmethod(reply.glance)
    sniffer = sniff.Sniffer

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return aws.write_error(error)

    def is_opening(self, data: bytes) -> bool:
        return not any(mark in data for mark in _CONTENT)

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        """Every address but those in S3: the service fetches no others."""
        return [
            source
            for turn in request.turns
            for source in _sources(turn.blocks)
            if source.kind == "url" and not is_stored(source)
        ]


def _sources(blocks: list[ir.Block]) -> list[ir.Source]:
    found: list[ir.Source] = []
    for block in blocks:
        source = getattr(block, "source", None)
        if isinstance(source, ir.Source):
            found.append(source)
        elif isinstance(block, ir.ToolResult):
            found += _sources(block.content)
    return found


DIALECT: Final = Converse()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
