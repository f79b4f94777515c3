"""What was used and spent: a record per call, sums by day, and what each key, team, … has spent.

`book` moves records into the tables in one transaction, each counted once however often it is tried.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import select
from sqlalchemy.engine import Connection

from headgate.store import leases, totals
from headgate.store.money import dollars
from headgate.store.tables import calls
from headgate.store.totals import GLOBAL, Scope, day, roll, spent

__all__ = [
    "GLOBAL",
    "Record",
    "Scope",
    "book",
    "day",
    "decode",
    "encode",
    "forget",
    "payers",
    "roll",
    "spent",
]


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
_NAMES: Final = [field.name for field in msgspec.structs.fields(Record)]
_JSON: Final = tuple(map(_NAMES.index, ("tags", "tokens", "metadata", "request", "response")))
_json: Final = itemgetter(*_JSON)
_NO_JSON: Final = (None,) * len(_JSON)
_COST: Final = _NAMES.index("cost")
_INSERT: Final = f"INSERT INTO {calls.name} VALUES ({{}})"  # noqa: S608 -- a constant


Paid = dict[Scope, int]


def payers(record: Record) -> list[Scope]:
    """Whose spend a call counts to."""
    (alike,) = totals.gathered([record])
    return alike.payers()


def book(
    connection: Connection,
    records: Sequence[Record],
    *,
    fresh: bool,
    owner: str = "",
    paid: Paid | None = None,
) -> int:
    """How many were new. `fresh`: none of them can have been booked before; raises IntegrityError if one was.

    `owner` spent of its leases, which shrink. `paid` is filled with what each payer paid.
    """
    if not fresh:
        known = _known(connection, [record.id for record in records])
        records = list({record.id: record for record in records if record.id not in known}.values())
    if not records:
        return 0
    _insert_calls(connection, records)
    found = totals.add(connection, records)
    if owner:
        leases.booked(connection, owner, found)
    if paid is not None:
        paid.update(found)
    return len(records)


def _known(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in totals.parts(ids):
        found.update(connection.scalars(select(calls.c.id).where(calls.c.id.in_(part))))
    return found


def _insert_calls(connection: Connection, records: Sequence[Record]) -> None:
    """By the driver itself: SQLAlchemy's way takes 15 µs more for a record."""
    postgres = connection.dialect.name == "postgresql"
    mark = "%s" if postgres else "?"
    sql = _INSERT.format(", ".join([mark] * len(calls.columns)))
    connection.exec_driver_sql(sql, [_row(record, postgres) for record in records])


def _row(record: Record, postgres: bool) -> tuple[Any, ...]:
    row = astuple(record)
    if not postgres and _json(row) == _NO_JSON:
        return row
    values = list(row)
    for at in _JSON:
        if values[at] is not None:
            values[at] = encode(values[at]).decode()
    if postgres and record.cost is not None:
        values[_COST] = dollars(record.cost)
    return tuple(values)


def forget(connection: Connection, before: float, limit: int) -> int:
    """Deletes at most `limit` old records, oldest first. How many."""
    old = select(calls.c.id).where(calls.c.started < before).order_by(calls.c.started).limit(limit)
    return connection.execute(calls.delete().where(calls.c.id.in_(old))).rowcount
