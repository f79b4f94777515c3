"""`/v1/realtime`: a websocket that is let in as a call is, dialled, and handed to its session.

Refusals before the upgrade are HTTP answers. Nobody imports this before the first websocket comes.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import ClientConnection

from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.signing import REFUSED, Sending, lines_of
from headgate.errors import (
    BadRequestError,
    HeadgateError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
)
from headgate.net.websocket import NotUpgraded, dial
from headgate.ports import Clock
from headgate.server import headers
from headgate.server.access import KEY_HEADERS
from headgate.server.account import account
from headgate.server.asgi import Message, Receive, Send, pairs, path_of
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.server.limits import reserve
from headgate.server.session import Session
from headgate.server.snapshot import Snapshot
from headgate.server.turns import Fixed, Turns
from headgate.wire.dialect import Dialect
from headgate.wire.realtime import Watch

SUBPROTOCOL: Final = "realtime"
KEY_PROTOCOL: Final = "openai-insecure-api-key."
BETA_PROTOCOL: Final = "openai-beta."
"""How browsers, which can't set headers, say what others say in them:
https://platform.openai.com/docs/guides/realtime-websocket"""
BETA: Final = b"openai-beta"
READ: Final = headers.READ | {BETA, b"origin", b"host"}
_NOT_SENT: Final = ("host", "content-type")


class Watching(Dialect, Protocol):
    """A dialect of realtime connections."""

    def watch(self, model: str) -> Watch: ...


class Dialled(NamedTuple):
    upstream: ClientConnection
    spoken: Watching


async def serve(gateway: Gateway, scope: Message, receive: Receive, send: Send) -> None:
    """From the request to the end of the connection, whatever happens."""
    await receive()  # "websocket.connect"
    booking = Booking(scope["client"][0] if scope.get("client") else "")
    call = Call(
        id=gateway.new_id(),
        operation="realtime",
        dialect=dialect("realtime"),
        envelope={},
        model="",
        stream=False,
        started=gateway.clock.monotonic(),
        created=int(gateway.clock.time()),
    )
    gateway.metrics.in_flight += 1
    try:
        await _serve(gateway, scope, receive, send, call, booking)
    except HeadgateError as error:
        await _refuse(gateway, scope, send, call, booking, error)
    except asyncio.CancelledError:
        return  # the process ends: all is booked, and nobody else waits for this
    except OSError:
        call.status = 499  # uvicorn's word for a client that went before it was let in
        account(gateway, call, booking)
    except Exception as bug:  # noqa: BLE001 -- as in llm.py: a bug must not cost the client its answer
        gateway.report(bug, call.id)
        told = InternalServerError(f"Headgate failed on call {call.id}; its log says why")
        await _refuse(gateway, scope, send, call, booking, told)
    finally:
        gateway.metrics.in_flight -= 1
        if booking.hold is not None and not booking.booked:
            booking.hold.settle(0, 0, gateway.clock.time())


async def _serve(
    gateway: Gateway, scope: Message, receive: Receive, send: Send, call: Call, booking: Booking
) -> None:
    snapshot = gateway.snapshot
    asked = _asked(scope)
    access = _Access(gateway, asked, path_of(scope), booking.client)
    booking.caller = caller = await access.identify()
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    named = (query.get("model") or query.get("deployment") or [""])[0]
    model = snapshot.only_group or named
    if not model:
        raise BadRequestError("name the model in the address: /v1/realtime?model=gpt-realtime", param="model")
    call.model = access.model = model = caller.aliases.get(model, model)
    caller.admit(model)
    booking.read({}, asked)
    booking.session = booking.session or call.id
    if snapshot.wishes or caller.region:
        user = booking.customer or caller.user_id
        call.wish = snapshot.wish(booking.tags, caller.region, user, booking.session, caller.team_id)
    if gateway.ledger is not None:
        await reserve(gateway, Fixed(), call, booking, b"")
    group = snapshot.lookup(model)
    beta = asked.get(BETA)
    dialled, leave = await snapshot.engine.connect(
        call, group, partial(_dial, snapshot.engine, gateway.clock, beta)
    )
    broken: HeadgateError | None = None
    try:
        await send(_accepted(gateway, snapshot, scope, call, booking))
        assert call.deployment is not None
        spoken, deployment = dialled.spoken, call.deployment
        watch = spoken.watch(deployment.model)
        prices = Fixed(snapshot.ceiling, deployment)
        turns = Turns(gateway, call, booking, prices, spoken, watch, access)
        session = Session(gateway, call, turns, watch, dialled.upstream, receive, send)
        broken = (await session.run()).broken
    finally:
        leave(broken)
        dialled.upstream.transport.abort()


class _Access:
    """See turns.Look. `model` is what the connection is for."""

    def __init__(self, gateway: Gateway, asked: Mapping[bytes, bytes], path: str, client: str) -> None:
        self._gateway = gateway
        self._asked = asked
        self._path = path
        self._client = client
        self.model = ""

    async def identify(self) -> Caller:
        access = self._gateway.snapshot.access
        caller = access.identify(self._asked) or await access.find(self._asked)
        caller.check(self._gateway.clock.time())
        if caller.routes or caller.addresses:
            caller.reach(self._path, self._client)
        return caller

    async def caller(self) -> Caller:
        caller = await self.identify()
        caller.admit(self.model)
        return caller


def _asked(scope: Message) -> dict[bytes, bytes]:
    """The headers that are read. Raises PermissionDeniedError for another site's page without a key."""
    asked = headers.scan([(name.lower(), value) for name, value in scope["headers"]], READ)
    keyless = not any(name in asked for name in KEY_HEADERS)
    for offer in scope.get("subprotocols") or ():
        if offer.startswith(KEY_PROTOCOL) and keyless:
            asked[b"authorization"] = b"Bearer " + offer.removeprefix(KEY_PROTOCOL).encode()
            keyless = False
        elif offer.startswith(BETA_PROTOCOL):
            name, _, version = offer.removeprefix(BETA_PROTOCOL).rpartition("-")
            asked.setdefault(BETA, f"{name}={version}".encode())
    origin = asked.pop(b"origin", b"").decode("latin-1")
    host = asked.pop(b"host", b"").decode("latin-1")
    if keyless and origin and urlsplit(origin).netloc != host:
        raise PermissionDeniedError(
            f"a page of {origin[:100]} may not connect without an API key", type="auth_error", code="403"
        )
    return asked


async def _dial(engine: Engine, clock: Clock, beta: bytes | None, deployment: Deployment) -> Dialled:
    """An open websocket to the deployment. Raises what its answer says, or how it could not be reached."""
    route = deployment.route("realtime", stream=False)
    spoken = cast(Watching, route.dialect)
    sending = Sending("GET", route.url, route.origin, route.head, b"")
    plain = [line for line in lines_of(route.head) if line[0] not in _NOT_SENT]
    if beta is not None:
        plain.append((BETA.decode(), beta.decode("latin-1")))
    for last in (False, True):
        signed = await engine.sign(deployment, sending)
        try:
            upstream = await dial(route.url, route.origin, [*plain, *signed], deployment.timeouts.connect)
        except NotUpgraded as answer:
            told, credential = answer.told, deployment.credential
            stale = credential is not None and told.status in REFUSED
            if last or credential is None or not stale or not credential.refused(told, signed, clock.time()):
                raise spoken.read_error(max(400, told.status), told.headers, told.body) from None
        else:
            return Dialled(upstream, spoken)
    raise NotFoundError("unreachable")


def _accepted(gateway: Gateway, snapshot: Snapshot, scope: Message, call: Call, booking: Booking) -> Message:
    assert call.deployment is not None
    lines = snapshot.identity(call.deployment) + headers.of_call(call, gateway.clock.monotonic())
    lines += booking.limits(gateway.clock.time())
    offered = scope.get("subprotocols") or ()
    return {
        "type": "websocket.accept",
        "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None,
        "headers": pairs(lines),
    }


async def _refuse(
    gateway: Gateway, scope: Message, send: Send, call: Call, booking: Booking, error: HeadgateError
) -> None:
    """An HTTP answer with a body, where the server can give one before the upgrade."""
    call.error, call.status = error, error.status_code
    account(gateway, call, booking)
    lines = b"content-type: application/json\r\n" + headers.of_call(call, gateway.clock.monotonic())
    if error.retry_after is not None:
        lines += b"retry-after: %d\r\n" % max(1, round(error.retry_after))
    body = call.dialect.write_error(error, call.id)
    head = {"type": "websocket.http.response.start", "status": error.status_code, "headers": pairs(lines)}
    with suppress(OSError):  # the client has gone: nobody is left to be told
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008})
            return
        await send(head)
        await send({"type": "websocket.http.response.body", "body": body})
