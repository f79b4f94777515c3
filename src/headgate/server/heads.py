"""The head of a client's last request, kept to know it again: clients that keep a connection send the same lines with
every request but for the body's length. Pure; what a head means is found by the lane's parser, once.
"""

import re
from typing import Final

from msgspec import Struct

from headgate.server.lines import Lines

_LENGTH: Final = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)
_LONGEST: Final = 15
"""Digits of a length: what is longer the parser is asked about."""


class Head(Struct, frozen=True):
    """`before` and `after` are its bytes around the digits of the body's length; the rest is what it means. `headers`
    lack that length."""

    before: bytes
    after: bytes
    kind: bytes
    path: str
    query: str
    headers: Lines

    def body(self, data: bytes) -> bytes | None:
        """What follows this head in `data`, which begins with `before`; None unless the rest of it is the same, too,
        and the body is there to its last byte and nothing behind it."""
        begun = len(self.before)
        end = data.find(b"\r", begun, begun + _LONGEST + 1)
        length = data[begun:end]
        if end < 0 or not length.isdigit() or not data.startswith(self.after, end):
            return None
        start = end + len(self.after)
        return data[start:] if len(data) - start == int(length) else None


def learned(data: bytes, path: str, query: str, headers: Lines) -> Head | None:
    """The head of a request that came in one piece; None for one whose body is framed in another way."""
    end = data.find(b"\r\n\r\n") + 4
    found = _LENGTH.search(data, 0, end)
    if found is None or len(data) - end != int(found[1]):
        return None
    others = Lines((name, value) for name, value in headers.items() if name != b"content-length")
    kind = headers.get(b"content-type", b"")
    return Head(data[: found.start(1)], data[found.end(1) : end], kind, path, query, others)
