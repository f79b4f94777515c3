"""Connections to the database, SQLite or PostgreSQL, and the transactions that the rest of the store runs in.

Everything here blocks: the server calls it through `run`, from threads. Nothing on a call's way waits for it.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeGuard, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headgate.errors import BadRequestError, ServiceUnavailableError

T = TypeVar("T")

FILE: Final = "headgate.db"
POOL: Final = 10
"""Connections of one process to PostgreSQL, unless `database_connection_pool_limit` says otherwise."""
BUSY_SECONDS: Final = 15
CONNECT_SECONDS: Final = 5
_PRISMA: Final = tuple(
    """connection_limit pool_timeout pgbouncer schema statement_cache_size socket_timeout sslaccept sslidentity
    max_connection_lifetime max_idle_connection_lifetime single_use_connections""".split()
)
"""Parameters of LiteLLM's database URLs that libpq does not know."""
_READ: Final = "headgate_read"


class Database:
    """One database. Raises ServiceUnavailableError where it can't be reached; other errors are bugs."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        """Where it is, for messages: without user and password."""

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def write(self, work: Callable[[Connection], T]) -> T:
        """In one transaction, which is rolled back when `work` raises."""
        with self._told(), self.engine.begin() as connection:
            return work(connection)

    def read(self, work: Callable[[Connection], T]) -> T:
        """The same for work that changes nothing: SQLite's readers never wait for its writer."""
        with self._told(), self.engine.connect().execution_options(**{_READ: True}) as connection:
            return work(connection)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """`write` in a thread, for a request: raises BadRequestError for a value that the database can't take."""
        return await asyncio.to_thread(_for_request, self.write, work)

    async def ask(self, work: Callable[[Connection], T]) -> T:
        """`read` in a thread, in the same way."""
        return await asyncio.to_thread(_for_request, self.read, work)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, PoolTimeout) as error:
            if too_much(error):
                raise DataError(error.statement, error.params, error.orig or error) from None
            raise _unreachable(self.name, error) from None
        except DBAPIError as error:  # DatabaseError itself: a file that is damaged or no database
            if error.connection_invalidated or type(error) is DatabaseError:
                raise _unreachable(self.name, error) from None
            raise


def _for_request(do: Callable[[Callable[[Connection], T]], T], work: Callable[[Connection], T]) -> T:
    """A NUL character in a name is the client's doing, not a bug."""
    try:
        return do(work)
    except DataError as error:
        raise BadRequestError(
            f"the database can't take a value of this request: {error.orig!s:.200}"
        ) from None


def embedded(folder: Path) -> Database:
    """The SQLite database in the data directory. Raises OSError where the folder can't be written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / FILE
    path.touch(mode=0o600)
    return Database(_sqlite(path), str(path))


def connect(url: str, *, pool: int = POOL) -> Database:
    """The database of a URL, `postgresql://…` or `sqlite:///…`. Raises BadRequestError for what is none."""
    try:
        parts = make_url(url.strip())
    except (ArgumentError, ValueError):
        raise _wrong("can't be read: expected postgresql://user:password@host:5432/name") from None
    kind = parts.drivername.partition("+")[0]
    if kind == "sqlite":
        if parts.database in (None, "", ":memory:"):
            raise _wrong("names a database in memory: expected a file, sqlite:///headgate.db")
        path = Path(str(parts.database))
        return Database(_sqlite(path), str(path))
    if kind not in ("postgres", "postgresql"):
        raise _wrong(f"begins with {kind!r}: expected postgresql:// or sqlite:///")
    host = parts.host or _single(parts.query, "host") or "localhost"
    return Database(_postgres(parts, pool), f"{host}:{parts.port or 5432}/{parts.database}")


def _wrong(what: str) -> BadRequestError:
    return BadRequestError(f"the database URL {what}", param="database_url")


def _sqlite(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "do_connect")
    def own(*arguments: object) -> None:
        with suppress(OSError):  # SQLite says what is wrong
            path.touch(mode=0o600)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        for pragma in (
            "page_size = 16384",  # of a new file: fewer pages to write for a batch of records
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "cache_size = -4000",
            "temp_store = MEMORY",
        ):
            _set(connection, pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READ)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _set(connection: sqlite3.Connection, pragma: str) -> None:
    """SQLite itself does not wait for others who make a new file at the same time."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)


def _postgres(url: URL, pool: int) -> Engine:
    try:
        from psycopg.pq import Conninfo  # an extra
    except ImportError:
        raise BadRequestError(
            "PostgreSQL needs a driver: pip install 'headgate[postgres]'", param="database_url"
        ) from None
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    if unknown := sorted(set(url.query) - known - set(_PRISMA)):
        raise _wrong(f"has a parameter {unknown[0]!r}, which neither PostgreSQL nor Prisma knows")
    limit = _single(url.query, "connection_limit") or str(pool)
    if not limit.isdecimal():
        raise _wrong(f"has connection_limit={limit[:20]}: expected a number of connections")
    arguments: dict[str, Any] = {
        "prepare_threshold": None,  # prepared statements don't survive PgBouncer
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "headgate",
    }
    if schema := _single(url.query, "schema"):
        arguments["options"] = f"-csearch_path={schema}"
    return create_engine(
        url.set(drivername="postgresql+psycopg").difference_update_query(_PRISMA),
        pool_size=max(1, int(limit)),  # 0 would be no limit
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        pool_recycle=300,
        connect_args=arguments,
    )


def _single(query: Mapping[str, Any], name: str) -> str:
    value = query.get(name, "")
    return value if isinstance(value, str) else ""


def too_much(error: Exception) -> TypeGuard[OperationalError]:
    """PostgreSQL's class 54: a value is over one of its limits. The server itself is well. Who catches errors within
    a transaction gets it as the driver raises it, and asks here."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith("54")


def _unreachable(name: str, error: Exception) -> ServiceUnavailableError:
    cause = str(getattr(error, "orig", error)).strip().split("\n")[0][:200]
    return ServiceUnavailableError(
        f"the database {name} can't be used now: {cause}", type="no_db_connection", retry_after=5
    )
