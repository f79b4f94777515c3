"""Anthropic's Message Batches as they are, forwarded to who speaks them; each is its maker's and their team's.
https://docs.anthropic.com/en/api/creating-message-batches

OpenAI's batches at such a provider are in `jobs.py`: the same batch may be looked at by either.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.core.call import text_of
from headgate.core.deployment import Deployment
from headgate.core.forward import checked, forward
from headgate.errors import BadRequestError
from headgate.server import admitting, batches
from headgate.server.arriving import body_of
from headgate.server.callers import Caller
from headgate.server.endpoints import kept
from headgate.server.gateway import Gateway
from headgate.server.jobs import choose
from headgate.store.jobs import Job
from headgate.wire import envelope as envelopes
from headgate.wire.batches import Line, message_lines

SPOKEN: Final = "anthropic"
_FORWARDED: Final = ("anthropic-beta", "anthropic-version")


async def create(request: Request, gateway: Gateway, caller: Caller) -> Response:
    body = await body_of(request.receive, gateway.body_limit) or b""
    envelope = envelopes.read(body)
    wanted = kept.wanted_of(request, envelope)
    lines = message_lines(msgspec.json.encode(envelope))
    models = wanted.models or _group(gateway, caller, lines)
    deployment = _spoken(choose(gateway.snapshot, caller, "batches", wanted.provider, models, None, SPOKEN))
    names = {line.custom_id: _model(gateway, caller, deployment, line) for line in lines}

    async def each() -> AsyncIterator[Line]:
        for line in lines:
            yield Line(line.custom_id, _named(line, names[line.custom_id]))

    booking = kept.booking_of(request, caller, {})
    async with admitting.admitting(gateway, booking, deployment, each) as holds:
        rows = [{"custom_id": line.custom_id, "params": line.body} async for line in each()]
        envelope["requests"] = Raw(msgspec.json.encode(rows))
        answer = await forward(
            gateway.snapshot.engine,
            deployment,
            "batches",
            "POST",
            body=msgspec.json.encode(envelope),
            more=_headers(request),
        )
        told = await kept.made(gateway, caller, request, deployment, "batch", answer, booking, holds)
    return _addressed(request, told)


def _group(gateway: Gateway, caller: Caller, lines: list[Line]) -> tuple[str, ...]:
    """The first request's model, where it is one of ours: it says which provider is meant."""
    model = text_of(envelopes.read(bytes(lines[0].body)), "model") if lines else None
    name = caller.aliases.get(model or "", model or "")
    return (name,) if name in gateway.snapshot.groups else ()


def _model(gateway: Gateway, caller: Caller, deployment: Deployment, line: Line) -> str:
    """A request's model as the provider names it."""
    model = text_of(envelopes.read(bytes(line.body)), "model") or ""
    group = gateway.snapshot.groups.get(caller.aliases.get(model, model))
    alike = (one for one in group.deployments if one.provider.id == deployment.provider.id) if group else ()
    return next((one.body_model for one in alike), model.removeprefix(f"{deployment.provider.id}/"))


def _named(line: Line, model: str) -> Raw:
    """Its bytes as they came where the model has its name already."""
    envelope = envelopes.read(bytes(line.body))
    if text_of(envelope, "model") == model:
        return line.body
    return Raw(msgspec.json.encode({**envelope, "model": model}))


async def one(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Retrieves or cancels: what has ended is paid for."""
    deployment, job, name = await _meant(request, gateway, caller)
    rest = f"/{name}/cancel" if request.method == "POST" else f"/{name}"
    answer = await forward(
        gateway.snapshot.engine, deployment, "batches", request.method, rest, more=_headers(request)
    )
    told = await kept.whole(deployment, answer)
    if job is not None and told.status_code < 300:
        gateway.jobs.soon(batches.settle(gateway, job, msgspec.json.decode(told.body)))
    return _addressed(request, told)


async def results(request: Request, gateway: Gateway, caller: Caller) -> Response:
    deployment, job, name = await _meant(request, gateway, caller)
    if job is not None and not job.booked:
        gateway.jobs.soon(batches.look(gateway, job))
    answer = await forward(
        gateway.snapshot.engine, deployment, "batches", "GET", f"/{name}/results", more=_headers(request)
    )
    return await kept.streamed(deployment, answer)


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """Paid for first: afterwards nobody could tell what it cost."""
    deployment, job, name = await _meant(request, gateway, caller)
    if job is not None and not job.booked:
        await batches.look(gateway, job)
    answer = await forward(
        gateway.snapshot.engine, deployment, "batches", "DELETE", f"/{name}", more=_headers(request)
    )
    told = await kept.whole(deployment, answer)
    if told.status_code < 300:
        await gateway.jobs.remove(name)
    return told


async def listed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    wanted = kept.wanted_of(request, {})
    deployment = _spoken(
        choose(gateway.snapshot, caller, "batches", wanted.provider, wanted.models, None, SPOKEN)
    )
    data, more, _ = await kept.gathered(request, gateway, caller, deployment, "batch")
    page = kept.page_of([_own(request, row) for row in data], more=more)
    del page["object"]
    return JSONResponse(page)


async def _meant(request: Request, gateway: Gateway, caller: Caller) -> tuple[Deployment, Job | None, str]:
    name = checked(request.path_params["id"])
    job = await gateway.jobs.find(name, caller, "batch")
    wanted = kept.wanted_of(request, {}) if job is None else kept.Wanted()
    found = choose(gateway.snapshot, caller, "batches", wanted.provider, wanted.models, job, SPOKEN)
    return _spoken(found), job, name


def _spoken(deployment: Deployment) -> Deployment:
    if deployment.route("batches", False).dialect.name != SPOKEN:
        raise BadRequestError(
            f"{deployment.provider.name} has no Message Batches: its batches are at /v1/batches",
            param="custom_llm_provider",
        )
    return deployment


def _headers(request: Request) -> dict[str, str]:
    return {name: value for name in _FORWARDED if (value := request.headers.get(name))}


def _addressed(request: Request, told: Response) -> Response:
    if told.status_code >= 300:
        return told
    return JSONResponse(_own(request, msgspec.json.decode(told.body)), told.status_code)


def _own(request: Request, document: Any) -> Any:
    """Clients fetch results where the batch says they are: here, where their key is good."""
    if not isinstance(document, dict) or not document.get("results_url"):
        return document
    root = request.url.path.partition("/messages/batches")[0]
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    scheme = scheme if scheme in ("http", "https") else request.url.scheme
    url = f"{scheme}://{request.url.netloc}{root}/messages/batches/{document['id']}/results"
    return {**document, "results_url": url}
