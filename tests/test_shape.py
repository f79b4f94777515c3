"""The code base stays readable: file sizes, and no provider's name outside its own row."""

import ast
from pathlib import Path

import pytest

from headgate.providers.rows import ROWS

SRC = Path(__file__).parent.parent / "src" / "headgate"
FILES = sorted(SRC.rglob("*.py"))
DIALECTS = ("anthropic", "bedrock", "bedrock_converse", "cohere", "gemini", "ollama", "openai", "replicate")
"""Names that are formats, too: their code lives in wire/, and core, server and SDK name the formats."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_no_file_is_over_500_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 500


LONG = {
    "upgrade": "the first schema, one table after the other",
}
"""Functions that may have more than 60 lines, and why."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_no_function_is_over_60_lines(file: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 60}
    assert long <= LONG.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SRC)))
def test_every_file_says_what_it_is(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text()))


ALLOWED = {
    "catalog/lookup.py": "how the price table's own names are made of a provider's",
    "catalog/tokens.py": "a family of tokenizers",
    "providers/auth/oauth.py": "a token exchange has the name of who wants it",
    "wire/": '"custom" is a kind of tool, "meta" a key of answers',
}
"""Where a provider's name may stand outside its row, beside the names of formats and the built-in one."""


def _texts(tree: ast.AST) -> set[str]:
    """Every text of the code that is no docstring."""
    texts = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    said = [id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    return {node.value for node in texts if id(node) not in said}


def test_no_code_names_a_provider() -> None:
    names = {name for row in ROWS for name in (row.id, *row.aliases)} - set(DIALECTS) - {"mock"}
    found = {
        str(file.relative_to(SRC)): sorted(names & _texts(ast.parse(file.read_text())))
        for file in FILES
        if not file.is_relative_to(SRC / "providers/rows")
    }
    named = {file: where for file, where in found.items() if where}
    assert {file: where for file, where in named.items() if not file.startswith(tuple(ALLOWED))} == {}
    assert {where for file in named for where in ALLOWED if file.startswith(where)} == ALLOWED.keys()
    assert {name for file, where in named.items() if file.startswith("wire/") for name in where} == {
        "custom",
        "meta",
    }


def test_an_openai_compatible_row_is_short() -> None:
    plain = [
        SRC / "providers/rows" / f"{name}.py"
        for name in ("groq", "xai", "cerebras", "openrouter", "lm_studio")
    ]
    assert all(len(file.read_text().splitlines()) <= 35 for file in plain)
