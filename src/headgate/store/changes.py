"""What replicas must read anew: whoever changes a key, a team, … does so in turn and notes it in the transaction.

Numbers are given out before transactions end, so that a lower one may appear after a higher one: the last seconds
are read again and again, and what was heard is remembered.
"""

import time
from collections import deque
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.engine import Connection

from headgate.store import tables
from headgate.store.database import Database
from headgate.store.ledger import Scope

AGAIN_SECONDS: Final = 15.0
KEEP_SECONDS: Final = 3_600.0
_table: Final = tables.changes


NOTED: Final = "headgate_noted"
_LOCK: Final = 7_236_871_044
"""PostgreSQL's advisory lock: any number that nobody else uses."""


def in_turn(connection: Connection) -> None:
    """Waits for the other changes, of all replicas: what is read from here on stays true until this one is made.
    SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def note(connection: Connection, kind: str, name: str) -> None:
    """For the other replicas; who does the work itself finds it in the connection's `info`, where it wants to."""
    connection.info.get(NOTED, []).append((kind, name))
    connection.execute(_table.insert().values(kind=kind, id=name, time=time.time()))


class Heard:
    """One replica's ear. Blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        newest = database.read(lambda connection: connection.scalar(select(func.max(_table.c.number)))) or 0
        self._floor = max(0, newest - 100)
        self._seen: set[int] = set()
        self._marks: deque[tuple[float, int]] = deque()

    def news(self) -> list[Scope]:
        """What changed since the last time. Raises ServiceUnavailableError."""
        where = select(_table).where(_table.c.number > self._floor).order_by(_table.c.number)
        rows = self._database.read(lambda connection: connection.execute(where).all())
        fresh = [row for row in rows if row.number not in self._seen]
        self._seen.update(row.number for row in fresh)
        now = time.monotonic()
        self._marks.append((now, rows[-1].number if rows else self._floor))
        while self._marks[0][0] < now - AGAIN_SECONDS:
            self._floor = self._marks.popleft()[1]
            self._seen = {number for number in self._seen if number > self._floor}
        return [(row.kind, row.id) for row in fresh]


def forget(connection: Connection) -> None:
    """Old changes, and the names of segments that can't come back."""
    segments = tables.segments
    connection.execute(segments.delete().where(segments.c.booked < time.time() - 30 * 86_400))
    newest = select(func.max(_table.c.number)).scalar_subquery()  # stays: SQLite goes on counting from it
    old = _table.c.time < time.time() - KEEP_SECONDS
    connection.execute(_table.delete().where(old, _table.c.number < newest))
