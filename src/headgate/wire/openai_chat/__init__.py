"""OpenAI chat completions, both ways: what most providers speak upstream and most clients to us.

https://platform.openai.com/docs/api-reference/chat. `DIALECT` is the whole interface.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Dialect, Frame, Glance, Sniffer, StreamReader, StreamWriter, Target
from headgate.wire.openai_chat import failure, reply, request, sniff, stream, stream_write
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import own

__all__ = ["DIALECT", "OpenAIChat"]

_CONTENT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|text|arguments)"\s*:\s*(?:"[^"]|\[|\{)'
    rb'|"(?:tool_calls|audio|reasoning_details|function_call)"\s*:\s*[\[{]|"finish_reason"\s*:\s*"'
)


class OpenAIChat:
    name: ClassVar[str] = "openai_chat"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request_: ir.Request, target: Target) -> ir.Written:
        return request.write_request(request_, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return reply.read_reply(body, echo)

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return reply.write_reply(reply_, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> StreamReader:
        return stream.StreamReader(echo)

    def stream_writer(self, frame: Frame) -> StreamWriter:
        return stream_write.StreamWriter(frame)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error, call_id)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return failure.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return reply.glance(body)

    def sniffer(self) -> Sniffer:
        return sniff.Sniffer()

    def is_opening(self, data: bytes) -> bool:
        return _CONTENT.search(data) is None

    def remote_media(self, request_: ir.Request) -> list[ir.Source]:
        """Sound and documents named by an address: the format takes only pictures that way. A part that a
        caller of this format wrote goes as it was written."""
        return [
            block.source
            for turn in request_.turns
            for block in _media(turn.blocks)
            if isinstance(block, ir.Audio | ir.File)
            and block.source is not None
            and block.source.kind == "url"
            and not own(block.extra)
        ]


def _media(blocks: list[ir.Block]) -> list[ir.Block]:
    found: list[ir.Block] = []
    for block in blocks:
        found += _media(block.content) if isinstance(block, ir.ToolResult) else [block]
    return found


DIALECT: Final = OpenAIChat()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
