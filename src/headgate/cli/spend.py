"""`headgate spend`: where the money went, as a table, JSON or CSV."""

import csv
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any, Final

import click
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from headgate.cli import db, table
from headgate.money import UNITS, dollars
from headgate.store import reports, tables
from headgate.store.database import Database
from headgate.store.periods import EXPECTED, seconds
from headgate.store.totals import day

_NAMED: Final = {
    "key": (tables.keys.c.id, func.coalesce(tables.keys.c.key_alias, tables.keys.c.key_name)),
    "team": (tables.teams.c.team_id, tables.teams.c.team_alias),
    "organization": (tables.organizations.c.organization_id, tables.organizations.c.organization_alias),
    "user": (tables.users.c.user_id, func.coalesce(tables.users.c.user_email, tables.users.c.user_alias)),
    "customer": (tables.customers.c.user_id, tables.customers.c.alias),
}
"""What people call them."""
_OWN: Final = {"master": "master key", "": "no key"}
"""Keys that have no row."""
_SHOWN: Final = ("calls", "failed", "input_tokens", "output_tokens")

Row = dict[str, Any]


def show(given: Mapping[str, Any], env: Mapping[str, str]) -> int:
    """The exit status: 2 for an option that can't be read."""
    now = time.time()
    try:
        start = _day("--since", given["since"], now)
        end = _day("--until", given["until"], now) if given["until"] else day(now)
    except ValueError as error:
        click.echo(str(error), err=True)
        return 2
    if start > end:
        click.echo(f"--since {start} is after --until {end}", err=True)
        return 2
    return db.run(lambda database: _show(database, given, start, end), given, env, make=False)


def _day(option: str, text: str, now: float) -> str:
    """A date, or how long ago."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        pass
    try:
        return day(now - seconds(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{option} {text}: expected a date such as 2026-11-21, or {EXPECTED}") from None


def _show(database: Database, given: Mapping[str, Any], start: str, end: str) -> int:
    if not db.ready(database):
        return 1
    by, limit = given["by"], given["limit"] or None
    rows = database.read(lambda connection: _rows(connection, by, start, end))
    if not rows and given["form"] == "table":
        click.echo(f"No calls from {start} to {end} (UTC){_without(by)}.")
        return 0
    _FORMS[given["form"]](rows, limit, by, start, end)
    return 0


def _without(by: str) -> str:
    return f" with a {by}" if by in reports.NAMED else ""


def _rows(connection: Connection, by: str, start: str, end: str) -> list[Row]:
    """The dearest first, and the newest day. `name` is what people call them, "" where they don't."""
    found = reports.sums(connection, [by], start, end)
    if by == "day":
        found.sort(key=itemgetter(by), reverse=True)
    names = _names(connection, by) if found else {}
    return [{by: row[by], "name": names.get(row[by]) or "", **row} for row in found]


def _names(connection: Connection, by: str) -> dict[str, str]:
    if by not in _NAMED:
        return {}
    column, name = _NAMED[by]
    found = {row[0]: row[1] for row in connection.execute(select(column, name).where(name.is_not(None)))}
    return {**_OWN, **found} if by == "key" else found


def _table(rows: Sequence[Row], limit: int | None, by: str, start: str, end: str) -> None:
    shown = rows[:limit]
    digits = _digits(shown)
    total = {name: sum(row[name] for row in rows) for name in ("spend", *_SHOWN)}
    twice = _twice([row["name"] for row in shown])
    click.echo(f"Spend by {by.replace('_', ' ')} from {start} to {end} (UTC)\n")
    table.echo(
        (by.replace("_", " "), ">spend", *(">" + name.replace("_", " ") for name in _SHOWN)),
        [
            (_called(row, by, twice), _money(row["spend"], digits), *(f"{row[name]:,}" for name in _SHOWN))
            for row in shown
        ],
        total=("total", _money(total["spend"], digits), *(f"{total[name]:,}" for name in _SHOWN))
        if len(rows) > 1 and by != "tag"
        else (),
    )
    if len(shown) < len(rows):
        click.echo(f"\n{len(rows) - len(shown)} more: --limit 0 shows all.")


def _called(row: Row, by: str, twice: set[str]) -> str:
    """Its name, else its id; both where several have the name."""
    if row["name"] in twice:
        return f"{row['name']} ({row[by]})"
    return row["name"] or row[by] or f"no {by.replace('_', ' ')}"


def _twice(names: Sequence[str]) -> set[str]:
    return {name for name in names if name and names.count(name) > 1}


def _digits(rows: Sequence[Row]) -> int:
    """Enough for the least that was spent, to three places."""
    least = min((row["spend"] for row in rows if row["spend"]), default=UNITS)
    return next((digits for digits in (2, 4, 6, 9) if least * 10**digits >= 100 * UNITS), 12)


def _money(amount: int, digits: int) -> str:
    return f"${dollars(amount):,.{digits}f}"


def _json(rows: Sequence[Row], limit: int | None, by: str, start: str, end: str) -> None:
    told = [{**row, "spend": float(dollars(row["spend"]))} for row in rows[:limit]]
    click.echo(json.dumps(told, indent=2, ensure_ascii=False))


def _csv(rows: Sequence[Row], limit: int | None, by: str, start: str, end: str) -> None:
    writer = csv.DictWriter(sys.stdout, [by, "name", *tables.sums], lineterminator="\n")
    writer.writeheader()
    for row in rows[:limit]:
        texts = {name: _cell(row[name]) for name in (by, "name")}
        writer.writerow({**row, **texts, "spend": f"{dollars(row['spend']).normalize():f}"})


def _cell(text: str) -> str:
    """What a spreadsheet would run as a formula is shown as a text: customers and tags are what clients send."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


_FORMS: Final = {"table": _table, "json": _json, "csv": _csv}
