"""OpenAI's Responses, both ways: what Codex and the newer SDKs speak to us, and OpenAI, Azure and xAI upstream.

https://platform.openai.com/docs/api-reference/responses. `DIALECT` is the whole interface.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Dialect, Frame, Glance, Target
from headgate.wire.responses import reply, request, sniff, stream, stream_write
from headgate.wire.responses.parts import FAMILY

__all__ = ["DIALECT", "Responses"]

_CONTENT: Final = re.compile(
    rb'"type":\s*"response\.(?:[a-z_]+\.)?(?:delta|done|completed|incomplete|searching)|"type":\s*"[a-z_]*call"'
)


class Responses:
    name: ClassVar[str] = "responses"
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

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader(echo)

    def stream_writer(self, frame: Frame) -> stream_write.StreamWriter:
        return stream_write.StreamWriter(frame)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        told = {"message": error.message, "type": error.type, "param": error.param}
        told["code"] = error.code or str(error.status_code)
        return msgspec.json.encode({"error": told | ({"litellm_call_id": call_id} if call_id else {})})

    def write_stream_error(self, error: HeadgateError) -> bytes:
        return stream_write.write_stream_error(error)

    def glance(self, body: bytes) -> Glance:
        return reply.glance(body)

    def sniffer(self) -> sniff.Sniffer:
        return sniff.Sniffer()

    def is_opening(self, data: bytes) -> bool:
        return _CONTENT.search(data) is None

    def remote_media(self, request_: ir.Request) -> list[ir.Source]:
        return []


DIALECT: Final = Responses()

if TYPE_CHECKING:
    _CHECKED: Dialect = DIALECT
