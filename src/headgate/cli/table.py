"""Columns of text for a terminal: what a library of 14 MB would do as well."""

from collections.abc import Sequence

import click


def echo(titles: Sequence[str], rows: Sequence[Sequence[str]], *, total: Sequence[str] = ()) -> None:
    """Titles that begin with ">" are of numbers: their columns stand to the right. `total` is a last row."""
    right = [title.startswith(">") for title in titles]
    head = [title.removeprefix(">") for title in titles]
    whole = [head, *rows, *([total] if total else ())]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if numbers else cell.ljust(width)
            for cell, width, numbers in zip(cells, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    click.secho(line(head), bold=True)
    for row in rows:
        click.echo(line(row))
    if total:
        click.echo("  ".join("-" * width for width in widths))
        click.echo(line(total))
