"""Files, batches and fine-tuning jobs as OpenAI has them, forwarded to who keeps them. Each is its maker's and their
team's. https://platform.openai.com/docs/api-reference/files, …/batch, …/fine-tuning

Below `/{provider}/v1/…` they are that provider's. It knows no provider: rows name the operations that they have.
"""

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from headgate.core.deployment import Deployment
from headgate.errors import BadRequestError, NotFoundError, RequestTooLargeError
from headgate.ports import Incoming, Outgoing
from headgate.providers.registry import providers
from headgate.server import batches, message_batches, uploads
from headgate.server.asgi import body_of
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.forward import JSON, LIMIT, asked, checked, forward
from headgate.server.gateway import Gateway
from headgate.server.headers import scan
from headgate.server.jobs import KINDS, choose
from headgate.server.snapshot import Snapshot
from headgate.store.jobs import Job
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line

PROVIDER: Final = "custom_llm_provider"
MODELS: Final = ("target_model_names", "model")
OURS: Final = (PROVIDER, *MODELS)
"""Fields that say where a request goes. They go no further."""
PAGES: Final = 100
"""Of a provider's list that are asked for one of ours."""
_BELOW: Final = re.compile(r"/([A-Za-z0-9_.-]+)/v1/(files|batches|fine_tuning/jobs|messages/batches)(?:/.*)?")
_OPERATION: Final = {"files": "files", "fine_tuning/jobs": "fine_tuning"}
_NOT_BACK: Final = (
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "set-cookie",
    "date",
)
_OPENAI: Final = "openai_chat"


class Wanted(Struct, frozen=True, kw_only=True):
    """Who is meant, as the request says it."""

    provider: str = ""
    models: tuple[str, ...] = ()


def takes(snapshot: Snapshot, path: str) -> bool:
    """Whether a path below a provider's name is one of these pages, and not passed through."""
    found = _BELOW.fullmatch(path)
    if found is None:
        return False
    row = snapshot.config.providers.get(found[1]) or providers().get(found[1])
    return row is not None and _OPERATION.get(found[2], "batches") in row.paths


# files


async def upload(request: Request, gateway: Gateway, caller: Caller) -> Response:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > uploads.LARGEST:
        raise RequestTooLargeError(f"the upload is over the limit of {uploads.LARGEST} bytes")
    kind = request.headers.get("content-type", "")
    form = await uploads.opened(uploads.received(request.receive, uploads.LARGEST), kind, OURS)
    given = {name: Raw(msgspec.json.encode(value)) for name, value in form.fields.items()}
    wanted = _wanted(request, given)
    deployment = choose(gateway.snapshot, caller, "files", wanted.provider, wanted.models, None)
    if "files" not in deployment.provider.paths:
        return await _kept(gateway, caller, request, deployment, form)
    size = int(length) - form.cut if length.isdecimal() else None
    body = Outgoing(pieces=form.pieces(), length=size)
    answer = await forward(gateway.snapshot, deployment, "files", "POST", body=body, kind=kind)
    return await _made(gateway, caller, request, deployment, "file", answer)


async def _kept(
    gateway: Gateway, caller: Caller, request: Request, deployment: Deployment, form: uploads.Form
) -> Response:
    """A file for batches of a provider that keeps none in this shape: it stays here."""
    if form.fields.get("purpose") != "batch":
        raise BadRequestError(
            f"files for {deployment.provider.name} are kept for batches alone: 'purpose' must be batch",
            param="purpose",
        )
    name = f"file-{secrets.token_hex(12)}"
    size = await uploads.kept(form, message_batches.place(gateway, name))
    document = {
        "id": name,
        "object": "file",
        "bytes": size,
        "created_at": int(gateway.clock.time()),
        "filename": form.filename,
        "purpose": "batch",
        "status": "processed",
    }
    await gateway.jobs.keep(_job(gateway, caller, request, deployment, "file", name, document))
    return JSONResponse(document)


async def content(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, job, name = await _meant(request, gateway, caller, "file")
    source = await gateway.jobs.load(job.batch) if job is not None and job.batch else None
    if source is not None and not source.booked:
        gateway.jobs.soon(batches.look(gateway, source))
    if source is not None and name == message_batches.output_of(source.id):
        lines = await message_batches.results(gateway, deployment, source)
        return StreamingResponse(lines, media_type="application/jsonl")
    if "files" not in deployment.provider.paths:
        pieces = message_batches.contents(message_batches.place(gateway, name))
        return StreamingResponse(pieces, media_type="application/octet-stream")
    answer = await forward(gateway.snapshot, deployment, "files", "GET", f"/{name}/content")
    return await _streamed(deployment, answer)


async def file(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, job, name = await _meant(request, gateway, caller, "file")
    if "files" in deployment.provider.paths:
        return await _plain(gateway, deployment, "files", request, f"/{name}")
    if job is None or not job.document:
        raise NotFoundError(f"No such File object: {name}", param="id")
    return JSONResponse(job.document)


async def delete_file(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, _, name = await _meant(request, gateway, caller, "file")
    if "files" not in deployment.provider.paths:
        message_batches.place(gateway, name).unlink(missing_ok=True)
        await gateway.jobs.remove(name)
        return JSONResponse({"id": name, "object": "file", "deleted": True})
    answer = await _plain(gateway, deployment, "files", request, f"/{name}")
    if answer.status_code < 300:
        await gateway.jobs.remove(name)
    return answer


# batches


async def create_batch(request: Request, gateway: Gateway, caller: Caller) -> Response:
    envelope = await _envelope(request, gateway)
    source = await _input(gateway, caller, envelope, "input_file_id")
    wanted = _wanted(request, envelope)
    deployment = choose(gateway.snapshot, caller, "batches", wanted.provider, wanted.models, source)
    booking = _booking(request, caller, envelope)
    fields = envelopes.document(envelope)
    name = checked(str(fields.get("input_file_id") or ""))
    ours = "files" not in deployment.provider.paths

    async def lines() -> AsyncIterator[Line]:
        if ours:
            pieces = message_batches.contents(message_batches.place(gateway, name))
        else:
            pieces = _downloaded(gateway, deployment, name)
        async for line in batches.lines_of(pieces):
            yield line

    await batches.admit(gateway, booking, deployment, lines)
    if not ours:
        answer = await forward(
            gateway.snapshot, deployment, "batches", "POST", body=msgspec.json.encode(envelope)
        )
        return await _made(gateway, caller, request, deployment, "batch", answer, booking)
    if source is None:
        raise NotFoundError(f"No such File object: {name}", param="input_file_id")
    document, kept = await message_batches.create(gateway, deployment, source, fields)
    job = _job(gateway, caller, request, deployment, "batch", document["id"], kept, booking)
    await gateway.jobs.keep(job)
    return JSONResponse(message_batches.told(job, document))


async def batch(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Retrieves or cancels: what has ended is paid for."""
    deployment, job, name = await _meant(request, gateway, caller, "batch")
    rest = f"/{name}/cancel" if request.method == "POST" else f"/{name}"
    document = msgspec.json.decode(
        await asked(gateway.snapshot, deployment, "batches", request.method, rest, _query(request))
    )
    return JSONResponse(await _noted(gateway, deployment, job, document))


async def _noted(gateway: Gateway, deployment: Deployment, job: Job | None, document: Any) -> Any:
    """A batch as OpenAI tells it; its files are noted, and it is paid for where it has ended."""
    ours = deployment.route("batches", False).dialect.name != _OPENAI
    if job is None:
        return _stranger(deployment, document) if ours else document
    told = message_batches.told(job, document) if ours else document
    await gateway.jobs.keep(*batches.result_files(job, told))
    if not job.booked:
        gateway.jobs.soon(batches.settle(gateway, job, document))
    return told


def _stranger(deployment: Deployment, document: Mapping[str, Any]) -> dict[str, Any]:
    """Of a batch that was made without us."""
    name = str(document.get("id"))
    job = Job(id=name, kind="batch", created=0.0, key="", provider=deployment.provider.id, deployment="")
    return message_batches.told(job, document)


# fine-tuning


async def create_tuning(request: Request, gateway: Gateway, caller: Caller) -> Response:
    envelope = await _envelope(request, gateway)
    named = envelope.get("model")
    wanted = _wanted(request, envelope, body_model=False)
    source = await _input(gateway, caller, envelope, "training_file")
    if bytes(envelope.get("validation_file", b"null")) != b"null":
        await _input(gateway, caller, envelope, "validation_file")
    model = _text(named)
    known = gateway.snapshot.groups.get(caller.aliases.get(model, model))
    models = wanted.models or ((model,) if known is not None and not wanted.provider else ())
    deployment = choose(gateway.snapshot, caller, "fine_tuning", wanted.provider, models, source)
    if known is not None:
        caller.admit(known.name)
        alike = (one for one in known.deployments if one.provider.id == deployment.provider.id)
        model = next((one.model for one in alike), model)
    elif model:
        batches.admitted(gateway.snapshot, caller, deployment.provider.id, model)
    if named is not None:
        envelope["model"] = Raw(msgspec.json.encode(model))
    await batches.fits(gateway, caller, {model: 0})
    answer = await forward(
        gateway.snapshot, deployment, "fine_tuning", "POST", body=msgspec.json.encode(envelope)
    )
    return await _made(gateway, caller, request, deployment, "fine_tuning", answer)


TUNING_PARTS: Final = (
    *(("POST", name) for name in ("cancel", "pause", "resume")),
    *(("GET", name) for name in ("events", "checkpoints")),
)


def tuning_part(part: str) -> Callable[[Request, Gateway, Caller], Awaitable[Response]]:
    """What happened to a job, "" for the job itself, or what may be done with it."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        deployment, job, name = await _meant(request, gateway, caller, "fine_tuning")
        rest = f"/{name}/{part}" if part else f"/{name}"
        answer = await _plain(gateway, deployment, "fine_tuning", request, rest)
        if job is not None and not part and answer.status_code < 300:
            await gateway.jobs.keep(*batches.result_files(job, msgspec.json.decode(answer.body)))
        return answer

    return page


tuning: Final = tuning_part("")


# lists


def listed(kind: str) -> Callable[[Request, Gateway, Caller], Awaitable[Response]]:
    """The list of a provider, of which everybody sees what is theirs."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        wanted = _wanted(request, {})
        operation = KINDS[kind]
        deployment = choose(gateway.snapshot, caller, operation, wanted.provider, wanted.models, None)
        if operation not in deployment.provider.paths:
            rows = await gateway.jobs.owned(kind, caller, deployment.provider.id)
            return JSONResponse(_list([row.document for row in rows if row.document], more=False))
        owned = {row.id: row for row in await gateway.jobs.owned(kind, caller, deployment.provider.id)}
        data, more = await _gathered(request, gateway, caller, deployment, operation, owned)
        if kind == "batch":
            data = [await _noted(gateway, deployment, owned.get(item["id"]), item) for item in data]
        return JSONResponse(_list(data, more=more))

    return page


async def _gathered(
    request: Request,
    gateway: Gateway,
    caller: Caller,
    deployment: Deployment,
    operation: str,
    owned: Mapping[str, Job],
) -> tuple[list[dict[str, Any]], bool]:
    """Page after page until there is enough of what is the caller's."""
    query = dict(request.query_params)
    query = {name: value for name, value in query.items() if name not in (*OURS, "provider", "key")}
    theirs = deployment.route(operation, False).dialect.name == _OPENAI
    cursor = "after" if theirs else "after_id"
    if "after" in query:
        query[cursor] = query.pop("after")
    limit = query.get("limit", "")
    if limit and (not limit.isdecimal() or not int(limit)):
        raise BadRequestError("'limit' must be a number of 1 or more", param="limit")
    most = int(limit or (10_000 if operation == "files" else 20))
    if not caller.admin and limit:
        query["limit"] = "10000" if operation == "files" else "100"
    found: list[dict[str, Any]] = []
    for _ in range(PAGES):
        page = msgspec.json.decode(
            await asked(gateway.snapshot, deployment, operation, "GET", query=urlencode(query))
        )
        rows = [row for row in page.get("data") or () if isinstance(row, dict) and "id" in row]
        found += [row for row in rows if caller.admin or row["id"] in owned]
        more = bool(page.get("has_more")) and bool(rows)
        if caller.admin or len(found) >= most or not more:
            return found[:most], more or len(found) > most
        query[cursor] = rows[-1]["id"]
    return found, False


def _list(data: list[Any], *, more: bool) -> dict[str, Any]:
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": more}


# what they share


def _wanted(request: Request, envelope: dict[str, Raw], *, body_model: bool = True) -> Wanted:
    """Takes what speaks to us out of the body. `body_model` False: the body's model is the provider's."""
    query, headers = request.query_params, request.headers
    provider = request.path_params.get("provider") or query.get(PROVIDER) or query.get("provider")
    provider = provider or headers.get("custom-llm-provider") or headers.get(PROVIDER)
    own = _text(envelope.pop(PROVIDER, None))
    names = [query.get(name) or "" for name in MODELS]
    taken = MODELS if body_model else MODELS[:1]
    given = [envelope.pop(name, None) for name in taken]
    names += [_text(one) for one in given]
    models = tuple(name for text in names for name in (part.strip() for part in text.split(",")) if name)
    return Wanted(provider=provider or own, models=models)


def _text(raw: Raw | None) -> str:
    """A text, or texts joined; "" for nothing. Raises BadRequestError."""
    if raw is None:
        return ""
    value = msgspec.json.decode(raw)
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{' and '.join(OURS)} must be texts", param=PROVIDER)
    return value or ""


async def _envelope(request: Request, gateway: Gateway) -> dict[str, Raw]:
    return envelopes.read(await body_of(request.receive, gateway.body_limit) or b"")


async def _input(gateway: Gateway, caller: Caller, envelope: Mapping[str, Raw], name: str) -> Job | None:
    """The file that a job is made of. Raises NotFoundError for somebody else's."""
    given = _text(envelope.get(name))
    if not given:
        raise BadRequestError(f"{name!r} is missing: expected the id of a file", param=name)
    return await gateway.jobs.find(checked(given), caller, "file")


async def _meant(
    request: Request, gateway: Gateway, caller: Caller, kind: str
) -> tuple[Deployment, Job | None, str]:
    """Who keeps what the path names, and whose it is. Raises NotFoundError for somebody else's."""
    name = checked(request.path_params["id"])
    job = await gateway.jobs.find(name, caller, kind)
    wanted = _wanted(request, {})
    if job is not None:  # whatever else is named: it is where it is
        wanted = Wanted()
    return choose(gateway.snapshot, caller, KINDS[kind], wanted.provider, wanted.models, job), job, name


async def _downloaded(gateway: Gateway, deployment: Deployment, name: str) -> AsyncIterator[bytes]:
    answer = await forward(gateway.snapshot, deployment, "files", "GET", f"/{name}/content")
    if answer.status >= 300:
        body = deployment.scrubbed((await answer.read(LIMIT)).decode("utf-8", "replace"))
        raise BadRequestError(
            f"the input file can't be read ({answer.status}): {body[:500]}", param="input_file_id"
        )
    try:
        async for piece in answer:
            yield piece
    finally:
        answer.abort()


async def _plain(
    gateway: Gateway, deployment: Deployment, operation: str, request: Request, rest: str
) -> Response:
    """The provider's own answer."""
    answer = await forward(
        gateway.snapshot, deployment, operation, request.method, rest, query=_query(request)
    )
    return await _whole(deployment, answer)


async def _whole(deployment: Deployment, answer: Incoming) -> Response:
    body = await answer.read(LIMIT)
    if answer.status >= 400:
        body = deployment.scrubbed(body.decode("utf-8", "replace")).encode()
    return Response(body, answer.status, media_type=answer.header("content-type") or JSON)


async def _streamed(deployment: Deployment, answer: Incoming) -> Response:
    if answer.status >= 300:
        return await _whole(deployment, answer)

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in answer:
                yield piece
        finally:
            answer.abort()

    headers = {name: value for name, value in answer.headers if name not in _NOT_BACK}
    return StreamingResponse(pieces(), answer.status, headers)


async def _made(
    gateway: Gateway,
    caller: Caller,
    request: Request,
    deployment: Deployment,
    kind: str,
    answer: Incoming,
    booking: Booking | None = None,
) -> Response:
    """What a provider has made is its maker's from now on."""
    told = await _whole(deployment, answer)
    if told.status_code >= 300:
        return told
    document = msgspec.json.decode(told.body)
    if isinstance(document, dict) and isinstance(name := document.get("id"), str):
        await gateway.jobs.keep(_job(gateway, caller, request, deployment, kind, name, None, booking))
    return told


def _job(
    gateway: Gateway,
    caller: Caller,
    request: Request,
    deployment: Deployment,
    kind: str,
    name: str,
    document: dict[str, Any] | None,
    booking: Booking | None = None,
) -> Job:
    return Job(
        id=name,
        kind=kind,
        created=gateway.clock.time(),
        key=caller.key,
        team_id=caller.team_id,
        provider=deployment.provider.id,
        deployment=deployment.id,
        payer=batches.payer(booking or _booking(request, caller, {})),
        document=document,
    )


def _booking(request: Request, caller: Caller, envelope: Mapping[str, Raw]) -> Booking:
    booking = Booking(request.client.host if request.client else "")
    booking.caller = caller
    own = {name: envelope[name] for name in ("litellm_metadata", "tags", "user") if name in envelope}
    booking.read(own, scan(request.headers.raw))
    return booking


def _query(request: Request) -> str:
    """Without what speaks to us."""
    left = [(n, v) for n, v in request.query_params.multi_items() if n not in (*OURS, "provider", "key")]
    return urlencode(left)
