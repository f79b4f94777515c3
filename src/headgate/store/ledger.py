"""What was used and spent: a record per call, sums by day, and what each key, team, … has spent.

`book` moves records into the tables in one transaction, each counted once however often it is tried.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import asdict, astuple
from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from headgate.money import dollars
from headgate.record import Record
from headgate.store import leases, totals
from headgate.store.database import too_much
from headgate.store.tables import calls, segments
from headgate.store.totals import GLOBAL, Scope, day, roll, spent

__all__ = [
    "GLOBAL",
    "Record",
    "Scope",
    "book",
    "book_segment",
    "day",
    "decode",
    "decoded",
    "encode",
    "forget",
    "roll",
    "salvaged",
    "spent",
]


class _Unread(Record, array_like=True, kw_only=True):
    """A record with the parts of its request as they came."""

    metadata: Raw = Raw(b"null")
    request: Raw = Raw(b"null")
    response: Raw = Raw(b"null")


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Record).decode
_all: Final = msgspec.json.Decoder(list[Record]).decode
_unread: Final = msgspec.json.Decoder(_Unread).decode
UNREADABLE: Final = (ValueError, RecursionError)
_NAMES: Final = [field.name for field in msgspec.structs.fields(Record)]
_JSON: Final = {"tags", "tokens", "legs", "metadata", "request", "response"}
WRONG: Final = (IntegrityError, DataError, ArithmeticError, ValueError)
"""What a database, or its driver, raises for a value that it does not take."""
MOST: Final = 2**53
"""No call has more tokens, or costs more."""
MAX_NAME: Final = 256
"""Characters of a name that every index takes."""
AT_ONCE: Final = 256
_SIZES: Final = (AT_ONCE, 32, 4, 1)
"""Rows of a statement: few sizes, so that each is prepared once."""


Paid = dict[Scope, int]


def decoded(lines: Sequence[bytes]) -> list[Record]:
    """All at once. Raises one of `UNREADABLE` where one of them can't be read."""
    return _all(b"[" + b",".join(lines) + b"]")


def salvaged(line: bytes) -> Record:
    """A record that `decode` can't read for a part of its request, such as the number 1e999: the part becomes a text.

    Whoever sends such a request must not get it for nothing. Raises one of `UNREADABLE` for what is no record.
    """
    unread = _unread(line.decode("utf-8", "replace").encode())
    parts = {name: _part(getattr(unread, name)) for name in ("metadata", "request", "response")}
    return Record(**{**asdict(unread), **parts})


def _part(raw: Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return bytes(raw).decode("utf-8", "replace")


def book(connection: Connection, records: Sequence[Record]) -> int:
    """How many were new: a record that is in the ledger already counts no more."""
    known = _known(connection, [record.id for record in records])
    fresh = list({record.id: record for record in records if record.id not in known}.values())
    if fresh:
        _add(connection, fresh, rows=True)
    return len(fresh)


def book_segment(
    connection: Connection,
    name: str,
    records: Iterable[Record],
    *,
    rows: bool = True,
    owner: str = "",
    refused: list[Record] | None = None,
) -> Paid:
    """What each payer paid of it; nothing where the segment was booked before. `rows` False keeps the sums alone.

    `owner` spent of its leases, which shrink. Raises one of `WRONG` where a record can't be booked, unless there is
    a list for those: then the others are.
    """
    marked = totals.insert(connection, segments).on_conflict_do_nothing(index_elements=["name"])
    marked = marked.values(name=name, booked=time.time()).execution_options(preserve_rowcount=True)
    if not connection.execute(marked).rowcount:
        return {}
    if refused is None:
        paid = _add(connection, records, rows)
    else:
        paid = _add_each(connection, list(records), rows, refused)
    if owner and paid:
        leases.booked(connection, owner, paid)
    return paid


def _add(connection: Connection, records: Iterable[Record], rows: bool) -> Paid:
    """A few hundred at a time: thousands would drive all else out of the processor's caches."""
    found: dict[totals.Alike, totals.Sums] = {}
    left = iter(records)
    while part := list(islice(left, AT_ONCE)):
        if rows:
            _insert_calls(connection, part)
        totals.gather(part, found)
    return totals.add(connection, found)


def _add_each(connection: Connection, records: Sequence[Record], rows: bool, refused: list[Record]) -> Paid:
    """Halves them until what the database refuses is alone."""
    try:
        with connection.begin_nested():
            return _add(connection, records, rows)
    except Exception as error:
        if not _is_refused(error):
            raise
        if len(records) > 1:
            middle = len(records) // 2
            paid = _add_each(connection, records[:middle], rows, refused)
            for scope, amount in _add_each(connection, records[middle:], rows, refused).items():
                paid[scope] = paid.get(scope, 0) + amount
            return paid
    if _known(connection, [records[0].id]):
        return {}
    try:
        with connection.begin_nested():
            return _add(connection, [mended(records[0])], rows)
    except Exception as error:
        if not _is_refused(error):
            raise
        refused.append(records[0])
        return {}


def _is_refused(error: Exception) -> bool:
    """Whether it is a value's fault, and the database is well."""
    return isinstance(error, WRONG) or too_much(error)


def _known(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in totals.parts(ids):
        found.update(connection.scalars(select(calls.c.id).where(calls.c.id.in_(part))))
    return found


def _insert_calls(connection: Connection, records: Sequence[Record]) -> None:
    """By column, without those that no record has anything in: a driver takes longer for None than for a text."""
    postgres, count = connection.dialect.name == "postgresql", len(records)
    columns: dict[str, Sequence[Any]] = {}
    for name, column in zip(_NAMES, zip(*map(astuple, records), strict=True), strict=True):
        if (nothing := column.count(None)) == count:
            continue
        shown = _shown_as(name, postgres)
        if shown is None:
            columns[name] = column
        elif nothing:
            columns[name] = [value if value is None else shown(value) for value in column]
        else:
            columns[name] = list(map(shown, column))
    into = calls.name + " (" + ", ".join(f'"{name}"' for name in columns) + ")"
    (_copy if postgres else _insert)(connection, into, list(zip(*columns.values(), strict=True)))


def _shown_as(name: str, postgres: bool) -> Callable[[Any], Any] | None:
    """What a driver is handed for a value of the column, None where that is the value itself."""
    if name in _JSON:
        return _text
    return dollars if name == "cost" and postgres else None


def _text(value: Any) -> str:
    return encode(value).decode()


def _copy(connection: Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """By COPY, which SQLAlchemy does not know: parameters would cost more than all the rest of a call."""
    from psycopg import Error  # an extra

    command = f"COPY {into} FROM STDIN"
    cursor = connection.connection.cursor()
    try:
        with cursor.copy(command) as copy:
            for row in rows:
                copy.write_row(row)
    except Error as error:
        raise DBAPIError.instance(command, None, error, Error, dialect=connection.dialect) from None
    finally:
        cursor.close()


def _insert(connection: Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """By the driver itself, many rows to a statement: SQLite's gives the interpreter away between statements, and
    with one row to each, the two threads would do little else."""
    row = f"({', '.join('?' * len(rows[0]))})"
    at = 0
    for size in _SIZES:
        statement = f"INSERT INTO {into} VALUES {', '.join([row] * size)}"  # noqa: S608 -- names of ours
        while len(rows) - at >= size:
            connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows[at : at + size])))
            at += size


def mended(record: Record) -> Record:
    """The same call without what a database may refuse: no zero in a text, no number beyond 63 bits, no name that is
    too long for an index."""
    values = {name: _mended(getattr(record, name)) for name in _NAMES}
    short = {
        name: value[:MAX_NAME]
        for name, value in values.items()
        if isinstance(value, str) and name not in _JSON
    }
    return Record(**values | short)


def _mended(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "")
        case int():
            return max(-MOST, min(value, MOST))
        case list() | tuple():
            return type(value)(map(_mended, value))
        case dict():
            return {_mended(name): _mended(part) for name, part in value.items()}
        case _:
            return value


def forget(connection: Connection, before: float, limit: int) -> int:
    """Deletes at most `limit` old records, oldest first. How many."""
    old = select(calls.c.id).where(calls.c.started < before).order_by(calls.c.started).limit(limit)
    return connection.execute(calls.delete().where(calls.c.id.in_(old))).rowcount
