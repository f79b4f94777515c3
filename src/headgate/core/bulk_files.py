"""OpenAI's files of requests for jobs on files in a bucket: translated while they are uploaded, results while they
are fetched. A file and its job have one model and one kind of request.

What must be remembered of a file (`Kept`) and of a job is handed to whoever asks. Knows no page, no caller, no cost.
"""

import asyncio
import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from headgate.core import buckets, bulk
from headgate.core.call import Call, text_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.errors import (
    APIResponseValidationError,
    BadRequestError,
    RequestTooLargeError,
)
from headgate.ports import Clock, Outgoing
from headgate.wire import batches
from headgate.wire import bulk as told
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line, output_line
from headgate.wire.bulk import Asked, Order, Outcome, Place
from headgate.wire.dialect import Frame
from headgate.wire.embeddings import EmbeddingsEcho
from headgate.wire.ir import Echo
from headgate.wire.ndjson import Lines

OUTPUT: Final = "output"
ERRORS: Final = "error"
ORDERED: Final = "headgate-"
"""How the names of our jobs begin."""
LARGEST: Final = 1024 * 1024 * 1024
"""Bytes of an input file that the clouds take: https://docs.aws.amazon.com/general/latest/gr/bedrock.html and
https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage."""
FAIR: Final = 8
FAIR_BYTES: Final = 64 * 1024
"""Lines, and bytes of them, that are translated in one go: calls of others wait meanwhile."""
_IN_MEMORY: Final = 1024 * 1024
_PIECE: Final = 256 * 1024
_ALL: Final = ""
"""Whose echo is that of every request that has none of its own."""
_SAID: Final = ("endpoint", "input_file_id", "completion_window", "metadata")


class _Kind(Struct, frozen=True):
    """Of the requests of a file: where OpenAI takes them, their format there, what replies are told back."""

    endpoint: str
    spoken: str
    echo: type[Echo]


_KINDS: Final = {
    "chat": _Kind("/v1/chat/completions", "openai_chat", Echo),
    "embeddings": _Kind("/v1/embeddings", "openai_embeddings", EmbeddingsEcho),
}
"""By operation."""


class Kept(Struct, kw_only=True):
    """Of an input file: where it is, and what its requests are. `spoken` is their format, `model` the one that all
    of them go to; `most` is what they can cost at most, in units of money, and `shared` what they want of the job.
    `echoes` are what answers need to be told back, by custom_id."""

    bucket: str = ""
    key: str = ""
    model: str = ""
    spoken: str = ""
    operation: str = "chat"
    count: int = 0
    most: int = 0
    shared: dict[str, Any] = field(default_factory=dict)
    echoes: dict[str, Any] = field(default_factory=dict)


def file_of(job: str, kind: str) -> str:
    """The id under which a job's results, or its errors, are fetched."""
    return f"file-{job}-{kind}"


def kind_of(name: str) -> str:
    """Which of the two it is."""
    return ERRORS if name.endswith(f"-{ERRORS}") else OUTPUT


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[Line]:
    """The requests of an input file. Raises BadRequestError that names a line."""
    reader, number = Lines(), 0
    async for piece in pieces:
        try:
            lines = reader.feed(piece)
        except APIResponseValidationError as error:
            raise BadRequestError(f"the input file after line {number}: {error.message}") from None
        for line in lines:
            number += 1
            yield batches.request_line(line, number)
    if last := reader.close():
        yield batches.request_line(last, number + 1)


async def fairly(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same lines; others get their turn in between."""
    count = size = 0
    async for line in lines:
        yield line
        count, size = count + 1, size + len(line)
        if count >= FAIR or size >= FAIR_BYTES:
            await asyncio.sleep(0)
            count = size = 0


# the input file


class Translator(ABC):
    """Turns the requests of one file into the provider's: all for `meant` where it is given, whatever model they
    name; else the first one's model counts, which all must have.

    `home` is who keeps the file, `kept` what is known of it, both when it was read to its end.
    """

    def __init__(
        self, engine: Engine, clock: Clock, home: Deployment, meant: Deployment | None = None
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._meant = meant
        self._target: Deployment | None = None
        self._named = ""
        self.home = home
        self.kept = Kept()

    @abstractmethod
    def found(self, named: str) -> Deployment:
        """Whom the model's name means. Raises what a caller is told."""

    def noted(  # noqa: B027 -- who notes nothing need not say so
        self, target: Deployment, envelope: dict[str, Raw], body: bytes
    ) -> None:
        """Each request comes by here before it is translated."""

    async def lines(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Raises BadRequestError that names a line, and what `found` raises."""
        async for line in lines_of(pieces):
            self.kept.count += 1
            if not self.kept.count % FAIR:
                await asyncio.sleep(0)
            yield await self._line(line) + b"\n"
        if not self.kept.count:
            raise BadRequestError("the file has no requests", param="file")

    async def _line(self, line: Line) -> bytes:
        where = f"line {self.kept.count} of the file ({line.custom_id[:100]!r})"
        envelope = envelopes.read(bytes(line.body))
        for name in ("stream", "stream_options"):
            envelope.pop(name, None)
        target = self._target_of(text_of(envelope, "model") or "", where)
        endpoint = _KINDS[self.kept.operation].endpoint
        if line.url and not line.url.endswith(endpoint.removeprefix("/v1")):
            raise BadRequestError(
                f"{where}: 'url' is {line.url[:100]!r}, and all of a batch of {target.provider.name}'s "
                f"{target.model} must be {endpoint}",
                param="file",
            )
        self.noted(target, envelope, bytes(line.body))
        try:
            asked, echo = await self._asked(line, envelope, target)
            record = bulk.form_of(target).line(asked)
        except BadRequestError as error:
            error.message = f"{where}: {error.message}"
            raise
        self._share(record.shared, where)
        self._remember(line.custom_id, echo)
        return record.line

    def _target_of(self, named: str, where: str) -> Deployment:
        if self._target is None:
            if self._meant is None and not named:
                raise BadRequestError(f"{where}: the body names no model", param="file")
            self._target = self._meant or self.found(named)
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
        self.kept.operation = target.provider.bulk.operation
        self.kept.spoken = target.route(self.kept.operation, False).dialect.name

    async def _asked(
        self, line: Line, envelope: dict[str, Raw], target: Deployment
    ) -> tuple[Asked, Echo | None]:
        bulk_of = target.provider.bulk
        assert bulk_of is not None  # _begin has looked
        call = Call(
            id=line.custom_id,
            operation=bulk_of.operation,
            dialect=dialect(_KINDS[bulk_of.operation].spoken),
            envelope=envelope,
            model=target.model,
            stream=False,
            started=self._clock.monotonic(),
            created=int(self._clock.time()),
        )
        prepared = await self._engine.prepared(call, target)
        told.one_text(1 + len(prepared.more))
        assert isinstance(prepared.body, bytes)  # lines of batches have no files
        asked = Asked(
            custom_id=line.custom_id, body=prepared.body, spoken=self.kept.spoken, model=target.model
        )
        return asked, prepared.echo

    def _share(self, shared: dict[str, Any], where: str) -> None:
        if self.kept.count == 1:
            self.kept.shared = shared
        if shared != self.kept.shared:
            names = {**self.kept.shared, **shared}
            differs = sorted(name for name in names if shared.get(name) != self.kept.shared.get(name))
            raise BadRequestError(
                f"{where}: {' and '.join(differs)} must be as in the requests before: a batch of "
                f"{self.kept.model} has it once, make a file for each",
                param="file",
            )

    def _remember(self, custom_id: str, echo: Echo | None) -> None:
        """Most files have one echo: that of the first request is noted once."""
        own, echoes = msgspec.to_builtins(echo or Echo()), self.kept.echoes
        if echoes.setdefault(_ALL, own) != own:
            echoes[custom_id] = own


async def upload(
    translator: Translator, engine: Engine, pieces: AsyncIterator[bytes], folder: Path | None
) -> tuple[str, int]:
    """Puts a file's requests into the bucket; its id, and the bytes that came. It is translated into a temporary file
    in `folder` first (None: the system's own), so that nothing is there of one that can't be, and its length and hash
    are known.

    Raises BadRequestError for a setting or a line, what the translator raises, and what the bucket answers.
    """
    bulk.settings_of(translator.home)
    name, size = f"file-{secrets.token_hex(12)}", 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal size
        async for piece in pieces:
            size += len(piece)
            yield piece

    with SpooledTemporaryFile(max_size=_IN_MEMORY, dir=None if folder is None else str(folder)) as spool:
        length, digest = await _spooled(translator.lines(counted()), spool)
        home, kept = translator.home, translator.kept
        place = bulk.place(home, "bucket", f"{name}.jsonl")
        kept.bucket, kept.key = place.bucket, place.key
        spool.seek(0)
        body = Outgoing(pieces=_contents(spool), length=length, digest=digest)
        await buckets.put(engine, home.store(place.bucket), place.key, body)
    return name, size


def file_object(name: str, size: int, filename: str, created: int) -> dict[str, Any]:
    """An input file as OpenAI tells it."""
    return {
        "id": name,
        "object": "file",
        "bytes": size,
        "created_at": created,
        "filename": filename,
        "purpose": "batch",
        "status": "processed",
    }


def results_object(name: str, job: str, created: int, kind: str = OUTPUT) -> dict[str, Any]:
    """The file of a job's results. Its size is not known: it is written when it is fetched."""
    own = file_object(name, 0, f"{job}_{kind}.jsonl", created)
    return {**own, "purpose": "batch_output"}


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


def requests(engine: Engine, home: Deployment, kept: Kept) -> AsyncGenerator[bytes]:
    """An input file as it is in the bucket. Raises what the bucket answers."""
    return buckets.pieces(engine, home.store(kept.bucket), kept.key)


# the job


def order_of(home: Deployment, kept: Kept, asked: Mapping[str, Any]) -> tuple[Order, dict[str, Any]]:
    """The job that OpenAI's request for a batch means, and what must be remembered to tell it as OpenAI does. Raises
    BadRequestError for an endpoint or a setting."""
    endpoint, own = str(asked.get("endpoint") or ""), _KINDS[kept.operation].endpoint
    if not endpoint.endswith(own.removeprefix("/v1")):
        raise BadRequestError(
            f"'endpoint' is {endpoint[:100]!r}: the file's requests are for {own}", param="endpoint"
        )
    settings = bulk.settings_of(home)
    answers = bulk.place(home, "output" if "output" in settings else "bucket", "results/")
    order = Order(
        name=f"{ORDERED}{secrets.token_hex(12)}",
        model=bulk.model_of(home, kept.model),
        asked=bulk.uri(home, Place(kept.bucket, kept.key)),
        answered=bulk.uri(home, answers),
        spoken=kept.spoken,
        hours=told.hours_of(asked.get("completion_window")),
        settings=settings,
        shared=kept.shared,
    )
    said = {name: asked[name] for name in _SAID if name in asked}
    remembered = ("model", "spoken", "operation", "count", "echoes")
    return order, said | {name: getattr(kept, name) for name in remembered}


def told_batch(
    home: Deployment, document: Mapping[str, Any], own: Mapping[str, Any], created: float
) -> dict[str, Any]:
    """A job as OpenAI tells it. `own` is what is remembered; of a job that was made without us nobody knows how to
    read its results. `created` counts where the cloud does not say it."""
    state = bulk.form_of(home).state(document)
    if not own:
        state = msgspec.structs.replace(state, results=None)
    if state.created is None:
        state = msgspec.structs.replace(state, created=int(created))
    return told.told(state, own, file_of(state.id, OUTPUT), file_of(state.id, ERRORS))


# the results


async def results(
    engine: Engine, home: Deployment, job: str, own: Mapping[str, Any], kind: str, created: int
) -> AsyncIterator[bytes]:
    """The lines of an output file, or of an error file. `own` is what is remembered of the job, `created` the time of
    the answers. Raises what the cloud answers, before the first line."""
    document = await bulk.look(engine, home, job)
    form, reply = bulk.form_of(home), _replies(own, created)
    lines = bulk.result_lines(engine, home, document)
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
            if first and (line := told_line(first)):
                yield line
            async for data in fairly(lines):
                if line := told_line(data):
                    yield line

    return pieces()


def _replies(own: Mapping[str, Any], created: int) -> Callable[[str, bytes], bytes]:
    """Writes a reply in the format that was asked for."""
    kind = _KINDS[str(own.get("operation") or "chat")]
    echoes: Mapping[str, Any] = own.get("echoes") or {}
    source, target = dialect(str(own.get("spoken") or kind.spoken)), dialect(kind.spoken)
    model = str(own.get("model") or "")

    def reply(custom_id: str, body: bytes) -> bytes:
        if source is target:
            return body
        echo = msgspec.convert(echoes.get(custom_id, echoes.get(_ALL) or {}), kind.echo)
        frame = Frame(id=f"chatcmpl-{custom_id}", created=created, model=model)
        return target.write_reply(source.read_reply(body, echo), frame)

    return reply
