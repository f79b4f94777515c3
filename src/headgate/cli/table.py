"""Columns of text for a terminal: what a library of 14 MB would do as well."""

from collections.abc import Sequence
from unicodedata import combining, east_asian_width

import click

from headgate.server.config.report import printable


def echo(titles: Sequence[str], rows: Sequence[Sequence[str]], *, total: Sequence[str] = ()) -> None:
    """Titles that begin with ">" are of numbers: their columns stand to the right. `total` is a last row. Cells may
    be what strangers have sent: a terminal gets none of their control characters."""
    right = [title.startswith(">") for title in titles]
    head = [title.removeprefix(">") for title in titles]
    body = [[printable(cell) for cell in row] for row in rows]
    whole = [head, *body, *([total] if total else ())]
    widths = [max(map(_width, column)) for column in zip(*whole, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for cell, width, numbers in zip(cells, widths, right, strict=True):
            space = " " * (width - _width(cell))
            padded.append(space + cell if numbers else cell + space)
        return "  ".join(padded).rstrip()

    click.secho(line(head), bold=True)
    for row in body:
        click.echo(line(row))
    if total:
        click.echo("  ".join("-" * width for width in widths))
        click.echo(line(total))


def _width(text: str) -> int:
    """Columns that it takes: letters of East Asia take two, an accent beside its letter none."""
    if text.isascii():
        return len(text)
    return sum(1 + (east_asian_width(char) in "WF") for char in text if not combining(char))
