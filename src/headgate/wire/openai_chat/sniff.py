"""Watching and trimming chat streams that are passed through: byte search first, decoding only at a find."""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import HeadgateError
from headgate.wire import failures, ir
from headgate.wire.openai_chat.fields import read_usage

_TAIL: Final = 64
_MAX_EVENT: Final = 4 * 1024 * 1024
_END: Final = re.compile(rb"\r?\n\r?\n")
_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_FINISHED: Final = re.compile(rb'"finish_reason"\s*:\s*"[^"]')
_FAILED: Final = re.compile(rb'(?:^|\n)data: ?\{\s*"error"\s*:\s*[{"]')
_EMPTY_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')


class _Groq(Struct):
    usage: Any = None


class _Chunk(Struct):
    model: Any = None
    usage: Any = None
    error: Any = None
    choices: list[Any] | None = None
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
        if data[-2:] == b"\n\n":  # whole events, as nearly always
            if b'"usage":{' in data or b'"usage": {' in data or b'"error"' in data or self.model is None:
                self._look(data)
            elif not self.ended and (b"[DONE]" in data or b'_reason":"' in data or b'_reason": "' in data):
                self.ended = True
            return
        end = max(data.rfind(b"\n\n"), data.rfind(b"\n\r\n"))
        if end >= 0:
            self._look(data[: end + 2])
            data = data[end + 2 :]
        if b"[DONE]" in data:
            self.ended = True
        self._held = data if len(data) < _MAX_EVENT else data[-_TAIL:]

    def _look(self, events: bytes) -> None:
        if b"[DONE]" in events or _FINISHED.search(events):
            self.ended = True
        if self.model is not None and not (_USAGE.search(events) or b'"error"' in events):
            return
        for event in _END.split(events):
            at = event.find(b"{")
            if at < 0 or b"data:" not in event[:at]:
                continue
            if self.model is not None and not (_USAGE.search(event) or b'"error"' in event):
                continue
            try:
                seen = _chunk.decode(event[at:])
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                continue
            self._take(seen, event[at:])

    def _take(self, seen: _Chunk, raw: bytes) -> None:
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
        """The bytes to pass on. An unfinished event that might be the one waits for its end."""
        if self._held:
            data = self._held + data
            self._held = b""
        if b'"choices"' not in data or not _EMPTY_CHOICES.search(data):
            return self._hold_tail(data) if data[-2:] != b"\n\n" else data
        return self._hold_tail(data)

    def close(self) -> bytes:
        rest, self._held = self._held, b""
        return b"" if _strippable(rest) else rest

    def _hold_tail(self, data: bytes) -> bytes:
        out: list[bytes] = []
        at = 0
        for end in _END.finditer(data):
            event = data[at : end.end()]
            if not _strippable(event):
                out.append(event)
            at = end.end()
        rest = data[at:]
        if len(rest) > _MAX_EVENT:
            out.append(rest)
        else:
            self._held = rest
        return b"".join(out)


def _strippable(event: bytes) -> bool:
    return bool(_EMPTY_CHOICES.search(event) and _USAGE.search(event))
