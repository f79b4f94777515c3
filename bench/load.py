"""The load generator: callers in a closed loop, and readers of paced streams. Every answer is checked.

It knows an address and a request, not what stands behind the address. Counts and times are bounded: whoever
doesn't answer within TIMEOUT fails the run.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httptools

from bench import wire

TIMEOUT = 60.0
RAMP = 1.0  # seconds over which paced streams begin
Check = Callable[[int, bytes], str | None]  # (status, body) -> what is wrong with it


class LoadError(Exception):
    """An answer was wrong, or didn't come."""


def check_whole(expected: bytes | None = None) -> Check:
    """A whole answer: exactly `expected`, or, where it was translated, one that has the marker in it."""

    def check(status: int, body: bytes) -> str | None:
        if status == 200 and (body == expected if expected is not None else wire.WHOLE_MARK in body):
            return None
        return f"status {status}, unexpected body {body[:300]!r}"

    return check


def check_stream(tokens: int) -> Check:
    """A chat stream: all tokens, in chat's form, and its end."""

    def check(status: int, body: bytes) -> str | None:
        found = body.count(wire.MARK)
        if status == 200 and found == tokens and body.endswith(b"data: [DONE]\n\n"):
            return None
        return f"status {status}, {found} of {tokens} tokens, ends with {body[-200:]!r}"

    return check


@dataclass
class Run:
    """What a number of calls took: seconds of wall clock, and each call's latency in ns."""

    calls: int
    seconds: float
    latencies: array[int]

    def latency(self, share: float) -> float:
        """Quantile of the latency in microseconds."""
        return quantile(self.latencies, share) / 1000


def quantile(values: Sequence[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Caller(asyncio.Protocol):
    """One kept-alive connection: a request, its answer, the next request."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._began = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        self._load.fail(f"connection closed: {error or 'by the other side'}")

    def send(self) -> None:
        self._body = b""
        self._began = time.monotonic_ns()
        self._transport.write(self._load.request)

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._load.fail(f"unreadable answer: {error}")

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        wrong = self._load.check(self._parser.get_status_code(), self._body)
        if wrong is not None:
            self._load.fail(wrong)
        elif self._load.answered(time.monotonic_ns() - self._began):
            self.send()


class Load:
    """`connections` callers that together make the calls of `run`. Use as an async context manager."""

    def __init__(self, port: int, request: bytes, check: Check, connections: int) -> None:
        self.request = request
        self.check = check
        self._port = port
        self._size = connections
        self._callers: list[_Caller] = []
        self._to_send = self._to_come = 0
        self._latencies: array[int] = array("q")
        self._done: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Load:
        loop = asyncio.get_running_loop()
        for _ in range(self._size):
            _, caller = await loop.create_connection(lambda: _Caller(self), "127.0.0.1", self._port)
            self._callers.append(caller)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._done = None
        for caller in self._callers:
            caller.close()

    async def run(self, calls: int) -> Run:
        """Make `calls` calls. Raises LoadError on the first wrong answer or after TIMEOUT seconds."""
        self._to_send = self._to_come = calls
        self._latencies = array("q")
        self._done = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        for caller in self._callers[:calls]:
            self._to_send -= 1
            caller.send()
        try:
            await asyncio.wait_for(self._done, TIMEOUT)
        except TimeoutError:
            raise LoadError(f"{self._to_come} of {calls} answers did not come in {TIMEOUT:g} s") from None
        return Run(calls, time.perf_counter() - began, self._latencies)

    def answered(self, latency: int) -> bool:
        """Count an answer; True when its caller shall send again."""
        self._latencies.append(latency)
        self._to_come -= 1
        if self._to_come == 0 and self._done is not None and not self._done.done():
            self._done.set_result(None)
        if self._to_send == 0:
            return False
        self._to_send -= 1
        return True

    def fail(self, wrong: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(LoadError(wrong))


@dataclass
class PacedRun:
    """Delays in ns of the tokens that arrived in the window while all streams ran."""

    streams: int
    seconds: float
    delays: array[int] = field(default_factory=lambda: array("q"))

    def delay(self, share: float) -> float:
        """Quantile of the delay from upstream to client, in milliseconds."""
        return quantile(self.delays, share) / 1e6


class _Reader(asyncio.Protocol):
    """One paced stream, from its request to its end."""

    def __init__(self, run: _Streams) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._tail = b""
        self._now = 0
        self.tokens = 0
        self.complete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(self._run.request)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.complete:
            self._run.fail(f"stream closed after {self.tokens} tokens: {error or 'by the other side'}")

    def data_received(self, data: bytes) -> None:
        self._now = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._run.fail(f"unreadable answer: {error}")

    def on_body(self, body: bytes) -> None:
        data = self._tail + body if self._tail else body
        begin = data.find(wire.MARK)
        end = 0
        while begin >= 0 and begin + wire.TOKEN_SIZE <= len(data):
            end = begin + wire.TOKEN_SIZE
            self.tokens += 1
            if self.tokens == 1:
                self._run.started()
            if self._run.recording:
                self._run.result.delays.append(self._now - int(data[begin + len(wire.MARK) : end]))
            begin = data.find(wire.MARK, end)
        self._tail = data[max(end, len(data) - wire.TOKEN_SIZE + 1) :]

    def on_message_complete(self) -> None:
        status, ended = self._parser.get_status_code(), self._tail.endswith(b"[DONE]\n\n")
        self.complete = status == 200 and self.tokens == self._run.tokens and ended
        if self.complete:
            self._run.finished()
        else:
            text = f"status {status}, {self.tokens} of {self._run.tokens} tokens, ends with {self._tail!r}"
            self._run.fail(text)
        self._transport.abort()


class _Streams:
    """What the readers of one run share."""

    def __init__(self, request: bytes, tokens: int, streams: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self.request = request
        self.tokens = tokens
        self.recording = False
        self.result = PacedRun(streams, seconds)
        self.all_started: asyncio.Future[None] = loop.create_future()
        self.all_finished: asyncio.Future[None] = loop.create_future()
        self._to_start = self._to_finish = streams

    def started(self) -> None:
        self._to_start -= 1
        if self._to_start == 0 and not self.all_started.done():
            self.all_started.set_result(None)

    def finished(self) -> None:
        if self.recording:
            self.fail("a stream ended before the window closed: too slow to begin all of them")
        self._to_finish -= 1
        if self._to_finish == 0 and not self.all_finished.done():
            self.all_finished.set_result(None)

    def fail(self, wrong: str) -> None:
        waited_for = self.all_finished if self.all_started.done() else self.all_started
        if not waited_for.done():
            waited_for.set_exception(LoadError(wrong))


async def read_streams(
    port: int,
    request: Callable[[int], bytes],
    streams: int,
    seconds: float,
    at_edge: Callable[[], None] = lambda: None,
) -> PacedRun:
    """Open `streams` paced streams and watch them for `seconds` while all of them run.

    `request(tokens)` makes the request for that many tokens. `at_edge` is called when the window opens and
    when it closes. Raises LoadError when a stream is cut, incomplete or not done in time.
    """
    tokens = int((2 * RAMP + seconds) * wire.TOKENS_PER_SECOND)
    run = _Streams(request(tokens), tokens, streams, seconds)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(streams):
        await asyncio.sleep(max(0.0, began + RAMP * number / streams - loop.time()))
        await loop.create_connection(lambda: _Reader(run), "127.0.0.1", port)
    try:
        async with asyncio.timeout(TIMEOUT):
            await run.all_started
            at_edge()
            run.recording = True
            await asyncio.sleep(seconds)
            run.recording = False
            at_edge()
            await run.all_finished
    except TimeoutError:
        raise LoadError(f"not all of {streams} streams ended in {TIMEOUT:g} s") from None
    return run.result
