"""A changed file while the gateway runs: which files are looked at, and what is tried again."""

import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.errors import ServiceUnavailableError
from headgate.server.app import build
from headgate.server.config.load import load
from headgate.server.gateway import Gateway
from headgate.server.reload import Reloader


def written(*names: str, **more: Any) -> str:
    rows = [{"model_name": name, "litellm_params": {"model": "mock/echo"}} for name in names]
    return yaml.safe_dump({"model_list": rows, **more})


class Files:
    """A gateway over a configuration in a folder; `look` is what it does every two seconds."""

    def __init__(self, folder: Path) -> None:
        self.main = folder / "config.yaml"
        self.more = folder / "more.yaml"
        self.main.write_text(written("one"))
        self.gateway: Gateway = build(
            load(str(self.main), {}), {}, folder / "data", read=partial(load, str(self.main), {})
        )
        assert self.gateway.reloader is not None
        self.reloader: Reloader = self.gateway.reloader

    async def look(self) -> set[str]:
        """The models that are served then."""
        await self.reloader.watch()
        return {name for name, _ in self.gateway.snapshot.rows}


@pytest.fixture(name="files")
def fixture_files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path)
    yield files
    assert files.gateway.ledger is not None and files.gateway.database is not None
    files.gateway.ledger.close()
    files.gateway.database.close()


async def test_a_fault_may_be_mended_in_a_file_that_is_new(files: Files) -> None:
    files.more.write_text("model_list: [{model_name: two}]")
    files.main.write_text(written("one", include=["more.yaml"]))
    assert await files.look() == {"one"}
    files.more.write_text(written("two"))
    assert await files.look() == {"one", "two"}


async def test_a_file_that_was_missing_is_read_once_it_is_there(files: Files) -> None:
    files.main.write_text(written("one", include=["more.yaml"]))
    assert await files.look() == {"one"}
    files.more.write_text(written("two"))
    assert await files.look() == {"one", "two"}


async def test_what_has_not_changed_is_not_read_again(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.more.write_text(written("two"))
    files.main.write_text(written("one", include=["more.yaml"]))
    with caplog.at_level(logging.WARNING, "headgate"):
        assert await files.look() == {"one", "two"}
        assert await files.look() == {"one", "two"}
        files.main.write_text("model_list: 5")
        for _ in range(3):
            assert await files.look() == {"one", "two"}
    told = [record.message for record in caplog.records]
    assert [text.partition(":")[0] for text in told] == [
        "the configuration was read anew",
        "the new configuration is refused, the old one goes on",
    ]


async def test_a_file_with_the_time_and_length_of_the_one_before_is_another(files: Files) -> None:
    other = files.main.with_name("other.yaml")
    other.write_text(written("two"))
    was = files.main.stat()
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert other.stat().st_size == was.st_size
    other.replace(files.main)
    assert await files.look() == {"two"}


@pytest.mark.parametrize("gone", [Path.unlink, lambda file: (file.unlink(), file.mkdir())])
async def test_a_file_that_can_not_be_read_changes_nothing_until_it_can(
    files: Files, gone: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    gone(files.main)
    assert await files.look() == {"one"}
    assert "can't read the file" in caplog.text
    if files.main.is_dir():
        files.main.rmdir()
    files.main.write_text(written("two"))
    assert await files.look() == {"two"}


async def test_a_folder_that_is_closed_is_told_and_nothing_more(
    files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def closed(*given: Any, **more: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:  # root may read everything
        patch.setattr(Path, "stat", closed)
        patch.setattr(Path, "open", closed)
        assert await files.look() == {"one"}
    assert "can't read the file" in caplog.text and "Permission denied" in caplog.text
    assert await files.look() == {"one"}


async def test_a_change_waits_for_a_database_that_is_away(
    files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*given: Any) -> Any:
        raise ServiceUnavailableError("the database is away")

    files.main.write_text(written("two"))
    with monkeypatch.context() as patch:
        patch.setattr(files.gateway.database, "read", away)
        for _ in range(3):
            assert await files.look() == {"one"}
    assert caplog.text.count("waits") == 1
    assert await files.look() == {"two"}
