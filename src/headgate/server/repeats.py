"""`Idempotency-Key`: the same key and body get one answer, one upstream call and one ledger row.

Whoever repeats a call that is under way joins it, a stream from its first event; who repeats one that is over gets
what was stored. In this process: replicas behind one address should keep a client on one of them.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from headgate.errors import BadRequestError, ConflictError
from headgate.server.exchange import Exchange

HEADER: Final = b"idempotency-key"
MAX_KEY: Final = 255
SECONDS: Final = 600.0
"""How long an answer is stored."""
MAX_STORED: Final = 1_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one answer; a longer one is not stored, and nobody may join it any more."""
PASSING: Final = frozenset((408, 409, 429))
"""Statuses, with all from 500 on, after which a repetition is a new call."""

Event: TypeAlias = tuple[str, int, bytes, bytes]
"""send, start, write or end, with status, headers and body."""


class Tape:
    """See exchange.Exchange: plays to everybody who listens, and remembers for those who come later."""

    def __init__(self, exchange: Exchange) -> None:
        self.method, self.path, self.client = exchange.method, exchange.path, exchange.client
        self.query = exchange.query
        self.headers: Sequence[tuple[bytes, bytes]] = exchange.headers
        self.body = exchange.body
        self.fingerprint = hashlib.sha256(exchange.path.encode() + b"\n" + exchange.body).digest()
        self.status = 0
        self.over = False
        self.lost = False
        self._events: list[Event] = []
        self._size = 0
        self._listeners: list[Exchange] = []

    def join(self, exchange: Exchange) -> None:
        for event in self._events:
            _play(event, exchange)
        if not self.over:
            self._listeners.append(exchange)

    def leave(self, exchange: Exchange) -> None:
        if exchange in self._listeners:
            self._listeners.remove(exchange)

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        self.status, self.over = status, True
        self._tell(("send", status, headers, body))

    def start(self, status: int, headers: bytes) -> None:
        self.status = status
        self._tell(("start", status, headers, b""))

    def write(self, data: bytes) -> None:
        self._tell(("write", 0, b"", data))

    def end(self) -> None:
        self.over = True
        self._tell(("end", 0, b"", b""))

    def flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Nobody is waited for: what a slow client has not read is remembered anyway."""

    def _tell(self, event: Event) -> None:
        self._size += len(event[3])
        self.lost = self.lost or self._size > MAX_BYTES
        if self.lost:
            self._events.clear()
        else:
            self._events.append(event)
        for exchange in self._listeners:
            _play(event, exchange)


def _play(event: Event, exchange: Exchange) -> None:
    kind, status, headers, body = event
    if kind == "send":
        exchange.send(status, headers, body)
    elif kind == "start":
        exchange.start(status, headers)
    elif kind == "write":
        exchange.write(body)
    else:
        exchange.end()


class Repeats:
    """By caller and key. Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tapes: dict[tuple[str, bytes], tuple[Tape, asyncio.Future[None], float]] = {}

    async def answer(
        self, whose: str, key: bytes, exchange: Exchange, serve: Callable[[Exchange], Awaitable[None]]
    ) -> None:
        """Raises BadRequestError for a key that is none, ConflictError for one that was used with another body."""
        if not 0 < len(key) <= MAX_KEY:
            raise BadRequestError(
                f"'Idempotency-Key' must have 1 to {MAX_KEY} characters", param="Idempotency-Key"
            )
        at, now = (whose, key), self._clock()
        tape, task = self._known(at, now)
        if tape is None or task is None:
            tape = Tape(exchange)
            task = asyncio.ensure_future(serve(tape))
            self._tapes[at] = tape, task, now
            task.add_done_callback(lambda done: self._done(at, tape))
        elif tape.fingerprint != Tape(exchange).fingerprint:
            raise ConflictError(
                "this Idempotency-Key was used with another body: use a new key for a new call",
                param="Idempotency-Key",
                code="idempotency_conflict",
            )
        tape.join(exchange)
        try:
            await asyncio.shield(task)
        finally:
            tape.leave(exchange)

    def _known(self, at: tuple[str, bytes], now: float) -> tuple[Tape | None, "asyncio.Future[None] | None"]:
        while self._tapes and (
            len(self._tapes) >= MAX_STORED or next(iter(self._tapes.values()))[2] + SECONDS < now
        ):
            del self._tapes[next(iter(self._tapes))]
        tape, task, _ = self._tapes.get(at, (None, None, 0.0))
        return (None, None) if tape is None or tape.lost else (tape, task)

    def _done(self, at: tuple[str, bytes], tape: Tape) -> None:
        """A failure that may pass is not stored."""
        passing = tape.status >= 500 or tape.status in PASSING or not tape.over
        if (passing or tape.lost) and self._tapes.get(at, (None,))[0] is tape:
            del self._tapes[at]
