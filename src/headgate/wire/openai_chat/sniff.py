"""Watching and trimming chat streams that are passed through: byte search first, decoding only at a find.

Marks are searched as the bytes that they are: inside a JSON string their quotes would be escaped.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.openai_chat.fields import read_usage

_TAIL: Final = 64
_MAX_EVENT: Final = 4 * 1024 * 1024
_WORTH: Final = re.compile(rb'"usage"\s*:\s*\{|"error"\s*:\s*[{"]')
"""What makes an event worth decoding."""
_END: Final = re.compile(rb'\[DONE\]|"finish_reason"\s*:\s*"[^"]')
_EMPTY: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_GAP: Final = re.compile(rb"\r?\n\r?\n")


class _Groq(Struct):
    usage: Any = None


class _Chunk(Struct):
    model: Any = None
    usage: Any = None
    error: Any = None
    x_groq: _Groq | None = None


_chunk: Final = msgspec.json.Decoder(_Chunk)


class Sniffer:
    """See dialect.Sniffer. What matters comes in few events: usage, the end, an error."""

    __slots__ = ("_held", "ended", "error", "model", "usage")

    def __init__(self) -> None:
        self.usage: ir.Usage | None = None
        self.ended = False
        self.error: HeadgateError | None = None
        self.model: str | None = None
        self._held = b""

    def feed(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
            self._held = b""
        if data[-2:] != b"\n\n":  # nearly always events come whole
            end = max(data.rfind(b"\n\n"), data.rfind(b"\n\r\n"))
            rest = data[end + 2 :] if end >= 0 else data
            data = data[: end + 2] if end >= 0 else b""
            if not self.ended and b"[DONE]" in rest:
                self.ended = True
            self._held = rest if len(rest) < _MAX_EVENT else rest[-_TAIL:]
        if self.model is None and data:
            self._decode(data, data.find(b"{"))
        at = data.find(b'"usage"')  # null in every chunk of those who were asked for it
        if (
            at >= 0 and (b"{" in data[at + 7 : at + 10] or data.find(b'"usage"', at + 7) >= 0)
        ) or b'"error"' in data:
            self._look(data)
        if not self.ended:
            at = data.find(b'_reason"')
            if at < 0 or b'"' in data[at + 8 : at + 11] or data.find(b'_reason"', at + 8) >= 0:
                self.ended = _END.search(data) is not None

    def _look(self, events: bytes) -> None:
        at = 0
        while (found := _WORTH.search(events, at)) is not None:
            start, end = _around(events, found.start())
            self._decode(events, events.find(b"{", start))
            at = max(end, found.end())

    def _decode(self, events: bytes, start: int) -> None:
        """The one JSON object that begins at `start` and ends with its line."""
        if start < 0:
            return
        end = events.find(b"\n", start)
        raw = events[start : end if end >= 0 else len(events)]
        try:
            seen = _chunk.decode(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return
        if isinstance(seen.model, str) and seen.model:
            self.model = self.model or seen.model
        for usage in (seen.x_groq.usage if seen.x_groq else None, seen.usage):
            if isinstance(usage, dict):
                self.usage = read_usage(usage)
        if seen.error:
            self.error = failures.read_document(msgspec.json.decode(raw))


class UsageStripper:
    """Takes the event out that has usage and no choices, for a client that did not ask for one."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on. An unfinished event waits for its end."""
        if self._held:
            data = self._held + data
            self._held = b""
        if data[-2:] != b"\n\n":
            end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3, 0)
            end = end if end >= 3 or data[:2] == b"\n\n" else 0
            if len(data) - end < _MAX_EVENT:
                data, self._held = data[:end], data[end:]
        at = data.find(b'"choices"')
        if at >= 0 and (b"]" in data[at + 9 : at + 14] or data.find(b'"choices"', at + 9) >= 0):
            return _without(data)
        return data

    def close(self) -> bytes:
        rest, self._held = self._held, b""
        return _without(rest)


def _without(data: bytes) -> bytes:
    at = 0
    while (found := _EMPTY.search(data, at)) is not None:
        start, end = _around(data, found.start())
        if _USAGE.search(data, start, end):
            data = data[:start] + data[end:]
            at = start
        else:
            at = max(end, found.end())
    return data


def _around(data: bytes, at: int) -> tuple[int, int]:
    """Where the event that holds this place begins and ends, its blank line included."""
    start = max(data.rfind(b"\n\n", 0, at) + 2, data.rfind(b"\n\r\n", 0, at) + 3)
    gap = _GAP.search(data, at)
    return (start if start >= 3 or data[:2] == b"\n\n" else 0), (gap.end() if gap else len(data))
