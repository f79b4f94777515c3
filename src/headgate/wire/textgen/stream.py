"""A stream of a text generation format → events. Sans-I/O; any chunking."""

from typing import Any, Final

import msgspec

from headgate.errors import APIResponseValidationError
from headgate.wire import ir, sse
from headgate.wire.textgen.answer import at, failure_of, finish_of, usage_of
from headgate.wire.textgen.formats import Format

_DECODE: Final = msgspec.json.Decoder().decode


class StreamReader:
    """`feed` and `close` return the events so far. The format has no last event: the stream's end is the answer's,
    and an answer without the reason that the format promises was cut."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._decoder: sse.Decoder | Pieces = Pieces() if form.plain else sse.Decoder()
        self._started = False
        self._over = False
        self._reason: Any = None
        self._usage: ir.Usage | None = None

    def feed(self, data: bytes) -> list[ir.Event]:
        return self._read(self._decoder.feed(data))

    def close(self) -> list[ir.Event]:
        found = self._read(self._decoder.close())
        if self._over:
            return found
        self._over = True
        if not self._started or (self._form.ends and self._reason is None):
            cut = APIResponseValidationError("the stream ended before the answer did")
            return [*found, ir.StreamFailure(cut)]
        usage = [ir.UsageUpdate(self._usage)] if self._usage is not None else []
        return [*found, ir.BlockStop(0, 0), *usage, ir.ChoiceEnd(0, finish_of(self._reason)), ir.ReplyEnd()]

    def _read(self, events: list[tuple[str, bytes]]) -> list[ir.Event]:
        found: list[ir.Event] = []
        for _, data in events:
            if self._over or data == b"[DONE]":
                continue
            if self._form.plain:
                self._say(data.decode("utf-8", "replace"), found)
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
        if (failure := failure_of(node)) is not None:
            self._over = True
            found.append(ir.StreamFailure(failure))
            return
        text = at(node, form.piece)
        if isinstance(text, str) and not (form.skip and at(node, form.skip)):
            self._say(text, found)
        reason = at(node, form.ended or form.finish) if form.finish else None
        if reason and reason != form.going:
            self._reason = reason
        if (usage := usage_of(form, node)) is not None:
            self._usage = larger(usage, self._usage or usage)

    def _say(self, text: str, found: list[ir.Event]) -> None:
        if not self._started:
            self._started = True
            found += [ir.ReplyStart(), ir.BlockStart(0, 0, ir.Text(""))]
        if text:
            found.append(ir.BlockDelta(0, 0, "text", text))


def larger(one: ir.Usage, other: ir.Usage) -> ir.Usage:
    """Counts grow while an answer does; some are told only once."""
    return ir.Usage(input=max(one.input, other.input), output=max(one.output, other.output))


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
