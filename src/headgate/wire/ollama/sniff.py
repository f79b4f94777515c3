"""Watches Ollama's answers that are passed through, whole or streamed: usage, model, end and error.

Lines are found by byte search and only the last one, and what may be an error, is decoded; in JSON text the
marks can't occur with their quotes unescaped.
"""

import re
from typing import Any, Final

import msgspec

from headgate.wire import failures, ir
from headgate.wire.dialect import Glance, Seen
from headgate.wire.ollama.reply import read_usage
from headgate.wire.shape import Malformed

_MARK: Final = re.compile(rb'"done"\s*:\s*true|"error"')
_MAX: Final = 64 * 1024 * 1024


class _Message(msgspec.Struct):
    """Passed over: only that there is one counts."""


class _Facts(msgspec.Struct):
    model: Any = None
    done: Any = None
    message: _Message | None = None
    error: Any = None
    prompt: Any = msgspec.field(default=None, name="prompt_eval_count")
    answer: Any = msgspec.field(default=None, name="eval_count")


_DECODE: Final = msgspec.json.Decoder(_Facts).decode


def glance(body: bytes) -> Glance:
    """Usage and model of a whole answer. Never raises."""
    facts = _facts(body)
    if facts is None:
        return Glance()
    if facts.error is not None and facts.message is None:
        return Glance(error=failures.read_error(200, {}, body))
    return Glance(usage=_usage(facts), model=_model(facts))


class Sniffer(Seen):
    __slots__ = ("_rest",)

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""

    def feed(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        at = buffer.rfind(b"\n") + 1
        self._rest = buffer[at : at + _MAX]
        if at and _MARK.search(buffer, 0, at):
            for line in buffer[:at].split(b"\n"):
                self._look(line)
        if self._rest.endswith(b"}"):  # the last line may lack its end
            self._look(self._rest)

    def _look(self, line: bytes) -> None:
        if not _MARK.search(line) or (facts := _facts(line)) is None:
            return
        self.model = _model(facts) or self.model
        if facts.error is not None and facts.message is None:
            self.error = failures.read_error(200, {}, line)
        elif facts.done is True:
            self.usage = _usage(facts)
            self.ended = self.done = True


def _facts(data: bytes) -> _Facts | None:
    try:
        return _DECODE(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _model(facts: _Facts) -> str | None:
    return facts.model if isinstance(facts.model, str) else None


def _usage(facts: _Facts) -> ir.Usage | None:
    try:
        return read_usage({"prompt_eval_count": facts.prompt, "eval_count": facts.answer})
    except Malformed:
        return None
