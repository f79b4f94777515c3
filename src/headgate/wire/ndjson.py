"""Newline-delimited JSON: bytes → lines, for any chunking. Knows no format.

https://github.com/ndjson/ndjson-spec. Works on bytes, so a chunk may end inside a character. Empty lines are
passed over, a CR before the line end belongs to it.
"""

from typing import Final

from headgate.errors import APIResponseValidationError

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of one line; an upstream that never ends a line must not fill the memory."""


class Lines:
    """`feed` returns the lines completed so far; `rest` is what has come of the next one."""

    __slots__ = ("rest",)

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Raises APIResponseValidationError for a line over `MAX_LINE`."""
        buffer = self.rest + data if self.rest else data
        *lines, self.rest = buffer.split(b"\n")
        if len(self.rest) > MAX_LINE:
            raise APIResponseValidationError(f"a line of the stream is over {MAX_LINE} bytes")
        return [line for line in map(bytes.strip, lines) if line]

    def close(self) -> bytes:
        """The last line, where the stream ended without a line end; b"" where there is none."""
        rest, self.rest = self.rest.strip(), b""
        return rest
