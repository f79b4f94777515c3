"""OpenAI's files and batches at clouds whose batches are jobs on files in a bucket, for callers of the gateway: what
they may name, what it can cost, whose it is, and that it is paid for. The translation is in `core/bulk_files.py`.

What only the gateway knows stands in the notes of a file or a batch, under `KEPT`. Knows no cloud and no page.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from headgate.core import buckets, bulk, bulk_files
from headgate.core.bulk_files import Kept
from headgate.core.deployment import Deployment
from headgate.errors import NotFoundError, ServiceUnavailableError
from headgate.server.admitting import admitted
from headgate.server.batches import priced, settle
from headgate.server.callers import Caller
from headgate.server.ceiling import Ceiling
from headgate.server.gateway import Gateway
from headgate.server.jobs import keeper
from headgate.server.message_batches import chosen
from headgate.store.jobs import Job

KEPT: Final = "kept"


def public(document: Mapping[str, Any]) -> dict[str, Any]:
    """A file's notes as OpenAI tells the file."""
    return {name: value for name, value in document.items() if name != KEPT}


# the input file


class Translator(bulk_files.Translator):
    """`meant`: all requests are for this deployment, whatever model they name."""

    def __init__(self, gateway: Gateway, caller: Caller, deployment: Deployment, *, meant: bool) -> None:
        super().__init__(gateway.snapshot.engine, gateway.clock, deployment, deployment if meant else None)
        self._gateway = gateway
        self._caller = caller
        self._ceiling: Ceiling | None = None

    def found(self, named: str) -> Deployment:
        """A configured deployment keeps the file itself, if it has a bucket. Raises PermissionDeniedError."""
        provider = self.home.provider.id
        found = chosen(self._gateway, self.home, named)
        if found is not None and found.team not in ("", self._caller.team_id):
            found = None
        model = found.model if found is not None else named.removeprefix(f"{provider}/")
        admitted(self._gateway.snapshot, self._caller, provider, model)
        if found is None:
            return self._gateway.snapshot.passing(provider, model)
        if bulk.is_set(found):
            self.home = found
        return found

    def noted(self, target: Deployment, envelope: dict[str, Raw], body: bytes) -> None:
        if self._ceiling is None:
            self._ceiling = Ceiling([priced(self._gateway.snapshot, target.provider.id, target.model)])
        self.kept.most += self._ceiling.cost(envelope, body)


async def upload(
    gateway: Gateway, translator: Translator, pieces: AsyncIterator[bytes], filename: str
) -> tuple[str, dict[str, Any]]:
    """Puts a file's requests into the bucket; its id and its notes. The temporary file is beside those that are kept
    here. Raises as `bulk_files.upload`, and PermissionDeniedError."""
    folder = gateway.jobs.folder
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name, size = await bulk_files.upload(translator, gateway.snapshot.engine, pieces, folder)
    document = bulk_files.file_object(name, size, filename, int(gateway.clock.time()))
    return name, {**document, KEPT: msgspec.to_builtins(translator.kept)}


def kept_of(file: Job) -> Kept:
    """What is known of an input file. Raises NotFoundError for one that is none."""
    if KEPT not in (file.document or {}):
        raise NotFoundError(f"{file.id} is no file of requests", param="input_file_id")
    return msgspec.convert((file.document or {}).get(KEPT), Kept)


def requests(gateway: Gateway, deployment: Deployment, file: Job) -> AsyncGenerator[bytes]:
    """An input file as it is in the bucket. Raises what the bucket answers."""
    return bulk_files.requests(gateway.snapshot.engine, deployment, kept_of(file))


async def remove(gateway: Gateway, deployment: Deployment, file: Job, source: Job | None) -> None:
    """An input file, or the results of a batch, out of the bucket: paid for first, for afterwards nobody could tell
    what they cost. Raises what the cloud answers."""
    engine = gateway.snapshot.engine
    if source is None:
        kept = kept_of(file)
        await buckets.remove(engine, deployment.store(kept.bucket), kept.key)
        return
    document = await bulk.look(engine, deployment, source.id)
    await settle(gateway, source, document)
    noted = await gateway.jobs.load(source.id)
    if gateway.database is not None and noted is not None and not noted.booked:
        raise ServiceUnavailableError(
            f"the results of {source.id} are not paid for yet: nothing was deleted, try again", retry_after=10
        )
    await bulk.remove_results(engine, deployment, document)


# the batch


async def create(
    gateway: Gateway, deployment: Deployment, kept: Kept, asked: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Makes the job: its document as the cloud tells it, and what must be remembered to tell it as OpenAI does.

    Raises BadRequestError for an endpoint or a setting, and what the cloud answers.
    """
    order, own = bulk_files.order_of(deployment, kept, asked)
    return await bulk.make(gateway.snapshot.engine, deployment, order), own


def id_of(deployment: Deployment, document: Mapping[str, Any]) -> str:
    return bulk.form_of(deployment).state(document).id


def told_batch(deployment: Deployment, job: Job, document: Mapping[str, Any]) -> dict[str, Any]:
    """A batch as OpenAI tells it."""
    return bulk_files.told_batch(deployment, document, job.document or {}, job.created)


async def batch(gateway: Gateway, deployment: Deployment, name: str, *, stop: bool) -> dict[str, Any]:
    """What a job is now, after it was told to end where `stop` says so. Raises what the cloud answers."""
    engine = gateway.snapshot.engine
    if stop:
        await bulk.stop(engine, deployment, name)
    return await bulk.look(engine, deployment, name)


async def each(gateway: Gateway, rows: list[Job]) -> list[tuple[Deployment, Job, dict[str, Any]]]:
    """What these jobs are now; those that their cloud has forgotten are left out. Raises what it answers."""

    async def one(job: Job) -> tuple[Deployment, Job, dict[str, Any]] | None:
        deployment = keeper(gateway.snapshot, job)
        try:
            return deployment, job, await bulk.look(gateway.snapshot.engine, deployment, job.id)
        except NotFoundError:
            return None

    return [found for found in await asyncio.gather(*map(one, rows)) if found is not None]


async def results(gateway: Gateway, deployment: Deployment, job: Job, kind: str) -> AsyncIterator[bytes]:
    """The lines of an output file, or of an error file. Raises what the cloud answers, before the first line."""
    now = int(gateway.clock.time())
    return await bulk_files.results(
        gateway.snapshot.engine, deployment, job.id, job.document or {}, kind, now
    )
