"""`headgate db upgrade | check | backup`: the database, from the command line."""

import shlex
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from headgate.cli.place import NoDatabase, find
from headgate.errors import HeadgateError
from headgate.server.config.report import ConfigError, render
from headgate.store import migrations, tables
from headgate.store.database import Database


def run(
    work: Callable[[Database], int], given: Mapping[str, Any], env: Mapping[str, str], *, make: bool
) -> int:
    """The exit status: 2 for a configuration that can't be used, 1 for what went wrong."""
    database: Database | None = None
    try:
        database = find(given, env, make=make)
        return work(database)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        return 2
    except NoDatabase as error:
        click.echo(str(error), err=True)
    except HeadgateError as error:
        click.echo(error.message, err=True)
    except OSError as error:
        where = f": {error.filename}" if error.filename is not None else ""
        click.echo(f"{error.strerror or error}{where}", err=True)
    except sqlite3.Error as error:
        click.echo(str(error), err=True)
    except DBAPIError as error:
        click.echo(f"{database.name if database else 'the database'}: {_first_line(error)}", err=True)
    finally:
        if database is not None:
            database.close()
    return 1


def ready(database: Database) -> bool:
    """Whether it has our tables as they are now; if not, that was said. Raises ConflictError for a newer one."""
    revision = migrations.known(database, database.read(migrations.revision))
    if revision == migrations.HEAD:
        return True
    state = "has none of Headgate's tables" if revision is None else f"is at revision {revision}"
    click.echo(
        f"{database.name} {state}: `headgate db upgrade` brings it to {migrations.HEAD}, and so does "
        "`headgate serve` at its start",
        err=True,
    )
    return False


def upgrade(database: Database) -> int:
    done = migrations.upgrade(database)
    click.echo(f"{database.name}: {'brought to' if done else 'is at'} revision {migrations.HEAD}")
    return 0


def check(database: Database) -> int:
    if not ready(database):
        return 1
    counted = (
        ("keys", tables.keys),
        ("users", tables.users),
        ("teams", tables.teams),
        ("calls", tables.calls),
    )
    counts = database.read(
        lambda c: [(name, c.scalar(select(func.count()).select_from(table))) for name, table in counted]
    )
    said = ", ".join(f"{count:,} {name}" for name, count in counts)
    click.echo(
        f"{_kind(database)} {database.name}\nreachable, up to date at revision {migrations.HEAD}\n{said}"
    )
    return 0


def backup(database: Database, target: Path) -> int:
    """A consistent copy of the file, also while a gateway writes to it."""
    if not database.is_sqlite:
        click.echo(f"PostgreSQL has a tool for it:\n    {_pg_dump(database, target)}", err=True)
        return 1
    if target.exists():
        click.echo(f"{target} exists already: name another file", err=True)
        return 1
    target.touch(mode=0o600)
    try:
        with closing(sqlite3.connect(database.name)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except BaseException:
        target.unlink()
        raise
    click.echo(f"{database.name} → {target}, {target.stat().st_size:,} bytes")
    return 0


def _pg_dump(database: Database, target: Path) -> str:
    """The command, without the password: pg_dump asks for it, or finds it in PGPASSWORD."""
    url = database.engine.url
    host = url.host or url.query.get("host")
    options = {"host": host, "port": url.port, "username": url.username}
    words = [f"--{name}={value}" for name, value in options.items() if value]
    return shlex.join(["pg_dump", "--format=custom", f"--file={target}", *words, str(url.database)])


def _kind(database: Database) -> str:
    return "SQLite" if database.is_sqlite else "PostgreSQL"


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n")[0]
