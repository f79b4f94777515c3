"""Files, batches and fine-tuning jobs by id: whose they are, and which deployment keeps them. Who made one may see
it, and their team. Knows nothing of pages and of what a batch costs.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from headgate.core import bulk
from headgate.core.deployment import Deployment
from headgate.errors import BadRequestError, HeadgateError, NotFoundError, ServiceUnavailableError
from headgate.providers.registry import providers
from headgate.server.callers import Caller
from headgate.server.snapshot import Snapshot
from headgate.store import jobs
from headgate.store.database import Database
from headgate.store.jobs import Job

KINDS: Final = {"file": "files", "batch": "batches", "fine_tuning": "fine_tuning"}
"""Kind of a job → the operation that serves it."""
MOST: Final = 10_000
"""Jobs that are known where there is no database."""
_logger = logging.getLogger("headgate")


class Jobs:
    """Belongs to one event loop. `folder` is where files are kept that no provider keeps, None without a data
    directory. `owner` has the leases that are held for batches, "" without leases."""

    def __init__(self, database: Database | None, folder: Path | None, owner: str = "") -> None:
        self._owner = owner
        self.folder = folder
        self.paying: dict[str, asyncio.Event] = {}
        """Batches whose results are being counted, with who is told when that is over."""
        self._database = database
        self._known: dict[str, Job] = {}
        """All there are without a database; else those that wait for it."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self, id: str, caller: Caller, kind: str) -> Job | None:  # noqa: A002 -- the column
        """None: nobody has noted it, and the caller is an admin. Raises NotFoundError, also for what is somebody
        else's."""
        job = await self.load(id)
        if job is not None and job.kind == kind and _may(caller, job):
            return job
        if job is None and caller.admin:
            return None
        raise NotFoundError(f"No such {kind.replace('_', '-')} object: {id[:200]}", param="id")

    async def load(self, id: str) -> Job | None:  # noqa: A002 -- the column
        if id in self._known or self._database is None:
            return self._known.get(id)
        return await self._database.ask(lambda connection: jobs.load(connection, id))

    async def keep(self, *rows: Job) -> None:
        """What a provider has made is noted, and paid for, also when the database is away: then a little later."""
        if not rows:
            return
        try:
            if self._database is not None:
                await self._database.run(partial(jobs.save, rows=rows, owner=self._owner))
                return
        except ServiceUnavailableError as error:
            _logger.warning("%s waits to be noted: %s", rows[0].id, error.message)
        for row in rows:
            self._known.setdefault(row.id, row).document = row.document
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    async def flush(self) -> None:
        """Notes what waits. Raises ServiceUnavailableError."""
        if self._database is not None and (waiting := list(self._known.values())):
            await self._database.run(partial(jobs.save, rows=waiting, owner=self._owner))
            for row in waiting:
                self._known.pop(row.id, None)

    async def among(self, ids: Sequence[str], caller: Caller, kind: str) -> dict[str, Job]:
        """Those of these ids that are the caller's."""
        found = [self._known[name] for name in ids if name in self._known]
        if self._database is not None:
            found += await self._database.ask(lambda connection: jobs.among(connection, ids))
        return {row.id: row for row in found if row.kind == kind and _may(caller, row)}

    async def owned(self, kind: str, caller: Caller, provider: str) -> list[Job]:
        """Newest first; all for an admin."""
        if self._database is None:
            found = [row for row in self._known.values() if (row.kind, row.provider) == (kind, provider)]
            return [row for row in reversed(found) if _may(caller, row)]
        key = None if caller.admin else caller.key
        work = partial(jobs.owned, kind=kind, key=key, team_id=caller.team_id, provider=provider)
        return await self._database.ask(work)

    async def remove(self, id: str) -> None:  # noqa: A002 -- the column
        self._known.pop(id, None)
        if self._database is not None:
            await self._database.run(lambda connection: jobs.remove(connection, id))

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside what is answered; what fails is tried again by who watches."""
        task = asyncio.ensure_future(logged(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def logged(work: Coroutine[Any, Any, None]) -> None:
    """What fails is in the log, and not raised."""
    try:
        await work
    except HeadgateError as error:
        _logger.warning("a batch can't be booked yet: %s", error.message)
    except Exception as bug:
        _logger.error("a batch can't be booked", exc_info=bug)


def _may(caller: Caller, job: Job) -> bool:
    return (
        caller.admin
        or (bool(caller.key) and caller.key == job.key)
        or (caller.team_id is not None and caller.team_id == job.team_id)
    )


def serves(deployment: Deployment, operation: str) -> bool:
    """Files of providers that have batches and no files are kept by us."""
    paths = deployment.provider.paths
    return operation in paths or (operation == "files" and "batches" in paths)


def choose(
    snapshot: Snapshot,
    caller: Caller,
    operation: str,
    provider: str,
    models: Sequence[str],
    job: Job | None,
    spoken: str = "",
) -> Deployment:
    """Who is asked: the provider that is named, else the model's, else who keeps `job`, else the only one there is.
    `spoken` is the format that it must speak, "" for any.

    Raises BadRequestError where that is nobody or several, PermissionDeniedError for a model that the caller may not
    use, NotFoundError for one that isn't there.
    """
    if provider:
        return _of_provider(snapshot, caller, operation, provider, job)
    for model in models:
        name = caller.aliases.get(model, model)
        caller.admit(name)
        for deployment in snapshot.lookup(name).deployments:
            if serves(deployment, operation) and deployment.team in ("", caller.team_id):
                return deployment
    if models:
        lacking = {one.provider.lacks for model in models for one in snapshot.lookup(model).deployments}
        raise BadRequestError(
            " ".join((f"no deployment of {' or '.join(models)} has {operation}.", *sorted(lacking))).strip(),
            param="model",
        )
    if job is not None:
        return keeper(snapshot, job)
    open_to = [one for one in _open(snapshot, caller, operation) if bulk.is_set(one)]
    able = [one for one in open_to if _speaks(one, operation, spoken)]
    found = {one.provider.id: one for one in reversed(able)}
    if len(found) == 1:
        return next(iter(found.values()))
    which = f"several have: {', '.join(sorted(found))}" if found else "none that is configured has"
    raise BadRequestError(
        f"which provider's {operation}? {which}. Name one by custom_llm_provider, or a model of it by model",
        param="custom_llm_provider",
    )


def keeper(snapshot: Snapshot, job: Job) -> Deployment:
    """The deployment that keeps it; where its entry has changed since, another of its provider that has such jobs."""
    alike = [one for one in snapshot.everyone if one.provider.id == job.provider]
    alike.sort(key=lambda one: serves(one, KINDS[job.kind]), reverse=True)
    passing = snapshot.passing(job.provider, "")
    return next((one for one in (*alike, passing) if one.id == job.deployment), (*alike, passing)[0])


def _of_provider(
    snapshot: Snapshot, caller: Caller, operation: str, name: str, job: Job | None
) -> Deployment:
    row = snapshot.config.providers.get(name) or providers().get(name)
    if row is None:
        raise BadRequestError(
            f"custom_llm_provider {name[:50]!r} is no provider", param="custom_llm_provider"
        )
    if job is not None and job.provider == row.id:
        return keeper(snapshot, job)
    alike = [one for one in _open(snapshot, caller, operation) if one.provider.id == row.id]
    alike.sort(key=bulk.is_set, reverse=True)
    found = alike[0] if alike else snapshot.passing(row.id, "")
    if not serves(found, operation):
        known = sorted({one.provider.id for one in _open(snapshot, caller, operation)})
        raise BadRequestError(
            f"{row.name} has no {operation} that Headgate could forward to. {row.lacks} Configured providers that "
            f"have: {', '.join(known) or 'none'}",
            param="custom_llm_provider",
            llm_provider=row.id,
        )
    return found


def _speaks(deployment: Deployment, operation: str, spoken: str) -> bool:
    return not spoken or deployment.route(operation, False).dialect.name == spoken


def _open(snapshot: Snapshot, caller: Caller, operation: str) -> list[Deployment]:
    return [
        one
        for one in snapshot.everyone
        if serves(one, operation) and one.team in ("", caller.team_id) and one.problem is None
    ]
