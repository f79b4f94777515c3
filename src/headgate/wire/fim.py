"""FIM, code between a prompt and a suffix: Mistral's format, whose answers and streams are those of chat.

https://docs.mistral.ai/api/#tag/fim. It is a text completion that is answered as a chat, so this module builds on
both. Knows no provider.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from headgate.errors import BadRequestError
from headgate.wire import ir
from headgate.wire.completions import Completions
from headgate.wire.dialect import Dialect, Frame, StreamReader, StreamWriter, Target
from headgate.wire.openai_chat import DIALECT as CHAT

_SUFFIX: Final = "suffix"


class Fim(Completions):
    name: ClassVar[str] = "fim"

    def read_request(self, body: Mapping[str, Any]) -> ir.Request:
        """A request as text completions have it; `random_seed` is the seed. Raises BadRequestError."""
        fields = dict(body)
        if "random_seed" in fields:
            fields["seed"] = fields.pop("random_seed")
        suffix = fields.get(_SUFFIX)
        if suffix is not None and not isinstance(suffix, str):
            raise BadRequestError("suffix: expected a string", param=_SUFFIX)
        return super().read_request(fields)

    def write_request(self, request_: ir.Request, target: Target) -> ir.Written:
        written = super().write_request(request_, target)
        if "seed" in written.body:
            written.body["random_seed"] = written.body.pop("seed")
        if "max_completion_tokens" in written.body:
            written.body["max_tokens"] = written.body.pop("max_completion_tokens")
        return written

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        return CHAT.read_reply(body, echo)

    def write_reply(self, reply_: ir.Reply, frame: Frame) -> bytes:
        return CHAT.write_reply(reply_, frame)

    def stream_reader(self, echo: ir.Echo | None = None) -> StreamReader:
        return CHAT.stream_reader(echo)

    def stream_writer(self, frame: Frame) -> StreamWriter:
        return CHAT.stream_writer(frame)


DIALECT: Final = Fim()

if TYPE_CHECKING:
    _contract: Dialect = DIALECT
