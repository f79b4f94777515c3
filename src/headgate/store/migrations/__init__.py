"""Brings a database to the newest schema: Alembic's scripts in `versions/`, under a lock, so that many may start
at once.

Alembic is loaded only when there is something to do.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

from headgate.errors import ConflictError
from headgate.store.database import Database
from headgate.store.tables import PREFIX, metadata

HEAD: Final = "0003"
VERSION_TABLE: Final = PREFIX + "version"
_LOCK: Final = 7_236_871_043
"""PostgreSQL's advisory lock: any number that nobody else uses."""


def revision(connection: Connection) -> str | None:
    """The database's own, None for an empty one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).first()  # noqa: S608 -- a constant
    return str(row[0]) if row else None


def upgrade(database: Database) -> bool:
    """Whether there was something to do. Raises ConflictError for a database of a newer version."""
    if known(database, database.read(revision)) == HEAD:
        return False
    return database.write(lambda connection: _upgrade(database, connection))


def _upgrade(database: Database, connection: Connection) -> bool:
    if not database.is_sqlite:  # SQLite's transaction is the lock
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    found = known(database, revision(connection))
    if found == HEAD:
        return False
    if found is None and database.is_sqlite:
        _make(connection)
    else:
        run_scripts(connection)
    return True


def _make(connection: Connection) -> None:
    """An empty embedded database gets the tables as they are declared, which is what the scripts come to: Alembic
    takes 12 MB of memory for it."""
    metadata.create_all(connection, checkfirst=False)
    name = f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    connection.execute(text(name))
    connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('{HEAD}')"))  # noqa: S608 -- constants


def run_scripts(connection: Connection, until: str = "head") -> None:
    """From whatever revision it is of to the newest, or to another."""
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", str(Path(__file__).parent))
    command.upgrade(config, until)


def known(database: Database, found: str | None) -> str | None:
    """The revision, if it is none of the future. Raises ConflictError."""
    if found is None or found <= HEAD:
        return found
    raise ConflictError(
        f"the database {database.name} is of revision {found}, this Headgate knows up to {HEAD}: start the newer "
        "Headgate that wrote it, or restore a backup from before"
    )
