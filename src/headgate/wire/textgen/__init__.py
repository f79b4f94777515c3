"""Formats of plain text generation: a prompt in, a text out. `DIALECTS` has one for each row of `formats.py`.

They know no tools, pictures or roles: what a conversation has of these is named in `Written.dropped`. Only servers
speak them, so the client's side of a dialect is refused.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.dialect import Glance, Target
from headgate.wire.servers import ServersOnly
from headgate.wire.textgen.answer import FAMILY, decode, read_reply, usage_of
from headgate.wire.textgen.formats import FORMATS, Format
from headgate.wire.textgen.request import write_request
from headgate.wire.textgen.stream import StreamReader

__all__ = ["DIALECTS", "TextGeneration"]


class TextGeneration(ServersOnly):
    """A row of the table as a dialect."""

    ask_in: ClassVar[str] = "OpenAI's chat format"
    family: ClassVar[str] = FAMILY
    stream_type: ClassVar[str] = "text/event-stream"

    def __init__(self, form: Format) -> None:
        self.name = form.name
        self.names_model = form.names_model
        self._form = form
        self._mark = f'"{form.piece.rpartition(".")[2]}"'.encode()

    def write_request(self, request: ir.Request, target: Target) -> ir.Written:
        return write_request(self._form, request, target)

    def read_reply(self, body: bytes, echo: ir.Echo | None = None) -> ir.Reply:
        """Raises APIResponseValidationError, or the error that the body is."""
        return read_reply(self._form, body)

    def stream_reader(self, echo: ir.Echo | None = None) -> StreamReader:
        return StreamReader(self._form)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError:
        return failures.read_error(status, headers, body)

    def glance(self, body: bytes) -> Glance:
        """Never raises."""
        try:
            return Glance(usage=usage_of(self._form, decode(self._form, body)))
        except HeadgateError as error:
            return Glance(error=error)

    def is_opening(self, data: bytes) -> bool:
        return not data.strip(b"\0") if self._form.plain else self._mark not in data

    def remote_media(self, request: ir.Request) -> list[ir.Source]:
        return []


DIALECTS: Final = {form.name: TextGeneration(form) for form in FORMATS}
