"""Connections to the database, SQLite or PostgreSQL, and the transactions that the rest of the store runs in.

Everything here blocks: the server calls it through `run`, from threads. Nothing on a call's way waits for it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from headgate.errors import BadRequestError, ServiceUnavailableError

T = TypeVar("T")

FILE: Final = "headgate.db"
POOL: Final = 10
"""Connections of one process to PostgreSQL, unless `database_connection_pool_limit` says otherwise."""
BUSY_SECONDS: Final = 15
CONNECT_SECONDS: Final = 5
_PRISMA: Final = (
    "connection_limit",
    "pool_timeout",
    "pgbouncer",
    "schema",
    "statement_cache_size",
    "socket_timeout",
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
        try:
            with self.engine.begin() as connection:
                return work(connection)
        except (OperationalError, PoolTimeout) as error:
            raise _unreachable(self.name, error) from None
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _unreachable(self.name, error) from None
            raise

    def read(self, work: Callable[[Connection], T]) -> T:
        """The same for work that changes nothing: SQLite's readers never wait for its writer."""
        try:
            with self.engine.connect().execution_options(**{_READ: True}) as connection:
                return work(connection)
        except (OperationalError, PoolTimeout) as error:
            raise _unreachable(self.name, error) from None
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _unreachable(self.name, error) from None
            raise

    async def run(self, work: Callable[[Connection], T]) -> T:
        """`write` in a thread."""
        return await asyncio.to_thread(self.write, work)

    async def ask(self, work: Callable[[Connection], T]) -> T:
        """`read` in a thread."""
        return await asyncio.to_thread(self.read, work)

    def close(self) -> None:
        self.engine.dispose()


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
        raise BadRequestError(
            "the database URL can't be read: expected postgresql://user:password@host:5432/name",
            param="database_url",
        ) from None
    kind = parts.drivername.partition("+")[0]
    if kind == "sqlite":
        return Database(_sqlite(Path(parts.database or FILE)), parts.database or FILE)
    if kind not in ("postgres", "postgresql"):
        raise BadRequestError(
            f"the database URL begins with {kind!r}: expected postgresql:// or sqlite:///",
            param="database_url",
        )
    return Database(
        _postgres(parts, pool), f"{parts.host or 'localhost'}:{parts.port or 5432}/{parts.database}"
    )


def _sqlite(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

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
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READ)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL, pool: int) -> Engine:
    try:
        import psycopg  # noqa: F401 -- an extra
    except ImportError:
        raise BadRequestError(
            "PostgreSQL needs a driver: pip install 'headgate[postgres]'", param="database_url"
        ) from None
    arguments: dict[str, Any] = {
        "prepare_threshold": None,  # prepared statements don't survive PgBouncer
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "headgate",
    }
    if schema := _single(url.query, "schema"):
        arguments["options"] = f"-csearch_path={schema}"
    return create_engine(
        url.set(drivername="postgresql+psycopg").difference_update_query(_PRISMA),
        pool_size=int(_single(url.query, "connection_limit") or pool),
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
        pool_recycle=300,
        connect_args=arguments,
    )


def _single(query: Mapping[str, Any], name: str) -> str:
    value = query.get(name, "")
    return value if isinstance(value, str) else ""


def _unreachable(name: str, error: Exception) -> ServiceUnavailableError:
    cause = str(getattr(error, "orig", error)).strip().split("\n")[0][:200]
    return ServiceUnavailableError(
        f"the database {name} can't be used now: {cause}", type="no_db_connection", retry_after=5
    )
