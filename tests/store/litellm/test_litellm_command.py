"""`headgate import-litellm`: what it says, and what it refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bringing import NOW, contents, entry
from databases import Postgres
from headgate.cli.main import main
from headgate.store import migrations
from headgate.store.database import Database, connect
from litellm_schema import SALT, LiteLLM, fill, log


def command(*words: str, **env: str | None) -> Result:
    """Nothing but an exit may leave it."""
    variables = dict.fromkeys(
        ("DATABASE_URL", "HEADGATE_DATABASE_URL", "HEADGATE_CONFIG", "LITELLM_MASTER_KEY")
    )
    result = CliRunner().invoke(
        main, ["import-litellm", *words], env={**variables, "LITELLM_SALT_KEY": SALT} | env
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def cells(result: Result, what: str) -> list[str]:
    """A row of the table."""
    found = next(line for line in result.stdout.splitlines() if line.startswith(what + "  "))
    return found.removeprefix(what).split()


def test_the_command_says_what_it_has_brought(there: LiteLLM, tmp_path: Path) -> None:
    fill(there)
    log(there, "one", 0.5)
    result = command(there.url, "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert cells(result, "keys") == ["4", "3", "0", "1"]
    assert cells(result, "calls") == ["1", "1", "0", "0"]
    assert "1 keys: object_permission: MCP servers" in result.stdout
    assert "keep it set" in result.stdout and "Restart a gateway" in result.stdout
    found = connect(f"sqlite:///{tmp_path}/headgate.db")
    assert entry(found, now=NOW).key["key_alias"] == "alice's"
    found.close()
    again = command(there.url, "--data-dir", str(tmp_path))
    assert cells(again, "keys") == ["4", "0", "3", "1"]
    assert "Restart" not in again.stdout


def test_a_dry_run_writes_nothing(there: LiteLLM, here: Database, tmp_path: Path) -> None:
    fill(there)
    log(there, "one", 0.5)
    before = contents(here)
    result = command(there.url, "--data-dir", str(tmp_path), "--dry-run")
    assert (cells(result, "keys"), cells(result, "calls")) == (["4", "3", "0", "1"], ["1", "1", "0", "0"])
    assert "would be brought" in result.stdout
    assert contents(here) == before
    elsewhere = tmp_path / "none"
    assert cells(command(there.url, "--data-dir", str(elsewhere), "--dry-run"), "keys") == [
        "4",
        "3",
        "0",
        "1",
    ]
    assert not elsewhere.exists()


def test_a_dry_run_makes_no_tables(there: LiteLLM, own: LiteLLM) -> None:
    fill(there)
    result = command(there.url, "--database-url", own.url, "--dry-run")
    assert cells(result, "teams") == ["1", "1", "0", "0"]
    found = connect(own.url)
    assert found.read(migrations.revision) is None
    found.close()


def test_the_command_finds_the_database_as_serve_does(there: LiteLLM, own: LiteLLM, tmp_path: Path) -> None:
    fill(there)
    config = tmp_path / "config.yaml"
    config.write_text(f"general_settings:\n  database_url: {own.url}\n  master_key: {SALT}\n")
    result = command(there.url, "--config", str(config), LITELLM_SALT_KEY=None)
    assert cells(result, "models") == ["1", "1", "0", "0"]  # opened by the master key
    assert cells(command(there.url, DATABASE_URL=own.url), "keys") == ["4", "0", "3", "1"]


def test_since_is_a_duration(there: LiteLLM, tmp_path: Path) -> None:
    log(there, "old", 1.0, "2020-01-01")
    result = command(there.url, "--data-dir", str(tmp_path), "--since", "90d")
    assert cells(result, "calls") == ["0", "0", "0", "0"]
    wrong = command(there.url, "--data-dir", str(tmp_path), "--since", "90")
    assert (wrong.exit_code, "--since 90: expected a duration" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:very-secret@127.0.0.1:1/x", "the database 127.0.0.1:1/x can't be used now"),
        ("postgresql://me:very@very-secret@127.0.0.1:1/x", "written as %40"),
        ("postgresql://me:very-secret@127.0.0.1:port/x", "the URL of LiteLLM's database can't be read"),
        ("mysql://me:very-secret@127.0.0.1/x", "must be a PostgreSQL"),
        ("sqlite:///very-secret.db", "must be a PostgreSQL"),
        ("very-secret", "the URL of LiteLLM's database can't be read"),
    ],
)
def test_a_wrong_url_is_said_without_its_password(url: str, said: str, tmp_path: Path) -> None:
    result = command(url, "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert "very-secret" not in result.stderr


def test_a_database_without_litellms_tables_is_said(postgres: Postgres, tmp_path: Path) -> None:
    result = command(postgres.create(), "--data-dir", str(tmp_path))
    assert (result.exit_code, "there are no tables of LiteLLM in" in result.stderr) == (1, True)


def test_a_user_who_may_not_read_is_told_so(there: LiteLLM, postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("DROP ROLE IF EXISTS nobody", "CREATE ROLE nobody LOGIN")
    url = there.url.replace("postgres:@", "nobody:very-secret@")
    result = command(url, "--data-dir", str(tmp_path))
    assert (result.exit_code, "may not read LiteLLM's tables" in result.stderr) == (1, True)
    assert "very-secret" not in result.stderr


def test_tables_that_may_not_be_read_are_named(there: LiteLLM, postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    fill(there)
    there.run('GRANT SELECT ON "LiteLLM_VerificationToken" TO reader')
    result = command(there.url.replace("postgres:@", "reader:@"), "--data-dir", str(tmp_path))
    there.run('REVOKE SELECT ON "LiteLLM_VerificationToken" FROM reader')
    assert cells(result, "keys") == ["4", "3", "0", "1"]
    assert "may not be read by this user (LiteLLM_AccessGroupTable, " in result.stdout


def test_two_places_are_one_too_many(there: LiteLLM, tmp_path: Path) -> None:
    result = command(there.url, "--data-dir", str(tmp_path), "--database-url", "sqlite:///x.db")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_place_that_cannot_be_written_is_said(there: LiteLLM, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command(there.url, "--data-dir", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr
