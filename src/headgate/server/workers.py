"""Several processes on one port (SO_REUSEPORT), and one sum of their metrics.

Each worker of a group listens on a socket file of its own for the others' question; whoever is scraped asks
them all.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from headgate.server.gateway import Gateway
from headgate.telemetry.metrics import Metrics

ASK_SECONDS: Final = 2.0
QUICK: Final = 1.0
"""A worker that dies within this many seconds of its start is not started again."""


def run_workers(count: int, work: Callable[[], None]) -> int:
    """Forks `count` workers, starts a lost one again, passes signals on. Returns the exit status."""
    children: dict[int, float] = {}
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    loop_time = time.monotonic
    for _ in range(count):
        children[_fork(work)] = loop_time()
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    failed = 0
    while children:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        started = children.pop(pid, None)
        if started is None or stopping:
            continue
        if loop_time() - started < QUICK:
            failed = os.waitstatus_to_exitcode(status) or 1
            stop(signal.SIGTERM, None)
            continue
        sys.stderr.write(f"headgate: worker {pid} ended; starting another\n")
        children[_fork(work)] = loop_time()
    return failed


def _fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    status = 1
    try:
        work()
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


async def listen(gateway: Gateway, folder: Path) -> asyncio.Server:
    """Answers the other workers' question with our own metrics."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True, mode=0o700)

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(msgspec.json.encode(gateway.metrics.dump()))
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    path = folder / f"{os.getpid()}.sock"
    await asyncio.to_thread(path.unlink, missing_ok=True)
    gateway.peers = folder
    return await asyncio.start_unix_server(tell, path)


async def gathered(gateway: Gateway) -> Metrics:
    """This worker's metrics and those of all others that answer."""
    total = Metrics()
    if gateway.log is not None:
        gateway.metrics.lost_log_lines = gateway.log.lost
    total.merge(gateway.metrics.dump())
    if gateway.peers is not None:
        others = [path for path in gateway.peers.glob("*.sock") if path.stem != str(os.getpid())]
        for dump in await asyncio.gather(*map(_ask, others)):
            if dump:
                total.merge(msgspec.json.decode(dump))
    return total


async def _ask(path: Path) -> bytes:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            reader, writer = await asyncio.open_unix_connection(path)
            data = await reader.read()
            writer.close()
    except (OSError, TimeoutError):  # a worker that has ended left its socket behind
        return b""
    return data
