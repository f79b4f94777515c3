"""`headgate models`: what the catalog knows, as a table."""

from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from headgate.catalog.lookup import Catalog

_MILLION = Decimal(1_000_000)
_ENDLESS = 10_000
"""Columns where nobody looks: a file or another program gets whole names."""


def show(pattern: str, limit: int) -> int:
    """Prints a table. Exit status 1 when nothing matches."""
    catalog = Catalog()
    names = [name for name in catalog.names() if pattern.lower() in name.lower()]
    if not names:
        near = get_close_matches(pattern.lower(), catalog.names(), n=1)
        click.echo(f"No model with {pattern!r} in its name." + (f" Did you mean {near[0]}?" if near else ""))
        return 1
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for title in ("provider", "mode"):
        table.add_column(title, no_wrap=True)
    for title in ("context", "$/M in", "$/M out"):
        table.add_column(title, no_wrap=True, justify="right")
    shown = names[:limit] if limit else names
    for name in shown:
        row = catalog.find(name) or {}
        table.add_row(
            name,
            str(row.get("litellm_provider") or ""),
            str(row.get("mode") or ""),
            f"{row['max_input_tokens']:,}" if row.get("max_input_tokens") else "",
            _price(row.get("input_cost_per_token")),
            _price(row.get("output_cost_per_token")),
        )
    console.print(table)
    if len(shown) < len(names):
        console.print(f"\n{len(names) - len(shown)} more: --limit 0 shows all.")
    return 0


def _price(per_token: Any) -> str:
    if per_token is None:
        return ""
    return format((Decimal(str(per_token)) * _MILLION).normalize(), "f")
