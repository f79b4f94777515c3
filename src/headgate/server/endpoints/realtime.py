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
from headgate.core.interpreters import interpreter
from headgate.core.route import narrowed
from headgate.core.signing import REFUSED, Sending, lines_of
from headgate.errors import (
    BadRequestError,
    HeadgateError,
    InternalServerError,
    PermissionDeniedError,
    Timeout,
)
from headgate.net.websocket import NotUpgraded, dial
from headgate.ports import Clock
from headgate.server import headers
from headgate.server.account import account
from headgate.server.arriving import Message, Receive
from headgate.server.asgi import Send, pairs, path_of
from headgate.server.booking import Booking
from headgate.server.callers import Caller
from headgate.server.client_secrets import MARK, ClientSecret
from headgate.server.endpoints import paths
from headgate.server.gateway import Gateway
from headgate.server.limits import reserve
from headgate.server.lines import KEY_HEADERS, Lines
from headgate.server.meters import settle_all
from headgate.server.session import POLICY, Session, shortened
from headgate.server.turns import Fixed, Turns
from headgate.wire.dialect import Dialect
from headgate.wire.gemini.live import model_of
from headgate.wire.interpret import Style, Talk
from headgate.wire.operations import encode
from headgate.wire.realtime import Data, Watch, error_event

SUBPROTOCOL: Final = "realtime"
KEY_PROTOCOL: Final = "openai-insecure-api-key."
BETA_PROTOCOL: Final = "openai-beta."
"""How browsers, which can't set headers, say what others say in them:
https://platform.openai.com/docs/guides/realtime-websocket"""
BETA: Final = b"openai-beta"
FIRST_SECONDS: Final = 30.0
"""How long a client may take for the frame that names its model."""
_NOT_SENT: Final = ("host", "content-type")


class Watching(Dialect, Protocol):
    """A dialect of realtime connections."""

    def watch(self, model: str) -> Watch: ...


class Dialled(NamedTuple):
    upstream: ClientConnection
    spoken: Watching
    talk: Talk


async def serve(gateway: Gateway, scope: Message, receive: Receive, send: Send) -> None:
    """From the request to the end of the connection, whatever happens."""
    await receive()  # "websocket.connect"
    door = _Door(scope, receive, send)
    booking = Booking(door.client)
    call = gateway.call("realtime", dialect("realtime"))
    gateway.metrics.in_flight += 1
    try:
        await _serve(gateway, door, call, booking)
    except HeadgateError as error:
        await _refuse(gateway, door, call, booking, error)
    except asyncio.CancelledError:
        return  # the process ends: all is booked, and nobody else waits for this
    except OSError:
        call.status = 499  # by the ASGI specification: the client has gone, here before it was let in
        account(gateway, call, booking)
    except Exception as bug:  # noqa: BLE001 -- as in llm.py: a bug must not cost the client its answer
        gateway.report(bug, call.id)
        told = InternalServerError(f"Headgate failed on call {call.id}; its log says why")
        await _refuse(gateway, door, call, booking, told)
    finally:
        gateway.metrics.in_flight -= 1
        if not booking.booked:
            settle_all(booking.holds, (), 0, 0, gateway.clock.time())


async def _serve(gateway: Gateway, door: "_Door", call: Call, booking: Booking) -> None:
    snapshot = gateway.snapshot
    asked = _asked(door.scope)
    secret = await _secret(gateway, door, asked)
    if secret is not None and secret.bearer:
        asked = _with_bearer(asked, secret.bearer)
    access = _Access(gateway, asked, door.path, door.client, secret)
    booking.caller = caller = await access.identify()
    model = snapshot.only_group or (secret and secret.model) or await _model(gateway, door, call)
    call.model = access.model = model = caller.aliases.get(model, model)
    caller.admit(model)
    booking.read({}, asked)
    booking.session = booking.session or call.id
    if snapshot.wishes or caller.region:
        user = booking.customer or caller.user_id
        call.wish = snapshot.wish(booking.tags, caller.region, user, booking.session, caller.team_id)
    if gateway.ledger is not None:
        await reserve(gateway, Fixed(snapshot.aliases.get(model, model)), call, booking, b"")
    client = "openai" if door.path in paths.REALTIME else "gemini"
    dial_one = partial(_dial, snapshot.engine, gateway.clock, client, asked.get(BETA), call.id)
    dialled, leave = await snapshot.engine.connect(call, snapshot.lookup(model), dial_one)
    broken: HeadgateError | None = None
    try:
        assert call.deployment is not None
        lines = snapshot.identity(call.deployment) + booking.limits(gateway.clock.time())
        await door.take(lines + headers.of_call(call, gateway.clock.monotonic()))
        spoken, deployment = dialled.spoken, call.deployment
        watch = spoken.watch(deployment.live_model)
        prices = Fixed(deployment.group, snapshot.ceiling, deployment)
        turns = Turns(gateway, call, booking, prices, spoken, watch, access)
        session = Session(
            gateway, call, turns, watch, dialled.talk, dialled.upstream, door.receive, door.send
        )
        broken = (await session.run(_first(secret, asked))).broken
    finally:
        leave(broken)
        dialled.upstream.transport.abort()


async def _model(gateway: Gateway, door: "_Door", call: Call) -> str:
    """By the address, or by the first frame where clients name it there. Raises BadRequestError."""
    if door.path in paths.REALTIME:
        named = _named(door)
        expected = "name the model in the address: /v1/realtime?model=gpt-realtime"
    else:
        await door.take(headers.of_call(call, gateway.clock.monotonic()))
        named = model_of(await door.peek())
        expected = 'the first frame must name the model: {"setup": {"model": "models/…"}}'
    if not named:
        raise BadRequestError(expected, param="model")
    return named


def _named(door: "_Door") -> str:
    """The model in the address, "" for none."""
    query = parse_qs(door.query)
    return (query.get("model") or query.get("deployment") or [""])[0]


class _Door:
    """The client's side. `taken`: the upgrade is done."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.path = path_of(scope)
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self.client: str = scope["client"][0] if scope.get("client") else ""
        self.send = send
        self.taken = False
        self._receive = receive
        self._first: Message | None = None

    async def take(self, lines: bytes) -> None:
        if self.taken:
            return
        offered = self.scope.get("subprotocols") or ()
        accept = {"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None}
        await self.send({**accept, "headers": pairs(lines)})
        self.taken = True

    async def peek(self) -> Data:
        """The first frame, which `receive` gives again. Raises Timeout, OSError where the client goes instead."""
        try:
            async with asyncio.timeout(FIRST_SECONDS):
                self._first = message = await self._receive()
        except TimeoutError:
            raise Timeout(f"no frame came within {FIRST_SECONDS:g} s") from None
        if message["type"] != "websocket.receive":
            raise OSError("the client has gone")
        text = message.get("text")
        data: Data = message["bytes"] if text is None else text
        return data

    async def receive(self) -> Message:
        first, self._first = self._first, None
        return await self._receive() if first is None else first

    async def refuse(self, error: HeadgateError, lines: bytes, body: bytes) -> None:
        """An HTTP answer with a body where there still can be one, else an event and the end."""
        with suppress(OSError):  # the client has gone: nobody is left to be told
            if self.taken:
                code = error.code or str(error.status_code)
                event = error_event(error.message, error.type, code)
                await self.send({"type": "websocket.send", "text": event})
                await self.send(
                    {"type": "websocket.close", "code": POLICY, "reason": shortened(error.message)}
                )
            elif "websocket.http.response" not in (self.scope.get("extensions") or {}):
                await self.send({"type": "websocket.close", "code": POLICY})
            else:
                head = {"type": "websocket.http.response.start", "status": error.status_code}
                await self.send({**head, "headers": pairs(lines)})
                await self.send({"type": "websocket.http.response.body", "body": body})


class _Access:
    """See turns.Look. `model` is what the connection is for."""

    def __init__(
        self,
        gateway: Gateway,
        asked: Lines,
        path: str,
        client: str,
        secret: ClientSecret | None,
    ) -> None:
        self._gateway = gateway
        self._secret = secret
        self._asked = asked
        self._path = path
        self._client = client
        self.model = ""

    async def identify(self) -> Caller:
        access = self._gateway.snapshot.access
        if self._secret is not None and not self._secret.bearer:
            caller = await access.again(self._secret.token)
        else:
            caller = access.identify(self._asked) or await access.find(self._asked)
        caller.check(self._gateway.clock.time())
        if caller.routes or caller.addresses:
            caller.reach(self._path, self._client)
        return caller

    async def caller(self) -> Caller:
        caller = await self.identify()
        caller.admit(self.model)
        return caller


def _asked(scope: Message) -> Lines:
    """The headers that are read. Raises PermissionDeniedError for another site's page without a key."""
    came = Lines((name.lower(), value) for name, value in scope["headers"])
    asked = dict(headers.with_key(came, scope.get("query_string", b"").decode("latin-1")))
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
    return Lines(asked)


async def _secret(gateway: Gateway, door: "_Door", asked: Lines) -> ClientSecret | None:
    """Where the client has one in place of a key. Raises AuthenticationError, PermissionDeniedError."""
    text = asked.bearer.decode("latin-1")
    if not text.startswith(MARK):
        return None
    secret = await gateway.client_secrets.read(text, gateway.clock.time())
    if door.path not in paths.REALTIME:
        raise PermissionDeniedError(
            "a client secret is for /v1/realtime alone", type="auth_error", code="403"
        )
    named = _named(door)
    if secret.model and named and named != secret.model:
        raise PermissionDeniedError(
            f"this client secret is for the model {secret.model!r}",
            type="auth_error",
            param="model",
            code="403",
        )
    return secret


def _with_bearer(asked: Lines, bearer: str) -> Lines:
    """Another's token that was behind a client secret."""
    others = {name: value for name, value in asked.items() if name not in KEY_HEADERS}
    return Lines({**others, b"authorization": b"Bearer " + bearer.encode("latin-1")})


def _first(secret: ClientSecret | None, asked: Mapping[bytes, bytes]) -> list[Data]:
    """What the session was to be when its client secret was made, as the client would say it."""
    if secret is None or not secret.session:
        return []
    kind = {} if BETA in asked else {"type": "realtime"}
    return [encode({"type": "session.update", "session": {**kind, **secret.session}}).decode()]


async def _dial(
    engine: Engine, clock: Clock, client: str, beta: bytes | None, name: str, deployment: Deployment
) -> Dialled:
    """An open websocket to the deployment. `client` is the family that the client speaks. Raises what the answer
    says, or how it could not be reached."""
    route = deployment.route("realtime", stream=False)
    spoken = cast(Watching, route.dialect)
    style = Style(name, deployment.model, beta=beta is not None, drop=bool(deployment.drop_params))
    talk = interpreter(client, spoken.family, style)
    sending = Sending("GET", route.url, route.origin, route.head, b"")
    plain = [line for line in lines_of(route.head) if line[0] not in _NOT_SENT]
    if beta is not None and spoken.family == client:
        plain.append((BETA.decode(), beta.decode("latin-1")))
    renewed = False
    while True:
        signed = await engine.sign(deployment, sending)
        try:
            lines = [*plain, *signed]
            upstream = await dial(route.url, route.origin, lines, deployment.timeouts.connect)
            return Dialled(upstream, spoken, talk)
        except NotUpgraded as answer:
            told, credential = answer.told, deployment.credential
            if credential is not None and told.status in REFUSED and not renewed:
                renewed = credential.refused(told, signed, clock.time())
                if renewed:
                    continue
            raise spoken.read_error(max(400, told.status), told.headers, told.body) from None


async def _refuse(gateway: Gateway, door: _Door, call: Call, booking: Booking, error: HeadgateError) -> None:
    error = narrowed(error, booking.caller.may)
    call.error, call.status = error, error.status_code
    account(gateway, call, booking)
    lines = b"content-type: application/json\r\n" + headers.of_call(call, gateway.clock.monotonic())
    if error.retry_after is not None:
        lines += b"retry-after: %d\r\n" % max(1, round(error.retry_after))
    await door.refuse(error, lines, call.dialect.write_error(error, call.id))
