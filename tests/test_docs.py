"""The documentation says what is so: examples run, configurations load, commands parse, links lead somewhere."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from headgate.cli.main import main
from headgate.providers.registry import providers
from headgate.providers.rows import ROWS
from headgate.server.config.load import check
from headgate.server.config.report import render

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))),
)
SHELL = ("bash", "sh", "console", "")
KEY = "sk-a-long-and-good-key-0815"


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """What stands between fences, with the line of its first line."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, match[1], match[2]))
    return [block for block in found if block.language in languages]


def prose(page: str) -> str:
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


def spans(page: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_is_closed(page: str) -> None:
    fences = re.findall(r"^```(\w*)$", (ROOT / page).read_text(), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert not any(fences[1::2])


# python


def alone(block: Block) -> bool:
    """Needs neither a key nor a running gateway: no address, and no provider's model but the mock's."""
    named = re.findall(r"""["'](\w+)/[^"'/\s]+["']""", block.text)
    return "base_url=" not in block.text and all(name == "mock" for name in named if name in providers())


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_examples_are_python(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", [block for block in blocks("python") if alone(block)], ids=str)
def test_examples_run(block: Block) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block.text], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_there_are_examples() -> None:
    assert {block.page for block in blocks("python") if alone(block)} >= {"README.md", "docs/sdk.md"}


# configurations

PROVIDER_KEYS = {name: KEY for row in ROWS for name in row.api_key_env}
"""A row without a key means the provider's variable."""


def configurations() -> list[Block]:
    return [
        block
        for block in blocks("yaml")
        if re.search(r"^(model_list|\w+_settings):", block.text, re.MULTILINE)
    ]


@pytest.mark.parametrize("block", configurations(), ids=str)
def test_configurations_are_good(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(block.text)
    names = re.findall(r"os\.environ/(\w+)|\$\{(\w+)\}", block.text)
    problems = check(file, PROVIDER_KEYS | {first or second: KEY for first, second in names})
    assert not problems, render(problems)


def test_there_are_configurations() -> None:
    assert {block.page for block in configurations()} >= {"README.md", "docs/configuration.md"}


# commands


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a shell block, without variables before it and comments behind it."""
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line.removeprefix("$ "), comments=True)
        except ValueError:
            continue  # part of a text over several lines
        command: list[str] = []
        for word in [*words, "&&"]:
            if word not in ("&&", "||", "|", ";"):
                command.append(word)
                continue
            while command and re.match(r"\w+=", command[0]):
                command.pop(0)
            if command:
                yield command
            command = []


def ours() -> list[tuple[str, list[str]]]:
    return [
        (str(block), words)
        for block in blocks(*SHELL)
        for words in commands(block.text)
        if words[0].rpartition("/")[2] == "headgate"
    ]


@pytest.mark.parametrize(("place", "words"), ours())
def test_commands_can_be_parsed(place: str, words: list[str]) -> None:
    parse(words[1:])


def parse(words: list[str]) -> None:
    """Click's own parser; nothing is run. Raises UsageError."""
    with main.make_context("headgate", list(words)) as context:
        command = main.get_command(context, words[0]) or context.fail(f"no command {words[0]}")
        command.make_context(words[0], words[1:], parent=context).close()


@pytest.mark.parametrize("words", [["serv"], ["serve", "--prt", "1"], ["check"], ["models", "--limit", "x"]])
def test_what_is_no_command_is_noticed(words: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(words)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_exist(page: str) -> None:
    for span in spans(page):
        words = span.split()
        if words[0] == "headgate" and len(words) > 1:
            command = main.commands[words[1]]
            known = {spelling for param in command.params for spelling in param.opts}
            assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known, span


def test_every_command_is_in_the_readme() -> None:
    assert {span.split()[1] for span in spans("README.md") if span.startswith("headgate ")} == set(
        main.commands
    )


@pytest.mark.parametrize("page", PAGES)
def test_what_make_is_told_is_a_target(page: str) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = [words for block in blocks(*SHELL) if block.page == page for words in commands(block.text)]
    told += [span.split() for span in spans(page)]
    assert {words[1] for words in told if words[0] == "make" and len(words) > 1} <= targets


# links and paths


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    found: set[str] = set()
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for title in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()).replace(
            " ", "-"
        )
        again = sum(re.fullmatch(rf"{re.escape(plain)}(-\d+)?", other) is not None for other in found)
        found.add(f"{plain}-{again}" if again else plain)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        file = here.parent / path if path else here
        assert file.exists(), link
        assert not anchor or anchor in headings(file), link


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    for span in spans(page):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*\.(py|md|toml)|[a-z_]+(/[a-z_]+)*/", span):
            inside = (ROOT / "src/headgate").rglob(span.rstrip("/"))
            assert (ROOT / span).exists() or (ROOT / "docs" / span).exists() or any(inside), span


def test_every_provider_is_counted_in_the_changelog() -> None:
    assert len(ROWS) > 120
    assert "More than 120 providers" in (ROOT / "CHANGELOG.md").read_text()
