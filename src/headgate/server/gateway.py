"""What one gateway process holds: the running snapshot, metrics, the call log. Handlers get it, nobody makes
another."""

import asyncio
import itertools
import logging
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Raw

from headgate.core.call import DEFAULT_OPTIONS, Call, Operation, Options
from headgate.ports import Clock
from headgate.server.callers import Callers
from headgate.server.client_secrets import ClientSecrets
from headgate.server.conversations import Conversations
from headgate.server.health import Health
from headgate.server.jobs import Jobs
from headgate.server.pace import Pace
from headgate.server.reload import Reloader
from headgate.server.repeats import Repeats, Shelf
from headgate.server.shares import Shares
from headgate.server.snapshot import Snapshot
from headgate.store.database import Database
from headgate.store.mover import Mover
from headgate.telemetry.logs import CallLog
from headgate.telemetry.metrics import Metrics
from headgate.wire.dialect import Dialect

if TYPE_CHECKING:
    from headgate.server.shared import Shared

_logger = logging.getLogger("headgate")


class Gateway:
    """`body_limit` is in bytes. `ready` turns false while the process drains; `peers` is the folder where the
    other workers of a group answer. Without a `database` there are no virtual keys and no ledger."""

    def __init__(
        self,
        snapshot: Snapshot,
        clock: Clock,
        *,
        body_limit: int,
        log: CallLog | None = None,
        database: Database | None = None,
        callers: Callers | None = None,
        ledger: Mover | None = None,
        shares: Shares | None = None,
        pace: Pace | None = None,
        shared: "Shared | None" = None,
        reloader: Reloader | None = None,
        shelf: Shelf | None = None,
        data_dir: Path | None = None,
        client_secrets: ClientSecrets | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.client_secrets = client_secrets or ClientSecrets({}, None)
        self.clock = clock
        self.body_limit = body_limit
        self.log = log
        self.database = database
        self.callers = callers
        self.ledger = ledger
        self.shares = shares
        self.pace = pace
        self.shared = shared
        self.reloader = reloader
        self.lost_records = 0
        self.draining: set[asyncio.Task[None]] = set()
        self.mirrors: set[asyncio.Task[None]] = set()
        self.metrics = Metrics()
        self.health = Health(self)
        self.repeats = Repeats(clock.monotonic, shelf)
        self.conversations = Conversations(database, clock.time)
        folder = None if data_dir is None else data_dir / "files"
        self.jobs = Jobs(database, folder, "" if shares is None else shares.owner)
        self.ready = True
        self.peers: Path | None = None
        begun = secrets.token_hex(10)
        self._prefix = f"{begun[:8]}-{begun[8:12]}-{begun[12:16]}-{begun[16:]}-"
        self._numbers = itertools.count(1)

    def swap(self, snapshot: Snapshot) -> None:
        """The next call begins with this one; those in flight end with theirs."""
        self.snapshot = snapshot
        if self.callers is not None:
            self.callers.groups = snapshot.access_groups
            self.callers.aliases = snapshot.aliases
            self.callers.settings = snapshot.config.litellm
            self.callers.forget_all()
            self.callers.keep_bounded(snapshot.bounds.of_all(snapshot.everyone))

    def call(
        self,
        operation: Operation,
        spoken: Dialect,
        model: str = "",
        envelope: dict[str, Raw] | None = None,
        *,
        stream: bool = False,
        options: Options = DEFAULT_OPTIONS,
    ) -> Call:
        """One that begins now."""
        begun, now = self.clock.monotonic(), int(self.clock.time())
        return Call(self.new_id(), operation, spoken, envelope or {}, model, stream, begun, now, options)

    def new_id(self) -> str:
        """Unique over processes and restarts, in the shape of a UUID as LiteLLM's call ids are."""
        return self._prefix + next(self._numbers).to_bytes(6).hex()

    def report(self, bug: Exception, call_id: str) -> None:
        """A failure of our own: its traceback goes to the log, never to a client."""
        _logger.error("call %s failed inside Headgate", call_id, exc_info=bug)
