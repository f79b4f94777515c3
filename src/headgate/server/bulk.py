"""OpenAI's files and batches at clouds whose batches are jobs on files in a bucket: requests are translated while
they are uploaded, results while they are fetched. A file and its job have one model.

What only the gateway knows stands in the notes of a file or a batch, under `KEPT`. Knows no cloud and no page.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from headgate.core import buckets, bulk
from headgate.core.call import Call, text_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.errors import (
    APIResponseValidationError,
    BadRequestError,
    NotFoundError,
    RequestTooLargeError,
    ServiceUnavailableError,
)
from headgate.ports import Outgoing
from headgate.server.batches import admitted, lines_of, priced, settle
from headgate.server.callers import Caller
from headgate.server.ceiling import Ceiling
from headgate.server.gateway import Gateway
from headgate.server.jobs import keeper
from headgate.server.message_batches import ENDPOINT, chosen
from headgate.store.jobs import Job
from headgate.wire import bulk as told
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line, output_line
from headgate.wire.bulk import Order, Outcome
from headgate.wire.dialect import Frame
from headgate.wire.ir import Echo

KEPT: Final = "kept"
OUTPUT: Final = "output"
ERRORS: Final = "error"
_SAID: Final = ("endpoint", "input_file_id", "completion_window", "metadata")
_OPENAI: Final = "openai_chat"
_ALL: Final = ""
"""Whose echo is that of every request that has none of its own."""
LARGEST: Final = 1024 * 1024 * 1024
"""Bytes of an input file that the clouds take: https://docs.aws.amazon.com/general/latest/gr/bedrock.html and
https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage."""
_FAIR: Final = 8
"""Lines that are translated in one go: calls of others wait meanwhile."""
_IN_MEMORY: Final = 1024 * 1024
_PIECE: Final = 256 * 1024


class Kept(Struct, kw_only=True):
    """Of an input file: where it is, and what its requests are. `spoken` is their format, `model` the one that all
    of them go to; `most` is what they can cost at most, in units of money. `echoes` are what answers need to be told
    back, by custom_id."""

    bucket: str
    key: str
    model: str
    spoken: str
    count: int
    most: int
    echoes: dict[str, Any] = field(default_factory=dict)


def public(document: Mapping[str, Any]) -> dict[str, Any]:
    """A file's notes as OpenAI tells the file."""
    return {name: value for name, value in document.items() if name != KEPT}


def file_of(job: Job, kind: str) -> str:
    """The id under which a batch's results, or its errors, are fetched."""
    return f"file-{job.id}-{kind}"


def kind_of(name: str) -> str:
    """Which of the two it is."""
    return ERRORS if name.endswith(f"-{ERRORS}") else OUTPUT


# the input file


class Translator:
    """Turns the requests of one file into the provider's. `meant`: all of them are for this deployment, whatever
    model they name; else the first one's model counts, which all must have.

    `home` is who keeps the file, `kept` what is known of it, both when it was read to its end.
    """

    def __init__(self, gateway: Gateway, caller: Caller, deployment: Deployment, *, meant: bool) -> None:
        self._gateway = gateway
        self._caller = caller
        self._meant = deployment if meant else None
        self._target: Deployment | None = None
        self._named = ""
        self._ceiling = Ceiling(())
        self.home = deployment
        self.kept = Kept(bucket="", key="", model="", spoken="", count=0, most=0)

    async def lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Raises BadRequestError that names a line, PermissionDeniedError."""
        async for line in lines_of(pieces):
            self.kept.count += 1
            if not self.kept.count % _FAIR:
                await asyncio.sleep(0)
            yield await self._line(line) + b"\n"
        if not self.kept.count:
            raise BadRequestError("the file has no requests", param="file")

    async def _line(self, line: Line) -> bytes:
        where = f"line {self.kept.count} of the file ({line.custom_id[:100]!r})"
        if line.url and not line.url.endswith(ENDPOINT):
            raise BadRequestError(
                f"{where}: 'url' is {line.url[:100]!r}, batches of {self.home.provider.name} take "
                "/v1/chat/completions",
                param="file",
            )
        envelope = envelopes.read(bytes(line.body))
        for name in ("stream", "stream_options"):
            envelope.pop(name, None)
        target = self._target_of(text_of(envelope, "model") or "", where)
        self.kept.most += self._ceiling.cost(envelope, bytes(line.body))
        try:
            body, echo = await self._written(line, envelope, target)
            made = bulk.form_of(target).line(line.custom_id, body, self.kept.spoken)
        except BadRequestError as error:
            error.message = f"{where}: {error.message}"
            raise
        self._remember(line.custom_id, echo)
        return made

    def _target_of(self, named: str, where: str) -> Deployment:
        if self._target is None:
            self._target = self._meant or self._found(named, where)
            self._named = named
            self._begin(self._target)
        if self._meant is None and named != self._named:
            raise BadRequestError(
                f"{where}: the model is {named[:100]!r}, and that of the requests before {self._named[:100]!r}: "
                f"a batch of {self.home.provider.name} has one model, make a file for each",
                param="file",
            )
        return self._target

    def _begin(self, target: Deployment) -> None:
        """With the first request it is known whose they all are."""
        if target.provider.bulk is None:
            raise BadRequestError(
                f"{target.provider.name} has no batches of {target.model}. {target.provider.lacks}".strip(),
                param="file",
            )
        self.kept.model = target.model
        self.kept.spoken = target.route("chat", False).dialect.name
        self._ceiling = Ceiling([priced(self._gateway.snapshot, target.provider.id, target.model)])

    def _found(self, named: str, where: str) -> Deployment:
        """Whom the model's name means: a configured deployment keeps the file itself, if it has a bucket."""
        if not named:
            raise BadRequestError(f"{where}: the body names no model", param="file")
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

    async def _written(
        self, line: Line, envelope: dict[str, Raw], target: Deployment
    ) -> tuple[bytes, Echo | None]:
        clock = self._gateway.clock
        call = Call(
            id=line.custom_id,
            operation="chat",
            dialect=dialect(_OPENAI),
            envelope=envelope,
            model=target.model,
            stream=False,
            started=clock.monotonic(),
            created=int(clock.time()),
        )
        prepared = await self._gateway.snapshot.engine.prepared(call, target)
        assert isinstance(prepared.body, bytes)  # lines of batches have no files
        return prepared.body, prepared.echo

    def _remember(self, custom_id: str, echo: Echo | None) -> None:
        """Most files have one echo: that of the first request is noted once."""
        own, echoes = msgspec.to_builtins(echo or Echo()), self.kept.echoes
        if echoes.setdefault(_ALL, own) != own:
            echoes[custom_id] = own


async def upload(
    gateway: Gateway, translator: Translator, pieces: AsyncIterator[bytes], filename: str
) -> tuple[str, dict[str, Any]]:
    """Puts a file's requests into the bucket; its id and its notes. It is translated into a temporary file first, so
    that nothing is there of one that can't be, and its length and hash are known.

    Raises BadRequestError for a setting or a line, PermissionDeniedError, and what the bucket answers.
    """
    bulk.settings_of(translator.home)
    name, size = f"file-{secrets.token_hex(12)}", 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal size
        async for piece in pieces:
            size += len(piece)
            yield piece

    with SpooledTemporaryFile(max_size=_IN_MEMORY, dir=_folder(gateway)) as spool:
        length, digest = await _spooled(translator.lines(counted()), spool)
        home, kept = translator.home, translator.kept
        place = bulk.place(home, "bucket", f"{name}.jsonl")
        kept.bucket, kept.key = place.bucket, place.key
        spool.seek(0)
        body = Outgoing(pieces=_contents(spool), length=length, digest=digest)
        engine = gateway.snapshot.engine
        await buckets.put(engine, home.store(place.bucket), place.key, body)
    document = {
        "id": name,
        "object": "file",
        "bytes": size,
        "created_at": int(gateway.clock.time()),
        "filename": filename,
        "purpose": "batch",
        "status": "processed",
        KEPT: msgspec.to_builtins(kept),
    }
    return name, document


def _folder(gateway: Gateway) -> str | None:
    """Beside the files that are kept here; else the system's own, which may be memory."""
    folder = gateway.jobs.folder
    if folder is None:
        return None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(folder)


async def _spooled(lines: AsyncIterator[bytes], spool: "SpooledTemporaryFile[bytes]") -> tuple[int, str]:
    """How many bytes were written, and their SHA-256. Raises RequestTooLargeError."""
    digest, length = hashlib.sha256(), 0
    held: list[bytes] = []
    waiting = 0
    async for line in lines:
        digest.update(line)
        held.append(line)
        waiting += len(line)
        length += len(line)
        if length > LARGEST:
            raise RequestTooLargeError(
                f"the file's requests have over {LARGEST} bytes in the provider's format: make several files"
            )
        if waiting > _PIECE:
            await asyncio.to_thread(spool.writelines, held)
            held, waiting = [], 0
    await asyncio.to_thread(spool.writelines, held)
    return length, digest.hexdigest()


async def _contents(spool: "SpooledTemporaryFile[bytes]") -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(spool.read, _PIECE):
        yield piece


def kept_of(file: Job) -> Kept:
    """What is known of an input file. Raises NotFoundError for one that is none."""
    if KEPT not in (file.document or {}):
        raise NotFoundError(f"{file.id} is no file of requests", param="input_file_id")
    return msgspec.convert((file.document or {}).get(KEPT), Kept)


def requests(gateway: Gateway, deployment: Deployment, file: Job) -> AsyncGenerator[bytes]:
    """An input file as it is in the bucket. Raises what the bucket answers."""
    kept = kept_of(file)
    return buckets.pieces(gateway.snapshot.engine, deployment.store(kept.bucket), kept.key)


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
    endpoint = str(asked.get("endpoint") or "")
    if not endpoint.endswith(ENDPOINT):
        raise BadRequestError(
            f"'endpoint' is {endpoint[:100]!r}: batches of {deployment.provider.name} take /v1/chat/completions",
            param="endpoint",
        )
    settings = bulk.settings_of(deployment)
    answers = bulk.place(deployment, "output" if "output" in settings else "bucket", "results/")
    order = Order(
        name=f"headgate-{secrets.token_hex(12)}",
        model=bulk.model_of(deployment, kept.model),
        asked=bulk.uri(deployment, told.Place(kept.bucket, kept.key)),
        answered=bulk.uri(deployment, answers),
        spoken=kept.spoken,
        hours=told.hours_of(asked.get("completion_window")),
        settings=settings,
    )
    document = await bulk.make(gateway.snapshot.engine, deployment, order)
    own = {name: asked[name] for name in _SAID if name in asked}
    notes = {"model": kept.model, "spoken": kept.spoken, "count": kept.count, "echoes": kept.echoes}
    return document, own | notes


def id_of(deployment: Deployment, document: Mapping[str, Any]) -> str:
    return bulk.form_of(deployment).state(document).id


def told_batch(deployment: Deployment, job: Job, document: Mapping[str, Any]) -> dict[str, Any]:
    """A batch as OpenAI tells it. Of one that was made without us nobody knows how to read its results."""
    state = bulk.form_of(deployment).state(document)
    own = job.document or {}
    if not own:
        state = msgspec.structs.replace(state, results=None)
    if state.created is None:
        state = msgspec.structs.replace(state, created=int(job.created))
    return told.told(state, own, file_of(job, OUTPUT), file_of(job, ERRORS))


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


# the results


async def results(gateway: Gateway, deployment: Deployment, job: Job, kind: str) -> AsyncIterator[bytes]:
    """The lines of an output file, or of an error file. Raises what the cloud answers, before the first line."""
    document = await bulk.look(gateway.snapshot.engine, deployment, job.id)
    form, reply = bulk.form_of(deployment), _replies(gateway, job)
    lines = bulk.result_lines(gateway.snapshot.engine, deployment, document)
    first = await anext(lines, b"")

    def told_line(line: bytes) -> bytes:
        outcome: Outcome = form.read(line)
        if bool(outcome.code) != (kind == ERRORS):
            return b""
        try:
            return told.told_outcome(outcome, reply) + b"\n"
        except APIResponseValidationError as error:  # one that can't be read must not hide the others
            return output_line(outcome.custom_id, None, "unreadable", error.message) + b"\n"

    async def pieces() -> AsyncIterator[bytes]:
        async with aclosing(lines):
            if first and (own := told_line(first)):
                yield own
            count = 0
            async for line in lines:
                count += 1
                if not count % _FAIR:
                    await asyncio.sleep(0)
                if own := told_line(line):
                    yield own

    return pieces()


def _replies(gateway: Gateway, job: Job) -> Callable[[str, bytes], bytes]:
    """Writes a reply in the format that was asked for."""
    own = job.document or {}
    echoes: Mapping[str, Any] = own.get("echoes") or {}
    source, target = dialect(str(own.get("spoken") or _OPENAI)), dialect(_OPENAI)
    created, model = int(gateway.clock.time()), str(own.get("model") or "")

    def reply(custom_id: str, body: bytes) -> bytes:
        if source is target:
            return body
        echo = msgspec.convert(echoes.get(custom_id, echoes.get(_ALL) or {}), Echo)
        frame = Frame(id=f"chatcmpl-{custom_id}", created=created, model=model)
        return target.write_reply(source.read_reply(body, echo), frame)

    return reply
