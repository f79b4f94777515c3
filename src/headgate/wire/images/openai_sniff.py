"""Streams of pictures in OpenAI's format, passed through: what they used and whether they are complete.

https://platform.openai.com/docs/api-reference/images-streaming: partial pictures, then `….completed` with the usage,
or `error`. An event is one line, megabytes long: none is ever held or decoded as a whole. Knows no provider.
"""

import json
import re
from typing import Any, Final

from headgate.errors import HeadgateError
from headgate.wire import failures
from headgate.wire.images.answers import usage_of
from headgate.wire.ir import Usage

WINDOW: Final = 8 * 1024
"""Bytes of the past that a piece is looked at with."""
_FACT: Final = re.compile(rb'"(usage|size|quality|error)"\s*:\s*')
_DONE: Final = re.compile(rb'"type"\s*:\s*"image_(?:generation|edit)\.completed"')
_DECODE: Final = json.JSONDecoder().raw_decode


def facts(window: bytes) -> dict[str, Any]:
    """The values of the keys that stand whole in a piece of JSON. Inside a string their quotes would be escaped."""
    found: dict[str, Any] = {}
    for match in _FACT.finditer(window):
        try:
            found[match[1].decode()], _ = _DECODE(window[match.end() :].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue  # cut by the window's end
    return found


class Sniffer:
    """See dialect.Sniffer. Every completed picture counts."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.model: str | None = None
        self.ended = self.done = False
        self.error: HeadgateError | None = None
        self._facts: dict[str, Any] = {}
        self._images = 0
        self._tail = b""

    def feed(self, data: bytes) -> None:
        window, known = self._tail + data, len(self._tail)
        self._images += sum(1 for match in _DONE.finditer(window) if match.end() > known)
        self.ended = self._images > 0
        if b'"usage"' in window or b'"error"' in window or b'"size"' in window:
            self._facts.update(facts(window))
        if (error := self._facts.get("error")) and not self.ended:
            self.error = failures.read_document({"error": error})
        if self._facts or self._images:
            usage = usage_of(self._facts)
            usage.images = self._images
            self.usage = usage
        self._tail = window[-WINDOW:]
