"""Anthropic Messages, both ways: what Anthropic, Bedrock and Vertex speak upstream and Claude Code to us.

https://docs.anthropic.com/en/api/messages. `DIALECT` is the whole interface.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.anthropic import failure, reply, request, request_write, sniff, stream, stream_write
from headgate.wire.anthropic.check import FAMILY
from headgate.wire.dialect import Dialect, Frame, Glance, Target

__all__ = ["DIALECT", "Anthropic"]

_CONTENT: Final = (b"content_block_delta", b"tool_use", b"message_delta", b"tool_result")


class Anthropic:
    name: ClassVar[str] = "anthropic"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return request_write.write_request(request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return reply.read_reply(body, echo)

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return reply.write_reply(reply_, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader(echo)

    def stream_writer(self, frame: Frame) -> stream_write.StreamWriter:
        return stream_write.StreamWriter(frame)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error, call_id)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return failure.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return reply.glance(body)

    def sniffer(self) -> sniff.Sniffer:
        return sniff.Sniffer()

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
