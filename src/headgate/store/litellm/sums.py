"""Sums by day that an import adds to ours, and what they add to the spend of models and of the whole gateway: for
those LiteLLM keeps no sums of its own."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from headgate.store import tables, totals
from headgate.store.ledger import GLOBAL, Scope
from headgate.store.tables import daily, daily_named, spend


class Part(Struct):
    """What one call, or one row of LiteLLM's sums, adds. `sums` are in the order of `tables.sums`."""

    date: str
    time: float
    key: str
    user_id: str
    team_id: str
    organization_id: str
    group: str
    model: str
    provider: str
    sums: list[int]


class Sums:
    """Collected, then written in one transaction."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, ...], list[int]] = {}
        self._named: dict[tuple[str, ...], list[int]] = {}
        self._paid: dict[Scope, list[tuple[float, int]]] = {}

    def add(self, part: Part) -> None:
        whose = (part.key, part.user_id, part.team_id, part.organization_id)
        _merge(self._days, (part.date, *whose, part.group, part.model, part.provider), part.sums)
        if cost := part.sums[0]:
            who = [("key", part.key), *totals.payers_beside(part.user_id, part.team_id, part.organization_id)]
            served = [
                (kind, name) for kind, name in (("model", part.group), ("provider", part.provider)) if name
            ]
            for scope in (GLOBAL, *served, *(totals.of_model(one, part.group) for one in who)):
                self._paid.setdefault(scope, []).append((part.time, cost))

    def add_named(self, part: Part, kind: str, names: Iterable[str]) -> None:
        """The same for customers and tags, beside `add`."""
        for name in names:
            _merge(self._named, (part.date, kind, name, part.key, part.group, part.provider), part.sums)
            if cost := part.sums[0]:
                scope = totals.of_model((kind, name), part.group)
                self._paid.setdefault(scope, []).append((part.time, cost))

    def write(self, connection: Connection) -> None:
        _write(connection, daily, self._days)
        _write(connection, daily_named, self._named)
        self._pay(connection)

    def _pay(self, connection: Connection) -> None:
        scopes = sorted(self._paid)  # one order: no deadlocks
        begun = {at: row[2] for at, row in totals.rows_of(connection, scopes, lock=True).items()}
        rows = []
        for scope in scopes:
            since, paid = begun.get(scope, 0.0), self._paid[scope]
            now, ever = sum(cost for time, cost in paid if time >= since), sum(cost for _, cost in paid)
            rows.append({"kind": scope[0], "id": scope[1], "spend": now, "total": ever, "since": since})
        _upsert(connection, spend, ("spend", "total"), rows)


def _merge(found: dict[tuple[str, ...], list[int]], at: tuple[str, ...], values: Sequence[int]) -> None:
    known = found.get(at)
    found[at] = list(values) if known is None else [a + b for a, b in zip(known, values, strict=True)]


def _write(connection: Connection, table: Table, found: dict[tuple[str, ...], list[int]]) -> None:
    names = (*(column.name for column in table.primary_key.columns), *tables.sums)
    rows = [dict(zip(names, (*at, *values), strict=True)) for at, values in sorted(found.items())]
    _upsert(connection, table, tables.sums, rows)


def _upsert(connection: Connection, table: Table, added: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Rows that are new; to those that are there the numbers are added."""
    if not rows:
        return
    made = totals.insert(connection, table)
    values = {name: table.c[name] + made.excluded[name] for name in added}
    keys = [column.name for column in table.primary_key.columns]
    connection.execute(made.on_conflict_do_update(index_elements=keys, set_=values), rows)
