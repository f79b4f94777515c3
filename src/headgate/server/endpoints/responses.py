"""Answers of the Responses API after they were given: get, delete, cancel, input items; and those that are made in
the background. https://platform.openai.com/docs/api-reference/responses
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.signing import Sending
from headgate.errors import BadRequestError, NotFoundError
from headgate.ports import Timeouts
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.conversations import echoed, items
from headgate.server.exchange import Exchange
from headgate.server.gateway import Gateway
from headgate.store.responses import Kept

PAGE: Final = 20
MAX_PAGE: Final = 100
LIMIT: Final = 64 * 1024 * 1024
_TRUE: Final = b"true"
_BELOW: Final = re.compile(r"/openai/v1/responses/([^/]+)(?:/cancel|/input_items)?")


def named(path: str) -> str:
    """The id of the answer that a path below the provider's name asks for, "" for other paths. Who has made one at
    /openai/v1/responses looks for it there; what nobody has made here is passed through."""
    found = _BELOW.fullmatch(path)
    return found[1] if found else ""


async def get(request: Request, gateway: Gateway, caller: Caller) -> Response:
    kept = await _kept(request, gateway, caller)
    if kept.input is None:
        return await _forwarded(request, gateway, kept)
    if request.query_params.get("stream") == "true":
        raise BadRequestError("this answer is kept whole: it can't be streamed again", param="stream")
    return JSONResponse(kept.document)


async def delete(request: Request, gateway: Gateway, caller: Caller) -> Response:
    kept = await _kept(request, gateway, caller)
    if kept.input is None:
        answer = await _forwarded(request, gateway, kept)
        if answer.status_code >= 300:
            return answer
    await gateway.conversations.remove(kept)
    return JSONResponse({"id": kept.id, "object": "response", "deleted": True})


async def cancel(request: Request, gateway: Gateway, caller: Caller) -> Response:
    kept = await _kept(request, gateway, caller)
    if kept.input is None:
        return await _forwarded(request, gateway, kept)
    document = kept.document or {}
    if not document.get("background"):
        raise BadRequestError("only answers that are made in the background can be cancelled")
    task = gateway.conversations.running.pop(kept.id, None)
    if task is not None and document.get("status") in ("queued", "in_progress"):
        task.cancel()
        kept.document = {**document, "status": "cancelled"}
        gateway.conversations.keep(kept)
    return JSONResponse(kept.document)


async def input_items(request: Request, gateway: Gateway, caller: Caller) -> Response:
    kept = await _kept(request, gateway, caller)
    if kept.input is None:
        return await _forwarded(request, gateway, kept)
    asked = request.query_params
    if asked.get("order", "desc") not in ("asc", "desc"):
        raise BadRequestError("'order' must be asc or desc", param="order")
    limit = asked.get("limit", str(PAGE))
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_PAGE:
        raise BadRequestError(f"'limit' must be between 1 and {MAX_PAGE}", param="limit")
    rows = [{"id": f"item_{kept.id[5:]}_{at}", **item} for at, item in enumerate(kept.input)]
    if asked.get("order", "desc") == "desc":
        rows.reverse()
    if (after := asked.get("after")) is not None:
        names = [row["id"] for row in rows]
        if after not in names:
            raise BadRequestError(f"'after': no item {after[:100]!r} is there", param="after")
        rows = rows[names.index(after) + 1 :]
    page = rows[: int(limit)]
    return JSONResponse(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(rows) > len(page),
        }
    )


async def _kept(request: Request, gateway: Gateway, caller: Caller) -> Kept:
    return await gateway.conversations.find(request.path_params["response_id"], caller)


async def _forwarded(request: Request, gateway: Gateway, kept: Kept) -> Response:
    """The provider's own answer: it keeps what was said."""
    deployment = _deployment(gateway, kept)
    route = deployment.route("responses", False)
    base, _, query = route.url.partition("?")
    _, _, rest = request.url.path.partition(kept.id)
    more = "&".join(filter(None, (query, request.url.query)))
    url = f"{base}/{kept.id}{rest}" + (f"?{more}" if more else "")
    target, _, _ = route.head.partition(b"\r\n")
    path = target.split(b" ")[1].partition(b"?")[0]
    line = b"%b %b/%b%b%b HTTP/1.1" % (
        request.method.encode(),
        path,
        kept.id.encode(),
        rest.encode(),
        b"?" + more.encode() if more else b"",
    )
    head = line + route.head[len(target) :]
    sending = Sending(request.method, url, route.origin, head, b"")
    answer = await gateway.snapshot.engine.send(deployment, sending, Timeouts())
    body = await answer.read(LIMIT)
    kind = answer.headers.get("content-type") or "application/json"
    return Response(body, answer.status, media_type=kind)


def _deployment(gateway: Gateway, kept: Kept) -> Deployment:
    group = gateway.snapshot.lookup(kept.model)
    for deployment in group.deployments:
        if deployment.id == kept.deployment:
            return deployment
    raise NotFoundError(
        f"Response with id {kept.id!r} is kept by a deployment of {kept.model!r} that is not there any more",
        param="response_id",
    )


class Quiet:
    """See exchange.Exchange: an answer that nobody waits for."""

    def __init__(self, exchange: Exchange, body: bytes) -> None:
        self.method, self.path, self.query = exchange.method, exchange.path, exchange.query
        self.client = exchange.client
        self.headers = exchange.headers
        self.body = body
        self.arriving = None
        self.answer = b""

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        self.answer = body

    def start(self, status: int, headers: bytes, length: int | None = None) -> None: ...

    def write(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None: ...


def background(
    gateway: Gateway,
    call: Call,
    booking: Booking,
    exchange: Exchange,
    serve: Callable[[Exchange], Awaitable[None]],
) -> bytes | None:
    """The document of an answer that will be made in the background; None where that is not asked for, or where a
    provider of the group does it itself."""
    wanted = bytes(call.envelope.get("background", b"")) == _TRUE
    if not wanted or call.stream:
        return None
    group = gateway.snapshot.lookup(call.model)
    if any("responses" in one.provider.paths for one in group.deployments):
        return None
    kept = _queued(call, booking)
    conversations = gateway.conversations
    conversations.keep(kept)
    envelope = {key: value for key, value in call.envelope.items() if key != "background"}
    envelope["store"] = msgspec.Raw(b"false")
    quiet = Quiet(exchange, msgspec.json.encode(envelope))

    async def work() -> None:
        kept.document = {**(kept.document or {}), "status": "in_progress"}
        await serve(quiet)
        kept.document = _finished(kept.document, msgspec.json.decode(quiet.answer), call)
        conversations.keep(kept)

    task = conversations.running[kept.id] = asyncio.ensure_future(work())
    task.add_done_callback(lambda _: conversations.running.pop(kept.id, None))
    return msgspec.json.encode(kept.document)


def _queued(call: Call, booking: Booking) -> Kept:
    """The answer before anybody was asked."""
    name = "resp_" + call.id.replace("-", "")
    document = {
        "id": name,
        "object": "response",
        "created_at": call.created,
        "model": call.model,
        "background": True,
        "status": "queued",
        "error": None,
        "output": [],
        "usage": None,
    }
    return Kept(
        id=name,
        created=call.created,
        key=booking.caller.key,
        team_id=booking.caller.team_id,
        model=call.model,
        deployment="",
        input=items(call),
        document=echoed(document, call),
    )


def _finished(begun: Mapping[str, Any], made: dict[str, Any], call: Call) -> dict[str, Any]:
    """What was made under the name that the caller knows, or why nothing was."""
    if made.get("object") == "response":
        same = {key: begun[key] for key in ("id", "background", "created_at")}
        return echoed({"model": call.model, **made, **same}, call)
    error = made.get("error") or {}
    told = {"code": error.get("code") or "server_error", "message": error.get("message")}
    return {**begun, "status": "failed", "error": told}
