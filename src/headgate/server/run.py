"""Runs a gateway: sockets, workers, the event loop, and what happens at its start and end."""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from headgate.server.app import App, build
from headgate.server.background import Background
from headgate.server.config.load import load
from headgate.server.config.schema import Config
from headgate.server.config.settings import StartSettings
from headgate.server.lane import lane_for
from headgate.server.workers import listen, run_workers
from headgate.telemetry.logs import CallLog, as_json, as_text

DRAIN_SECONDS: Final = 60


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
    read = partial(load, start.config, env) if start.config else None
    gateway = build(config, env, start.data_dir, workers=start.workers, read=read)
    background = Background(gateway)

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        chosen = start.log_format or ("json" if config.litellm.json_logs else "text")
        gateway.log = CallLog(sys.stdout.buffer, {"json": as_json, "text": as_text}[chosen], loop.call_later)
        server = await listen(gateway, peers) if peers is not None else None
        background.start()
        if gateway.reloader is not None and gateway.reloader.read is not None:
            reload = gateway.reloader.try_reload
            loop.add_signal_handler(signal.SIGHUP, lambda: background.soon(reload))
        gc.collect()
        gc.freeze()  # what a start leaves behind lives for ever: the collector need not walk it
        gc.set_threshold(20_000, 20, 20)
        yield
        gateway.ready = False
        if server is not None:
            server.close()
        await gateway.snapshot.engine.close()
        await background.close()
        gateway.log.close()

    app = App(gateway, lifespan=lifespan, root_path=start.root_path)
    settings = uvicorn.Config(
        app,
        http=lane_for(app),
        ws="none",  # the lane hands them over by itself
        ws_per_message_deflate=False,
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
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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
