"""The code base stays readable: file sizes, and no provider's name outside its own row."""

import ast
import re
from pathlib import Path

import pytest

from headgate.providers.rows import ROWS

SRC = Path(__file__).parent.parent / "src" / "headgate"
FILES = sorted(SRC.rglob("*.py"))
DIALECTS = ("anthropic", "gemini", "openai")
"""Names that are formats, too: their code lives in wire/, and core, server and SDK name the formats."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_no_file_is_over_500_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 500


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_every_file_says_what_it_is(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text()))


def test_no_code_asks_for_a_provider_by_name() -> None:
    names = {row.id for row in ROWS} - set(DIALECTS) - {"mock"}
    asked = re.compile(r"==\s*[\"'](" + "|".join(names) + r")[\"']|[\"'](" + "|".join(names) + r")[\"']\s*==")
    found = [str(file.relative_to(SRC)) for file in FILES if asked.search(file.read_text())]
    assert found == []


def test_an_openai_compatible_row_is_short() -> None:
    plain = [
        SRC / "providers/rows" / f"{name}.py"
        for name in ("groq", "xai", "cerebras", "openrouter", "lm_studio")
    ]
    assert all(len(file.read_text().splitlines()) <= 35 for file in plain)
