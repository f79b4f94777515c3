"""`headgate models`: what the catalog knows, as a table."""

from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from headgate.catalog.lookup import Catalog

_MILLION = Decimal(1_000_000)


def show(pattern: str, limit: int) -> int:
    """Prints a table. Exit status 1 when nothing matches."""
    catalog = Catalog()
    names = [name for name in catalog.names() if pattern.lower() in name.lower()]
    console = Console()
    if not names:
        console.print(f"No model with {pattern!r} in its name.")
        return 1
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for title in ("provider", "mode", "context", "$/M in", "$/M out"):
        table.add_column(title, justify="right" if "$" in title or title == "context" else "left")
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
