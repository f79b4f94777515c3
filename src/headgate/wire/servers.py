"""The client's side of a dialect that only servers speak: refused, with the format to ask in."""

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from headgate.errors import BadRequestError, HeadgateError
from headgate.wire.dialect import Frame


class ServersOnly:
    """Subclasses set `name`. `ask_in` is what clients speak instead."""

    name: str
    ask_in: ClassVar[str] = "OpenAI's format"

    def read_request(self, body: Mapping[str, Any]) -> NoReturn:
        self._refuse()

    def write_reply(self, reply: Any, frame: Frame) -> NoReturn:
        self._refuse()

    def stream_writer(self, frame: Frame) -> NoReturn:
        self._refuse()

    def sniffer(self) -> NoReturn:
        self._refuse()

    def write_error(self, error: HeadgateError, call_id: str | None = None) -> NoReturn:
        self._refuse()

    def write_stream_error(self, error: HeadgateError) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise BadRequestError(f"{self.name} is a format of servers only: ask in {self.ask_in}")
