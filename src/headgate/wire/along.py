"""A sniffer for formats whose streams are short and rare: it reads along, and needs no search of its own.

Knows no format: the reader is handed in.
"""

from headgate.wire import ir
from headgate.wire.dialect import Seen, StreamReader


class Along(Seen):
    """See dialect.Sniffer. The reader must not raise: its failures are events."""

    __slots__ = ("_reader",)

    def __init__(self, reader: StreamReader) -> None:
        super().__init__()
        self._reader = reader

    def feed(self, data: bytes) -> None:
        for event in self._reader.feed(data):
            if isinstance(event, ir.UsageUpdate):
                self.usage = event.usage
            elif isinstance(event, ir.ReplyStart):
                self.model = event.model
            elif isinstance(event, ir.StreamFailure):
                self.error = event.error
            elif isinstance(event, ir.ReplyEnd):
                self.ended = self.done = True
