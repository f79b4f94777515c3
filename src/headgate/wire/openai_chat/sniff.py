"""Watching and trimming a chat stream that is passed through: byte searches first, decoding only at a find.

Inside a JSON string a quotation mark has a backslash before it, so `"usage":{` is never a piece of the
answer's text. Nearly every chunk is one whole event: that path has no copy, no call of ours and no regular
expression, and searches from the end, which is the faster way in CPython and where the marks stand.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.wire import failures, sse
from headgate.wire.dialect import Seen
from headgate.wire.openai_chat.fields import read_usage
from headgate.wire.openai_chat.stream import failure_of

MAX_HELD: Final = 64 * 1024 * 1024
"""Bytes of an unfinished event that are kept; a longer one goes by unseen."""

_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_BOUNDARY: Final = re.compile(rb"\n\r?\n|\r\r(?!\n)")
_EDGES: Final = (b"\n\n", b"\n\r\n", b"\r\r")
"""The same for searches from the end."""
_DONE: Final = (b"[DONE]\n\n", b"[DONE]\r\n\r\n", b"[DONE]\r\r")
_NULLS: Final = (b"nu", b" n")
"""How a null begins after the colon."""

_USAGE: Final = b'"usage"'
_FINISH: Final = b'"finish_reason"'
_USAGE_OBJECT: Final = re.compile(rb'"usage"\s*:\s*\{')
_EMPTY: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_CHOICE: Final = re.compile(rb'"choices"\s*:\s*\[\s*\{')
_MARKS: Final = (
    _USAGE_OBJECT,
    re.compile(rb'"finish_reason"\s*:\s*"'),
    re.compile(rb'"error"'),
    re.compile(rb"event:\s*error"),
    re.compile(rb"\[DONE\]"),
)
"""What makes an event worth looking at. One expression for all would be slower: each begins with a text of its
own."""


class _Choice(Struct):
    usage: Any = None
    finish_reason: Any = None
    error: Any = None


class _Chunk(Struct):
    model: Any = None
    service_tier: Any = None
    usage: Any = None
    error: Any = None
    x_groq: Any = None
    choices: Any = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk).decode


def _marked(data: bytes) -> bool:
    return any(mark.search(data) for mark in _MARKS)


def _begin(data: bytes, at: int) -> int:
    """Where the event begins that stands at this place."""
    edges = _EDGES if b"\r" in data else _EDGES[:1]
    return max((found + len(edge) for edge in edges if (found := data.rfind(edge, 0, at)) >= 0), default=0)


def _end(data: bytes, at: int) -> int:
    """Where that event ends, -1 where its end is still to come."""
    found = _BOUNDARY.search(data, at)
    return found.end() if found else -1


class Sniffer(Seen):
    """See dialect.Sniffer. `ended` is also true after a finish reason: not every server sends `[DONE]`."""

    __slots__ = ("_parts", "_size", "_tail")

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""

    def feed(self, data: bytes) -> None:
        if self._parts or not data.endswith(_ENDS):
            self._collect(data)
            return
        usage = data.rfind(_USAGE)
        finish = data.rfind(_FINISH)
        if (
            (usage >= 0 and (data[usage + 8 : usage + 10] not in _NULLS or data.rfind(_USAGE, 0, usage) >= 0))
            or (finish >= 0 and data[finish + 16 : finish + 18] not in _NULLS)
            or data.rfind(b'"error"') >= 0
            or data.rfind(b"\n", 0, -4) >= 0
            or data.endswith(_DONE)
            or self.model is None
        ):
            self._look(data)

    def _collect(self, data: bytes) -> None:
        """Pieces are joined only when an event among them is complete, or looks as if the stream ended."""
        seam = self._tail + data
        self._parts.append(data)
        self._size += len(data)
        self._tail = seam[-4:]
        last = max(seam.rfind(end) for end in _ENDS)
        if last < 0 and not seam.rstrip().endswith((b"}", b"]")):
            if self._size > MAX_HELD:
                self._keep(b"")
            return
        held = b"".join(self._parts)
        cut = max(held.rfind(end) + len(end) for end in _ENDS if end in held) if last >= 0 else 0
        if cut and _worth(held, self.model):
            self._look(held[:cut])
        rest = held[cut:]
        self._keep(rest)
        if rest and rest.rstrip().endswith((b"}", b"[DONE]")) and _marked(rest):
            self._look(rest)  # perhaps the last event, without its blank line

    def _keep(self, rest: bytes) -> None:
        self._parts = [rest] if rest else []
        self._size = len(rest)
        self._tail = rest[-4:]

    def _look(self, data: bytes) -> None:
        """Of whole events: at all until the model is known, then at those with a mark."""
        at = 0
        while self.model is None and at < len(data):
            at = self._look_at(data, at)
        for place in sorted(found.start() for mark in _MARKS for found in mark.finditer(data, at)):
            if place >= at:
                at = self._look_at(data, max(at, _begin(data, place)))

    def _look_at(self, data: bytes, begin: int) -> int:
        """Where the event ends that begins there."""
        end = _end(data, begin)
        if end < 0:
            end = len(data)
        decoder = sse.Decoder()
        for name, event in [*decoder.feed(data[begin:end]), *decoder.close()]:
            if event.startswith(b"[DONE]"):
                self.ended = self.done = True
            else:
                self._take(name, event)
        return end

    def _take(self, name: str, event: bytes) -> None:
        try:
            chunk = _CHUNK(event)
            if chunk.error or name == "error":
                self.error = failures.read_document(msgspec.json.decode(event))
                return
            if chunk.choices is None or b'"error"' in event:
                self.error = failure_of(msgspec.json.decode(event)) or self.error
        except (msgspec.DecodeError, ValueError, RecursionError):
            return
        if isinstance(chunk.model, str) and chunk.model:
            self.model = chunk.model
        choices = (
            [row for row in chunk.choices if isinstance(row, dict)] if isinstance(chunk.choices, list) else []
        )
        self._finish(choices)
        groq = chunk.x_groq.get("usage") if isinstance(chunk.x_groq, dict) else None
        for usage in (chunk.usage, *(row.get("usage") for row in choices), groq):
            if isinstance(usage, dict):
                self.usage = read_usage(usage, chunk.service_tier)
                return

    def _finish(self, choices: list[dict[str, Any]]) -> None:
        for row in choices:
            if row.get("error"):
                self.error = failures.read_document({"error": row["error"]})
            elif row.get("finish_reason") and row["finish_reason"] != "error":
                self.ended = True


def _worth(data: bytes, model: str | None) -> bool:
    return model is None or _marked(data)


class UsageStripper:
    """Takes out the event that has a usage and no choices, for a client that did not ask for one.

    All other bytes pass unchanged; an unfinished event waits only as long as it may be that one.
    """

    __slots__ = ("_held", "_passing")

    def __init__(self) -> None:
        self._held = b""
        self._passing = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes to pass on."""
        if self._held or self._passing or not data.endswith(_ENDS):
            return self._split(data)
        usage = data.rfind(_USAGE)
        if usage < 0 or (data[usage + 8 : usage + 10] in _NULLS and data.rfind(_USAGE, 0, usage) < 0):
            return data
        return self._split(data)

    def close(self) -> bytes:
        """What is left when the stream is over."""
        rest, self._held = self._held, b""
        return b"" if _is_usage(rest) else rest

    def _split(self, data: bytes) -> bytes:
        """`_held` is the start of an event that may be the one; `_passing` the last bytes of one that is not,
        among which its end may have begun."""
        out: list[bytes] = []
        if self._passing:
            known = len(self._passing)
            seam = self._passing + data
            end = _end(seam, 0)
            if end <= known:
                self._passing = seam[-4:]
                return data
            out.append(seam[known:end])
            data, self._passing = seam[end:], b""
        buffer, self._held = self._held + data, b""
        start = 0
        for found in _USAGE_OBJECT.finditer(buffer):
            begin, end = _begin(buffer, found.start()), _end(buffer, found.start())
            if begin >= start and end > 0 and _is_usage(buffer[begin:end]):
                out.append(buffer[start:begin])
                start = end
        last = max(start, _begin(buffer, len(buffer)))
        out.append(buffer[start:last])
        rest = buffer[last:]
        if _CHOICE.search(rest) or len(rest) > MAX_HELD:
            out.append(rest)
            self._passing = rest[-4:]
        else:
            self._held = rest
        return b"".join(out)


def _is_usage(event: bytes) -> bool:
    if not (_EMPTY.search(event) and _USAGE_OBJECT.search(event)):
        return False
    decoder = sse.Decoder()
    rows = [*decoder.feed(event), *decoder.close()]
    try:
        chunk = _CHUNK(rows[0][1]) if len(rows) == 1 else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return chunk is not None and chunk.choices == [] and isinstance(chunk.usage, dict)
