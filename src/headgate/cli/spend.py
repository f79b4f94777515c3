"""`headgate spend`: where the money went, as a table."""

import csv
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from headgate.cli import db
from headgate.store import reports, tables
from headgate.store.database import Database
from headgate.store.money import dollars
from headgate.store.periods import EXPECTED, seconds
from headgate.store.totals import day

_NAMED = {
    "key": (tables.keys.c.id, tables.keys.c.key_alias),
    "team": (tables.teams.c.team_id, tables.teams.c.team_alias),
    "organization": (tables.organizations.c.organization_id, tables.organizations.c.organization_alias),
    "user": (tables.users.c.user_id, tables.users.c.user_email),
}
"""What people call them."""


def show(given: Mapping[str, Any], env: Mapping[str, str]) -> int:
    """The exit status: 2 for an option that can't be read."""
    now = time.time()
    try:
        start = day(now - seconds(given["since"]))
    except ValueError:
        click.echo(f"--since {given['since']}: expected {EXPECTED}", err=True)
        return 2
    return db.run(lambda database: _show(database, given, start, day(now)), given, env, make=False)


def _show(database: Database, given: Mapping[str, Any], start: str, end: str) -> int:
    by = given["by"]
    limit = given["limit"] or None
    found = database.read(lambda connection: reports.sums(connection, [by], start, end, limit=limit))
    names = database.read(lambda connection: _names(connection, by))
    rows = [{**row, by: names.get(row[by]) or row[by] or "(none)"} for row in found]
    if given["form"] == "table" and not rows:
        click.echo(f"nothing was spent from {start} to {end}")
        return 0
    _FORMS[given["form"]](rows, by, start, end)
    return 0


def _names(connection: Any, by: str) -> dict[str, str]:
    if by not in _NAMED:
        return {}
    column, alias = _NAMED[by]
    rows = connection.execute(
        column.table.select().with_only_columns(column, alias).where(alias.is_not(None))
    )
    return {row[0]: row[1] for row in rows}


def _table(rows: list[dict[str, Any]], by: str, start: str, end: str) -> None:
    table = Table(title=f"Spend by {by}, {start} to {end} (UTC)", title_justify="left", show_footer=True)
    total = {
        name: sum(row[name] for row in rows) for name in ("spend", "calls", "input_tokens", "output_tokens")
    }
    table.add_column(by, footer="total", overflow="fold")
    table.add_column("spend", justify="right", footer=_money(total["spend"]))
    for name in ("calls", "input_tokens", "output_tokens"):
        table.add_column(name.replace("_", " "), justify="right", footer=f"{total[name]:,}")
    for row in rows:
        numbers = (f"{row[name]:,}" for name in ("calls", "input_tokens", "output_tokens"))
        table.add_row(str(row[by]), _money(row["spend"]), *numbers)
    Console(highlight=False).print(table)


def _money(amount: int) -> str:
    return f"${dollars(amount):,.4f}"


def _json(rows: list[dict[str, Any]], by: str, start: str, end: str) -> None:
    click.echo(json.dumps([{**row, "spend": float(dollars(row["spend"]))} for row in rows], indent=2))


def _csv(rows: list[dict[str, Any]], by: str, start: str, end: str) -> None:
    writer = csv.DictWriter(sys.stdout, [by, *tables.sums])
    writer.writeheader()
    writer.writerows([{**row, "spend": f"{dollars(row['spend']):f}"} for row in rows])


_FORMS = {"table": _table, "json": _json, "csv": _csv}
