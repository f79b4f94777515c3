"""An answer that comes whole in place of a stream: a JSON document, perhaps an error, or a page of HTML.

The first byte tells. Stream readers hold a `Whole` and ask it about each piece until `maybe` is False.
Knows no format.
"""

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
