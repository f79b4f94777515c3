"""Moves what the journal holds into the database: a thread that may block, wait and try again.

While the database is away the segments stay on disk and the memory stays bounded.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy.engine import Connection

from headgate.errors import HeadgateError
from headgate.store import journal as journals
from headgate.store import ledger
from headgate.store.database import Database
from headgate.store.journal import Journal
from headgate.store.ledger import Paid, Record, Scope

EVERY_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 1.0
_logger = logging.getLogger("headgate")


class Mover:
    """`add`, `finish` and `roll` belong to the event loop; what blocks happens in the thread."""

    def __init__(self, database: Database, journal: Journal, *, rows: bool = True) -> None:
        self.rows = rows
        """Whether each call gets a row, or the sums are all that is kept."""
        self.owner = ""
        """Whose leases shrink by what is booked; "" where no budgets are shared."""
        self.booked: Callable[[Paid], None] = _ignore
        """Called in the thread with what was paid."""
        self._database = database
        self._journal = journal
        self._rolls: deque[tuple[Scope, float]] = deque()
        self._backlog: deque[Path] = deque()
        self._draining = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="headgate-ledger", daemon=True)

    def start(self) -> None:
        """Books what dead processes left, then goes on in a thread. Raises ServiceUnavailableError."""
        self.replay()
        self._thread.start()

    def replay(self) -> int:
        """How many records were in segments that nobody holds."""
        count = 0
        for path in journals.orphans(self._journal.folder):
            count += self._book_file(path, "")
            path.unlink(missing_ok=True)
        return count

    def add(self, record: Record) -> None:
        """Before the answer's last byte. Raises OSError where the journal can't be written."""
        journal = self._journal
        journal.append(ledger.encode(record))
        if journal.full:
            self.finish()

    def roll(self, scope: Scope, since: float) -> None:
        """A budget's new period has begun."""
        self._rolls.append((scope, since))

    @property
    def writable(self) -> bool:
        return self._journal.writable

    @property
    def waiting(self) -> int:
        """Segments that wait for the database."""
        return len(self._backlog)

    def finish(self) -> None:
        """Hands what was added to the thread; called every `EVERY_SECONDS`."""
        self._backlog.extend(self._journal.rotate())
        if self._backlog or self._rolls:
            self._wake.set()

    async def flush(self) -> None:
        """Books everything that was added: for reports that must be true now. Raises ServiceUnavailableError."""
        self.finish()
        await asyncio.to_thread(self._drain)

    def close(self) -> None:
        """Books what is left; where the database is away it stays in the journal until the next start."""
        self.finish()
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        try:
            self._drain()
        except HeadgateError as error:
            _logger.warning("the ledger's last records wait for the next start: %s", error.message)
        self._journal.close()

    def _work(self) -> None:
        failing = False
        while not self._stopping:
            self._wake.wait(RETRY_SECONDS if self._backlog else None)
            self._wake.clear()
            try:
                self._drain()
                failing = False
            except HeadgateError as error:
                if not failing:
                    _logger.warning("the ledger waits in the journal: %s", error.message)
                failing = True
            except Exception as bug:
                _logger.error("the ledger could not be moved to the database", exc_info=bug)

    def _drain(self) -> None:
        with self._draining:
            while self._rolls:
                scope, since = self._rolls[0]
                self._database.write(partial(ledger.roll, scope=scope, since=since))
                self._rolls.popleft()
            while self._backlog:
                path = self._backlog[0]
                self._book_file(path, self.owner)
                path.unlink(missing_ok=True)
                self._backlog.popleft()

    def _book_file(self, path: Path, owner: str) -> int:
        """Read back from the disk, or rather from its cache: to keep records in memory until then costs more."""
        lines, rest = journals.read(path)
        strange: list[bytes] = []
        refused: list[Record] = []

        def book(connection: Connection, refused: list[Record] | None = None) -> Paid:
            strange.clear()
            records = _decoded(lines, strange)
            paid = ledger.book_segment(
                connection, path.stem, records, rows=self.rows, owner=owner, refused=refused
            )
            for _ in records:  # of one that was booked before, the strange lines are set aside all the same
                pass
            return paid

        try:
            paid = self._database.write(book)
        except ledger.WRONG:
            paid = self._database.write(partial(book, refused=refused))
        if owner:
            self.booked(paid)
        count = len(lines) - len(strange) - len(refused)
        strange += [ledger.encode(record) for record in refused]
        if left := b"\n".join((*strange, *([rest] if rest else ()))):
            aside = journals.set_aside(path, left)
            _logger.error("%d bytes of the journal are damaged and were set aside: %s", len(left), aside)
        return count


def _decoded(lines: list[bytes], strange: list[bytes]) -> Iterator[Record]:
    """The records, as they are asked for; what is none goes to `strange`."""
    for at in range(0, len(lines), ledger.AT_ONCE):
        yield from _part_decoded(lines[at : at + ledger.AT_ONCE], strange)


def _part_decoded(lines: list[bytes], strange: list[bytes]) -> list[Record]:
    """Parts of requests are kept as they came, with what can't be read in them."""
    with suppress(*ledger.UNREADABLE):
        return ledger.decoded(lines)
    records: list[Record] = []
    for line in lines:
        try:
            records.append(ledger.decode(line))
        except ledger.UNREADABLE:
            try:
                records.append(ledger.salvaged(line))
            except ledger.UNREADABLE:
                strange.append(line)
    return records


def _ignore(paid: Paid) -> None:
    pass
