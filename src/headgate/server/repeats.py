"""`Idempotency-Key`: the same key and body get one answer, one upstream call and one ledger row.

Whoever repeats a call that is under way joins it, a stream from its first event; who repeats one that is over gets
what was stored. Processes that share a database share the stored answers, too; who repeats a call that another one of
them is making waits for its end.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

import msgspec
from sqlalchemy.engine import Connection

from headgate.errors import BadRequestError, ConflictError, ServiceUnavailableError
from headgate.server.exchange import Exchange
from headgate.store import repeats
from headgate.store.database import Database

HEADER: Final = b"idempotency-key"
MAX_KEY: Final = 255
SECONDS: Final = 600.0
"""How long an answer is stored."""
MAX_STORED: Final = 1_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one answer; a longer one is not stored, and nobody may join it any more."""
MAX_SHARED: Final = 4 * 1024 * 1024
"""Of one answer that goes into the database."""
LOOK_SECONDS: Final = 0.1
"""How often it is looked whether another process has the answer."""
PASSING: Final = frozenset((408, 409, 429))
"""Statuses, with all from 500 on, after which a repetition is a new call."""

Event: TypeAlias = tuple[str, int, bytes, bytes]
"""send, start, write or end, with status, headers and body."""


class Tape:
    """See exchange.Exchange: plays to everybody who listens, and remembers for those who come later."""

    def __init__(self, exchange: Exchange) -> None:
        self.method, self.path, self.client = exchange.method, exchange.path, exchange.client
        self.query = exchange.query
        self.headers = exchange.headers
        self.body = exchange.body
        self.fingerprint = _fingerprint(exchange)
        self.arriving = None if exchange.arriving is None else exchange.arriving.handed_on()
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

    def start(self, status: int, headers: bytes, length: int | None = None) -> None:
        self.status = status
        self._tell(("start", status, headers, b""))

    def write(self, data: bytes) -> None:
        self._tell(("write", 0, b"", data))

    def end(self) -> None:
        self.over = True
        self._tell(("end", 0, b"", b""))

    @property
    def stored(self) -> bytes | None:
        """What other processes may play; None for what they should ask anew."""
        if not self.lasts or self._size > MAX_SHARED:
            return None
        return msgspec.msgpack.encode(self._events)

    @property
    def lasts(self) -> bool:
        """A failure that may pass is not stored."""
        return self.over and not self.lost and self.status < 500 and self.status not in PASSING

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


def _fingerprint(exchange: Exchange) -> str:
    form = None if exchange.arriving is None else exchange.arriving.form
    body = exchange.body if form is None else form.fingerprint.encode()
    return hashlib.sha256(exchange.path.encode() + b"\n" + body).hexdigest()


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


class Shelf:
    """The calls of other processes."""

    def __init__(self, database: Database, owner: str) -> None:
        self._database = database
        self._owner = owner

    async def claim(self, name: str, fingerprint: str) -> list[Event] | None:
        """The answer to a call that another process has made, None where this one is to make it. Waits for one that
        is under way. Raises ConflictError for another body."""
        while True:
            found = await self._database.run(
                lambda connection: repeats.claim(connection, name, fingerprint, self._owner)
            )
            if found.mine:
                return None
            if found.fingerprint != fingerprint:
                raise _conflict()
            if found.answer is not None:
                return msgspec.msgpack.decode(found.answer, type=list[Event])
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self, name: str, tape: Tape, task: "asyncio.Future[None]") -> None:
        """Says that the call is being made, until it is over; then stores what was answered."""
        while not (await asyncio.wait([task], timeout=repeats.ALIVE_SECONDS / 3))[0]:
            await self._told(lambda connection: repeats.alive(connection, name, self._owner))
        answer = tape.stored
        if answer is None:
            await self._told(lambda connection: repeats.give_back(connection, name, self._owner))
        else:
            await self._told(
                lambda connection: repeats.answered(connection, name, self._owner, answer, SECONDS)
            )

    async def _told(self, work: Callable[[Connection], None]) -> None:
        with suppress(
            ServiceUnavailableError
        ):  # then others make the call again: the answer is not lost for it
            await self._database.run(work)


class Repeats:
    """By caller and key. Belongs to one event loop. `shelf`: where other processes' answers are."""

    def __init__(self, clock: Callable[[], float], shelf: Shelf | None = None) -> None:
        self._clock = clock
        self._shelf = shelf
        self._tapes: dict[tuple[str, bytes], tuple[Tape, asyncio.Future[None], float]] = {}
        self._keeping: set[asyncio.Future[None]] = set()

    async def answer(
        self, whose: str, key: bytes, exchange: Exchange, serve: Callable[[Exchange], Awaitable[None]]
    ) -> None:
        """An upload has been read. Raises BadRequestError for a key that is none, ConflictError for one that was used
        with another body."""
        if not 0 < len(key) <= MAX_KEY:
            raise BadRequestError(
                f"'Idempotency-Key' must have 1 to {MAX_KEY} characters", param="Idempotency-Key"
            )
        at, fingerprint = (whose, key), _fingerprint(exchange)
        tape, task = self._known(at)
        if tape is None and self._shelf is not None:
            name = hashlib.sha256(whose.encode() + b"\n" + key).hexdigest()
            for event in await self._shelf.claim(name, fingerprint) or ():
                _play(event, exchange)
                if event[0] in ("send", "end"):
                    return
            tape, task = self._begin(at, exchange, serve)
            keeping = asyncio.ensure_future(self._shelf.keep(name, tape, task))
            self._keeping.add(keeping)
            keeping.add_done_callback(self._keeping.discard)
        elif tape is None or task is None:
            tape, task = self._begin(at, exchange, serve)
        elif tape.fingerprint != fingerprint:
            raise _conflict()
        tape.join(exchange)
        try:
            await asyncio.shield(task)
        finally:
            tape.leave(exchange)

    def _begin(
        self, at: tuple[str, bytes], exchange: Exchange, serve: Callable[[Exchange], Awaitable[None]]
    ) -> tuple[Tape, "asyncio.Future[None]"]:
        tape = Tape(exchange)
        task = asyncio.ensure_future(serve(tape))
        self._tapes[at] = tape, task, self._clock()
        task.add_done_callback(lambda done: self._done(at, tape))
        return tape, task

    def _known(self, at: tuple[str, bytes]) -> "tuple[Tape, asyncio.Future[None]] | tuple[None, None]":
        now = self._clock()
        while self._tapes and (
            len(self._tapes) >= MAX_STORED or next(iter(self._tapes.values()))[2] + SECONDS < now
        ):
            del self._tapes[next(iter(self._tapes))]
        tape, task, _ = self._tapes.get(at, (None, None, 0.0))
        return (None, None) if tape is None or task is None or tape.lost else (tape, task)

    def _done(self, at: tuple[str, bytes], tape: Tape) -> None:
        if not tape.lasts and self._tapes.get(at, (None,))[0] is tape:
            del self._tapes[at]


def _conflict() -> ConflictError:
    return ConflictError(
        "this Idempotency-Key was used with another body: use a new key for a new call",
        param="Idempotency-Key",
        code="idempotency_conflict",
    )
