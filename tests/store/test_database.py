"""Database URLs as people write them, transactions, and what is said when a server is not there."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import column, table, text
from sqlalchemy.engine import Connection

from databases import Postgres
from headgate.errors import BadRequestError, ServiceUnavailableError
from headgate.store.database import Database, connect, embedded


def _counter(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE counter (value INTEGER)"))
    connection.execute(text("INSERT INTO counter VALUES (0)"))


def _value(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT value FROM counter")) or 0)


# URLs


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgres://u:secret@db.example/headgate", "db.example:5432/headgate"),
        ("postgresql://u:secret@db.example:6432/headgate", "db.example:6432/headgate"),
        ("postgresql+psycopg2://u:secret@db.example/headgate", "db.example:5432/headgate"),
        ("postgresql://u:p%40ss%2Fword@[::1]:5432/headgate", "::1:5432/headgate"),
        (" postgresql://u@db.example/headgate\n", "db.example:5432/headgate"),
        ("postgresql://u:secret@/headgate?host=/run/postgresql", "/run/postgresql:5432/headgate"),
        ("postgresql:///headgate", "localhost:5432/headgate"),
    ],
)
def test_a_postgresql_database_is_named_without_its_password(url: str, name: str) -> None:
    database = connect(url)
    assert (database.name, database.is_sqlite) == (name, False)
    assert database.engine.url.drivername == "postgresql+psycopg"


def test_a_password_is_taken_as_it_was_meant() -> None:
    assert connect("postgres://u:p%40ss%2Fword@h/n").engine.url.password == "p@ss/word"


PRISMA = (
    "connection_limit=3&pool_timeout=10&pgbouncer=true&schema=other&statement_cache_size=0&socket_timeout=5"
    "&connect_timeout=7&sslaccept=strict&sslidentity=x&max_idle_connection_lifetime=60&single_use_connections=true"
)


def test_prismas_parameters_are_understood_or_dropped(postgres: Postgres) -> None:
    database = connect(f"{postgres.create()}&{PRISMA}")
    try:
        database.write(lambda c: c.execute(text("CREATE SCHEMA other")))
        assert database.read(lambda c: c.scalar(text("SELECT current_schema()"))) == "other"
        assert database.engine.pool.size() == 3  # type: ignore[attr-defined]
    finally:
        database.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "can't be read"),
        ("headgate", "can't be read"),
        ("postgresql://u:secret@h:port/n", "can't be read"),
        ("mysql://u:secret@h/n", "begins with 'mysql': expected postgresql:// or sqlite:///"),
        ("postgresql+asyncpg2x://u:secret@h/n?sslmod=require", "parameter 'sslmod'"),
        ("postgresql://u:secret@h/n?connection_limit=many", "connection_limit"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(BadRequestError, match="database URL") as caught:
        connect(url)
    assert says in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.param == "database_url"


def test_a_sqlite_url_is_a_path(tmp_path: Path) -> None:
    database = connect(f"sqlite:///{tmp_path}/my.db")
    database.write(_counter)
    assert database.name == f"{tmp_path}/my.db"
    assert database.read(_value) == 0
    database.close()


@pytest.mark.parametrize("embed", [True, False])
def test_a_sqlite_file_is_for_its_owner_only(tmp_path: Path, embed: bool) -> None:
    folder = tmp_path / "data"
    if not embed:
        folder.mkdir()
    database = embedded(folder) if embed else connect(f"sqlite:///{folder}/headgate.db")
    database.write(_counter)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    database.close()
    assert set(modes.values()) == {0o600}, modes
    assert not embed or stat.S_IMODE(folder.stat().st_mode) == 0o700


# servers that are not there


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # taken, and nobody listens
        database = connect(f"postgresql://u:hunter2@127.0.0.1:{sock.getsockname()[1]}/n")
        for use in (database.read, database.write):
            with pytest.raises(ServiceUnavailableError) as caught:
                use(lambda connection: None)
            assert "hunter2" not in str(caught.value)
            assert database.name in caught.value.message
            assert (caught.value.type, caught.value.retry_after) == ("no_db_connection", 5)


def test_a_database_that_does_not_exist_is_unavailable(postgres: Postgres) -> None:
    database = connect(postgres.url("nothing_of_this_name"))
    with pytest.raises(ServiceUnavailableError, match="nothing_of_this_name"):
        database.read(lambda connection: None)


def test_a_sqlite_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match="unable to open database file"):
        connect(f"sqlite:///{tmp_path}/missing/headgate.db").read(lambda connection: None)


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "headgate.db").write_bytes(os.urandom(8192))
    database = embedded(tmp_path)
    with pytest.raises(ServiceUnavailableError, match="file is not a database"):
        database.write(_counter)
    database.close()


def test_connections_that_the_server_closed_are_replaced(postgres: Postgres) -> None:
    database = connect(postgres.create())
    try:
        database.write(_counter)
        own = database.read(lambda c: c.scalar(text("SELECT pg_backend_pid()")))
        postgres.run(f"SELECT pg_terminate_backend({own}, 5000)")
        assert database.read(_value) == 0
    finally:
        database.close()


def test_a_connection_lost_in_a_transaction_is_unavailable(postgres: Postgres) -> None:
    database = connect(postgres.create())
    try:
        database.write(_counter)

        def lose(connection: Connection) -> None:
            connection.execute(text("UPDATE counter SET value = 1"))
            postgres.run(f"SELECT pg_terminate_backend({connection.scalar(text('SELECT pg_backend_pid()'))})")
            connection.execute(text("UPDATE counter SET value = 2"))

        with pytest.raises(ServiceUnavailableError):
            database.write(lose)
        assert database.read(_value) == 0
    finally:
        database.close()


def test_nothing_is_prepared_on_the_server(postgres: Postgres) -> None:
    """PgBouncer would hand the next transaction to a connection that does not know it."""
    database = connect(postgres.create())
    try:
        database.write(_counter)
        for _ in range(10):
            database.write(lambda c: [_value(c) for _ in range(3)])
        assert database.read(lambda c: c.scalar(text("SELECT count(*) FROM pg_prepared_statements"))) == 0
    finally:
        database.close()


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """SQLite does not wait where a file becomes a write-ahead one."""
    failed: list[Exception] = []

    def use(path: Path, barrier: threading.Barrier) -> None:
        database = connect(f"sqlite:///{path}")
        barrier.wait()
        try:
            database.read(lambda connection: None)
        except ServiceUnavailableError as error:
            failed.append(error)
        finally:
            database.close()

    for turn in range(30):
        given = (tmp_path / f"{turn}.db", threading.Barrier(6))
        threads = [threading.Thread(target=use, args=given) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []


# transactions


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    database.write(_counter)

    def fail(connection: Connection) -> None:
        connection.execute(text("UPDATE counter SET value = 7"))
        raise KeyError

    with pytest.raises(KeyError):
        database.write(fail)
    assert database.read(_value) == 0


def test_reading_goes_on_while_somebody_writes(database: Database) -> None:
    database.write(_counter)

    def write(connection: Connection) -> int:
        connection.execute(text("UPDATE counter SET value = 7"))
        return database.read(_value)

    assert database.write(write) == 0
    assert database.read(_value) == 7


def test_writers_in_many_threads_wait_for_each_other(database: Database) -> None:
    counter = table("counter", column("value"))
    database.write(_counter)

    def add(connection: Connection) -> None:
        connection.execute(counter.update().values(value=counter.c.value + 1))

    threads = [threading.Thread(target=lambda: [database.write(add) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(_value) == 80


async def test_transactions_run_beside_the_event_loop(database: Database) -> None:
    names = [await work(lambda c: threading.current_thread()) for work in (database.run, database.ask)]
    assert threading.current_thread() not in names


@pytest.mark.parametrize("do", ["run", "ask"])
async def test_a_value_that_it_can_not_take_is_a_bad_request(postgres: Postgres, do: str) -> None:
    database = connect(postgres.url())
    names = table("pg_class", column("relname"))
    with pytest.raises(BadRequestError, match="take a value of this request"):
        await getattr(database, do)(
            lambda connection: connection.scalar(names.select().where(names.c.relname == "a\0b"))
        )
    database.close()
