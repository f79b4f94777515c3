"""Anthropic Messages, both ways: what Anthropic, Bedrock and Vertex speak upstream and Claude Code to us.

https://docs.anthropic.com/en/api/messages. `DIALECT` is the whole interface.
"""

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from headgate.wire import failures, ir
from headgate.wire.anthropic import failure, reply, request, request_write, sniff, stream, stream_write
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.dialect import Dialect

__all__ = ["DIALECT", "Anthropic"]

_CONTENT: Final = (b"content_block_delta", b"tool_use", b"message_delta", b"tool_result")


class Anthropic:
    name: ClassVar[str] = "anthropic"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request_write.write_request)
    read_reply = staticmethod(reply.read_reply)
    write_reply = staticmethod(reply.write_reply)
    stream_reader = stream.StreamReader
    stream_writer = stream_write.StreamWriter
    read_error = staticmethod(failures.read_error)
    write_error = staticmethod(failure.write_error)
    write_stream_error = staticmethod(failure.write_stream_error)
    glance = staticmethod(reply.glance)
    sniffer = sniff.Sniffer

    def is_opening(self, data: bytes) -> bool:
        return not any(mark in data for mark in _CONTENT)

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        """Addresses that are not https: the API fetches no others."""
        return [
            source
            for turn in request.turns
            for source in _sources(turn.blocks)
            if source.kind == "url" and not source.value.startswith("https://")
        ]


def _sources(blocks: list[ir.Block]) -> list[ir.Source]:
    found: list[ir.Source] = []
    for block in blocks:
        if isinstance(block, ir.Image | ir.File):
            found.append(block.source)
        elif isinstance(block, ir.ToolResult):
            found += _sources(block.content)
    return found


DIALECT: Final = Anthropic()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
