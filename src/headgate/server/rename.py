"""LiteLLM's way of naming the model in an answer: the name that was asked for instead of the upstream's.

Works on bytes. `"model":` can't occur inside a JSON string, where the quotes would be escaped.
"""

from collections.abc import Callable
from typing import Final

import msgspec

_KEY: Final = b'"model"'


def renamed(document: bytes, name: str) -> bytes:
    """The document with the value of its first "model" key replaced."""
    at = document.find(_KEY)
    while at >= 0:
        start = at + len(_KEY)
        colon = document[start : start + 8].lstrip()[:1] == b":"
        first = document.find(b'"', start)
        last = document.find(b'"', first + 1)
        if colon and 0 < first < last and not document[start:first].strip(b" \t\r\n:"):
            return document[:first] + msgspec.json.encode(name) + document[last + 1 :]
        at = document.find(_KEY, start)
    return document


def renaming(write: Callable[[bytes], None], name: str, *, lines: bool = False) -> Callable[[bytes], None]:
    """The same for a stream, event by event; what is no whole event yet waits for its rest. `lines`: each line is an
    event, else they are server-sent events."""
    held = b""
    mark, ends = (b"\n", (b"\n",)) if lines else (b"data:", (b"\n\n", b"\r\n\r\n"))

    def sink(data: bytes) -> None:
        nonlocal held
        data = held + data
        end = max(data.rfind(one) + len(one) if one in data else 0 for one in ends)
        if not end:
            held = data
            return
        held = data[end:]
        before, *events = data[:end].split(mark)
        if lines:  # what stands before the first mark is a line, too
            before = renamed(before, name)
        write(mark.join([before, *(renamed(event, name) for event in events)]))

    return sink
