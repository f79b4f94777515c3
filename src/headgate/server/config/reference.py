"""The tables of `docs/configuration.md`, written from the key table.

`python -m headgate.server.config.reference docs/configuration.md` puts them in between their marks. A test
asserts that the document is up to date.
"""

import re
import sys
import textwrap
from pathlib import Path
from typing import Final

from headgate.server.config.keys import BLOCKS, Block
from headgate.server.config.kinds import KINDS
from headgate.server.config.providers import OWN
from headgate.server.config.settings import SETTINGS

_MARK: Final = re.compile(r"(<!-- (?P<name>[\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def updated(document: str) -> str:
    """The document with every marked part written anew. Raises KeyError for a mark that is not known."""
    parts = _parts()
    return _MARK.sub(lambda match: f"{match[1]}{parts[match['name']]}\n{match[3]}", document)


def _parts() -> dict[str, str]:
    parts = {"start": _start()}
    for block in (*BLOCKS.values(), *OWN):
        name = block.name or "top"
        parts[name] = _supported(block)
        parts[f"{name}-not-yet"] = _unsupported(block)
    return parts


def _supported(block: Block) -> str:
    rows = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for key in block.supported.values():
        kind = KINDS[key.kind].short.replace("|", "\\|")
        rows.append(f"| `{key.name}` | {kind} | {key.default} | {key.meaning} |")
    return "\n".join(rows)


def _unsupported(block: Block) -> str:
    text = ", ".join(f"`{name}`" for name in sorted(block.unsupported))
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def _start() -> str:
    rows = ["| setting | variables, the first that is set | value |", "| --- | --- | --- |"]
    for setting in SETTINGS:
        names = ", ".join(f"`{name}`" for name in setting.variables)
        rows.append(f"| `{setting.field}` | {names} | {setting.expected} |")
    return "\n".join(rows)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text("utf-8")), "utf-8")
