"""OpenAI chat completions, both ways: what most providers speak upstream and most clients to us.

https://platform.openai.com/docs/api-reference/chat. `DIALECT` is the whole interface.
"""

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from headgate.wire import failures, ir
from headgate.wire.dialect import Dialect, Frame, StreamReader, StreamWriter
from headgate.wire.openai_chat import failure, reply, request, sniff, stream, stream_write
from headgate.wire.openai_chat.media import FAMILY
from headgate.wire.openai_chat.parts import own

__all__ = ["DIALECT", "OpenAIChat"]

_CONTENT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|refusal|text|arguments)"\s*:\s*(?:"[^"]|\[|\{)'
    rb'|"(?:tool_calls|audio|reasoning_details|function_call)"\s*:\s*[\[{]|"finish_reason"\s*:\s*"(?!error")'
)


class OpenAIChat:
    name: ClassVar[str] = "openai_chat"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request.write_request)
    read_reply = staticmethod(reply.read_reply)
    write_reply = staticmethod(reply.write_reply)
    read_error = staticmethod(failures.read_error)
    write_error = staticmethod(failure.write_error)
    write_stream_error = staticmethod(failure.write_stream_error)
    glance = staticmethod(reply.glance)
    sniffer = sniff.Sniffer

    def stream_reader(self, echo: ir.Echo | None = None) -> StreamReader:
        return stream.StreamReader(echo)

    def stream_writer(self, frame: Frame) -> StreamWriter:
        return stream_write.StreamWriter(frame)

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
