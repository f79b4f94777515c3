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
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from headgate.errors import HeadgateError
from headgate.server.gateway import Gateway
from headgate.telemetry.metrics import Metrics

ASK_SECONDS: Final = 2.0
QUICK: Final = 1.0
"""A worker that dies within this many seconds of its start is not started again."""
STOP: Final = (signal.SIGTERM, signal.SIGINT)
SOCKET_PATH: Final = 103
"""Bytes that the path of a socket file may have, on the strictest of our platforms."""


def too_long(folder: Path) -> str | None:
    """Why workers can't talk to each other in this data folder, None where they can."""
    most = SOCKET_PATH - len(os.fsencode(Path("run") / "4194304" / "4194304.sock")) - 1
    length = len(os.fsencode(folder.absolute()))
    if length <= most:
        return None
    return (
        f"The path of the data folder has {length} bytes; with several workers it may have {most}, for the names "
        f"of their sockets. --data-dir chooses another: {folder}"
    )


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

    def pass_on(number: int, frame: FrameType | None) -> None:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # while there is a child that we do not know yet
    for number in STOP:
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, pass_on)
    for _ in range(count):
        children[_fork(work)] = time.monotonic()
    failed = 0
    while children:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        started = children.pop(pid, None)
        if started is None or stopping:
            continue
        if time.monotonic() - started < QUICK:
            failed = max(1, os.waitstatus_to_exitcode(status))
            stop(signal.SIGTERM, None)
            continue
        sys.stderr.write(f"headgate: worker {pid} ended; starting another\n")
        children[_fork(work)] = time.monotonic()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
    return failed


def _fork(work: Callable[[], None]) -> int:
    """Called with the signals of `STOP` blocked. Whatever ends the work, the child never gets out of here."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        for number in STOP:
            signal.signal(number, told_to_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until somebody reads the configuration anew
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        work()
        status = 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 1
    except HeadgateError as error:
        sys.stderr.write(f"headgate: a worker can't start: {error.message}\n")
    except OSError as error:
        sys.stderr.write(f"headgate: a worker can't start: {error}\n")
    except BaseException:  # noqa: BLE001 -- the process ends here, so this is where it is said why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def told_to_stop(number: int, frame: FrameType | None) -> None:
    """For SIGTERM and Ctrl-C: an end that was asked for is a good one. uvicorn raises the signal that it got once
    more when it has drained, and that would end the process with the status of a killed one."""
    raise SystemExit(0)


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
