"""`headgate spend` and `headgate db`: what they print, on a database with a few calls in it."""

import json
import sqlite3
import time
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headgate.cli.main import main
from headgate.money import UNITS
from headgate.store import ledger, migrations, reports
from headgate.store.database import FILE, embedded
from headgate.store.tables import teams


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    database = embedded(tmp_path / "data")
    migrations.upgrade(database)
    now = time.time()
    records = [
        ledger.Record(
            id=f"call-{number}",
            started=now,
            first_token=None,
            ended=now,
            key="key-1",
            team_id="team-1",
            model="m",
            model_group="m",
            status=200,
            input_tokens=1000,
            output_tokens=500,
            cost=UNITS // 4,
        )
        for number in range(3)
    ]
    database.write(lambda connection: ledger.book(connection, records))
    row = {"team_id": "team-1", "team_alias": "search", "blocked": False}
    history = {"created_at": now, "created_by": "x", "updated_at": now, "updated_by": "x"}
    database.write(lambda connection: connection.execute(teams.insert().values(**row, **history)))
    database.close()
    return tmp_path / "data"


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"DATABASE_URL": "", "HEADGATE_DATABASE_URL": ""})


def test_spend_is_a_table_with_names(folder: Path) -> None:
    result = run("spend", "--data-dir", str(folder))
    assert result.exit_code == 0
    assert "Spend by team" in result.output
    (line,) = [line.split() for line in result.output.splitlines() if "$" in line]
    assert (line[0], line[2:]) == ("search", ["3", "0", "3,000", "1,500"])
    assert Decimal(line[1].removeprefix("$")) == Decimal("0.75")


@pytest.mark.parametrize("by", reports.GROUPS)
def test_spend_adds_up_by_everything(folder: Path, by: str) -> None:
    rows = json.loads(run("spend", "--by", by, "--format", "json", "--data-dir", str(folder)).output)
    assert sum(Decimal(str(row["spend"])) for row in rows) == (0 if by in reports.NAMED else Decimal("0.75"))


def test_spend_as_csv_is_exact(folder: Path) -> None:
    result = run("spend", "--by", "model", "--format", "csv", "--data-dir", str(folder))
    head, row = result.output.splitlines()
    found = dict(zip(head.split(","), row.split(","), strict=True))
    assert (found["model"], Decimal(found["spend"]), found["calls"]) == ("m", Decimal("0.75"), "3")


def test_nothing_spent_and_a_time_that_is_none(folder: Path, tmp_path: Path) -> None:
    empty = embedded(tmp_path / "empty")
    migrations.upgrade(empty)
    empty.close()
    assert "No calls from" in run("spend", "--data-dir", str(tmp_path / "empty")).output
    assert run("spend", "--since", "soon", "--data-dir", str(folder)).exit_code == 2


def test_check_says_which_database_it_is_and_how(folder: Path, tmp_path: Path) -> None:
    good = run("db", "check", "--data-dir", str(folder))
    assert (good.exit_code, "up to date" in good.output, "3 calls" in good.output) == (0, True, True)
    missing = run("db", "check", "--data-dir", str(tmp_path / "nowhere"))
    assert (missing.exit_code, "there is no database" in missing.output) == (1, True)
    assert not (tmp_path / "nowhere").exists()


def test_upgrade_makes_what_is_not_there_and_says_so(tmp_path: Path) -> None:
    assert "brought to" in run("db", "upgrade", "--data-dir", str(tmp_path / "new")).output
    assert "is at" in run("db", "upgrade", "--data-dir", str(tmp_path / "new")).output


def test_backup_is_a_whole_copy_and_never_goes_over_a_file(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert run("db", "backup", str(copy), "--data-dir", str(folder)).exit_code == 0
    with sqlite3.connect(copy) as connection:
        (count,) = connection.execute("SELECT count(*) FROM headgate_calls").fetchone()
    connection.close()
    assert (count, copy.stat().st_mode & 0o777) == (3, 0o600)
    assert run("db", "backup", str(copy), "--data-dir", str(folder)).exit_code == 1
    assert (folder / FILE).exists()


def test_a_database_that_cannot_be_reached_is_told_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://user:hush-hush@127.0.0.1:1/none"
    result = CliRunner().invoke(main, ["db", "check"], env={"DATABASE_URL": url, "HOME": str(tmp_path)})
    assert (result.exit_code, "127.0.0.1:1/none" in result.output, "hush" in result.output) == (
        1,
        True,
        False,
    )
