"""What the pages of files, batches and fine-tuning jobs share: whom a request means, whose a thing is, a provider's
answer on its way back. It answers no page by itself.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from headgate.core.deployment import Deployment
from headgate.core.forward import JSON, LIMIT, asked, checked, forward
from headgate.errors import BadRequestError
from headgate.ports import Incoming
from headgate.server import admitting, batches
from headgate.server.arriving import body_of
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.server.jobs import KINDS, choose
from headgate.server.lines import Lines
from headgate.server.meters import Hold
from headgate.store.jobs import Job
from headgate.wire import envelope as envelopes

PROVIDER: Final = "custom_llm_provider"
MODELS: Final = ("target_model_names", "model")
OURS: Final = (PROVIDER, *MODELS)
"""Fields that say where a request goes. They go no further."""
PAGES: Final = 100
"""Of a provider's list that are asked for one of ours."""
_NOT_BACK: Final = (
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "set-cookie",
    "date",
)
OPENAI: Final = "openai_chat"


class Wanted(Struct, frozen=True, kw_only=True):
    """Who is meant, as the request says it."""

    provider: str = ""
    models: tuple[str, ...] = ()


def wanted_of(request: Request, envelope: dict[str, Raw], *, body_model: bool = True) -> Wanted:
    """Takes what speaks to us out of the body. `body_model` False: the body's model is the provider's."""
    query, headers = request.query_params, request.headers
    provider = request.path_params.get("provider") or query.get(PROVIDER) or query.get("provider")
    provider = provider or headers.get("custom-llm-provider") or headers.get(PROVIDER)
    own = text(envelope.pop(PROVIDER, None))
    names = [query.get(name) or "" for name in MODELS]
    taken = MODELS if body_model else MODELS[:1]
    given = [envelope.pop(name, None) for name in taken]
    names += [text(one) for one in given]
    models = filter(None, (name.strip() for name in ",".join(names).split(",")))
    return Wanted(provider=provider or own, models=tuple(models))


def text(raw: Raw | None) -> str:
    """A text, or texts joined; "" for nothing. Raises BadRequestError."""
    if raw is None:
        return ""
    try:
        value = msgspec.json.decode(raw, type=str | list[str] | None)
    except envelopes.UNREADABLE:
        raise BadRequestError(f"expected a text, not {bytes(raw)[:50].decode('utf-8', 'replace')}") from None
    return ",".join(value) if isinstance(value, list) else value or ""


async def envelope_of(request: Request, gateway: Gateway) -> dict[str, Raw]:
    return envelopes.read(await body_of(request.receive, gateway.body_limit) or b"")


async def input_of(gateway: Gateway, caller: Caller, envelope: Mapping[str, Raw], name: str) -> Job | None:
    """The file that a job is made of. Raises NotFoundError for somebody else's."""
    given = text(envelope.get(name))
    if not given:
        raise BadRequestError(f"{name!r} is missing: expected the id of a file", param=name)
    return await gateway.jobs.find(checked(given), caller, "file")


async def meant(
    request: Request, gateway: Gateway, caller: Caller, kind: str
) -> tuple[Deployment, Job | None, str]:
    """Who keeps what the path names, and whose it is. Raises NotFoundError for somebody else's."""
    name = checked(request.path_params["id"])
    job = await gateway.jobs.find(name, caller, kind)
    wanted = wanted_of(request, {})
    if job is not None:  # whatever else is named: it is where it is
        wanted = Wanted()
    return choose(gateway.snapshot, caller, KINDS[kind], wanted.provider, wanted.models, job), job, name


async def downloaded(gateway: Gateway, deployment: Deployment, name: str) -> AsyncIterator[bytes]:
    answer = await forward(gateway.snapshot.engine, deployment, "files", "GET", f"/{name}/content")
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


async def plain(
    gateway: Gateway, deployment: Deployment, operation: str, request: Request, rest: str
) -> Response:
    """The provider's own answer."""
    answer = await forward(
        gateway.snapshot.engine, deployment, operation, request.method, rest, query=query_of(request)
    )
    return await whole(deployment, answer)


async def whole(deployment: Deployment, answer: Incoming) -> Response:
    body = await answer.read(LIMIT)
    if answer.status >= 400:
        body = deployment.scrubbed(body.decode("utf-8", "replace")).encode()
    return Response(body, answer.status, media_type=answer.headers.get("content-type") or JSON)


async def streamed(deployment: Deployment, answer: Incoming) -> Response:
    if answer.status >= 300:
        return await whole(deployment, answer)

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in answer:
                yield piece
        finally:
            answer.abort()

    headers = {name: value for name, value in answer.headers if name not in _NOT_BACK}
    return StreamingResponse(pieces(), answer.status, headers)


async def made(
    gateway: Gateway,
    caller: Caller,
    request: Request,
    deployment: Deployment,
    kind: str,
    answer: Incoming,
    booking: Booking | None = None,
    holds: Sequence[Hold] = (),
) -> Response:
    """What a provider has made is its maker's from now on; `holds` are what a batch can cost."""
    told = await whole(deployment, answer)
    if told.status_code >= 300:
        return told
    document = msgspec.json.decode(told.body)
    if isinstance(document, dict) and isinstance(name := document.get("id"), str):
        job = job_of(gateway, caller, request, deployment, kind, name, None, booking)
        await admitting.note(gateway, job, holds)
    return told


def job_of(
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
        payer=batches.payer(booking or booking_of(request, caller, {})),
        document=document,
    )


def booking_of(request: Request, caller: Caller, envelope: Mapping[str, Raw]) -> Booking:
    booking = Booking(request.client.host if request.client else "")
    booking.caller = caller
    own = {name: envelope[name] for name in ("litellm_metadata", "tags", "user") if name in envelope}
    booking.read(own, Lines(request.headers.raw))
    return booking


def query_of(request: Request) -> str:
    """Without what speaks to us."""
    left = [(n, v) for n, v in request.query_params.multi_items() if n not in (*OURS, "provider", "key")]
    return urlencode(left)


async def gathered(
    request: Request,
    gateway: Gateway,
    caller: Caller,
    deployment: Deployment,
    kind: str,
) -> tuple[list[dict[str, Any]], bool, dict[str, Job]]:
    """Page after page until there is enough of what is the caller's: that, whether there is more, and what is noted
    of it."""
    operation = KINDS[kind]
    owned: dict[str, Job] = {}
    query = dict(request.query_params)
    query = {name: value for name, value in query.items() if name not in (*OURS, "provider", "key")}
    theirs = deployment.route(operation, False).dialect.name == OPENAI
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
            await asked(gateway.snapshot.engine, deployment, operation, "GET", query=urlencode(query))
        )
        rows = [row for row in page.get("data") or () if isinstance(row, dict) and "id" in row]
        owned |= await gateway.jobs.among([str(row["id"]) for row in rows], caller, kind)
        found += [row for row in rows if caller.admin or row["id"] in owned]
        more = bool(page.get("has_more")) and bool(rows)
        if caller.admin or len(found) >= most or not more:
            return found[:most], more or len(found) > most, owned
        query[cursor] = rows[-1]["id"]
    return found, False, owned


def cut(request: Request, rows: list[Job]) -> tuple[list[Job], bool]:
    """The page that `after` and `limit` ask for, and whether there is more. Raises BadRequestError."""
    limit, after = request.query_params.get("limit") or "20", request.query_params.get("after")
    if not limit.isdecimal() or not 1 <= int(limit) <= PAGES:
        raise BadRequestError(f"'limit' must be a number from 1 to {PAGES}", param="limit")
    ids = [row.id for row in rows]
    if after and after not in ids:
        raise BadRequestError(f"'after' names no batch of this list: {after[:100]!r}", param="after")
    rows = rows[ids.index(after) + 1 if after else 0 :]
    return rows[: int(limit)], len(rows) > int(limit)


def page_of(data: list[Any], *, more: bool) -> dict[str, Any]:
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": more}
