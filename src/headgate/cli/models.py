"""`headgate models`: what the catalog knows, as a table."""

from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import click

from headgate.catalog.lookup import Catalog
from headgate.cli import table

_MILLION = Decimal(1_000_000)


def show(pattern: str, limit: int) -> int:
    """Prints a table. Exit status 1 when nothing matches."""
    catalog = Catalog()
    names = [name for name in catalog.names() if pattern.lower() in name.lower()]
    if not names:
        near = get_close_matches(pattern.lower(), catalog.names(), n=1)
        click.echo(f"No model with {pattern!r} in its name." + (f" Did you mean {near[0]}?" if near else ""))
        return 1
    shown = names[:limit] if limit else names
    table.echo(
        ("model", "provider", "mode", ">context", ">$/M in", ">$/M out"),
        [_row(name, catalog.find(name) or {}) for name in shown],
    )
    if len(shown) < len(names):
        click.echo(f"\n{len(names) - len(shown)} more: --limit 0 shows all.")
    return 0


def _row(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        str(row.get("litellm_provider") or ""),
        str(row.get("mode") or ""),
        f"{row['max_input_tokens']:,}" if row.get("max_input_tokens") else "",
        _price(row.get("input_cost_per_token")),
        _price(row.get("output_cost_per_token")),
    )


def _price(per_token: Any) -> str:
    if per_token is None:
        return ""
    return format((Decimal(str(per_token)) * _MILLION).normalize(), "f")
