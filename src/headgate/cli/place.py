"""Which database the command line works on: the one that `headgate serve` would use."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.server.config import load
from headgate.server.config.settings import start_settings
from headgate.store.database import FILE, Database, connect, embedded


class NoDatabase(Exception):  # noqa: N818 -- says what is the case
    """There is no database file yet."""


def find(given: Mapping[str, Any], env: Mapping[str, str], *, make: bool = False) -> Database:
    """`make`: where there is no file, one is made. Raises ConfigError, HeadgateError, NoDatabase."""
    options = {"config": given.get("config"), "data_dir": given.get("data_dir")}
    start = start_settings(options, env, platform=sys.platform)
    config = load.load(start.config, env) if start.config else None
    named = config.general.database_url if config is not None else None
    env = {**env, **config.environment} if config is not None else env
    url = named or env.get("HEADGATE_DATABASE_URL") or env.get("DATABASE_URL")
    if not url or given.get("data_dir"):
        _expect(start.data_dir / FILE, make)
        return embedded(start.data_dir)
    database = connect(url)
    if database.is_sqlite:
        _expect(Path(database.name), make)
    return database


def _expect(file: Path, make: bool) -> None:
    if not make and not file.exists():
        raise NoDatabase(f"there is no database at {file}: `headgate serve` makes it at its first start")
