"""`headgate db upgrade | check | backup`: the database, from the command line."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select

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
    except (NoDatabase, HeadgateError) as error:
        click.echo(getattr(error, "message", str(error)), err=True)
    except (OSError, sqlite3.Error) as error:
        click.echo(f"{getattr(error, 'strerror', None) or error}", err=True)
    finally:
        if database is not None:
            database.close()
    return 1


def upgrade(database: Database) -> int:
    done = migrations.upgrade(database)
    click.echo(f"{database.name}: {'brought to' if done else 'is at'} revision {migrations.HEAD}")
    return 0


def check(database: Database) -> int:
    revision = database.read(migrations.revision)
    if revision != migrations.HEAD:
        state = "is empty" if revision is None else f"is at revision {revision}"
        click.echo(f"{database.name}: {state}, this Headgate needs {migrations.HEAD}", err=True)
        click.echo("`headgate db upgrade` brings it there; `headgate serve` does so at its start.", err=True)
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
    click.echo(f"{database.name}: good, revision {revision}; {said}")
    return 0


def backup(database: Database, target: Path) -> int:
    """A consistent copy of the file, also while a gateway writes to it."""
    if not database.is_sqlite:
        click.echo("PostgreSQL is backed up by its own tools:", err=True)
        click.echo(f'    pg_dump --format=custom --file={target} "$DATABASE_URL"', err=True)
        return 1
    if target.exists():
        click.echo(f"{target} exists already: name another file", err=True)
        return 1
    with closing(sqlite3.connect(database.name)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    target.chmod(0o600)
    click.echo(f"{database.name} → {target}, {target.stat().st_size:,} bytes")
    return 0
