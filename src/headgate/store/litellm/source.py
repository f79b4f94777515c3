"""LiteLLM's database, only read: one transaction that sees one moment and may write nothing.

Versions differ in tables and columns: those that exist are read, the others are as if they were empty.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import DOUBLE_PRECISION, Numeric, Text, cast, column, func, select, table, text
from sqlalchemy.engine import Connection, Result, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.sql import ColumnElement

from headgate.errors import BadRequestError, HeadgateError, NotFoundError, PermissionDeniedError
from headgate.store.database import Database, connect

T = TypeVar("T")
Row = dict[str, Any]

PREFIX: Final = "LiteLLM_"
KEYS: Final = "LiteLLM_VerificationToken"
BATCH: Final = 400
_COLUMNS: Final = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL), has_table_privilege(c.oid, 'SELECT')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relname LIKE 'LiteLLM!_%' ESCAPE '!' AND pg_table_is_visible(c.oid)
"""
_SETTINGS: Final = ("statement_timeout = 0", "idle_in_transaction_session_timeout = 0", "TIME ZONE 'UTC'")


class Source:
    """`columns` are the types of what is there, by table and column; `closed` are tables that we may not read."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.name = name
        self._connection = connection
        self._open: list[Result[Any]] = []
        self.columns: dict[str, dict[str, str]] = {}
        self.closed: set[str] = set()
        for where, what, kind, readable in connection.execute(text(_COLUMNS)):
            if readable:
                self.columns.setdefault(where, {})[what] = kind
            else:
                self.closed.add(where)

    def close(self) -> None:
        """Ends what was not read to its end."""
        while self._open:
            self._open.pop().close()

    def has(self, name: str, *columns: str) -> bool:
        return name in self.columns and self.columns[name].keys() >= set(columns)

    def column(self, name: str, what: str) -> ColumnElement[Any]:
        """As we read it: JSON as a text, times as Unix seconds (they are kept in UTC)."""
        kind = self.columns[name][what]
        found: ColumnElement[Any] = column(what)
        if kind in ("json", "jsonb"):
            found = cast(found, Text)
        elif kind.startswith("timestamp"):
            found = cast(func.extract("epoch", found), DOUBLE_PRECISION)
        elif kind == "numeric":
            found = cast(found, DOUBLE_PRECISION)
        return found.label(what)

    def rows(
        self,
        name: str,
        columns: Sequence[str],
        where: Mapping[str, Sequence[Any]] | None = None,
        *,
        order: Sequence[str] = (),
        since: tuple[str, float] | None = None,
        size: int = BATCH,
    ) -> Iterator[list[Row]]:
        """Batches of rows, as the server sends them. `where` are lists of values; columns that are not there are
        None. `since` is a column of times and the first."""
        there = [what for what in dict.fromkeys(columns) if self.has(name, what)]
        if not there or not self.has(name, *(where or ()), *(since or ())[:1]):
            return
        statement: Any = select(*(self.column(name, what) for what in there)).select_from(table(name))
        for what, values in (where or {}).items():
            statement = statement.where(column(what).in_(values))
        if since is not None:
            statement = statement.where(
                column(since[0]) >= func.to_timestamp(since[1]).op("AT TIME ZONE")("UTC")
            )
        statement = statement.order_by(*(column(what) for what in order if self.has(name, what)))
        missing = dict.fromkeys(what for what in columns if what not in there)
        result = self._connection.execute(statement, execution_options={"yield_per": size})
        self._open.append(result)
        for part in result.mappings().partitions():
            yield [{**row, **missing} for row in part]
        self._open.remove(result)

    def all(
        self, name: str, columns: Sequence[str], where: Mapping[str, Sequence[Any]] | None = None
    ) -> list[Row]:
        """What is known to be few."""
        return [row for part in self.rows(name, columns, where) for row in part]

    def count(self, name: str) -> int:
        if name not in self.columns:
            return 0
        return self._connection.scalar(select(func.count()).select_from(table(name))) or 0

    def sums(
        self, name: str, by: str, what: str, values: Sequence[Any] | None = None, *, exact: bool = True
    ) -> dict[Any, Any]:
        """The sum of a column by another one. `exact`: of the shortest texts of floats, as Decimal."""
        if not self.has(name, by, what):
            return {}
        number: ColumnElement[Any] = cast(cast(column(what), Text), Numeric) if exact else column(what)
        statement: Any = select(column(by), func.sum(number)).select_from(table(name)).group_by(column(by))
        if values is not None:
            statement = statement.where(column(by).in_(values))
        return {row[0]: row[1] for row in self._connection.execute(statement)}

    def days(self, name: str, what: str, since: float | None) -> dict[str, int]:
        """Rows by the day of a time."""
        if not self.has(name, what):
            return {}
        date = func.to_char(column(what), "YYYY-MM-DD")
        statement = select(date, func.count()).select_from(table(name)).group_by(date)
        if since is not None:
            statement = statement.where(column(what) >= func.to_timestamp(since).op("AT TIME ZONE")("UTC"))
        return {row[0]: row[1] for row in self._connection.execute(statement)}


def read(url: str, work: Callable[[Source], T]) -> T:
    """Does it with the database of a URL.

    Raises BadRequestError for what is no URL of PostgreSQL, NotFoundError where LiteLLM's tables are not,
    PermissionDeniedError where they may not be read, ServiceUnavailableError.
    """
    database = _database(url)

    def look(connection: Connection) -> T:
        for setting in _SETTINGS:
            connection.execute(text(f"SET LOCAL {setting}"))
        source = Source(connection, database.name)
        _check(source)
        try:
            return work(source)
        finally:
            source.close()

    try:
        return database.read(look)
    except HeadgateError:
        raise
    except DBAPIError as error:
        raise BadRequestError(f"reading {database.name} failed: {_first_line(error)}") from None
    finally:
        database.close()


def _database(url: str) -> Database:
    try:
        parts = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise _unreadable() from None
    if parts.drivername.partition("+")[0] not in ("postgres", "postgresql"):
        raise BadRequestError(
            "LiteLLM's database must be a PostgreSQL: expected postgresql://user:password@host:5432/name"
        )
    if "@" in (parts.host or ""):
        raise _unreadable()
    found = connect(url, pool=1)
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return Database(found.engine.execution_options(**options), found.name)


def _unreadable() -> BadRequestError:
    return BadRequestError(
        "the URL of LiteLLM's database can't be read: expected postgresql://user:password@host:5432/name, with "
        "@ : / in a password written as %40 %3A %2F"
    )


def _check(source: Source) -> None:
    if KEYS in source.closed:
        raise PermissionDeniedError(
            f"this user may not read LiteLLM's tables in {source.name}: GRANT SELECT ON ALL TABLES IN SCHEMA public "
            "TO the user, or use the URL that LiteLLM itself uses"
        )
    if KEYS not in source.columns:
        raise NotFoundError(
            f"there are no tables of LiteLLM in {source.name}: is it the right database? Where they are in another "
            "schema than public, add ?schema=NAME to the URL"
        )


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n")[0][:200]
