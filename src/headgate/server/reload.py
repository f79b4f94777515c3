"""A new configuration while the gateway runs: read, checked and built as a whole, then swapped in. What is wrong is
refused as a whole, and the old one goes on."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from headgate.errors import HeadgateError
from headgate.server.config.entries import read_entry
from headgate.server.config.report import ConfigError
from headgate.server.config.schema import Config, ModelEntry
from headgate.server.snapshot import Snapshot
from headgate.store import tables
from headgate.store.crypto import Vault
from headgate.store.database import Database

_logger = logging.getLogger("headgate")
Swap = Callable[[Snapshot], None]


class Reloader:
    """`read` gives the file's configuration anew, None where there is no file. `make` builds a snapshot of a
    configuration and the database's models; `swap` puts it in place."""

    def __init__(
        self,
        config: Config,
        env: Mapping[str, str],
        database: Database,
        vault: Vault,
        make: Callable[[Config], Snapshot],
        read: Callable[[], Config] | None,
    ) -> None:
        self.env = env
        self.vault = vault
        self.read = read
        self.swap: Swap = lambda snapshot: None
        self._config = config
        self._database = database
        self._make = make
        self._lock = asyncio.Lock()
        self._seen = self._stamp()

    def build(self) -> Snapshot:
        """Of the file's configuration and the database's models. Blocks; raises HeadgateError."""
        rows = self._database.read(
            lambda c: [dict(row) for row in c.execute(select(tables.models)).mappings()]
        )
        found = [entry for entry in map(self._entry, rows) if entry is not None]
        return self._make(_with_models(self._config, tuple(found)))

    async def reload(self, *, file: bool = True) -> None:
        """Raises ConfigError, HeadgateError: nothing has changed then."""
        async with self._lock:
            before = self._config
            if file and self.read is not None:
                self._seen = self._stamp()
                self._config = await asyncio.to_thread(self.read)
            try:
                self.swap(await asyncio.to_thread(self.build))
            except BaseException:
                self._config = before
                raise

    async def watch(self) -> None:
        """Reloads where a file has changed, and says what came of it."""
        if self.read is not None and self._stamp() != self._seen:
            await self.try_reload()

    async def try_reload(self) -> None:
        try:
            await self.reload()
            _logger.warning("the configuration was read anew")
        except ConfigError as error:
            _logger.error("the new configuration is refused, the old one goes on:\n%s", error)
        except HeadgateError as error:
            _logger.error("the new configuration is refused, the old one goes on: %s", error.message)

    def _stamp(self) -> dict[str, tuple[int, int]]:
        found = {}
        for name in self._config.files:
            path = Path(name)
            if path.exists():
                status = path.stat()
                found[name] = (status.st_mtime_ns, status.st_size)
        return found

    def _entry(self, row: Mapping[str, Any]) -> ModelEntry | None:
        """None for a row that can't be used: one model must not stop the others."""
        if row["blocked"]:
            return None
        try:
            params = self.vault.open(row["litellm_params"] or {})
            info = {**(row["model_info"] or {}), "id": row["model_id"]}
            given = {"model_name": row["model_name"], "litellm_params": params, "model_info": info}
            entry = read_entry(given, self.env, self._config)
            return msgspec.structs.replace(entry, info={**entry.info, "db_model": True})
        except HeadgateError as error:
            _logger.error("the model %s of the database is left out: %s", row["model_id"], error.message)
            return None


def _with_models(config: Config, models: tuple[ModelEntry, ...]) -> Config:
    return msgspec.structs.replace(config, models=(*config.models, *models)) if models else config
