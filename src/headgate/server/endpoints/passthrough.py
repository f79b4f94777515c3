"""`/{provider}/…`: a provider's own API, with our key in and its credential out, bytes untouched both ways.

Access, limits and the ledger hold as for any call; the cost is booked where an answer's format tells its usage. It
knows no provider: any row's name is a path, and `general_settings.pass_through_endpoints` adds others.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from msgspec import Raw, Struct

from headgate.core.call import Call, text_of
from headgate.core.deployment import Deployment, head
from headgate.core.dialects import dialect
from headgate.core.route import Group
from headgate.core.signing import Sending
from headgate.errors import (
    APIConnectionError,
    BadRequestError,
    HeadgateError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
)
from headgate.money import units_of
from headgate.ports import Incoming, Timeouts
from headgate.providers.address import join
from headgate.providers.registry import providers
from headgate.server.account import account
from headgate.server.booking import Booking
from headgate.server.callers import ANYBODY
from headgate.server.ceiling import Ceiling
from headgate.server.exchange import Exchange
from headgate.server.gateway import Gateway
from headgate.server.headers import lines, of_call, with_key
from headgate.server.limits import reserve
from headgate.server.lines import KEY_HEADERS
from headgate.server.snapshot import Snapshot
from headgate.wire import envelope as envelopes
from headgate.wire.dialect import Sniffer

JSON: Final = b"content-type: application/json\r\n"
WHOLE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of a JSON answer that are kept until its usage is read; a longer one is passed on unread."""
SPOKEN: Final[Sequence[tuple[str, str]]] = (
    (r"/v2/chat$", "cohere"),
    (r"/chat/completions$", "openai_chat"),
    (r"/completions$", "completions"),
    (r"/embeddings$", "openai_embeddings"),
    (r"/responses$", "responses"),
    (r"/messages$|:(stream)?[rR]awPredict$", "anthropic"),
    (r":(streamG|g)enerateContent$", "gemini"),
    (r"/converse(-stream)?$", "bedrock_converse"),
)
"""How the end of a path tells the format of its answers."""
_SPOKEN: Final = tuple((re.compile(pattern), name) for pattern, name in SPOKEN)
_MODEL: Final = re.compile(r"/(?:models|model|deployments)/([^/:]+(?::\d+)?)")
_SECRETS: Final = re.compile(
    r"/realtime(?:api)?/(?:.+/)?(?:client_secrets|sessions|transcription_sessions)/?$"
)
"""Where OpenAI and its likes make client secrets of their own."""
_VERSION: Final = re.compile(r"v\d+[a-z0-9]*")
_OURS: Final = frozenset((*KEY_HEADERS, b"host", b"content-length", b"accept-encoding", b"cookie", b"expect"))
_HOPS: Final = frozenset(
    """connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade""".split()
)
_NOT_BACK: Final = _HOPS | {"content-length", "content-encoding", "set-cookie", "date", "server"}
_STREAMS: Final = ("text/event-stream", "application/vnd.amazon.eventstream", "application/x-ndjson")
TIMEOUTS: Final = Timeouts()


class Passage(Struct, frozen=True, kw_only=True):
    """Where the requests of a path go. `name` is that of a configured path, "" for a provider's; `own` are header
    lines in place of a credential; `open`: without a key; `cost` is what one costs in units of money, where nothing
    else tells."""

    name: str = ""

    deployment: Deployment
    url: str
    own: tuple[tuple[str, str], ...] = ()
    open: bool = False
    cost: int | None = None
    seconds: float | None = None
    forwards: bool = True


def takes(snapshot: Snapshot, path: str) -> bool:
    """Whether a path is passed through."""
    for endpoint in snapshot.config.general.pass_through_endpoints:
        if path == endpoint.path or (endpoint.include_subpath and path.startswith(endpoint.path + "/")):
            return True
    name, _, rest = path.lstrip("/").partition("/")
    return bool(rest) and (name in snapshot.config.providers or name in providers())


def can_go(snapshot: Snapshot, method: str, path: str) -> bool:
    """Whether there is a credential for who would be asked."""
    try:
        return takes(snapshot, path) and find(snapshot, method, path).deployment.problem is None
    except HeadgateError:
        return False


def find(snapshot: Snapshot, method: str, path: str) -> Passage:
    """Raises HeadgateError for a provider that can't be asked, and for a method that a path does not take."""
    for endpoint in snapshot.config.general.pass_through_endpoints:
        rest = path[len(endpoint.path) :] if path.startswith(endpoint.path) else None
        if rest is None or (rest and not (endpoint.include_subpath and rest[0] == "/")):
            continue
        if endpoint.methods and method not in endpoint.methods:
            raise NotFoundError(f"{path} takes {', '.join(endpoint.methods)}, not {method}", status_code=405)
        made = snapshot.plain(endpoint.path)
        return Passage(
            name=endpoint.path,
            deployment=made,
            url=endpoint.target.rstrip("/") + rest if rest else endpoint.target,
            own=tuple(endpoint.headers.items()),
            open=not endpoint.auth,
            cost=units_of(endpoint.cost_per_request) if endpoint.cost_per_request else None,
            seconds=endpoint.timeout,
            forwards=endpoint.forward_headers,
        )
    if _SECRETS.search(path):
        raise PermissionDeniedError(
            "a provider's own client secret would get around budgets: POST /v1/realtime/client_secrets",
            type="auth_error",
            code="403",
        )
    name, _, rest = path.lstrip("/").partition("/")
    row = snapshot.config.providers.get(name) or providers()[name]
    made = snapshot.passing(row.id, "")
    base = made.base or row.base_url
    if row.base_of is not None and not made.params.get("api_base"):
        base = row.base_of("/" + rest, made.params, made.environment)
    if not base:
        raise BadRequestError(
            f"{row.name} has no fixed address: set {' or '.join(row.base_url_env) or 'api_base'}",
            llm_provider=row.id,
        )
    return Passage(deployment=made, url=_joined(base, "/" + rest))


def _joined(base: str, rest: str) -> str:
    """A version in the path stands for that in the base."""
    first = rest.split("/", 2)[1]
    head_, _, last = base.rstrip("/").rpartition("/")
    if _VERSION.fullmatch(first) and _VERSION.fullmatch(last):
        base = head_
    return join(base.rstrip("/"), rest)


async def serve(gateway: Gateway, passage: Callable[[], Passage], exchange: Exchange) -> None:
    """Answers, whatever happens. Raises only CancelledError: the client has gone."""
    booking = Booking(exchange.client)
    name = next((name for pattern, name in _SPOKEN if pattern.search(exchange.path)), "")
    call = gateway.call("pass_through", dialect(name or "openai_chat"))
    gateway.metrics.in_flight += 1
    try:
        await _serve(gateway, passage, call, booking, exchange, told=bool(name))
    except HeadgateError as error:
        _refuse(gateway, call, booking, exchange, error)
    except asyncio.CancelledError:
        call.status = 499
        raise
    except Exception as bug:  # noqa: BLE001 -- as in llm.py: a bug must not cost the client its answer
        gateway.report(bug, call.id)
        told = InternalServerError(f"Headgate failed on call {call.id}; its log says why")
        _refuse(gateway, call, booking, exchange, told)
    finally:
        gateway.metrics.in_flight -= 1
        account(gateway, call, booking)


async def _serve(
    gateway: Gateway,
    passage: Callable[[], Passage],
    call: Call,
    booking: Booking,
    exchange: Exchange,
    *,
    told: bool,
) -> None:
    snapshot = gateway.snapshot
    asked = with_key(exchange.headers, exchange.query)
    to = passage()
    if to.open:
        booking.caller = ANYBODY
    else:
        booking.caller = caller = snapshot.access.identify(asked) or await snapshot.access.find(asked)
        caller.check(gateway.clock.time())
        if caller.routes or caller.addresses:
            caller.reach(exchange.path, exchange.client)
    call.envelope = _envelope(exchange)
    deployment = _named(snapshot, to, call, booking, exchange)
    call.deployment = deployment
    booking.request = exchange.body
    booking.read({}, asked)
    if gateway.ledger is not None:
        await reserve(gateway, _Alone(deployment), call, booking, exchange.body)
    answer = await _asked(snapshot, to, deployment, exchange)
    call.attempts, call.status = 1, answer.status
    call.first_byte = gateway.clock.monotonic()
    call.upstream_seconds = call.first_byte - call.started
    kind = answer.headers.get("content-type") or ""
    call.stream = kind.startswith(_STREAMS)
    out = lines({n: v for n, v in answer.headers if n not in _NOT_BACK}) + of_call(call, call.first_byte)
    read = told and answer.status < 300
    finish = partial(_finish, gateway, to, call, booking)
    if kind.startswith("application/json") and _small(answer):
        body = await answer.read(WHOLE_LIMIT)
        if read:
            glance = call.dialect.glance(body)
            call.usage, call.upstream_model = glance.usage, glance.model
        finish()
        exchange.send(answer.status, out, body)
        return
    await _relay(
        answer, out, call.dialect.sniffer() if read and call.stream else None, call, exchange, finish
    )


async def _relay(
    answer: Incoming,
    out: bytes,
    sniffer: Sniffer | None,
    call: Call,
    exchange: Exchange,
    finish: Callable[[], None],
) -> None:
    exchange.start(answer.status, out)
    exchange.flow(answer.pause, answer.resume)

    def sink(data: bytes) -> None:
        call.body_bytes += len(data)
        if sniffer is not None:
            call.pieces += data.count(b"\n\n") or 1
            sniffer.feed(data)
            call.usage, call.upstream_model = sniffer.usage, sniffer.model
            if sniffer.done:
                finish()
        exchange.write(data)

    try:
        await answer.relay(sink)
    finally:
        answer.abort()
        finish()
    exchange.end()


def _finish(gateway: Gateway, to: Passage, call: Call, booking: Booking) -> None:
    """What it costs: by its usage, or what the operator says that every request does."""
    if booking.booked:
        return
    if call.usage is not None and call.deployment is not None and call.deployment.sheet is not None:
        call.cost = call.deployment.sheet.charge(call.usage, call.usage.service_tier or "standard")
    elif to.cost is not None and call.status < 300:
        call.cost = to.cost
    account(gateway, call, booking)


async def _asked(snapshot: Snapshot, to: Passage, deployment: Deployment, exchange: Exchange) -> Incoming:
    if deployment.problem is not None:
        raise deployment.problem
    query = urlencode([(n, v) for n, v in parse_qsl(exchange.query, keep_blank_values=True) if n != "key"])
    raw = exchange.query if "key=" not in exchange.query else query
    url = to.url + (("&" if "?" in to.url else "?") + raw if raw else "")
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise APIConnectionError(f"{to.url.split('?')[0]!r} is no address: expected https://host/path")
    fields = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in exchange.headers.items()
        if to.forwards
        and name not in _OURS
        and name.decode("latin-1") not in _HOPS
        and not name.startswith(_PREFIXES)
    }
    fields = {**fields, **{name.lower(): value for name, value in to.own or _credential(deployment)}}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines_ = head(target, parts.netloc.rpartition("@")[2], fields, exchange.method)
    limits = TIMEOUTS if to.seconds is None else Timeouts(first_byte=to.seconds, between_chunks=to.seconds)
    origin = deployment.origin(parts.scheme, parts.hostname, parts.port)
    sending = Sending(exchange.method, url, origin, lines_, exchange.body)
    return await snapshot.engine.send(deployment, sending, limits)


_PREFIXES: Final = (b"x-litellm-", b"x-headgate-", b"sec-", b"x-forwarded-")


def _credential(deployment: Deployment) -> list[tuple[str, str]]:
    return [*deployment.provider.headers.items(), *deployment.auth_headers]


def _envelope(exchange: Exchange) -> dict[str, Raw]:
    """The body by top-level key where it is a JSON object; its bytes travel as they came."""
    if exchange.body[:1] != b"{":
        return {}
    try:
        return envelopes.read(exchange.body)
    except BadRequestError:
        return {}  # the provider says what is wrong with it


def _named(snapshot: Snapshot, to: Passage, call: Call, booking: Booking, exchange: Exchange) -> Deployment:
    """The deployment of the model that is asked for, where body or path name one. Raises PermissionDeniedError where
    the caller may not use it."""
    model = ""
    if "model" in call.envelope:
        model = text_of(call.envelope, "model") or ""
    elif (found := _MODEL.search(exchange.path)) is not None:
        model = unquote(found[1])
    row = to.deployment.provider
    if not model or to.name:
        call.model = to.name or row.id
        return to.deployment
    call.model = booking.caller.admit_one(snapshot.names_of(row.id, model))
    return snapshot.passing(row.id, model, call.model)


class _Alone:
    """See limits.Prices: one deployment, and nothing to fall back to."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def lookup(self, model: str) -> Group:
        return Group(model, [self._deployment])

    def ceiling(self, model: str) -> Ceiling:
        return Ceiling([self._deployment])


def _small(answer: Incoming) -> bool:
    length = answer.headers.get("content-length")
    return length is None or (length.isdecimal() and int(length) <= WHOLE_LIMIT)


def _refuse(gateway: Gateway, call: Call, booking: Booking, exchange: Exchange, error: HeadgateError) -> None:
    call.error = error
    if call.status:  # the head may have gone: the connection's end says that this is not all
        account(gateway, call, booking)
        raise asyncio.CancelledError
    call.status = error.status_code
    account(gateway, call, booking)
    more = b"" if error.retry_after is None else b"retry-after: %d\r\n" % max(1, round(error.retry_after))
    body = call.dialect.write_error(error, call.id)
    exchange.send(error.status_code, JSON + of_call(call, gateway.clock.monotonic()) + more, body)
