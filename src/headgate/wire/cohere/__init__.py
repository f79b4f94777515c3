"""Cohere's chat (v2), both ways. https://docs.cohere.com/reference/chat

`DIALECT` is the whole interface. Answers of the older API (v1) are read, too.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.cohere import failure, reply, request, request_write, sniff, stream, stream_write
from headgate.wire.cohere.parts import FAMILY
from headgate.wire.dialect import Dialect, Frame, Glance, Target

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

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        return request.read_request(body)

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return request_write.write_request(request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return reply.read_reply(body)

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return reply.write_reply(reply_, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader()

    def stream_writer(self, frame: Frame) -> stream_write.StreamWriter:
        return stream_write.StreamWriter(frame)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failure.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        return failure.write_error(error, call_id)

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return failure.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return reply.glance(body)

    def sniffer(self) -> sniff.Sniffer:
        return sniff.Sniffer()

    def is_opening(self, data: bytes) -> bool:
        found = [match.group() for match in _CONTENT.finditer(data)]
        ended = len(found) == 1 and found[0].endswith(b'"message-end"')
        return not found or (ended and _FAILED.search(data) is not None)

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return []


DIALECT: Final = Cohere()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
