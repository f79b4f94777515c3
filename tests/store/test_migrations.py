"""Migrations lead to the tables as they are declared, once, whoever comes first."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Index, inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.sql.ddl import SchemaGenerator as DDL

from headgate.errors import ConflictError
from headgate.store import migrations
from headgate.store.database import Database, embedded
from headgate.store.tables import PREFIX, metadata

Opener = Callable[[], Database]


def _ours(thing: object, name: str | None, kind: str, reflected: bool, compared: object) -> bool:
    return kind != "table" or name != migrations.VERSION_TABLE


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": _ours})
    return list(compare_metadata(context, metadata))


def test_an_upgraded_database_has_the_tables_that_are_declared(database: Database) -> None:
    assert database.read(_differences) == []


def test_the_scripts_come_to_the_same(empty_database: Opener, tmp_path: Path) -> None:
    """An empty SQLite database is made without them."""

    def indexes(connection: Connection) -> set[tuple[str, bool]]:
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
        return {(row.name, " WHERE " in (row.sql or "")) for row in rows}

    scripted, made = empty_database(), embedded(tmp_path)
    scripted.write(migrations.run_scripts)
    assert scripted.read(_differences) == []
    assert scripted.read(migrations.revision) == migrations.HEAD
    if scripted.is_sqlite:
        migrations.upgrade(made)
        ours = {name for name, _ in made.read(indexes) if not name.startswith("sqlite_autoindex")}
        assert {one for one in scripted.read(indexes) if one[0] in ours} == {
            one for one in made.read(indexes) if one[0] in ours
        }
    made.close()


def test_the_comparison_would_see_a_missing_index(database: Database) -> None:
    database.write(lambda c: c.execute(text(f"DROP INDEX ix_{PREFIX}calls_started")))
    assert [kind for kind, *_ in database.read(_differences)] == ["add_index"]  # type: ignore[misc]


def test_an_upgrade_has_something_to_do_once(empty_database: Opener) -> None:
    database = empty_database()
    assert database.read(migrations.revision) is None
    assert migrations.upgrade(database)
    assert not migrations.upgrade(database)
    assert database.read(migrations.revision) == migrations.HEAD


@pytest.mark.parametrize("complete", [False, True])
def test_a_database_of_the_first_revision_is_brought_to_the_newest(
    empty_database: Opener, complete: bool
) -> None:
    """Also one that has the later tables already."""
    database = empty_database()
    database.write(lambda connection: migrations.run_scripts(connection, "0001"))
    if complete:
        database.write(metadata.create_all)
    assert database.read(migrations.revision) == "0001"
    assert migrations.upgrade(database)
    assert database.read(migrations.revision) == migrations.HEAD
    assert database.read(_differences) == []


def test_ten_threads_upgrade_one_empty_database(empty_database: Opener) -> None:
    databases = [empty_database() for _ in range(10)]
    barrier = Barrier(10)

    def upgrade(database: Database) -> bool:
        barrier.wait()
        return migrations.upgrade(database)

    with ThreadPoolExecutor(10) as threads:
        done = list(threads.map(upgrade, databases))
    assert sum(done) == 1
    assert databases[0].read(_differences) == []


def test_processes_upgrade_one_empty_database(empty_database: Opener) -> None:
    database = empty_database()
    url = database.engine.url.render_as_string(hide_password=False)
    code = (
        "import sys; from headgate.store import migrations, database; sys.stdin.read();"
        f"print(migrations.upgrade(database.connect({url!r})))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert sorted(said) == [[b"False"]] * 3 + [[b"True"]]
    assert database.read(_differences) == []


def test_a_database_of_a_newer_headgate_is_refused(database: Database) -> None:
    database.write(lambda c: c.execute(text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '0999'")))
    with pytest.raises(ConflictError, match=r"is of revision 0999, this Headgate knows up to"):
        migrations.upgrade(database)


def test_the_newest_revision_is_the_newest_script(database: Database) -> None:
    from alembic.script import ScriptDirectory

    folder = migrations.__file__
    assert folder is not None
    scripts = ScriptDirectory(folder.removesuffix("/__init__.py"))
    assert scripts.get_current_head() == migrations.HEAD


def test_a_failed_upgrade_leaves_nothing_behind(
    empty_database: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    def fail(*names: object, **options: object) -> None:
        raise KeyError("in the middle")

    database = empty_database()
    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", fail)
        patch.setattr(Index, "create", fail)
        patch.setattr(DDL, "visit_index", fail)
        with pytest.raises(KeyError):
            migrations.upgrade(database)
    assert database.read(lambda connection: inspect(connection).get_table_names()) == []
    assert migrations.upgrade(database)


def test_other_tables_in_the_database_stay(empty_database: Opener) -> None:
    database = empty_database()
    database.write(lambda c: c.execute(text("CREATE TABLE alembic_version (version_num TEXT)")))
    migrations.upgrade(database)
    names = database.read(lambda connection: inspect(connection).get_table_names())
    assert [name for name in names if not name.startswith(PREFIX)] == ["alembic_version"]
