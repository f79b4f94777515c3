"""A new configuration while the gateway runs: read, checked and built as a whole, then swapped in. What is wrong is
refused as a whole, and the old one goes on."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from headgate.errors import BadRequestError, HeadgateError, ServiceUnavailableError
from headgate.server import stored
from headgate.server.config.report import ConfigError
from headgate.server.config.schema import Config
from headgate.server.snapshot import Snapshot
from headgate.store.crypto import Vault
from headgate.store.database import Database
from headgate.store.directory import Row

_logger = logging.getLogger("headgate")
Swap = Callable[[Snapshot], None]
Stamp = tuple[int, int, int] | None
"""What changes with a file: its time, its length, and when it came to its place, since a copy may keep the time of
its model; not the inode's number, which some mounts make up anew. None for a file that can't be looked at."""


class Reloader:
    """`read` gives the file's configuration anew, None where there is no file. `make` builds a snapshot of a
    configuration with what the database has; `swap` puts it in place."""

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
        self._seen = _stamps(config.files)
        self._waits = False

    @property
    def file(self) -> Config:
        """The file's configuration, without what the database has."""
        return self._config

    def build(self) -> Snapshot:
        """Of the file's configuration and what the database has. Blocks; raises HeadgateError."""
        left_out: stored.LeftOut = {}
        made = self._make(self._joined(self._database.read(stored.read), left_out))
        for what, why in left_out.items():
            _logger.error("%s is left out: %s", what, why)
        return made

    def rehearse(self, credential: Row) -> None:
        """What comes of this row of a credential. Blocks; raises BadRequestError where a model that is served now
        could not be any more, HeadgateError where nothing could."""
        before: stored.LeftOut = {}
        after: stored.LeftOut = {}
        found = self._database.read(stored.read)
        self._joined(found, before)
        config = self._joined(found.having(credential), after)
        for what in after.keys() - before.keys():
            raise BadRequestError(f"{what} could not be served with this: {after[what]}")
        self._make(config)

    def _joined(self, found: stored.Stored, left_out: stored.LeftOut) -> Config:
        return stored.joined(self._config, found, self.vault, self.env, left_out)

    async def reload(self, *, file: bool = True) -> None:
        """Raises ConfigError, HeadgateError: nothing has changed then."""
        async with self._lock:
            before = self._config
            if file and self.read is not None:
                self._config = await self._read(self.read)
            try:
                self.swap(await asyncio.to_thread(self.build))
            except BaseException:
                self._config = before
                raise

    async def _read(self, read: Callable[[], Config]) -> Config:
        """What is looked at from now on are its files; where it is refused, those that it would have had, too: the
        fault may be mended in any of them. Raises ConfigError."""
        known, files = _stamps(self._seen), self._config.files
        try:
            made = await asyncio.to_thread(read)
            files = made.files
        except ConfigError as error:
            files = (*files, *error.files)
            raise
        finally:
            self._seen = _stamps(files) | {name: stamp for name, stamp in known.items() if name in files}
        return made

    async def watch(self) -> None:
        """Reloads where a file has changed, and says what came of it."""
        if self.read is not None and (self._waits or _stamps(self._seen) != self._seen):
            await self.try_reload()

    async def try_reload(self) -> None:
        waited, self._waits = self._waits, False
        try:
            await self.reload()
            _logger.warning("the configuration was read anew")
        except ServiceUnavailableError as error:
            self._waits = True
            if not waited:
                _logger.error("the new configuration waits, the old one goes on: %s", error.message)
        except ConfigError as error:
            _logger.error("the new configuration is refused, the old one goes on:\n%s", error)
        except HeadgateError as error:
            _logger.error("the new configuration is refused, the old one goes on: %s", error.message)


def _stamps(files: Iterable[str]) -> dict[str, Stamp]:
    return {name: _stamp(Path(name)) for name in files}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:  # reading it will say why
        return None
    return status.st_mtime_ns, status.st_size, status.st_ctime_ns
