"""LiteLLM's database on a real server, and ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from databases import KINDS, Postgres, new_database
from headgate.store import tables
from headgate.store.database import Database, connect
from litellm_schema import LiteLLM, create

TEMPLATE = "litellm"


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    postgres.run(f"CREATE DATABASE {TEMPLATE}")
    made = connect(postgres.url(TEMPLATE))
    made.write(create)
    made.close()
    return TEMPLATE


@pytest.fixture(scope="session")
def shared(postgres: Postgres, template: str) -> Iterator[LiteLLM]:
    found = LiteLLM(postgres.create(template))
    yield found
    found.close()


@pytest.fixture
def there(shared: LiteLLM) -> Iterator[LiteLLM]:
    """LiteLLM's database with its tables, empty."""
    yield shared
    shared.empty()


@pytest.fixture
def own(postgres: Postgres, template: str) -> Iterator[LiteLLM]:
    """The same for a test that changes the tables."""
    found = LiteLLM(postgres.create(template))
    yield found
    found.close()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = new_database("postgresql", tmp_path_factory.mktemp("none"))
    yield found
    found.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """With our tables, empty: SQLite's is made for the test, PostgreSQL's is emptied after it."""
    if request.param == "sqlite":
        yield request.getfixturevalue("here")
        return
    found = request.getfixturevalue("ours")
    yield found
    found.write(lambda c: [c.execute(table.delete()) for table in tables.metadata.sorted_tables])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Database]:
    found = new_database("sqlite", tmp_path)
    yield found
    found.close()
