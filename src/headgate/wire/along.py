"""A sniffer for formats whose streams are short and rare: it reads along, and needs no search of its own.

Knows no format: the reader is handed in.
"""

from headgate.errors import HeadgateError
from headgate.wire import ir
from headgate.wire.dialect import StreamReader


class Along:
    """See dialect.Sniffer. The reader must not raise: its failures are events."""

    __slots__ = ("_reader", "done", "ended", "error", "model", "usage")

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self.usage: ir.Usage | None = None
        self.ended = False
        self.done = False
        self.error: HeadgateError | None = None
        self.model: str | None = None

    def feed(self, data: bytes) -> None:
        for event in self._reader.feed(data):
            if isinstance(event, ir.UsageUpdate):
                self.usage = event.usage
            elif isinstance(event, ir.StreamFailure):
                self.error = event.error
            elif isinstance(event, ir.ReplyEnd):
                self.ended = self.done = True
