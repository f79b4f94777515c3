"""`headgate providers`: whom can be called, and all that is known of one of them."""

import json
from difflib import get_close_matches
from typing import Any

import click

from headgate.cli import table
from headgate.providers import overview
from headgate.providers.registry import providers


def show(name: str, as_json: bool) -> int:
    """Exit status 1 for a name that nobody has."""
    if not name:
        rows = overview.sorted_rows()
        if as_json:
            click.echo(json.dumps([overview.described(row) for row in rows], indent=2))
            return 0
        cells = [
            (
                row.id,
                row.name,
                ", ".join(overview.kinds(row)),
                next(iter(row.api_key_env), row.credential),
                overview.tested(row),
            )
            for row in rows
        ]
        table.echo(("provider", "name", "operations", "key", "tested"), cells)
        return 0
    known = providers()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        click.echo(
            f"No provider is called {name!r}." + (f" Did you mean {near[0]}?" if near else ""), err=True
        )
        return 1
    found = overview.described(known[name])
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))
    return 0


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['id']}: {found['name']}"]
    width = max(13, *(len(name) + 2 for name in found["addresses"])) if found["addresses"] else 13
    for label, value in (
        ("aliases", ", ".join(found["aliases"])),
        ("format", found["dialect"]),
        ("operations", ", ".join(found["operations"])),
        ("address", found["base_url"] or ("" if _made(found) else "none of its own: give api_base")),
        *((f"  {name}", address) for name, address in found["addresses"].items()),
        ("key from", " or ".join(found["api_key_env"]) + (" (optional)" if found["key_is_optional"] else "")),
        ("or signed by", found["signed_by"]),
        ("address from", " or ".join(found["base_url_env"])),
        ("also reads", ", ".join(found["other_env"])),
        ("tested by", found["tested"] + ": " * bool(found["recorded"]) + ", ".join(found["recorded"])),
    ):
        if value:
            lines.append(f"  {label:<{width}} {value}")
    for models, quirks in found["quirks"].items():
        lines.append(f"  {'for ' + models if models else 'parameters'}:")
        lines += [f"    {name:<15} {_said(value)}" for name, value in quirks.items()]
    return lines


def _made(found: dict[str, Any]) -> bool:
    """Whether its addresses are made of parameters."""
    return any(not address.startswith("{api_base}") for address in found["addresses"].values())


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{old}{_sign(new)}{_said(new)}" for old, new in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _sign(value: Any) -> str:
    """A name or value that becomes another, or what is true of it."""
    return ": " if isinstance(value, dict | tuple | list) else " → "
