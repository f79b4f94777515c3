"""Any dialect's stream inside AWS's event stream: frames → the inner stream's bytes → its events.

What a frame holds is its service's (`Opens`). Knows no service and no format.
"""

from typing import Protocol

from headgate.errors import HeadgateError
from headgate.wire import aws, eventstream, ir
from headgate.wire.dialect import Sniffer, StreamReader


class Opens(Protocol):
    """Of one stream."""

    def opened(self, message: eventstream.Message) -> bytes:
        """The bytes of the inner stream that an event brings. Raises APIResponseValidationError."""
        ...

    def rest(self) -> bytes:
        """The stream is over: what was held back."""
        ...


class Reader:
    """Frames → events. An answer that is no event stream is left to the inner reader."""

    def __init__(self, inner: StreamReader, opens: Opens) -> None:
        self._inner = inner
        self._opens = opens
        self._frames = eventstream.Decoder()
        self._framed: bool | None = None
        self._done = False

    def feed(self, data: bytes) -> list[ir.Event]:
        if self._framed is None and data:
            self._framed = data[:1] in (b"\x00", b"\x01")  # the first byte of a length under 32 MB
        if not self._framed:
            return self._inner.feed(data)
        out: list[ir.Event] = []
        try:
            for message in self._frames.feed(data):
                if self._done:
                    break
                self._take(message, out)
        except HeadgateError as error:
            self._fail(error, out)
        return out

    def close(self) -> list[ir.Event]:
        if self._done:
            return []
        out: list[ir.Event] = []
        try:
            self._frames.close()
        except HeadgateError as error:
            self._fail(error, out)
            return out
        if rest := self._opens.rest():
            out += self._inner.feed(rest)
        return out + self._inner.close()

    def _take(self, message: eventstream.Message, out: list[ir.Event]) -> None:
        if message.kind != "event":
            self._fail(aws.read_exception(message), out)
        elif data := self._opens.opened(message):
            out += self._inner.feed(data)
            self._done = bool(out) and isinstance(out[-1], ir.ReplyEnd | ir.StreamFailure)

    def _fail(self, error: HeadgateError, out: list[ir.Event]) -> None:
        self._done = True
        out.append(ir.StreamFailure(error))


class Watch:
    """A sniffer that shows the inner one what is in the frames."""

    def __init__(self, inner: Sniffer, opens: Opens) -> None:
        self._inner = inner
        self._opens = opens
        self._frames = eventstream.Decoder()
        self.error: HeadgateError | None = None

    @property
    def usage(self) -> ir.Usage | None:
        return self._inner.usage

    @property
    def ended(self) -> bool:
        return self._inner.ended

    @property
    def done(self) -> bool:
        return self._inner.done

    @property
    def model(self) -> str | None:
        return self._inner.model

    def feed(self, data: bytes) -> None:
        if self.error is not None:
            return
        try:
            for message in self._frames.feed(data):
                if message.kind != "event":
                    self.error = aws.read_exception(message)
                elif inside := self._opens.opened(message):
                    self._inner.feed(inside)
        except HeadgateError as error:
            self.error = error
        self.error = self.error or self._inner.error
