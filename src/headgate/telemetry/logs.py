"""One line per call, written away from the call's own path: a batch at a time, by a thread that may block.

Lines hold facts about a call, never bodies, headers or secrets. When whoever reads our output is slower than
we are, lines are given up and counted, calls are not held up.
"""

import queue
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import BinaryIO, Final

import msgspec
from msgspec import Struct

from headgate.money import shown
from headgate.record import Finished

MAX_BATCHES: Final = 64
FLUSH_SECONDS: Final = 0.2
MAX_LINES: Final = 50_000


class _Line(Struct, frozen=True, omit_defaults=True):
    """A call as JSON. `time` is Unix seconds; durations are milliseconds, cost is US dollars."""

    time: float
    call: str
    status: int
    operation: str
    model: str
    client: str | None = None
    key: str = ""
    deployment: str | None = None
    provider: str | None = None
    upstream_model: str | None = None
    path: str = ""
    stream: bool = False
    ms: float = 0.0
    first_token_ms: float = 0.0
    overhead_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost: str | None = None
    attempts: int = 0
    fallbacks: int = 0
    dropped: list[str] = []
    error: str | None = None
    message: str = ""


def as_json(finished: Finished) -> bytes:
    """What is nothing is left out."""
    record = finished.record
    return _encode(
        _Line(
            time=record.ended,
            call=record.id,
            status=record.status,
            operation=record.operation,
            model=record.model,
            client=record.client,
            key=finished.key,
            deployment=record.deployment,
            provider=record.provider,
            upstream_model=record.upstream_model,
            path=finished.path,
            stream=finished.stream,
            ms=_milliseconds(record.seconds),
            first_token_ms=_milliseconds(record.seconds_to_first_token or 0.0),
            overhead_ms=_milliseconds(finished.overhead),
            input_tokens=record.input_tokens,
            output_tokens=record.output_tokens,
            cached_tokens=record.tokens.get("cache_read", 0) if record.tokens else 0,
            cost=None if record.cost is None else shown(record.cost),
            attempts=record.attempts,
            fallbacks=record.fallbacks,
            dropped=finished.dropped,
            error=record.error,
            message=finished.message,
        )
    )


def _milliseconds(seconds: float) -> float:
    """To a microsecond."""
    return round(seconds * 1e6) / 1000


def as_text(finished: Finished) -> bytes:
    """For a person at a terminal: time, status, what, where, how long, how much."""
    record = finished.record
    model = record.model
    if record.upstream_model:
        model = f"{model} -> {record.provider}/{record.upstream_model}"
    if not model.isprintable():
        model = _line(model)
    more = ""
    if finished.stream and (first := record.seconds_to_first_token):
        more = f" (first token {round(first * 1000)} ms)"
    if record.input_tokens:
        more += f" {record.input_tokens}+{record.output_tokens} tokens"
    if record.cost is not None:
        more += f" ${shown(record.cost)}"
    if record.attempts > 1:
        more += f" {record.attempts} tries"
    if record.fallbacks:
        more += f" {record.fallbacks} fallbacks"
    if finished.dropped:
        more += f" dropped {_line(','.join(finished.dropped))}"
    if record.error:
        more += f" {record.error}: {_line(finished.message)}"
    took = round(record.seconds * 1000)
    head = f"{_clock(int(record.ended))} {record.status} {record.operation}"
    return f"{head} {model} {took} ms{more} [{record.id}]".encode("utf-8", "replace")


def _line(text: str) -> str:
    """What clients and providers say stays on its line, and commands no terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


_encode: Final = msgspec.json.Encoder().encode


@lru_cache(maxsize=4)
def _clock(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


class CallLog:
    """Gathers lines and hands them to a writing thread. `later` schedules a callback on the event loop."""

    def __init__(
        self,
        out: BinaryIO,
        render: Callable[[Finished], bytes],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._render = render
        self._later = later
        self._lines: list[Finished] = []
        self._queue: queue.Queue[list[Finished] | None] = queue.Queue(MAX_BATCHES)
        self._out = out
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="headgate-call-log", daemon=True)
        self._thread.start()

    def add(self, line: Finished) -> None:
        if not self._lines:
            self._later(FLUSH_SECONDS, self.flush)
        elif len(self._lines) >= MAX_LINES:
            self.lost += 1
            return
        self._lines.append(line)

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._queue.put_nowait(lines)
        except queue.Full:
            self.lost += len(lines)

    def close(self) -> None:
        """Writes what is left, waiting at most two seconds for a reader that hangs."""
        self.flush()
        try:
            self._queue.put(None, timeout=2)
        except queue.Full:
            return
        self._thread.join(timeout=2)

    def _work(self) -> None:
        while (lines := self._queue.get()) is not None:
            try:
                self._out.write(b"".join(self._render(line) + b"\n" for line in lines))
                self._out.flush()
            except (OSError, ValueError):  # nobody reads any more
                self.lost += len(lines)
