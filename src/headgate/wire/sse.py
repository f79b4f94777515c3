"""Server-sent events: bytes → (event, data) pairs, for any chunking.

https://html.spec.whatwg.org/multipage/server-sent-events.html, with one difference: a last event without its
blank line is delivered at `close`, since providers end streams that way. Works on bytes, so a chunk may end
inside a character or between CR and LF.
"""

from typing import Final

from headgate.errors import APIResponseValidationError

MAX_EVENT: Final = 64 * 1024 * 1024
"""Bytes of one event; an upstream that never ends an event must not fill the memory."""


class Decoder:
    """`feed` and `close` return the events completed so far as (event name, data); "" is no name.

    Events without data, comments, `id` and `retry` are passed over.
    """

    __slots__ = ("_buffer", "_cr", "_fresh")

    def __init__(self) -> None:
        self._buffer = b""
        self._cr = False
        self._fresh = True

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        if self._cr or b"\r" in data:
            data = self._normalise(data)
        buffer = self._buffer + data if self._buffer else data
        if self._fresh:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                self._buffer = buffer
                return []
            self._fresh = False
            buffer = buffer.removeprefix(b"\xef\xbb\xbf")
        if b"\n\n" not in buffer:
            if len(buffer) > MAX_EVENT:
                raise APIResponseValidationError(f"an event of the stream is over {MAX_EVENT} bytes")
            self._buffer = buffer
            return []
        *blocks, self._buffer = buffer.split(b"\n\n")
        return [event for block in blocks if (event := _parse(block)) is not None]

    @property
    def rest(self) -> bytes:
        """What has come of the event that is not complete yet."""
        return self._buffer

    def close(self) -> list[tuple[str, bytes]]:
        """The last event, where the stream ended without a blank line."""
        rest, self._buffer, self._cr = self._buffer, b"", False
        event = _parse(rest)
        return [] if event is None else [event]

    def _normalise(self, data: bytes) -> bytes:
        """Every line end as LF. A CR at the end of a chunk waits: an LF may follow."""
        if self._cr:
            data = b"\r" + data
        self._cr = data.endswith(b"\r")
        if self._cr:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parse(block: bytes) -> tuple[str, bytes] | None:
    if block.startswith(b"data:") and b"\n" not in block:
        return "", block[6:] if block[5:6] == b" " else block[5:]
    name = ""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            lines.append(value)
        elif key == b"event":
            name = value.decode("utf-8", "replace")
    return (name, b"\n".join(lines)) if lines else None


def encode(data: bytes, event: str = "") -> bytes:
    """One event. `data` holds no line end: JSON as we write it never does."""
    if event:
        return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"
