"""Files, batches and fine-tuning jobs as OpenAI has them, forwarded to who keeps them. Each is its maker's and their
team's. https://platform.openai.com/docs/api-reference/files, …/batch, …/fine-tuning

Below `/{provider}/v1/…` they are that provider's. It knows no provider: rows name the operations that they have.
"""

import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from headgate.core.bulk_files import file_object, kind_of, lines_of, results_object
from headgate.core.deployment import Deployment
from headgate.core.forward import LIMIT, checked, failed, forward
from headgate.errors import BadRequestError, NotFoundError, RequestTooLargeError
from headgate.ports import Outgoing
from headgate.providers.registry import providers
from headgate.server import admitting, batches, bulk, message_batches, uploads
from headgate.server.arriving import received
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.endpoints import kept
from headgate.server.gateway import Gateway
from headgate.server.jobs import KINDS, choose, keeper
from headgate.server.snapshot import Snapshot
from headgate.store.jobs import Job
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line

_BELOW: Final = re.compile(r"/([A-Za-z0-9_.-]+)/v1/(files|batches|fine_tuning/jobs|messages/batches)(?:/.*)?")
_OPERATION: Final = {"files": "files", "fine_tuning/jobs": "fine_tuning"}


def takes(snapshot: Snapshot, path: str) -> bool:
    """Whether a path below a provider's name is one of these pages, and not passed through."""
    found = _BELOW.fullmatch(path)
    if found is None:
        return False
    row = snapshot.config.providers.get(found[1]) or providers().get(found[1])
    if row is None:
        return False
    return _OPERATION.get(found[2], "batches") in row.paths or (found[2] == "files" and row.bulk is not None)


# files


async def upload(request: Request, gateway: Gateway, caller: Caller) -> Response:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > uploads.LARGEST:
        raise RequestTooLargeError(f"the upload is over the limit of {uploads.LARGEST} bytes")
    kind = request.headers.get("content-type", "")
    form = await uploads.opened(received(request.receive, uploads.LARGEST), kind, kept.OURS)
    given = {name: Raw(msgspec.json.encode(value)) for name, value in form.fields.items()}
    wanted = kept.wanted_of(request, given)
    deployment = choose(gateway.snapshot, caller, "files", wanted.provider, wanted.models, None)
    if "files" not in deployment.provider.paths:
        return await _held(gateway, caller, request, deployment, form, meant=bool(wanted.models))
    size = int(length) - form.cut if length.isdecimal() else None
    body = Outgoing(pieces=form.pieces(), length=size)
    spool: Path | None = None
    try:
        if wanted.models and form.fields.get("purpose") == "batch":
            line = partial(batches.renamed, gateway.snapshot, deployment.provider.id)
            spool = message_batches.place(gateway, f"{secrets.token_hex(8)}.renamed")
            size = await uploads.kept(form.changed(line), spool)
            body = Outgoing(pieces=message_batches.contents(spool), length=size)
        answer = await forward(gateway.snapshot.engine, deployment, "files", "POST", body=body, kind=kind)
    finally:
        if spool is not None:
            spool.unlink(missing_ok=True)
    return await kept.made(gateway, caller, request, deployment, "file", answer)


async def _held(
    gateway: Gateway,
    caller: Caller,
    request: Request,
    deployment: Deployment,
    form: uploads.Form,
    *,
    meant: bool,
) -> Response:
    """A file for batches of a provider that keeps none in this shape: it stays here, or goes into a bucket, where
    `meant` says that its requests are for this very deployment."""
    if form.fields.get("purpose") != "batch":
        raise BadRequestError(
            f"files for {deployment.provider.name} are kept for batches alone: 'purpose' must be batch",
            param="purpose",
        )
    if deployment.provider.bulk is not None:
        translator = bulk.Translator(gateway, caller, deployment, meant=meant)
        name, notes = await bulk.upload(gateway, translator, form.file(), form.filename)
        home = translator.home
        await gateway.jobs.keep(kept.job_of(gateway, caller, request, home, "file", name, notes))
        return JSONResponse(bulk.public(notes))
    name = f"file-{secrets.token_hex(12)}"
    size = await uploads.kept(form.file(), message_batches.place(gateway, name))
    document = file_object(name, size, form.filename, int(gateway.clock.time()))
    await gateway.jobs.keep(kept.job_of(gateway, caller, request, deployment, "file", name, document))
    return JSONResponse(document)


async def content(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, job, name = await kept.meant(request, gateway, caller, "file")
    source = await gateway.jobs.load(job.batch) if job is not None and job.batch else None
    if source is not None and not source.booked:
        gateway.jobs.soon(batches.look(gateway, source))
    if deployment.provider.bulk is not None:
        return await _bulk_content(gateway, deployment, job, source, name)
    if source is not None and name == message_batches.output_of(source.id):
        lines = await message_batches.results(gateway, deployment, source)
        return StreamingResponse(lines, media_type="application/jsonl")
    if "files" not in deployment.provider.paths:
        pieces = message_batches.contents(message_batches.there(gateway, name))
        return StreamingResponse(pieces, media_type="application/octet-stream")
    answer = await forward(gateway.snapshot.engine, deployment, "files", "GET", f"/{name}/content")
    return await kept.streamed(deployment, answer)


async def _bulk_content(
    gateway: Gateway, deployment: Deployment, job: Job | None, source: Job | None, name: str
) -> Response:
    if job is None:
        raise NotFoundError(f"No such File object: {name}", param="id")
    if source is not None:
        lines = await bulk.results(gateway, deployment, source, kind_of(name))
        return StreamingResponse(lines, media_type="application/jsonl")
    pieces = bulk.requests(gateway, deployment, job)
    first = await anext(pieces, b"")  # what the bucket answers is said before there is a status
    return StreamingResponse(_after(first, pieces), media_type="application/jsonl")


async def _after(first: bytes, pieces: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def file(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, job, name = await kept.meant(request, gateway, caller, "file")
    if "files" in deployment.provider.paths:
        return await kept.plain(gateway, deployment, "files", request, f"/{name}")
    if job is not None and job.batch:
        return JSONResponse(results_object(job.id, job.batch, int(job.created), kind_of(name)))
    if job is None or not job.document:
        raise NotFoundError(f"No such File object: {name}", param="id")
    return JSONResponse(bulk.public(job.document))


async def delete_file(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, job, name = await kept.meant(request, gateway, caller, "file")
    if deployment.provider.bulk is not None:
        if job is None:
            raise NotFoundError(f"No such File object: {name}", param="id")
        source = await gateway.jobs.load(job.batch) if job.batch else None
        await bulk.remove(gateway, deployment, job, source)
        await gateway.jobs.remove(name)
        return JSONResponse({"id": name, "object": "file", "deleted": True})
    if "files" not in deployment.provider.paths:
        message_batches.place(gateway, name).unlink(missing_ok=True)
        await gateway.jobs.remove(name)
        return JSONResponse({"id": name, "object": "file", "deleted": True})
    answer = await kept.plain(gateway, deployment, "files", request, f"/{name}")
    if answer.status_code < 300:
        await gateway.jobs.remove(name)
    return answer


# batches


async def create_batch(request: Request, gateway: Gateway, caller: Caller) -> Response:
    envelope = await kept.envelope_of(request, gateway)
    source = await kept.input_of(gateway, caller, envelope, "input_file_id")
    wanted = kept.wanted_of(request, envelope)
    deployment = choose(gateway.snapshot, caller, "batches", wanted.provider, wanted.models, source)
    booking = kept.booking_of(request, caller, envelope)
    fields = envelopes.document(envelope)
    name = checked(str(fields.get("input_file_id") or ""))
    if deployment.provider.bulk is not None:
        return await _bulk_batch(request, gateway, caller, deployment, source, fields, booking)
    ours = "files" not in deployment.provider.paths

    async def lines() -> AsyncIterator[Line]:
        if ours:
            pieces = message_batches.contents(message_batches.there(gateway, name))
        else:
            pieces = kept.downloaded(gateway, deployment, name)
        async for line in lines_of(pieces):
            yield line

    async with admitting.admitting(gateway, booking, deployment, lines) as holds:
        if not ours:
            body = msgspec.json.encode(envelope)
            answer = await forward(gateway.snapshot.engine, deployment, "batches", "POST", body=body)
            return await kept.made(gateway, caller, request, deployment, "batch", answer, booking, holds)
        if source is None:
            raise NotFoundError(f"No such File object: {name}", param="input_file_id")
        document, own = await message_batches.create(gateway, deployment, source, fields)
        job = kept.job_of(gateway, caller, request, deployment, "batch", document["id"], own, booking)
        await admitting.note(gateway, job, holds)
        return JSONResponse(message_batches.told(job, document))


async def _bulk_batch(
    request: Request,
    gateway: Gateway,
    caller: Caller,
    deployment: Deployment,
    source: Job | None,
    fields: Mapping[str, Any],
    booking: Booking,
) -> Response:
    """A job on a file in a bucket: whoever keeps the file runs it, and its requests are known."""
    if source is None or source.provider != deployment.provider.id:
        raise NotFoundError(
            f"No such File object at {deployment.provider.name}: {fields.get('input_file_id')}",
            param="input_file_id",
        )
    notes = bulk.kept_of(source)
    home = keeper(gateway.snapshot, source)
    async with admitting.admitting_model(gateway, booking, home, notes.model, notes.most) as holds:
        document, own = await bulk.create(gateway, home, notes, fields)
        name = bulk.id_of(home, document)
        job = kept.job_of(gateway, caller, request, home, "batch", name, own, booking)
        await admitting.note(gateway, job, holds)
        return JSONResponse(bulk.told_batch(home, job, document))


async def batch(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Retrieves or cancels: what has ended is paid for."""
    deployment, job, name = await kept.meant(request, gateway, caller, "batch")
    if deployment.provider.bulk is not None:
        document = await bulk.batch(gateway, deployment, name, stop=request.method == "POST")
        return JSONResponse(await _noted(gateway, deployment, job, document))
    rest = f"/{name}/cancel" if request.method == "POST" else f"/{name}"
    answer = await forward(
        gateway.snapshot.engine, deployment, "batches", request.method, rest, query=kept.query_of(request)
    )
    if answer.status >= 300 and deployment.route("batches", False).dialect.name != kept.OPENAI:
        raise failed(deployment, "batches", answer, await answer.read(LIMIT))
    told = await kept.whole(deployment, answer)
    if told.status_code >= 300:
        return told
    return JSONResponse(await _noted(gateway, deployment, job, msgspec.json.decode(told.body)))


async def _noted(gateway: Gateway, deployment: Deployment, job: Job | None, document: Any) -> Any:
    """A batch as OpenAI tells it; its files are noted, and it is paid for where it has ended."""
    ours = deployment.route("batches", False).dialect.name != kept.OPENAI
    if job is None:
        return _stranger(deployment, document) if ours else document
    told = _told(deployment, job, document) if ours else document
    await gateway.jobs.keep(*batches.result_files(job, told))
    if not job.booked:
        gateway.jobs.soon(batches.settle(gateway, job, document))
    return told


def _told(deployment: Deployment, job: Job, document: Mapping[str, Any]) -> dict[str, Any]:
    if deployment.provider.bulk is not None:
        return bulk.told_batch(deployment, job, document)
    return message_batches.told(job, document)


def _stranger(deployment: Deployment, document: Mapping[str, Any]) -> dict[str, Any]:
    """Of a batch that was made without us."""
    name = str(document.get("id"))
    job = Job(id=name, kind="batch", created=0.0, key="", provider=deployment.provider.id, deployment="")
    return _told(deployment, job, document)


# fine-tuning


async def create_tuning(request: Request, gateway: Gateway, caller: Caller) -> Response:
    envelope = await kept.envelope_of(request, gateway)
    named = envelope.get("model")
    wanted = kept.wanted_of(request, envelope, body_model=False)
    source = await kept.input_of(gateway, caller, envelope, "training_file")
    if bytes(envelope.get("validation_file", b"null")) != b"null":
        await kept.input_of(gateway, caller, envelope, "validation_file")
    model = kept.text(named)
    known = gateway.snapshot.groups.get(caller.aliases.get(model, model))
    models = wanted.models or ((model,) if known is not None and not wanted.provider else ())
    deployment = choose(gateway.snapshot, caller, "fine_tuning", wanted.provider, models, source)
    if known is not None:
        caller.admit(known.name)
        alike = (one for one in known.deployments if one.provider.id == deployment.provider.id)
        model = next((one.model for one in alike), model)
    elif model:
        admitting.admitted(gateway.snapshot, caller, deployment.provider.id, model)
    if named is not None:
        envelope["model"] = Raw(msgspec.json.encode(model))
    async with admitting.holding(gateway, kept.booking_of(request, caller, {}), deployment, {model: 0}):
        answer = await forward(
            gateway.snapshot.engine, deployment, "fine_tuning", "POST", body=msgspec.json.encode(envelope)
        )
    return await kept.made(gateway, caller, request, deployment, "fine_tuning", answer)


TUNING_PARTS: Final = (
    *(("POST", name) for name in ("cancel", "pause", "resume")),
    *(("GET", name) for name in ("events", "checkpoints")),
)


def tuning_part(part: str) -> Callable[[Request, Gateway, Caller], Awaitable[Response]]:
    """What happened to a job, "" for the job itself, or what may be done with it."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        deployment, job, name = await kept.meant(request, gateway, caller, "fine_tuning")
        rest = f"/{name}/{part}" if part else f"/{name}"
        answer = await kept.plain(gateway, deployment, "fine_tuning", request, rest)
        if job is not None and not part and answer.status_code < 300:
            await gateway.jobs.keep(*batches.result_files(job, msgspec.json.decode(answer.body)))
        return answer

    return page


tuning: Final = tuning_part("")


# lists


async def _bulk_list(request: Request, gateway: Gateway, caller: Caller, provider: str) -> Response:
    """Those that were made here: a cloud's list is of the whole account, and goes on by other marks than ids."""
    rows, more = kept.cut(request, await gateway.jobs.owned("batch", caller, provider))
    found = await bulk.each(gateway, rows)
    data = [await _noted(gateway, home, job, document) for home, job, document in found]
    return JSONResponse(kept.page_of(data, more=more))


def listed(kind: str) -> Callable[[Request, Gateway, Caller], Awaitable[Response]]:
    """The list of a provider, of which everybody sees what is theirs."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        wanted = kept.wanted_of(request, {})
        operation = KINDS[kind]
        deployment = choose(gateway.snapshot, caller, operation, wanted.provider, wanted.models, None)
        if operation not in deployment.provider.paths:
            rows = await gateway.jobs.owned(kind, caller, deployment.provider.id)
            files = [bulk.public(row.document) for row in rows if row.document]
            return JSONResponse(kept.page_of(files, more=False))
        if kind == "batch" and deployment.provider.bulk is not None:
            return await _bulk_list(request, gateway, caller, deployment.provider.id)
        data, more, owned = await kept.gathered(request, gateway, caller, deployment, kind)
        if kind == "batch":
            data = [await _noted(gateway, deployment, owned.get(item["id"]), item) for item in data]
        return JSONResponse(kept.page_of(data, more=more))

    return page
