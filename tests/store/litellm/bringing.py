"""What the tests of the import share: one run of it, and looks at what it brought."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from headgate.money import dollars
from headgate.store import directory, ledger, litellm, reports, tables
from headgate.store.crypto import Vault
from headgate.store.database import Database
from headgate.store.directory import find, load_key
from headgate.store.litellm.report import Report
from litellm_schema import ALICE, MASTER_KEY, SALT, LiteLLM

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC).timestamp()
MONTH = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
VAULT = Vault([SALT])


def brought(there: LiteLLM, here: Database, now: float = NOW, **options: Any) -> Report:
    return litellm.run(there.url, here, now, VAULT, **{"salt": SALT, "master": MASTER_KEY} | options)


def lines(report: Report) -> dict[str, tuple[int, int, int]]:
    """Brought, unchanged, not brought; without those of which there are none."""
    return {line.what: (line.brought, line.unchanged, line.failed) for line in report.lines if line.found}


def reasons(report: Report, what: str) -> list[str]:
    return [note.reason for note in report.notes if note.what == what]


def entry(here: Database, token: str = ALICE, now: float = NOW) -> directory.Entry:
    found = here.read(lambda connection: load_key(connection, token, now))
    assert found is not None
    return found


def row(here: Database, kind: str, name: str) -> dict[str, Any]:
    found = here.read(lambda connection: find(connection, kind, name))
    assert found is not None
    return found


def spend_of(here: Database, kind: str, name: str) -> tuple[Decimal, Decimal]:
    """In this period, and ever."""
    found = here.read(lambda connection: ledger.spent(connection, [(kind, name)]))
    now, ever, _ = found.get((kind, name), (0, 0, 0.0))
    return dollars(now), dollars(ever)


COSTS = (0.1, 0.2, 1e-07, 0.00012345, 3.3000000000000003, 0.0)
"""Floats whose binary sum is not the sum of what they say."""
SUM = Decimal("3.60012355") + Decimal("0.0000000000000003")
"""Of the texts; units are rounded once for each call."""


def sums(here: Database, by: str) -> dict[str, tuple[Decimal, int]]:
    """Spend and calls."""
    rows = here.read(lambda connection: reports.sums(connection, [by], "2020-01-01", "2030-01-01"))
    return {found[by]: (dollars(found["spend"]), found["calls"]) for found in rows}


def contents(here: Database) -> dict[str, list[Any]]:
    """All that we have, but for the words to gateways that run."""
    found = [table for table in tables.metadata.sorted_tables if table is not tables.changes]
    return {
        table.name: here.read(lambda c, t=table: sorted(map(repr, c.execute(select(t))))) for table in found
    }
