"""Watches a Messages stream that is passed through: usage, model, end and error, by byte search.

Of all events only message_start, message_delta, message_stop and error matter, four of hundreds. They are
known by their `event:` lines, which no text can fake: in JSON a line end is escaped. A stream that names no events
is read along.
"""

import re
from typing import Any, Final

import msgspec

from headgate.wire import failures
from headgate.wire.along import Along
from headgate.wire.anthropic.stream import StreamReader
from headgate.wire.anthropic.usage import merge, read_usage
from headgate.wire.dialect import Seen
from headgate.wire.shape import Malformed

_TAIL: Final = 32
"""Bytes kept between chunks: more than the longest `event:` line that matters."""

_MAX: Final = 1 << 20
"""Bytes of one event that are waited for."""

_FIRST: Final = re.compile(rb"(?:\xef\xbb\xbf)?(?:(?::|id:|retry:)[^\r\n]*[\r\n]|[\r\n \t])*(event|data):")
"""How a stream begins: with a name or without."""
_HEAD: Final = 4096
"""Bytes of comments before that."""


class _Message(msgspec.Struct):
    model: str | None = None
    usage: dict[str, Any] | None = None


class _Event(msgspec.Struct):
    message: _Message | None = None
    usage: dict[str, Any] | None = None


_DECODE = msgspec.json.Decoder(_Event).decode


class Sniffer(Seen):
    __slots__ = ("_along", "_buffer", "_start", "_totals", "_waiting")

    def __init__(self) -> None:
        super().__init__()
        self._buffer = b""
        self._waiting = False
        self._totals: dict[str, Any] = {}
        self._start: bytes | None = b""
        self._along: Along | None = None

    def feed(self, data: bytes) -> None:
        if self._start is not None:
            self._start += data
            first = _FIRST.match(self._start)
            if first and first[1] == b"data":
                self._along, data = Along(StreamReader()), self._start
            if first or len(self._start) > _HEAD:
                self._start = None
        if self._along is not None:
            self._follow(self._along, data)
            return
        buffer = self._buffer + data
        if self._waiting or b"message_" in buffer or b"error" in buffer:
            self._scan(buffer)
        else:
            self._buffer = buffer[-_TAIL:]

    def _follow(self, along: Along, data: bytes) -> None:
        along.feed(data)
        self.usage, self.model, self.error = along.usage, along.model, along.error
        self.ended, self.done = along.ended, along.done

    def _scan(self, buffer: bytes) -> None:
        """Goes over the lines of the buffer. An event line and its data must be whole: what is not waits."""
        at = 0
        self._waiting = False
        while (start := buffer.find(b"event:", at)) >= 0:
            at = start + 6
            if start and buffer[start - 1] not in b"\r\n":
                continue
            line_end = _line_end(buffer, at)
            name = buffer[at : line_end if line_end >= 0 else None].strip()
            if line_end >= 0 and name not in _WANTED:
                continue
            data = buffer.find(b"data:", line_end) if line_end >= 0 else -1
            data_end = _line_end(buffer, data) if data >= 0 else -1
            if data_end < 0 and not (data >= 0 and name == b"message_stop" and b"}" in buffer[data:]):
                self._waiting = len(buffer) - start < _MAX and (line_end >= 0 or len(name) < _TAIL)
                self._buffer = buffer[start:] if self._waiting else b""
                return
            at = data_end if data_end >= 0 else len(buffer)
            self._take(name, buffer[data + 5 : at])
        self._buffer = buffer[max(at, len(buffer) - _TAIL) :]

    def _take(self, name: bytes, data: bytes) -> None:
        if name == b"message_stop":
            self.ended = self.done = True
        elif name == b"error":
            self.error = failures.read_error(200, {}, data)
        else:
            self._count(data)

    def _count(self, data: bytes) -> None:
        try:
            event = _DECODE(data)
            message = event.message or _Message()
            self.model = message.model or self.model
            usage = event.usage or message.usage or {}
            merge(self._totals, usage)
            self.usage = read_usage(self._totals) if self._totals else None
        except (msgspec.DecodeError, Malformed, ValueError, RecursionError):
            return


_WANTED: Final = frozenset({b"message_start", b"message_delta", b"message_stop", b"error"})


def _line_end(buffer: bytes, at: int) -> int:
    """Where the line ends that `at` is in, -1 where it goes on: LF, CRLF or CR."""
    lf = buffer.find(b"\n", at)
    cr = buffer.find(b"\r", at, lf if lf >= 0 else len(buffer))
    return cr if cr >= 0 else lf
