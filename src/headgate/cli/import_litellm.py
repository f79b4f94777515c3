"""`headgate import-litellm`: brings keys, users, teams, budgets and history from LiteLLM's database."""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from headgate.cli import table
from headgate.errors import ConflictError, HeadgateError
from headgate.server.config import load
from headgate.server.config.report import ConfigError, printable, render
from headgate.server.config.settings import StartSettings, start_settings
from headgate.store import litellm, migrations
from headgate.store.crypto import Vault
from headgate.store.database import FILE, Database, connect, embedded
from headgate.store.litellm import Report
from headgate.store.periods import seconds

_PROGRESS_SECONDS: Final = 0.2
_URLS: Final = ("HEADGATE_DATABASE_URL", "DATABASE_URL")


def bring(given: Mapping[str, Any], env: Mapping[str, str]) -> int:
    """The exit status: 2 for a configuration or an option that can't be used, 1 for an import that failed."""
    url, dry = given["url"], given["dry_run"]
    if given["data_dir"] and given["database_url"]:
        click.echo("--data-dir and --database-url are two places to bring it to: give one of them", err=True)
        return 2
    try:
        since = time.time() - seconds(given["since"]) if given["since"] else None
    except ValueError as error:
        click.echo(f"--since {given['since']}: {error}", err=True)
        return 2
    try:
        start = start_settings(
            {"config": given["config"], "data_dir": given["data_dir"]}, env, platform=sys.platform
        )
        config = load.load(start.config, env) if start.config else load.empty(env)
    except ConfigError as error:
        click.echo(render(error.problems), err=True)
        return 2
    master = config.general.master_key or ""
    salt = env.get("LITELLM_SALT_KEY") or master
    named = given["database_url"] or config.general.database_url
    hidden = [url, named or "", *(env.get(name, "") for name in _URLS)]
    progress = _Progress()
    target: Database | None = None
    empty = tempfile.TemporaryDirectory(prefix="headgate-")
    try:
        target = _target(given, named, start, env, Path(empty.name))
        vault = Vault.of({**env, **config.environment}, master)
        options = {"salt": salt, "master": master, "since": since, "dry": dry, "progress": progress}
        report = litellm.run(url, target, time.time(), vault, **options)
    except HeadgateError as error:
        return _failed(error.message, hidden)
    except DBAPIError as error:
        return _failed(f"the database {target.name if target else ''}: {str(error.orig).strip()}", hidden)
    except OSError as error:
        return _failed(f"{error.strerror or error}: {error.filename}", hidden)
    finally:
        progress.end()
        if target is not None:
            target.close()
        empty.cleanup()
    _show(report, target.name, dry)
    return 0


def _target(
    given: Mapping[str, Any], named: str | None, start: StartSettings, env: Mapping[str, str], empty: Path
) -> Database:
    """What `headgate serve` would use, unless it is said. A dry run makes nothing: where our tables are not there yet
    it compares with those of a database in the folder `empty`."""
    dry = given["dry_run"]
    of_env = next((env[name] for name in _URLS if env.get(name)), None)
    url = given["database_url"] or (None if given["data_dir"] else named or of_env)
    file = start.data_dir / FILE
    if dry and not url and not file.exists():
        return _empty(str(file), empty)
    found = connect(url) if url else embedded(start.data_dir)
    revision = found.read(migrations.revision) if dry else migrations.HEAD
    if revision == migrations.HEAD:
        return found
    found.close()
    if revision is None:
        return _empty(found.name, empty)
    raise ConflictError(
        f"the database {found.name} is of revision {revision}, this Headgate of {migrations.HEAD}: a dry run "
        "changes no tables, and can't compare with these"
    )


def _empty(name: str, folder: Path) -> Database:
    made = embedded(folder)
    migrations.upgrade(made)
    return Database(made.engine, name)


def _failed(message: str, urls: Sequence[str]) -> int:
    """Says it without the passwords of the URLs, whatever a driver has put into its message."""
    for secret in filter(None, map(_password, urls)):
        message = message.replace(secret, "***")
    click.echo(f"import-litellm: {message}", err=True)
    return 1


def _password(url: str) -> str | None:
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return None
    found = parts.password or parts.query.get("password")
    return found if isinstance(found, str) and found else None


class _Progress:
    """One line on a terminal, written over and over."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._last > _PROGRESS_SECONDS:
            self._last = now
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)

    def end(self) -> None:
        if self._last:
            click.echo("\r\x1b[K", nl=False, err=True)


def _show(report: Report, name: str, dry: bool) -> None:
    titles = ("found", "would be brought" if dry else "brought", "unchanged", "not brought")
    click.echo(f"{'Would go' if dry else 'Brought'} into {name}\n")
    table.echo(
        ("what", *(f">{title}" for title in titles)),
        [
            (
                line.what,
                *(f"{number:,}" for number in (line.found, line.brought, line.unchanged, line.failed)),
            )
            for line in report.lines
        ],
    )
    if report.notes:
        click.echo("\nNot brought, or not all of it:")
    for note in report.notes:
        names = (printable(name) for name in note.examples)  # some are what LiteLLM's clients have sent
        who = ", ".join(names) + (", …" if 0 < len(note.examples) < note.count else "")
        click.echo(f"  {note.count:,} {note.what}: {note.reason}" + (f" ({who})" if who else ""))
    sealed = sum(line.brought + line.unchanged for line in report.lines if line.what in _SEALED)
    if sealed and not dry:
        click.echo(_MODELS)
    if not dry and any(line.brought for line in report.lines):
        click.echo(_RESTART)


_SEALED: Final = ("credentials", "models")
_MODELS: Final = """
Models and credentials stand beside those of the configuration. The salt that was set now (HEADGATE_SALT_KEY,
LITELLM_SALT_KEY, else the master key) opens them: keep it set."""
_RESTART: Final = """
Restart a gateway that runs on this database: what it counts itself it has in memory."""
