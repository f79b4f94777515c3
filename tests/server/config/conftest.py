"""A configuration that is written, loaded and asked for its problems."""

from pathlib import Path
from textwrap import dedent

import pytest
from written import ENV

from headgate.server.config.load import check, load
from headgate.server.config.report import Problem
from headgate.server.config.schema import Config


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(dedent(text), "utf-8")
        return path

    return write


@pytest.fixture
def loaded(write):
    def loaded(text: str, env: dict[str, str] = ENV) -> Config:
        return load(write(text), env)

    return loaded


@pytest.fixture
def problems(write):
    def problems(text: str, env: dict[str, str] = ENV) -> list[Problem]:
        return check(write(text), env)

    return problems


@pytest.fixture
def only(problems):
    def only(text: str, env: dict[str, str] = ENV) -> Problem:
        found = problems(text, env)
        assert len(found) == 1, found
        return found[0]

    return only
