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

MAX_BATCHES: Final = 64
FLUSH_SECONDS: Final = 0.2
MAX_LINES: Final = 50_000


class CallLine(Struct, frozen=True, omit_defaults=True):
    """What is logged of one call. `time` is Unix seconds; durations are milliseconds; cost is US dollars."""

    time: float
    call: str
    status: int
    operation: str
    model: str
    client: str = ""
    key: str = ""
    deployment: str = ""
    provider: str = ""
    upstream_model: str = ""
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
    dropped: tuple[str, ...] = ()
    error: str = ""
    message: str = ""


def as_json(line: CallLine) -> bytes:
    """Durations to a microsecond."""
    return _encoder.encode(
        msgspec.structs.replace(
            line,
            ms=round(line.ms, 3),
            first_token_ms=round(line.first_token_ms, 3),
            overhead_ms=round(line.overhead_ms, 3),
        )
    )


def as_text(line: CallLine) -> bytes:
    """For a person at a terminal: time, status, what, where, how long, how much."""
    head = f"{_clock(int(line.time))} {line.status} {line.operation} {line.model}"
    where = f" → {line.provider}/{line.upstream_model}" if line.upstream_model else ""
    took = f" {line.ms:.0f} ms"
    if line.first_token_ms and line.stream:
        took += f" (first token {line.first_token_ms:.0f} ms)"
    used = f" {line.input_tokens}+{line.output_tokens} tokens" if line.input_tokens else ""
    cost = f" ${line.cost}" if line.cost else ""
    more = f" {line.attempts} tries" if line.attempts > 1 else ""
    more += f" {line.fallbacks} fallbacks" if line.fallbacks else ""
    more += f" dropped {','.join(line.dropped)}" if line.dropped else ""
    fault = f" {line.error}: {line.message}" if line.error else ""
    text = f"{head}{where}{took}{used}{cost}{more}{fault} [{line.call}]"
    if not text.isprintable():
        text = " ".join(text.split())
    return text.encode("utf-8", "replace")


_encoder: Final = msgspec.json.Encoder()


@lru_cache(maxsize=4)
def _clock(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


class CallLog:
    """Gathers lines and hands them to a writing thread. `later` schedules a callback on the event loop."""

    def __init__(
        self,
        out: BinaryIO,
        render: Callable[[CallLine], bytes],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._render = render
        self._later = later
        self._lines: list[CallLine] = []
        self._queue: queue.Queue[list[CallLine] | None] = queue.Queue(MAX_BATCHES)
        self._out = out
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="headgate-call-log", daemon=True)
        self._thread.start()

    def add(self, line: CallLine) -> None:
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
