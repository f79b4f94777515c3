"""`headgate db` and `headgate spend` on real databases, as an operator types them."""

import csv
import io
import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url

from databases import Postgres, new_database
from headgate.cli.main import main
from headgate.money import UNITS
from headgate.store import ledger, migrations, reports, tables
from headgate.store.database import Database, connect, embedded
from headgate.store.ledger import Record
from headgate.store.totals import day

NOW = time.time()
DAY = 86_400.0
HISTORY = {"created_at": NOW, "created_by": "me", "updated_at": NOW, "updated_by": "me", "blocked": False}
SECRET = "hunter2-of-the-database"


def run(*words: str | Path, **env: str | None) -> Result:
    """Nothing but an exit may leave a command: a traceback is a failure here."""
    given = {"HEADGATE_DATABASE_URL": None, "DATABASE_URL": None, "HEADGATE_CONFIG": None, **env}
    result = CliRunner().invoke(main, [str(word) for word in words], env=given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def add(database: Database, table: Any, **row: Any) -> None:
    given = {name: value for name, value in {**HISTORY, **row}.items() if name in table.c}
    database.write(lambda connection: connection.execute(table.insert(), [given]))


def call(number: int, **given: Any) -> Record:
    ended = NOW - given.pop("ago", 0.0)
    fields: dict[str, Any] = {"model": "gpt", "operation": "chat", "dialect": "openai_chat", "status": 200}
    fields["model_group"] = given.get("model", "gpt")
    return Record(id=f"c{number}", started=ended - 1, first_token=None, ended=ended, **{**fields, **given})


@pytest.fixture
def filled(database: Database) -> Database:
    """Two teams of one name, a key with a name, one with a number, and calls of theirs."""
    for team, alias in (("t1", "Research"), ("t2", "Research"), ("t3", None)):
        add(database, tables.teams, team_id=team, team_alias=alias)
    add(database, tables.keys, id="h1", token="x1", key_name="sk-...aaaa", key_alias="ci")
    add(database, tables.keys, id="h2", token="x2", key_name="sk-...bbbb")
    add(database, tables.users, user_id="u1", user_email="ada@example.com", user_role="internal_user")
    given = [
        call(1, key="h1", team_id="t1", cost=1234 * UNITS, input_tokens=1_000_000, output_tokens=20),
        call(
            2, key="h2", team_id="t2", cost=UNITS // 100 * 7, user_id="u1", tags=("a", "b"), customer="acme"
        ),
        call(3, key="master", cost=1, status=500),
        call(4, key="h1", team_id="t3", cost=UNITS, ago=10 * DAY, model="claude"),
        call(5, key="h1", team_id="t1", cost=UNITS, ago=40 * DAY),
    ]
    database.write(lambda connection: ledger.book(connection, given))
    return database


# headgate spend


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.output.splitlines() if line.strip("- ")]


def test_spend_is_a_table_with_names_and_a_total(filled: Database) -> None:
    title, head, *rows, total = lines(run("spend", "--by", "team", DATABASE_URL=url_of(filled)))
    today = day(NOW)
    assert title == f"Spend by team from {day(NOW - 30 * DAY)} to {today} (UTC)"
    assert head.split("  ")[0] == "team"
    assert [row.split("$")[0].strip() for row in rows] == ["Research (t1)", "t3", "Research (t2)", "no team"]
    assert [row.split("$")[1].split()[0] for row in rows] == [
        "1,234.000000000000",
        "1.000000000000",
        "0.070000000000",
        "0.000000000001",
    ]
    assert total.split() == ["total", "$1,235.070000000001", "4", "1", "1,000,000", "20"]
    assert len({line.index(".") for line in (*rows, total)}) == 1  # aligned
    assert len({len(line) for line in (*rows, total)}) == 1


@pytest.mark.parametrize(
    ("by", "named"),
    [
        ("key", ["ci", "sk-...bbbb", "master key"]),
        ("user", ["no user", "ada@example.com"]),
        ("organization", ["no organization"]),
        ("customer", ["acme"]),
        ("tag", ["a", "b"]),
        ("model", ["gpt", "claude"]),
        ("upstream_model", ["no upstream model"]),
        ("provider", ["no provider"]),
        ("day", [day(NOW), day(NOW - 10 * DAY)]),
    ],
)
def test_spend_is_told_by_everything_that_reports_know(filled: Database, by: str, named: list[str]) -> None:
    _, _, *rows = lines(run("spend", "--by", by, DATABASE_URL=url_of(filled)))
    found = [row.split("  ")[0] for row in rows]
    several = len(named) > 1 and by != "tag"
    assert found == [*named, "total"] if several else found == named


def test_spend_offers_what_reports_know() -> None:
    command = main.commands["spend"]
    assert isinstance(command, click.Command)
    (by,) = (option for option in command.params if option.name == "by")
    assert isinstance(by.type, click.Choice)
    assert sorted(by.type.choices) == sorted(reports.GROUPS)


@pytest.mark.parametrize(
    ("words", "calls"),
    [
        (["--since", "30d"], 4),
        (["--since", "60d"], 5),
        (["--since", "1d"], 3),
        (["--since", "1mo"], 4),
        (["--since", day(NOW - 10 * DAY)], 4),
        (["--since", "60d", "--until", "5d"], 2),
        (["--since", "60d", "--until", day(NOW - 40 * DAY)], 1),
    ],
)
def test_spend_is_of_the_days_that_were_named(filled: Database, words: list[str], calls: int) -> None:
    result = run("spend", "--format", "json", *words, DATABASE_URL=url_of(filled))
    assert sum(row["calls"] for row in json.loads(result.output)) == calls


def test_spend_as_json_has_ids_and_names(filled: Database) -> None:
    result = run("spend", "--by", "team", "--format", "json", "--limit", "2", DATABASE_URL=url_of(filled))
    first, second = json.loads(result.output)
    assert (first["team"], first["name"], first["spend"], first["input_tokens"]) == (
        "t1",
        "Research",
        1234.0,
        1_000_000,
    )
    assert (second["team"], second["name"]) == ("t3", "")


def test_spend_as_csv_is_exact(filled: Database) -> None:
    result = run("spend", "--by", "key", "--format", "csv", DATABASE_URL=url_of(filled))
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert list(rows[0]) == ["key", "name", *tables.sums]
    assert [(row["name"], row["spend"]) for row in rows] == [
        ("ci", "1235"),
        ("sk-...bbbb", "0.07"),
        ("master key", "0.000000000001"),
    ]


def test_a_customer_s_name_is_no_formula(database: Database) -> None:
    database.write(lambda c: ledger.book(c, [call(1, customer="=1+1", cost=UNITS)]))
    result = run("spend", "--by", "customer", "--format", "csv", DATABASE_URL=url_of(database))
    assert result.output.splitlines()[1].startswith("'=1+1,,1,1,0,")


def test_a_name_does_nothing_to_the_terminal(database: Database) -> None:
    names = ("\x1b[2Jgone", "two\nlines", "客户", "plain")
    given = [call(number, customer=name, cost=UNITS) for number, name in enumerate(names)]
    database.write(lambda c: ledger.book(c, given))
    _, _, *rows, _ = lines(run("spend", "--by", "customer", DATABASE_URL=url_of(database)))
    assert sorted(row.split("$")[0].strip() for row in rows) == [
        "plain",
        "two\N{REPLACEMENT CHARACTER}lines",
        "客户",
        "\N{REPLACEMENT CHARACTER}[2Jgone",
    ]
    ends = {row.index("$") + 2 * ("客户" in row) for row in rows}
    assert len(ends) == 1, "letters that take two columns push nothing aside"


def test_spend_says_how_many_rows_it_left_out_and_sums_them_all(filled: Database) -> None:
    *_, total, more = lines(run("spend", "--by", "team", "--limit", "1", DATABASE_URL=url_of(filled)))
    assert total.split()[:3] == ["total", "$1,235.07", "4"]
    assert more == "3 more: --limit 0 shows all."
    assert "more" not in run("spend", "--limit", "0", DATABASE_URL=url_of(filled)).output


@pytest.mark.parametrize(
    ("least", "shown"),
    [
        (3 * UNITS, "$3.00"),
        (UNITS // 2, "$0.5000"),
        (UNITS // 1000, "$0.001000"),
        (1_500, "$0.000000001500"),
    ],
)
def test_money_has_as_many_digits_as_the_least_needs(database: Database, least: int, shown: str) -> None:
    given = [call(1, team_id="t1", cost=least), call(2, team_id="t2", cost=5 * UNITS)]
    database.write(lambda connection: ledger.book(connection, given))
    assert shown in run("spend", DATABASE_URL=url_of(database)).output


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("table", f"No calls from {day(NOW - 30 * DAY)} to {day(NOW)} (UTC).\n"),
        ("json", "[]\n"),
        ("csv", ",".join(["team", "name", *tables.sums]) + "\n"),
    ],
)
def test_nothing_found_says_so(database: Database, form: str, printed: str) -> None:
    result = run("spend", "--format", form, DATABASE_URL=url_of(database))
    assert (result.exit_code, result.output) == (0, printed)


def test_days_that_are_not_in_order_are_told(database: Database) -> None:
    result = run("spend", "--since", "2026-11-21", "--until", "20261101", DATABASE_URL=url_of(database))
    assert (result.exit_code, result.stderr) == (2, "--since 2026-11-21 is after --until 2026-11-01\n")


def test_nothing_found_for_tags_says_what_is_missing(database: Database) -> None:
    assert "(UTC) with a tag.\n" in run("spend", "--by", "tag", DATABASE_URL=url_of(database)).output


@pytest.mark.parametrize("words", [["--since", "never"], ["--until", "1y"], ["--since", "2026-13-01"]])
def test_a_time_that_can_not_be_read_is_told(words: list[str]) -> None:
    result = run("spend", *words)
    assert result.exit_code == 2
    assert f"{' '.join(words)}: expected a date such as 2026-11-21, or a duration" in result.stderr


# headgate db check, upgrade


def test_a_good_database_says_what_is_in_it(filled: Database) -> None:
    result = run("db", "check", DATABASE_URL=url_of(filled))
    kind = "SQLite" if filled.is_sqlite else "PostgreSQL"
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{kind} {filled.name}",
        f"reachable, up to date at revision {migrations.HEAD}",
        "2 keys, 1 users, 3 teams, 5 calls",
    ]


def test_an_empty_database_needs_an_upgrade(empty_database: Callable[[], Database]) -> None:
    database = empty_database()
    database.write(lambda c: c.execute(text("CREATE TABLE other (id TEXT)")))
    url = url_of(database)
    for words in (["db", "check"], ["spend"]):
        result = run(*words, DATABASE_URL=url)
        assert result.exit_code == 1
        assert "has none of Headgate's tables: `headgate db upgrade` brings it to" in result.stderr
    assert "brought to revision" in run("db", "upgrade", DATABASE_URL=url).output
    assert "is at revision" in run("db", "upgrade", DATABASE_URL=url).output
    assert run("db", "check", DATABASE_URL=url).exit_code == 0


def _of_the_future(connection: Connection) -> None:
    connection.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '0999'"))


@pytest.mark.parametrize("words", [["db", "check"], ["db", "upgrade"], ["spend"]])
def test_a_database_of_a_newer_headgate_is_left_alone(database: Database, words: list[str]) -> None:
    database.write(_of_the_future)
    result = run(*words, DATABASE_URL=url_of(database))
    assert result.exit_code == 1
    assert "is of revision 0999, this Headgate knows up to" in result.stderr


@pytest.mark.parametrize("words", [["db", "check"], ["db", "upgrade"], ["spend"]])
def test_a_server_that_is_not_there_is_told_without_its_password(words: list[str]) -> None:
    result = run(*words, DATABASE_URL=f"postgresql://u:{SECRET}@127.0.0.1:1/n")
    assert result.exit_code == 1
    assert "the database 127.0.0.1:1/n can't be used now: " in result.stderr
    assert SECRET not in result.output


def test_a_user_who_may_not_read_is_told(postgres: Postgres) -> None:
    url = postgres.migrated()
    name = make_url(url).database
    postgres.run("CREATE ROLE stranger LOGIN", f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    postgres.run(f"GRANT CONNECT ON DATABASE {name} TO stranger")
    result = run("db", "check", DATABASE_URL=url.replace("postgres:@", "stranger@"))
    assert result.exit_code == 1
    assert "permission denied for table headgate_version" in result.stderr


@pytest.mark.parametrize("words", [["db", "check"], ["db", "backup", "copy.db"], ["spend"]])
@pytest.mark.parametrize("url", [False, True])
def test_where_there_is_no_database_none_is_made(tmp_path: Path, words: list[str], url: bool) -> None:
    given = {"DATABASE_URL": f"sqlite:///{tmp_path}/data/headgate.db"} if url else {}
    result = run(*words, "--data-dir", tmp_path / "data", **given)
    assert result.exit_code == 1
    assert result.stderr == (
        f"there is no database at {tmp_path}/data/headgate.db: `headgate serve` makes it at its first start\n"
    )
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "headgate.db").write_bytes(b"no database at all" * 500)
    result = run("db", "check", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr


# which database


def _marked(tmp_path: Path, name: str) -> Database:
    database = embedded(tmp_path / name)
    migrations.upgrade(database)
    return database


def test_the_database_is_the_one_that_serve_would_use(tmp_path: Path) -> None:
    for name in ("data", "env", "own", "file", "set"):
        _marked(tmp_path, name).close()
    config = tmp_path / "config.yaml"

    def said(*words: str | Path, **env: str | None) -> str:
        home = {"HEADGATE_DATA_DIR": str(tmp_path / "data")}
        return run("db", "check", *words, **{**home, **env}).output.splitlines()[0]

    def url(name: str) -> str:
        return f"sqlite:///{tmp_path}/{name}/headgate.db"

    assert said() == f"SQLite {tmp_path}/data/headgate.db"
    assert said(DATABASE_URL=url("env")).endswith("/env/headgate.db")
    assert said(DATABASE_URL=url("env"), HEADGATE_DATABASE_URL=url("own")).endswith("/own/headgate.db")
    assert said("--data-dir", tmp_path / "own", DATABASE_URL=url("env")).endswith("/own/headgate.db")
    config.write_text(yaml.safe_dump({"environment_variables": {"DATABASE_URL": url("set")}}))
    assert said("--config", config).endswith("/set/headgate.db")
    config.write_text(yaml.safe_dump({"general_settings": {"database_url": "os.environ/MINE"}}))
    assert said("--config", config, MINE=url("file"), DATABASE_URL=url("env")).endswith("/file/headgate.db")


def test_a_configuration_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    result = run("db", "check", "--config", tmp_path / "missing.yaml", "--data-dir", tmp_path)
    assert result.exit_code == 2
    assert "missing.yaml" in result.stderr


# headgate db backup


def test_a_backup_is_a_consistent_copy_while_the_database_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = new_database("sqlite", tmp_path / "data")
    database.write(lambda c: ledger.book(c, [call(n) for n in range(50)]))
    target = tmp_path / "copy.db"

    def half(connection: Connection) -> Result:
        ledger.book(connection, [call(n) for n in range(50, 100)])
        return run("db", "backup", target, "--data-dir", tmp_path / "data")

    result = database.write(half)
    assert result.exit_code == 0, result.output
    assert result.output == (f"{tmp_path}/data/headgate.db → {target}, {target.stat().st_size:,} bytes\n")
    assert target.stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(target)
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert copy.execute(f"SELECT count(*) FROM {tables.calls.name}").fetchone() == (50,)
    copy.close()
    restored = connect(f"sqlite:///{target}")
    assert not migrations.upgrade(restored)
    restored.close()
    database.close()


def test_a_backup_goes_over_no_file_and_into_no_folder_that_is_missing(tmp_path: Path) -> None:
    _marked(tmp_path, "data").close()
    (tmp_path / "there").write_text("mine")
    result = run("db", "backup", tmp_path / "there", "--data-dir", tmp_path / "data")
    assert (result.exit_code, (tmp_path / "there").read_text()) == (1, "mine")
    assert "exists already: name another file" in result.stderr
    result = run("db", "backup", tmp_path / "no" / "copy.db", "--data-dir", tmp_path / "data")
    assert result.exit_code == 1
    assert f"No such file or directory: {tmp_path}/no/copy.db" in result.stderr


def test_a_backup_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "headgate.db").write_bytes(b"no database at all" * 500)
    result = run("db", "backup", tmp_path / "copy.db", "--data-dir", tmp_path)
    assert result.exit_code == 1
    assert "file is not a database" in result.stderr
    assert not (tmp_path / "copy.db").exists()


def test_postgresql_is_backed_up_by_its_own_tool(tmp_path: Path) -> None:
    url = f"postgresql://ada:{SECRET}@db.example:6432/head%20gate?connection_limit=3"
    result = run("db", "backup", tmp_path / "my copy", DATABASE_URL=url)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "PostgreSQL has a tool for it:",
        f"    pg_dump --format=custom '--file={tmp_path}/my copy' --host=db.example --port=6432 --username=ada"
        " 'head gate'",
    ]
