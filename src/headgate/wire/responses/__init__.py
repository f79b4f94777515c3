"""OpenAI's Responses, both ways: what Codex and the newer SDKs speak to us, and OpenAI, Azure and xAI upstream.

https://platform.openai.com/docs/api-reference/responses. `DIALECT` is the whole interface.
"""

import re
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Dialect
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

    read_request = staticmethod(request.read_request)
    write_request = staticmethod(request.write_request)
    write_reply = staticmethod(reply.write_reply)
    stream_writer = stream_write.StreamWriter
    read_error = staticmethod(failures.read_error)
    write_stream_error = staticmethod(stream_write.write_stream_error)
    glance = staticmethod(reply.glance)
    sniffer = sniff.Sniffer

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return reply.read_reply(body, echo)

    def stream_reader(self, echo: ir.Echo | None = None) -> stream.StreamReader:
        return stream.StreamReader(echo)

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> bytes:
        told = {"message": error.message, "type": error.type, "param": error.param}
        told["code"] = error.code or str(error.status_code)
        return msgspec.json.encode({"error": told | ({"litellm_call_id": call_id} if call_id else {})})

    def is_opening(self, data: bytes) -> bool:
        return _CONTENT.search(data) is None

    def remote_media(self, request_: ir.Request) -> list[ir.Source]:
        return []


DIALECT: Final = Responses()

if TYPE_CHECKING:
    _CHECKED: Dialect = DIALECT
