"""An answer that comes whole in place of a stream: a JSON document, perhaps an error, or a page of HTML.

The first byte tells. Stream readers hold a `Whole` and ask it about each piece until `maybe` is False.
Knows no format.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.wire import ir, sse
from headgate.wire.fold import unfold

_BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = _BOM + b" \t\r\n\x0b\x0c"


class Whole:
    """`starts` are the bytes that such an answer begins with."""

    __slots__ = ("_body", "_starts", "maybe")

    def __init__(self, starts: bytes = b"{[") -> None:
        self._starts = starts
        self._body: bytearray | None = None
        self.maybe = True

    def takes(self, data: bytes) -> bool:
        """Whether the piece is part of a whole answer, which keeps it. Raises APIResponseValidationError for one that
        is over `sse.MAX_EVENT` bytes."""
        if self._body is None:
            first = data.lstrip(_BLANK)[:1]
            if not first:
                return False
            if first not in self._starts:
                self.maybe = False
                return False
            self._body = bytearray()
        self._body += data
        if len(self._body) > sse.MAX_EVENT:
            raise APIResponseValidationError(f"an answer in place of a stream is over {sse.MAX_EVENT} bytes")
        return True

    def body(self) -> bytes | None:
        """All of it, None where a stream has come, or nothing."""
        return None if self._body is None else bytes(self._body).removeprefix(_BOM)


def events_of(
    body: bytes,
    read: Callable[[bytes], ir.Reply],
    failed: Callable[[bytes, HeadgateError], HeadgateError] = lambda body, error: error,
) -> list[ir.Event]:
    """The events of a whole answer, or its failure. `failed` says what a body means that `read` can't read."""
    try:
        return list(unfold(read(body)))
    except APIResponseValidationError as error:
        return [ir.StreamFailure(failed(body, error))]
    except HeadgateError as error:
        return [ir.StreamFailure(error)]


class EventsOrWhole(ABC):
    """A reader of server-sent events, or of a whole answer in their place; an error is the last event. Subclasses
    take events until `_done`, read a whole answer, and say what the end of the stream means."""

    def __init__(self) -> None:
        self._sse = sse.Decoder()
        self._whole = Whole()
        self._done = False

    def feed(self, data: bytes) -> list[ir.Event]:
        return self._guarded(lambda out: self._more(data, out))

    def close(self) -> list[ir.Event]:
        return self._guarded(self._last)

    @abstractmethod
    def _take(self, rows: list[tuple[str, bytes]], out: list[ir.Event]) -> None: ...

    @abstractmethod
    def _read_whole(self, body: bytes) -> ir.Reply: ...

    @abstractmethod
    def _end(self, out: list[ir.Event]) -> None:
        """Of a stream that is not done."""

    def _more(self, data: bytes, out: list[ir.Event]) -> None:
        if not (self._whole.maybe and self._whole.takes(data)):
            self._take(self._sse.feed(data), out)

    def _last(self, out: list[ir.Event]) -> None:
        if (body := self._whole.body()) is not None:
            out += unfold(self._read_whole(body))
            self._done = True
            return
        self._take(self._sse.close(), out)
        if not self._done:
            self._end(out)

    def _guarded(self, read: Callable[[list[ir.Event]], None]) -> list[ir.Event]:
        out: list[ir.Event] = []
        try:
            if not self._done:
                read(out)
        except HeadgateError as error:
            self._done = True
            out.append(ir.StreamFailure(error))
        return out
