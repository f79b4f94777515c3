"""Files, batches and fine-tuning jobs: whose they are and who keeps them. A batch is paid once. Blocks."""

import time
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import delete, or_, select, update
from sqlalchemy.engine import Connection

from headgate.store import leases, ledger, totals
from headgate.store.ledger import Paid, Record
from headgate.store.tables import jobs
from headgate.store.totals import Scope

WATCH_SECONDS: Final = 30 * 86_400.0
"""How long results are waited for: providers keep theirs about as long."""
WATCHED: Final = 1_000
MOST: Final = 10_000
"""Of a list."""
_COLUMNS: Final = tuple(jobs.c.keys())


class Job(Struct, kw_only=True):
    """`kind` is file, batch or fine_tuning. `deployment` keeps it; `batch` is whose results a file holds. `payer` is
    what a record of the ledger says of a caller beside key and team. `document` is what we keep of it ourselves.
    `booked` is when a batch was paid, None until then; `held` is what it can cost, by budget, told once when it is
    made."""

    id: str
    kind: str
    created: float
    key: str
    team_id: str | None = None
    provider: str
    deployment: str
    batch: str | None = None
    payer: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    booked: float | None = None
    held: dict[Scope, int] = {}


def save(connection: Connection, rows: Sequence[Job], owner: str = "") -> None:
    """Whoever had an id first keeps it; its document is renewed. What is held for a batch was in the leases of the
    `owner`, "" where there are none."""
    made = totals.insert(connection, jobs)
    upsert = made.on_conflict_do_update(index_elements=["id"], set_={"document": made.excluded.document})
    connection.execute(upsert, [{name: getattr(row, name) for name in _COLUMNS} for row in rows])
    for row in rows:
        if row.held:
            leases.reserve(connection, row.id, row.held, WATCH_SECONDS, owner)


def load(connection: Connection, id: str) -> Job | None:  # noqa: A002 -- the column
    row = connection.execute(select(jobs).where(jobs.c.id == id)).first()
    return None if row is None else Job(**row._mapping)


def among(connection: Connection, ids: Sequence[str]) -> list[Job]:
    """Those of these ids that are noted."""
    found: list[Job] = []
    for part in totals.parts(ids):
        rows = connection.execute(select(jobs).where(jobs.c.id.in_(part)))
        found += [Job(**row._mapping) for row in rows]
    return found


def owned(
    connection: Connection, kind: str, key: str | None, team_id: str | None, provider: str
) -> list[Job]:
    """Newest first. `key` None: everybody's."""
    wanted = select(jobs).where(jobs.c.kind == kind, jobs.c.provider == provider)
    if key is not None:
        mine = jobs.c.key == key
        wanted = wanted.where(mine if team_id is None else or_(mine, jobs.c.team_id == team_id))
    rows = connection.execute(wanted.order_by(jobs.c.created.desc(), jobs.c.id).limit(MOST))
    return [Job(**row._mapping) for row in rows]


def unpaid(connection: Connection, now: float) -> list[Job]:
    """Batches whose results may still come, oldest first."""
    wanted = select(jobs).where(
        jobs.c.kind == "batch", jobs.c.booked.is_(None), jobs.c.created > now - WATCH_SECONDS
    )
    return [Job(**row._mapping) for row in connection.execute(wanted.order_by(jobs.c.created).limit(WATCHED))]


def remove(connection: Connection, id: str) -> None:  # noqa: A002 -- the column
    connection.execute(delete(jobs).where(jobs.c.id == id))


def pay(
    connection: Connection, job: Job, records: Sequence[Record], *, rows: bool
) -> tuple[Paid, dict[Scope, int]]:
    """Books what a batch cost, in one transaction with the mark that it is paid: nothing where it was already. What
    each payer paid, and what is held no longer."""
    marked = update(jobs).where(jobs.c.id == job.id, jobs.c.booked.is_(None)).values(booked=time.time())
    if not connection.execute(marked.execution_options(preserve_rowcount=True)).rowcount:
        return {}, {}
    released = leases.release(connection, job.id)
    mended = [ledger.mended(record) for record in records]  # models have the names that providers give them
    return ledger.book_segment(connection, f"batch-{job.id}", mended, rows=rows), released
