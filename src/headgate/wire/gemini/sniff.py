"""Watches Gemini answers that are passed through, whole or streamed: usage, model, end and error.

Every event of a stream carries totals, so only the newest is kept, and decoded when somebody asks. What ends
or breaks a stream is found by byte search; in JSON text these names can't occur with their quotes unescaped.
"""

from typing import Any, Final

import msgspec

from headgate.errors import HeadgateError
from headgate.wire import ir, sse
from headgate.wire.dialect import Glance
from headgate.wire.gemini import failure
from headgate.wire.gemini.usage import read_usage
from headgate.wire.shape import Malformed


class _Grounding(msgspec.Struct):
    queries: Any = msgspec.field(default=None, name="webSearchQueries")


class _Candidate(msgspec.Struct):
    reason: Any = msgspec.field(default=None, name="finishReason")
    grounding: _Grounding | None = msgspec.field(default=None, name="groundingMetadata")


class _Feedback(msgspec.Struct):
    reason: Any = msgspec.field(default=None, name="blockReason")


class _Facts(msgspec.Struct):
    candidates: list[_Candidate] | None = None
    feedback: _Feedback | None = msgspec.field(default=None, name="promptFeedback")
    usage: dict[str, Any] | None = msgspec.field(default=None, name="usageMetadata")
    model: str | None = msgspec.field(default=None, name="modelVersion")
    error: Any = None


_ONE = msgspec.json.Decoder(_Facts).decode
_MANY = msgspec.json.Decoder(list[_Facts]).decode


def _facts(data: bytes) -> list[_Facts]:
    try:
        return _MANY(data) if data.lstrip()[:1] == b"[" else [_ONE(data)]
    except (msgspec.DecodeError, ValueError, RecursionError):
        return []


def _usage(facts: _Facts) -> ir.Usage | None:
    if facts.usage is None:
        return None
    try:
        usage = read_usage(facts.usage)
    except Malformed:
        return None
    queries = [item.grounding.queries for item in facts.candidates or () if item.grounding is not None]
    usage.web_searches = (
        sum(len([q for q in given if q]) for given in queries if isinstance(given, list)) or None
    )
    return usage


def _ends(facts: _Facts) -> bool:
    blocked = facts.feedback is not None and facts.feedback.reason is not None
    return blocked or any(item.reason for item in facts.candidates or ())


def glance(body: bytes) -> Glance:
    """Usage and model of a whole answer, or of an array of them. Never raises."""
    out = Glance()
    for facts in _facts(body):
        if facts.error is not None and facts.candidates is None:
            return Glance(error=failure.read_error(200, {}, body))
        out.usage = _usage(facts) or out.usage
        out.model = facts.model or out.model
    return out


_DATA: Final = b"data:"
_MARKS: Final = (b'"finishReason"', b'"blockReason"', b'"error"')


class Sniffer:
    """`usage` and `model` are decoded from the newest event when asked for."""

    __slots__ = ("_buffer", "_ended", "_error", "_model", "_newest", "_read", "_usage", "_whole", "done")

    def __init__(self) -> None:
        self._buffer = b""
        self._newest = b""
        self._read = b""
        self._whole: bool | None = None
        self._usage: ir.Usage | None = None
        self._model: str | None = None
        self._ended = False
        self.done = False
        self._error: HeadgateError | None = None

    def feed(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if self._whole is None and (first := buffer.lstrip()[:1]):
            self._whole = first in (b"[", b"{")
        if self._whole:
            self._buffer = buffer[: sse.MAX_EVENT]
            return
        at = max(buffer.rfind(b"\n\n"), buffer.rfind(b"\n\r\n"))
        if at < 0:
            self._buffer = buffer[: sse.MAX_EVENT]
            return
        self._buffer = buffer[at + 2 :].lstrip(b"\r\n")
        self._scan(buffer[:at])

    def _scan(self, events: bytes) -> None:
        """One or more whole events: the last of them with totals is kept."""
        if any(mark in events for mark in _MARKS):
            for event in events.split(b"\n"):
                if event.startswith(_DATA):
                    self._look(event[len(_DATA) :])
        at = events.rfind(b'"usageMetadata"')
        if at >= 0:
            start = max(events.rfind(b"\n" + _DATA, 0, at) + 1, 0)
            end = events.find(b"\n", at)
            self._newest = events[start + len(_DATA) : end if end >= 0 else None]

    def _look(self, data: bytes) -> None:
        for facts in _facts(data):
            if facts.error is not None and facts.candidates is None:
                self._error = failure.read_error(200, {}, data)
            self._ended = self._ended or _ends(facts)

    def _settle(self) -> None:
        """Reads what came since the last time, also an event without its blank line."""
        rest = self._buffer
        if self._whole:
            for facts in _facts(rest):
                self._take(facts)
            self._look(rest)
            return
        if rest.startswith(_DATA) and rest.rstrip().endswith(b"}"):
            self._scan(rest)
        elif rest.startswith(b"{") and b'"error"' in rest:
            self._look(rest)
        if self._newest is not self._read:
            self._read = self._newest
            for facts in _facts(self._newest):
                self._take(facts)

    def _take(self, facts: _Facts) -> None:
        self._usage = _usage(facts) or self._usage
        self._model = facts.model or self._model

    @property
    def usage(self) -> ir.Usage | None:
        self._settle()
        return self._usage

    @usage.setter
    def usage(self, usage: ir.Usage | None) -> None:
        self._usage = usage

    @property
    def model(self) -> str | None:
        self._settle()
        return self._model

    @model.setter
    def model(self, model: str | None) -> None:
        self._model = model

    @property
    def ended(self) -> bool:
        if not self._ended:
            self._settle()
        return self._ended

    @ended.setter
    def ended(self, ended: bool) -> None:
        self._ended = ended

    @property
    def error(self) -> HeadgateError | None:
        if self._error is None:
            self._settle()
        return self._error

    @error.setter
    def error(self, error: HeadgateError | None) -> None:
        self._error = error
