"""The examples of the documentation run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.providers.rows import ROWS

ROOT = Path(__file__).parent.parent


def blocks(file: str) -> list[str]:
    """Python examples that need neither a key nor a running gateway."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), re.DOTALL)
    return [block for block in found if "mock/" in block]


@pytest.mark.parametrize(
    ("file", "block"), [(file, block) for file in ("README.md", "docs/sdk.md") for block in blocks(file)]
)
def test_examples_run(file: str, block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make (\w+)", (ROOT / "README.md").read_text())) - targets <= {"the"}


def test_links_lead_somewhere() -> None:
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)", file.read_text()):
            assert link.startswith("http") or (file.parent / link).exists(), (file.name, link)


def test_every_provider_is_counted_in_the_changelog() -> None:
    assert len(ROWS) == 18
    assert "Eighteen providers" in (ROOT / "CHANGELOG.md").read_text()
