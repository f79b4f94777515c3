"""What was used and spent: a record per call, sums by day, and what each key, team, … has spent.

`book` moves records into the tables in one transaction, each counted once however often it is tried.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from headgate.store import tables
from headgate.store.money import dollars
from headgate.store.tables import calls, customers, daily, daily_named, spend

Scope = tuple[str, str]
"""A kind (key, user, team, member, organization, customer, tag, model, global) and whose."""
GLOBAL: Final[Scope] = ("global", "")
_AT_ONCE: Final = 500
"""Values in one IN list: SQLite's old limit of parameters is 999."""


class Record(Struct, array_like=True, kw_only=True):
    """One call: the columns of `calls`, in their order. Cost is in units, None where the price is unknown.
    `usage_from` is provider, counted or estimated; `cause` why the money was spent: first, retry, fallback,
    hedge, cache."""

    id: str
    started: float
    first_token: float | None = None
    ended: float
    key: str = ""
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    customer: str | None = None
    tags: list[str] | None = None
    model: str = ""
    model_group: str | None = None
    deployment: str | None = None
    provider: str | None = None
    upstream_model: str | None = None
    operation: str = ""
    dialect: str = ""
    status: int = 0
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: dict[str, int] | None = None
    usage_from: str | None = None
    cost: int | None = None
    cause: str = "first"
    attempts: int = 0
    fallbacks: int = 0
    cache: str | None = None
    client: str | None = None
    session: str | None = None
    metadata: Any = None
    request: Any = None
    response: Any = None


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Record).decode
_KINDS: Final = ("cache_read", "cache_write", "reasoning")
"""Of `tokens`, in the order of the columns of `daily`."""
_NAMES: Final = [field.name for field in msgspec.structs.fields(Record)]
_JSON: Final = tuple(map(_NAMES.index, ("tags", "tokens", "metadata", "request", "response")))
_COST: Final = _NAMES.index("cost")
_INSERT: Final = f"INSERT INTO {calls.name} VALUES ({{}})"  # noqa: S608 -- a constant


def payers(record: Record) -> list[Scope]:
    """Whose spend a call counts to."""
    group = record.model_group or record.model
    found: list[Scope] = [
        GLOBAL,
        ("key", record.key),
        ("model", group),
        ("key_model", f"{record.key}/{group}"),
    ]
    for kind, name in (
        ("user", record.user_id),
        ("team", record.team_id),
        ("organization", record.organization_id),
        ("customer", record.customer),
    ):
        if name:
            found.append((kind, name))
    if record.team_id and record.user_id:
        found.append(("member", f"{record.team_id}/{record.user_id}"))
    found += [("tag", tag) for tag in record.tags or ()]
    return found


def book(connection: Connection, records: Sequence[Record], *, fresh: bool) -> int:
    """How many were new. `fresh`: none of them can have been booked before; raises IntegrityError if one was."""
    if not fresh:
        known = _known(connection, [record.id for record in records])
        records = list({record.id: record for record in records if record.id not in known}.values())
    if not records:
        return 0
    _insert_calls(connection, records)
    _add_spend(connection, records)
    _add(connection, daily, _by_day(records))
    if named := _by_name(records):
        _add(connection, daily_named, named)
    if seen := {record.customer for record in records if record.customer}:
        _greet(connection, sorted(seen), records[-1].ended)
    return len(records)


def roll(connection: Connection, scope: Scope, since: float) -> None:
    """Begins a new period of a budget at `since`, unless it has begun; calls that ended in it stay counted."""
    kind, name = scope
    insert = _insert(connection, spend)
    upsert = insert.on_conflict_do_update(
        index_elements=["kind", "id"],
        set_={"spend": insert.excluded.spend, "since": insert.excluded.since},
        where=spend.c.since < insert.excluded.since,
    )
    now = _spent_since(connection, scope, since)
    connection.execute(upsert, [{"kind": kind, "id": name, "spend": now, "total": 0, "since": since}])


def spent(
    connection: Connection, scopes: Sequence[Scope], begun: Mapping[Scope, float] | None = None
) -> dict[Scope, tuple[int, int, float]]:
    """What scopes have spent: in this period, ever, and when the period began. Those that spent nothing lack.

    `begun` is when the periods of those that have one began: a row of an older one is counted anew.
    """
    found: dict[Scope, tuple[int, int, float]] = {}
    for part in _parts(scopes):
        rows = connection.execute(select(spend).where(tuple_(spend.c.kind, spend.c.id).in_(part)))
        found.update({(row.kind, row.id): (row.spend, row.total, row.since) for row in rows})
    for scope, since in (begun or {}).items():
        row = found.get(scope)
        if row is not None and row[2] < since:
            found[scope] = (_spent_since(connection, scope, since), row[1], since)
    return found


def _spent_since(connection: Connection, scope: Scope, since: float) -> int:
    """The sum of the calls that ended in a period, for scopes that a call names by columns; tags begin at 0."""
    conditions = _of(scope)
    if conditions is None:
        return 0
    period = (calls.c.ended >= since, calls.c.started >= since - LONGEST_CALL)
    return connection.scalar(select(func.sum(calls.c.cost)).where(*period, *conditions)) or 0


def _of(scope: Scope) -> list[Any] | None:
    kind, name = scope
    first, _, second = name.partition("/")
    match kind:
        case "global":
            return []
        case "member":
            return [calls.c.team_id == first, calls.c.user_id == second]
        case "key_model":
            return [calls.c.key == first, calls.c.model_group == second]
        case _:
            return [_PAYERS[kind] == name] if kind in _PAYERS else None


LONGEST_CALL: Final = 86_400.0
_PAYERS: Final = {
    "key": calls.c.key,
    "user": calls.c.user_id,
    "team": calls.c.team_id,
    "organization": calls.c.organization_id,
    "customer": calls.c.customer,
    "model": calls.c.model_group,
}


def _known(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in _parts(ids):
        found.update(connection.scalars(select(calls.c.id).where(calls.c.id.in_(part))))
    return found


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))


def _insert_calls(connection: Connection, records: Sequence[Record]) -> None:
    """By the driver itself: SQLAlchemy's way takes 15 µs more for a record."""
    postgres = connection.dialect.name == "postgresql"
    mark = "%s" if postgres else "?"
    sql = _INSERT.format(", ".join([mark] * len(calls.columns)))
    connection.exec_driver_sql(sql, [_row(record, postgres) for record in records])


def _row(record: Record, postgres: bool) -> tuple[Any, ...]:
    row = astuple(record)
    if not postgres and not any(row[at] for at in _JSON):
        return row
    values = list(row)
    for at in _JSON:
        if values[at] is not None:
            values[at] = encode(values[at]).decode()
    if postgres and record.cost is not None:
        values[_COST] = dollars(record.cost)
    return tuple(values)


def _add_spend(connection: Connection, records: Sequence[Record]) -> None:
    paying = [(record, payers(record)) for record in records if record.cost]
    scopes = sorted({scope for _, found in paying for scope in found})  # one order: no deadlocks
    if not scopes:
        return
    begun = {scope: row[2] for scope, row in spent(connection, scopes).items()}
    sums: dict[Scope, list[int]] = {scope: [0, 0] for scope in scopes}
    for record, found in paying:
        cost = record.cost or 0
        for scope in found:
            row = sums[scope]
            row[1] += cost
            if record.ended >= begun.get(scope, 0.0):
                row[0] += cost
    rows = [
        {"kind": kind, "id": name, "spend": now, "total": ever, "since": begun.get((kind, name), 0.0)}
        for (kind, name), (now, ever) in sums.items()
    ]
    insert = _insert(connection, spend)
    connection.execute(
        _upsert(
            insert,
            ["kind", "id"],
            {name: spend.c[name] + insert.excluded[name] for name in ("spend", "total")},
        ),
        rows,
    )


def _sums(record: Record) -> list[int]:
    tokens = record.tokens or {}
    return [
        record.cost or 0,
        1,
        record.status >= 400,
        record.input_tokens,
        record.output_tokens,
        *(tokens.get(name, 0) for name in _KINDS),
    ]


def _by_day(records: Sequence[Record]) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for record in records:
        at = (
            day(record.ended),
            record.key,
            record.user_id or "",
            record.team_id or "",
            record.organization_id or "",
            record.model_group or record.model,
            record.upstream_model or "",
            record.provider or "",
        )
        _merge(found, at, _sums(record))
    return found


def _by_name(records: Sequence[Record]) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for record in records:
        names = [("tag", tag) for tag in record.tags or ()]
        if record.customer:
            names.append(("customer", record.customer))
        for kind, name in names:
            group = record.model_group or record.model
            at = (day(record.ended), kind, name, record.key, group, record.provider or "")
            _merge(found, at, _sums(record))
    return found


def _merge(found: dict[tuple[str, ...], list[int]], at: tuple[str, ...], values: list[int]) -> None:
    known = found.get(at)
    found[at] = values if known is None else [a + b for a, b in zip(known, values, strict=True)]


def _add(connection: Connection, table: Any, found: dict[tuple[str, ...], list[int]]) -> None:
    names = [column.name for column in table.primary_key.columns]
    rows = [
        dict(zip((*names, *tables.sums), (*at, *map(int, values)), strict=True))
        for at, values in sorted(found.items())
    ]
    insert = _insert(connection, table)
    changes = {name: table.c[name] + insert.excluded[name] for name in tables.sums}
    connection.execute(_upsert(insert, names, changes), rows)


def _greet(connection: Connection, names: Sequence[str], now: float) -> None:
    """Customers are known from their first call on."""
    history = {"created_at": now, "created_by": "first call", "updated_at": now, "updated_by": "first call"}
    insert = _insert(connection, customers)
    connection.execute(
        insert.on_conflict_do_nothing(index_elements=["user_id"]),
        [{"user_id": name, "blocked": False, **history} for name in names],
    )


def _insert(connection: Connection, table: Any) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _upsert(insert: Any, keys: Sequence[str], values: dict[str, Any]) -> Insert:
    made: Insert = insert.on_conflict_do_update(index_elements=list(keys), set_=values)
    return made


def day(seconds: float) -> str:
    """The day of a time, in UTC: 2026-11-21."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def forget(connection: Connection, before: float, limit: int) -> int:
    """Deletes at most `limit` old records, oldest first. How many."""
    old = select(calls.c.id).where(calls.c.started < before).order_by(calls.c.started).limit(limit)
    return connection.execute(calls.delete().where(calls.c.id.in_(old))).rowcount
