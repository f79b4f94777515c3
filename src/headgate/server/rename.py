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


def renaming(write: Callable[[bytes], None], name: str) -> Callable[[bytes], None]:
    """The same for a stream, event by event; what is no whole event yet waits for its rest."""
    held = b""

    def sink(data: bytes) -> None:
        nonlocal held
        data = held + data
        end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\n\r\n") + 4)
        if end < 4:
            held = data
            return
        held = data[end:]
        events = data[:end].split(b"data:")
        write(b"data:".join([events[0], *(renamed(event, name) for event in events[1:])]))

    return sink
