"""Watching a Responses stream that is passed through: only its last event is decoded."""

from typing import Any, Final

import msgspec

from headgate.wire import failures, sse
from headgate.wire.dialect import Seen
from headgate.wire.responses.reply import failure_of, read_usage

_MARKS: Final = (b"response.completed", b"response.incomplete", b"response.failed", b'"error"')
_EDGE: Final = 400
"""Bytes at the beginning and the end of an event among which its kind stands."""
_CREATED: Final = b"response.created"
_ENDS: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_DECODE: Final = msgspec.json.Decoder().decode


class Sniffer(Seen):
    """See dialect.Sniffer. Events are kept until they are whole, and then only looked at where a mark is in them."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        super().__init__()
        self._decoder = sse.Decoder()

    def feed(self, data: bytes) -> None:
        for name, event in self._decoder.feed(data):
            if (
                name == "error"
                or any(mark in event for mark in _MARKS)
                or (self.model is None and _CREATED in event)
            ):
                self._look(name, event)
        rest = self._decoder.rest
        if rest.endswith((b"}", b"}\n")) and any(mark in rest[:_EDGE] + rest[-_EDGE:] for mark in _MARKS):
            self._look("", rest.partition(b"data:")[2].strip())  # the last event, without its blank line

    def _look(self, name: str, event: bytes) -> None:
        try:
            node: Any = _DECODE(event)
        except (msgspec.DecodeError, RecursionError, ValueError):
            return
        if not isinstance(node, dict):
            return
        kind, response = str(node.get("type") or name), node.get("response")
        if kind == "error" or (not kind.startswith("response.") and node.get("error")):
            told = node.get("error")
            self.error = failures.read_document({"error": told} if isinstance(told, dict) else node)
        if not isinstance(response, dict):
            return
        if isinstance(response.get("model"), str):
            self.model = response["model"]
        if kind in _ENDS:
            self.done = True
            self.usage = read_usage(response.get("usage"), response.get("service_tier")) or self.usage
            self.error = failure_of(response) or self.error
            self.ended = self.error is None
