"""Watches a ConverseStream that is passed through: usage, end and error. Only the last events are decoded."""

from typing import Any

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import aws, eventstream
from headgate.wire.bedrock.usage import read_usage
from headgate.wire.dialect import Seen
from headgate.wire.shape import Malformed


class _Metadata(msgspec.Struct):
    usage: dict[str, Any] | None = None


_DECODE = msgspec.json.Decoder(_Metadata).decode


class Sniffer(Seen):
    __slots__ = ("_frames",)

    def __init__(self) -> None:
        super().__init__()
        self._frames = eventstream.Decoder()

    def feed(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            for message in self._frames.feed(data):
                self._take(message)
        except HeadgateError as error:
            self.error = error

    def _take(self, message: eventstream.Message) -> None:
        if message.kind != "event":
            self.error = aws.read_exception(message)
        elif message.name == "messageStop":
            self.ended = True
        elif message.name == "metadata":
            self.done = self.ended
            self._count(message.payload)

    def _count(self, payload: bytes) -> None:
        """Usage that can't be read is none: a stream that is passed through goes on."""
        try:
            usage = _DECODE(payload).usage
            self.usage = None if usage is None else read_usage(usage)
        except (msgspec.DecodeError, Malformed, ValueError, RecursionError):
            return
