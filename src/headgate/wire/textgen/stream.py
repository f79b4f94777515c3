"""A stream of a text generation format → events. Sans-I/O; any chunking."""

from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import ir, sse
from headgate.wire.ndjson import Lines
from headgate.wire.textgen.answer import at, failure_of, finish_of, usage_of
from headgate.wire.textgen.formats import Format

_DECODE: Final = msgspec.json.Decoder().decode


class StreamReader:
    """`feed` and `close` return the events so far. The format has no last event: the stream's end is the answer's,
    and an answer without the reason that the format promises was cut. Several answers may come in turns."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._decoder: Pieces | EventsOrLines = Pieces() if form.plain else EventsOrLines()
        self._begun: list[int] = []
        self._over = False
        self._reasons: dict[int, Any] = {}
        self._usage: ir.Usage | None = None

    def feed(self, data: bytes) -> list[ir.Event]:
        return self._read(self._decoder.feed(data))

    def close(self) -> list[ir.Event]:
        found = self._read(self._decoder.close())
        if self._over:
            return found
        self._over = True
        if not self._begun or (self._form.ends and not self._reasons):
            cut = APIResponseValidationError("the stream ended before the answer did")
            return [*found, ir.StreamFailure(cut)]
        found += [ir.BlockStop(place, 0) for place in self._begun]
        if self._usage is not None:
            found.append(ir.UsageUpdate(self._usage))
        last = next(reversed(self._reasons.values()), None)  # told once of all
        found += [
            ir.ChoiceEnd(place, finish_of(self._reasons.get(place, last))) for place in sorted(self._begun)
        ]
        return [*found, ir.ReplyEnd()]

    def _read(self, events: list[tuple[str, bytes]]) -> list[ir.Event]:
        found: list[ir.Event] = []
        for _, data in events:
            if self._over or data == b"[DONE]":
                continue
            if self._form.plain:
                self._say(0, data.decode("utf-8", "replace"), found)
                continue
            try:
                node = _DECODE(data)
            except (msgspec.DecodeError, ValueError, RecursionError):
                raise APIResponseValidationError(
                    f"the upstream's stream can't be read: {data[:60]!r} is no JSON"
                ) from None
            self._take(node, found)
        return found

    def _take(self, node: Any, found: list[ir.Event]) -> None:
        form = self._form
        if (failure := failure_of(form, node)) is not None:
            self._over = True
            found.append(ir.StreamFailure(failure))
            return
        place = at(node, form.place) if form.place else 0
        place = place if type(place) is int else 0
        text = at(node, form.piece)
        if isinstance(text, str) and not (form.skip and at(node, form.skip)):
            self._say(place, text, found)
        reason = at(node, form.ended or form.finish) if form.finish else None
        if reason and reason != form.going:
            self._reasons[place] = reason
        if (usage := usage_of(form, node)) is not None:
            self._usage = larger(usage, self._usage or usage)

    def _say(self, place: int, text: str, found: list[ir.Event]) -> None:
        if not self._begun:
            found.append(ir.ReplyStart())
        if place not in self._begun:
            self._begun.append(place)
            found.append(ir.BlockStart(place, 0, ir.Text("")))
        if text:
            found.append(ir.BlockDelta(place, 0, "text", text))


def larger(one: ir.Usage, other: ir.Usage) -> ir.Usage:
    """Counts grow while an answer does; some are told only once."""
    return ir.Usage(input=max(one.input, other.input), output=max(one.output, other.output))


class EventsOrLines:
    """Server-sent events, or lines of JSON in their place. The first byte tells which."""

    def __init__(self) -> None:
        self._events: sse.Decoder | None = None
        self._lines: Lines | None = None

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        if self._events is None and self._lines is None:
            if not (begun := data.lstrip()):
                return []
            if begun[:1] == b"{":
                self._lines = Lines()
            else:
                self._events = sse.Decoder()
        if self._lines is not None:
            return [("", line) for line in self._lines.feed(data)]
        return self._events.feed(data) if self._events is not None else []

    def close(self) -> list[tuple[str, bytes]]:
        if self._lines is not None:
            return [("", line)] if (line := self._lines.close()) else []
        return self._events.close() if self._events is not None else []


class Pieces:
    """A stream of bare text, its pieces set apart by NUL. A piece that has not ended waits, lest it end inside a
    character."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        *pieces, self._buffer = (self._buffer + data).split(b"\0")
        if len(self._buffer) > sse.MAX_EVENT:
            raise APIResponseValidationError(f"a piece of the stream is over {sse.MAX_EVENT} bytes")
        return [("", piece) for piece in pieces if piece]

    def close(self) -> list[tuple[str, bytes]]:
        rest, self._buffer = self._buffer, b""
        return [("", rest)] if rest else []
