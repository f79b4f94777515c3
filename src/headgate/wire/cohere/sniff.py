"""Watching a Cohere stream that is passed through: only its last event is decoded."""

from typing import Any, Final

import msgspec

from headgate.wire import failures
from headgate.wire.cohere import failure
from headgate.wire.cohere.older import Decoder
from headgate.wire.cohere.usage import read_usage
from headgate.wire.dialect import Seen

_END: Final = b"message-end"
_TYPE: Final = b'"type"'
_DECODE: Final = msgspec.json.Decoder().decode


class Sniffer(Seen):
    """See dialect.Sniffer. Answers name no model. `done` is the last event with content: a `[DONE]` may follow."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        super().__init__()
        self._decoder = Decoder()

    def feed(self, data: bytes) -> None:
        for name, event in self._decoder.feed(data):
            if _END in event or _TYPE not in event or name == "error":
                self._look(name, event)
        rest = self._decoder.rest
        if _END in rest and rest.rstrip().endswith(b"}}"):
            self._look("", rest.partition(b"data:")[2].strip())  # the last event, without its blank line

    def _look(self, name: str, event: bytes) -> None:
        try:
            node: Any = _DECODE(event)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return
        if not isinstance(node, dict):
            return
        kind = node.get("type") or name
        if kind == "message-end":
            delta = node["delta"] if isinstance(node.get("delta"), dict) else {}
            self.done = True
            self.usage = read_usage(delta.get("usage")) or self.usage
            self.error = failure.in_end(delta)
            self.ended = self.error is None
        elif kind == "error" or (not kind and (node.get("message") or node.get("error"))):
            self.error = failures.read_document(node)
