"""Puts a gateway together and runs it: the only place on the server's side that constructs things."""

import asyncio
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headgate.catalog.lookup import Catalog
from headgate.core.dialects import dialect
from headgate.core.engine import Engine
from headgate.errors import HeadgateError, InternalServerError, NotFoundError, for_status
from headgate.net.pool import Pool
from headgate.ports import Transport
from headgate.providers.mock import MockTransport
from headgate.server.asgi import AsgiExchange, body_of, path_of
from headgate.server.config.schema import Config
from headgate.server.config.settings import StartSettings
from headgate.server.endpoints import count_tokens, info, llm
from headgate.server.exchange import Exchange
from headgate.server.gateway import Gateway
from headgate.server.lane import lane_for
from headgate.server.snapshot import Snapshot
from headgate.server.workers import listen, run_workers
from headgate.telemetry.logs import CallLog, as_json, as_text

DEFAULT_BODY_MB: Final = 100.0
DRAIN_SECONDS: Final = 60
Page = Callable[[Request, Gateway], Awaitable[Response]]

PAGES: Final[tuple[tuple[str, str, Page], ...]] = (
    ("GET", "/", info.root),
    ("GET", "/v1/models", info.models),
    ("GET", "/models", info.models),
    ("GET", "/v1/models/{name:path}", info.model),
    ("GET", "/models/{name:path}", info.model),
    ("GET", "/v1/model/info", info.model_info),
    ("GET", "/model/info", info.model_info),
    ("GET", "/health", info.health),
    ("GET", "/health/liveliness", info.alive),
    ("GET", "/health/liveness", info.alive),
    ("GET", "/health/readiness", info.ready),
    ("GET", "/metrics", info.metrics),
    ("POST", "/v1/messages/count_tokens", count_tokens.count_tokens),
    ("POST", "/messages/count_tokens", count_tokens.count_tokens),
)


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
        self._handlers = {path: partial(llm.serve, gateway, point, "") for path, point in llm.PATHS.items()}
        self._pages = Starlette(
            routes=[Route(path, self._page(page), methods=[method]) for method, path, page in PAGES],
            exception_handlers={404: _unknown_path, 405: _unknown_path, Exception: _bug},
            lifespan=lifespan,
        )

    def handler(self, path: str) -> Callable[[Exchange], Coroutine[Any, Any, None]] | None:
        """Who answers a POST to this path, None for all that is no model call."""
        if self._root:
            path = path.removeprefix(self._root)
        handler = self._handlers.get(path)
        if handler is None and (found := llm.find(path)) is not None:
            handler = partial(llm.serve, self.gateway, *found)
        return handler

    def refuse(self, exchange: Exchange, status: int, message: str) -> None:
        """The answer to a request that was not read to its end, in the words of its path's dialect."""
        error = for_status(status)(message, status_code=status)
        found = llm.find(exchange.path)
        spoken = found[0].dialect if found else dialect("openai_chat")
        exchange.send(status, llm.JSON, spoken.write_error(error))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = self.handler(path_of(scope))
            if handler is not None:
                await self._model_call(handler, scope, receive, send)
                return
        await self._pages(scope, receive, send)

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

    def _page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await page(request, self.gateway)
            except HeadgateError as error:
                return _error(error, request.url.path)

        return answer


async def _refusal(app: App, status: int, message: str, exchange: Exchange) -> None:
    app.refuse(exchange, status, message)


def _error(error: HeadgateError, path: str) -> Response:
    spoken = dialect("anthropic" if "/messages" in path else "openai_chat")
    return Response(spoken.write_error(error), status_code=error.status_code, media_type="application/json")


async def _unknown_path(request: Request, exc: Exception) -> Response:
    status = getattr(exc, "status_code", 404)
    word = "method" if status == 405 else "path"
    message = f"{request.method} {request.url.path}: no such {word}. Model calls go to /v1/chat/completions."
    return _error(NotFoundError(message, status_code=status), request.url.path)


async def _bug(request: Request, exc: Exception) -> Response:
    logging.getLogger("headgate").error("%s failed", request.url.path, exc_info=exc)
    return _error(InternalServerError("Headgate failed on this request; its log says why"), request.url.path)


def build(config: Config, env: Mapping[str, str]) -> Gateway:
    """A gateway of this configuration. Raises HeadgateError for a model entry that can't work."""
    environment = {**env, **config.environment}
    pool = Pool()
    transports: dict[str, Transport] = {"http": pool, "https": pool, "mock": MockTransport()}
    engine = Engine(transports, SystemClock(), media_hosts=_media_hosts(config))
    snapshot = Snapshot(config, engine, Catalog(), environment, config.general.master_key)
    limit = int((config.general.max_request_size_mb or DEFAULT_BODY_MB) * 1024 * 1024)
    return Gateway(snapshot, SystemClock(), body_limit=limit)


def _media_hosts(config: Config) -> frozenset[str] | None:
    """Private hosts that media may be fetched from, None for all: `general_settings` over `litellm_settings`."""
    general, settings = config.general, config.litellm
    guarded = (
        settings.user_url_validation if general.user_url_validation is None else general.user_url_validation
    )
    hosts = general.user_url_allowed_hosts or settings.user_url_allowed_hosts
    return frozenset(host.lower() for host in hosts) if guarded else None


def run(config: Config, start: StartSettings, env: Mapping[str, str], host: str) -> int:
    """Serves until told to stop. Returns the exit status."""
    if start.workers == 1:
        return _work(config, start, env, _bind(host, start.port, shared=False), None)
    first = _bind(host, start.port, shared=True)
    port = first.getsockname()[1]
    peers = start.data_dir / "run" / str(os.getpid())

    def work() -> None:
        _work(config, start, env, _bind(host, port, shared=True), peers)

    # the parent's socket reserves the port and is never listened on
    try:
        return run_workers(start.workers, work)
    finally:
        first.close()
        _clear(peers)


def _work(
    config: Config, start: StartSettings, env: Mapping[str, str], sock: socket.socket, peers: Path | None
) -> int:
    gateway = build(config, env)

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        chosen = start.log_format or ("json" if config.litellm.json_logs else "text")
        gateway.log = CallLog(sys.stdout.buffer, {"json": as_json, "text": as_text}[chosen], loop.call_later)
        server = await listen(gateway, peers) if peers is not None else None
        gc.collect()
        gc.freeze()  # what a start leaves behind lives for ever: the collector need not walk it
        gc.set_threshold(20_000, 20, 20)
        yield
        gateway.ready = False
        if server is not None:
            server.close()
        await gateway.snapshot.engine.close()
        gateway.log.close()

    app = App(gateway, lifespan=lifespan, root_path=start.root_path)
    settings = uvicorn.Config(
        app,
        http=lane_for(app),
        ws="none",
        loop=_loop(),
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        root_path=start.root_path,
        timeout_keep_alive=int(start.keepalive_timeout),
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_keyfile=start.ssl_keyfile,
        ssl_certfile=start.ssl_certfile,
        backlog=4096,
    )
    server = uvicorn.Server(settings)
    server.run(sockets=[sock])
    return 0 if server.started else 1


def _loop() -> Any:
    try:
        import uvloop  # noqa: F401 -- not there on Windows
    except ImportError:
        return "asyncio"
    return "uvloop"


def _bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket. Raises OSError where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if family is socket.AF_INET:
        host = socket.gethostbyname(host)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    sock.set_inheritable(True)
    return sock


def _clear(folder: Path) -> None:
    for path in folder.glob("*.sock"):
        path.unlink(missing_ok=True)
    if folder.exists():
        folder.rmdir()
