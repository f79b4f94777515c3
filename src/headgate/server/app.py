"""Puts a gateway together: the only place on the server's side that constructs things."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headgate.catalog.lookup import Catalog
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.core.route import narrowed
from headgate.core.track import Tracks
from headgate.errors import BadRequestError, HeadgateError, InternalServerError, NotFoundError, for_status
from headgate.money import units_of
from headgate.net.outbox import Outbox
from headgate.net.pool import Pool
from headgate.ports import Transport
from headgate.providers.mock import MockTransport
from headgate.server import stored, uploads
from headgate.server.access import Access
from headgate.server.arriving import Arriving, body_of, is_form
from headgate.server.asgi import AsgiExchange, path_of
from headgate.server.auth.fetch import Fetcher
from headgate.server.auth.jwks import KeySets
from headgate.server.auth.tokens import tokens_of
from headgate.server.callers import ANYBODY, Callers
from headgate.server.client_secrets import ClientSecrets
from headgate.server.config.schema import Config
from headgate.server.endpoints import jobs, llm, passthrough, paths, responses
from headgate.server.exchange import Exchange
from headgate.server.gateway import Gateway
from headgate.server.meters import Meters
from headgate.server.pace import Pace
from headgate.server.registry import NOTHING, Registry
from headgate.server.reload import Reloader
from headgate.server.repeats import Shelf
from headgate.server.routes import PAGES, Page, identify
from headgate.server.shared import Shared
from headgate.server.shares import Shares
from headgate.server.snapshot import Snapshot
from headgate.store import leases, migrations
from headgate.store.crypto import Vault
from headgate.store.database import POOL, Database, connect, embedded
from headgate.store.directory import begun
from headgate.store.journal import Journal
from headgate.store.ledger import GLOBAL
from headgate.store.ledger import spent as spent_by
from headgate.store.mover import Mover
from headgate.store.rates import Rates, RedisSettings, settings_of
from headgate.wire.dialect import Dialect

DEFAULT_BODY_MB: Final = 100.0


class SystemClock:
    """See ports.Clock."""

    def __init__(self) -> None:
        self.time = time.time
        self.monotonic = time.monotonic


class App:
    """The ASGI app, and the doors of the express lane."""

    def __init__(self, gateway: Gateway, *, lifespan: Any = None, root_path: str = "") -> None:
        self.gateway = gateway
        self.body_limit = gateway.body_limit
        self._root = root_path
        self._outbox: Outbox | None = None
        self._handlers = {
            path: partial(llm.serve, gateway, point, "")
            for path, point in paths.PATHS.items()
            if not (point.upload or point.forms)
        }
        self._pages = Starlette(
            routes=[Route(row.path, self._page(row), methods=[row.method]) for row in PAGES],
            exception_handlers={404: _unknown_path, 405: _unknown_path, Exception: _bug},
            lifespan=lifespan,
        )

    def handler(self, path: str, kind: bytes) -> Callable[[Exchange], Coroutine[Any, Any, None]] | None:
        """Who answers a POST to this path of this content-type, None for all that is no model call, and for uploads:
        those are read while they come, which is the ASGI door's."""
        if self._root:
            path = path.removeprefix(self._root)
        handler = self._handlers.get(path)
        if handler is None and (found := paths.find(path)) is not None:
            uploaded = found[0].upload or (found[0].forms and is_form(kind))
            return None if uploaded else partial(llm.serve, self.gateway, *found)
        return handler or self._passage("POST", path)

    def _passage(self, method: str, path: str) -> Callable[[Exchange], Coroutine[Any, Any, None]] | None:
        snapshot = self.gateway.snapshot
        ours = path in paths.SECRETS or jobs.takes(snapshot, path) or responses.named(path)
        return None if ours else self._passed(method, path)

    def _passed(self, method: str, path: str) -> Callable[[Exchange], Coroutine[Any, Any, None]] | None:
        snapshot = self.gateway.snapshot
        if not passthrough.takes(snapshot, path):
            return None
        return partial(passthrough.serve, self.gateway, partial(passthrough.find, snapshot, method, path))

    def socket(self, path: str) -> type[asyncio.Protocol] | None:
        """Who speaks websocket on this path, None where nobody does."""
        if not paths.is_socket(path.removeprefix(self._root)) or not _has_websockets():
            return None
        kind: type[asyncio.Protocol] = import_module("headgate.server.sockets").Socket
        return kind

    def limit(self, path: str) -> int:
        """How large the body of a request may be that is no model call. Files travel on as they come."""
        return max(uploads.LARGEST, self.body_limit) if path.endswith("/files") else self.body_limit

    def outbox(self, loop: asyncio.AbstractEventLoop) -> Outbox:
        """The one of all client connections."""
        self._outbox = self._outbox or Outbox(loop)
        return self._outbox

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        """The answer to a request that was not read to its end, in the words of its path's dialect."""
        error = for_status(status)(message, status_code=status)
        exchange.send(status, llm.JSON, _spoken(exchange.path).write_error(error))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            method, path = scope["method"], path_of(scope)
            kind = dict(scope["headers"]).get(b"content-type", b"")
            handler = self.handler(path, kind) if method == "POST" else self._passage(method, path)
            if (name := responses.named(path)) and await self._is_elsewhere(name, method, path):
                handler = self._passed(method, path)
            if handler is None and method == "GET" and paths.is_socket(path):
                handler = partial(_refusal, self, *_no_socket())
            if handler is not None:
                await self._model_call(handler, scope, receive, send)
                return
            found = paths.find(path) if method == "POST" else None
            if found is not None:
                exchange = AsgiExchange(scope, b"")
                exchange.arriving = Arriving(receive, self.body_limit)
                await exchange.run(partial(llm.serve, self.gateway, *found), exchange.arriving.after, send)
                return
        if scope["type"] == "websocket" and paths.is_socket(path_of(scope)) and _has_websockets():
            await import_module("headgate.server.endpoints.realtime").serve(
                self.gateway, scope, receive, send
            )
            return
        await self._pages(scope, receive, send)

    async def _is_elsewhere(self, name: str, method: str, path: str) -> bool:
        """Whether an answer of this name was made without us, and its provider can be asked."""
        try:
            known = await self.gateway.conversations.knows(name)
        except HeadgateError:  # the page says what is wrong with the name, or the database
            return False
        return not known and passthrough.can_go(self.gateway.snapshot, method, path)

    async def _model_call(
        self,
        handler: Callable[[Exchange], Coroutine[Any, Any, None]],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        exchange = AsgiExchange(scope, b"")
        try:
            body = await body_of(receive, self.body_limit)
        except HeadgateError as error:
            refusal = partial(_refusal, self, error.status_code, error.message)
            await exchange.run(refusal, receive, send)
            return
        if body is not None:
            exchange.body = body
            await exchange.run(handler, receive, send)

    def _page(self, row: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            caller = ANYBODY
            try:
                caller = await identify(request, self.gateway, row)
                return await row.serve(request, self.gateway, caller)
            except HeadgateError as error:
                return _error(narrowed(error, caller.may), request.url.path)

        return answer


async def _refusal(app: App, status: int, message: str, exchange: Exchange) -> None:
    app.refuse(exchange, status, message)


def _has_websockets() -> bool:
    return find_spec("websockets") is not None


def _no_socket() -> tuple[int, str]:
    """What a plain request for a realtime connection gets."""
    if _has_websockets():
        return 426, "this is a websocket: connect with wss://, or ws:// where there is no TLS"
    return 501, "realtime needs the package websockets: pip install 'headgate[realtime]'"


def _spoken(path: str) -> Dialect:
    """Whose words an error is told in."""
    found = paths.find(path)
    if found is not None:
        return dialect(found[0].spoken)
    return dialect("anthropic" if "/messages" in path else "openai_chat")


def _error(error: HeadgateError, path: str) -> Response:
    spoken = _spoken(path)
    headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
    return Response(spoken.write_error(error), error.status_code, headers, "application/json")


async def _unknown_path(request: Request, exc: Exception) -> Response:
    path, told = path_of(request.scope), f"{request.method} {request.url.path}"
    allowed = {"POST"} if paths.find(path) is not None else set()
    for route in request.app.routes:
        if route.path_regex.match(path):
            allowed |= route.methods
    if not allowed:
        message = f"{told}: no such path. Model calls go to /v1/chat/completions."
        return _error(NotFoundError(message), request.url.path)
    methods = ", ".join(sorted(allowed))
    answer = _error(NotFoundError(f"{told}: this path takes {methods}", status_code=405), request.url.path)
    answer.headers["allow"] = methods
    return answer


async def _bug(request: Request, exc: Exception) -> Response:
    logging.getLogger("headgate").error("%s failed", request.url.path, exc_info=exc)
    return _error(InternalServerError("Headgate failed on this request; its log says why"), request.url.path)


def build(
    config: Config,
    env: Mapping[str, str],
    data_dir: Path | None = None,
    *,
    workers: int = 1,
    read: Callable[[], Config] | None = None,
) -> Gateway:
    """A gateway of this configuration. `data_dir` None: no virtual keys and no ledger, unless a database is named.
    `workers` is how many processes share its database file; `read` gives the configuration anew.

    Raises HeadgateError for a model entry or a database that can't work, OSError for a folder that can't.
    """
    environment = {**env, **config.environment}
    clock = SystemClock()
    pool = Pool()
    engine = _engine(config, pool, clock)
    catalog = Catalog()
    limit = int((config.general.max_request_size_mb or DEFAULT_BODY_MB) * 1024 * 1024)
    tracks = Tracks()
    client_secrets = ClientSecrets(environment, config.general.master_key)
    database = _database(config, environment, data_dir)
    if database is None:
        alone = _alone(config, engine, catalog, environment, tracks)
        return Gateway(alone, clock, body_limit=limit, client_secrets=client_secrets)
    with ExitStack() as opened:
        opened.callback(database.close)
        ledger = _ledger(config, database, data_dir)
        opened.callback(ledger.close)
        several = workers > 1 or not database.is_sqlite
        redis = settings_of(config.router.redis, environment)
        registry = _registry(ledger, database, shared=several, rates=redis is not None)
        callers = Callers(database, registry, clock.time)
        keys = KeySets(Fetcher(pool, config.litellm.ssl_verify, environment), clock)

        def make(config: Config) -> Snapshot:
            around = {**env, **config.environment}
            tokens = tokens_of(config.general, around, keys, callers, database, clock)
            everyone = _whole(config, registry, database, clock.time())
            access = Access(config.general.master_key, callers, everyone, tokens)
            return Snapshot(config, engine, catalog, around, access, tracks)

        vault = Vault.of(environment, config.general.master_key)
        reloader = Reloader(config, environment, database, vault, make, read)
        gateway = Gateway(
            reloader.build(),
            clock,
            body_limit=limit,
            database=database,
            callers=callers,
            ledger=ledger,
            reloader=reloader,
            data_dir=data_dir,
            client_secrets=client_secrets,
            **_between(database, registry, clock, several=several, redis=redis),
        )
        reloader.swap = gateway.swap
        gateway.swap(gateway.snapshot)
        opened.pop_all()
        return gateway


def _registry(ledger: Mover, database: Database, *, shared: bool, rates: bool) -> Registry:
    registry = Registry(ledger.roll, shared=shared, rates=rates)
    registry.reserve(database.read(leases.reserved))
    return registry


def _between(
    database: Database, registry: Registry, clock: SystemClock, *, several: bool, redis: RedisSettings | None
) -> dict[str, Any]:
    """What processes keep together, as far as there are `several`: shares of budgets, answers to be repeated, and by
    Redis rates and the state of deployments."""
    owner = secrets.token_hex(8)
    kept: dict[str, Any] = {}
    if several:
        kept |= {"shares": Shares(database, registry, clock), "shelf": Shelf(database, owner)}
    if redis is not None:
        rates = Rates(redis)
        kept |= {"pace": Pace(rates, registry, clock, owner), "shared": Shared(rates, owner, clock)}
    return kept


def _alone(
    config: Config, engine: Engine, catalog: Catalog, env: Mapping[str, str], tracks: Tracks
) -> Snapshot:
    """Without a database."""
    left_out: stored.LeftOut = {}
    found = stored.alone(config, env, left_out)
    for what, why in left_out.items():
        logging.getLogger("headgate").error("%s is left out: %s", what, why)
    return Snapshot(found, engine, catalog, env, _master_only(config), tracks)


def _engine(config: Config, pool: Pool, clock: SystemClock) -> Engine:
    transports: dict[str, Transport] = {"http": pool, "https": pool, "mock": MockTransport()}
    return Engine(transports, clock, media_hosts=_media_hosts(config))


def _database(config: Config, env: Mapping[str, str], data_dir: Path | None) -> Database | None:
    general = config.general
    url = general.database_url or env.get("HEADGATE_DATABASE_URL") or env.get("DATABASE_URL")
    if url:
        return connect(url, pool=general.database_connection_pool_limit or POOL)
    return embedded(data_dir) if data_dir is not None else None


def _master_only(config: Config) -> Access:
    if config.general.enable_jwt_auth:
        raise BadRequestError("enable_jwt_auth needs a database: give DATABASE_URL or a data directory")
    return Access(config.general.master_key)


def _ledger(config: Config, database: Database, data_dir: Path | None) -> Mover:
    """On the newest schema, and with all booked that a dead process left in the journal."""
    migrations.upgrade(database)
    journal = Journal((data_dir or Path.cwd()) / "journal")
    ledger = Mover(database, journal, rows=not config.general.disable_spend_logs)
    ledger.replay()
    return ledger


def _whole(config: Config, registry: Registry, database: Database, now: float) -> Meters:
    """The gateway's own budget: it counts for everybody."""
    settings = config.litellm
    limit = None if settings.max_budget is None else units_of(settings.max_budget)
    row = {"max_budget": limit, "budget_duration": settings.budget_duration}
    since = begun(GLOBAL, row, now)
    spent = database.read(lambda connection: spent_by(connection, [GLOBAL], since))
    return registry.meters(GLOBAL, row, spent.get(GLOBAL, NOTHING), now)


def _media_hosts(config: Config) -> frozenset[str] | None:
    """Private hosts that media may be fetched from, None for all: `general_settings` over `litellm_settings`."""
    general, settings = config.general, config.litellm
    guarded = (
        settings.user_url_validation if general.user_url_validation is None else general.user_url_validation
    )
    hosts = general.user_url_allowed_hosts or settings.user_url_allowed_hosts
    return frozenset(host.lower() for host in hosts) if guarded else None
