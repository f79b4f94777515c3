"""Cohere's chat (v2), both ways. https://docs.cohere.com/reference/chat

`DIALECT` is the whole interface. Answers of the older API (v1) are read, too.
"""

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from headgate.wire import ir
from headgate.wire.cohere import failure, reply, request, request_write, sniff, stream, stream_write
from headgate.wire.cohere.parts import FAMILY
from headgate.wire.dialect import Dialect

__all__ = ["DIALECT", "Cohere"]

_CONTENT: Final = re.compile(
    rb'"type":\s*"(?:content-delta|tool-plan-delta|tool-call-[a-z]+|citation-start|message-end)"'
    rb'|"event_type":\s*"(?:text-|tool-|citation-|stream-end)'
)
_FAILED: Final = re.compile(rb'"finish_reason":\s*"ERROR"')


class Cohere:
    name: ClassVar[str] = "cohere"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"
    names_model: ClassVar[Literal["body", "address", "parts"]] = "body"

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request_write.write_request)
    write_reply = staticmethod(reply.write_reply)
    stream_writer = stream_write.StreamWriter
    read_error = staticmethod(failure.read_error)
    write_error = staticmethod(failure.write_error)
    write_stream_error = staticmethod(failure.write_stream_error)
    glance = staticmethod(reply.glance)
    sniffer = sniff.Sniffer

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return reply.read_reply(body)

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader()

    def is_opening(self, data: bytes) -> bool:
        found = [match.group() for match in _CONTENT.finditer(data)]
        ended = len(found) == 1 and found[0].endswith(b'"message-end"')
        return not found or (ended and _FAILED.search(data) is not None)

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return []


DIALECT: Final = Cohere()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
