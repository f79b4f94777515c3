"""Processes under measurement: started on a given core, their CPU time and memory read from the kernel.

Linux only, and it knows nothing of what the processes do. CPU time is the process's own clock, in ns,
with all its threads and those that ended; /proc/<pid>/stat counts in ticks of 10 ms, which is too coarse.
"""

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SUBJECT_CORE = CORES[0]  # the gateway, nginx, the SDK: what is measured
OTHER_CORE = CORES[-1]  # the upstream and the load; the same core on a machine that has only one

CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock of a process is (~pid << 3) | this


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def raise_file_limit() -> int:
    """Allow as many open files as the system lets us; what is started from here inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started inside runs on `core` from its first instruction."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Process:
    """A subprocess with its children. `log` receives its output."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        self.command = list(command)
        with log.open("ab") as output, pinned(core):
            self.started = time.monotonic()
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def family(self) -> list[int]:
        """The process and everything below it that is alive."""
        found, queue = [], [self.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    queue += [int(child) for child in task.read_text().split()]
                except OSError:
                    continue  # the thread has just ended
        return found

    def cpu_ns(self) -> int:
        """CPU time since the start, user and system, in nanoseconds, of the whole family."""
        return sum(time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED) for pid in self.family())

    def memory(self) -> tuple[int, int]:
        """(RSS, PSS) of the family in bytes; PSS shares out pages that several processes map."""
        rss = pss = 0
        for pid in self.family():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in ("Rss", "Pss"):
                    size = int(rest.split()[0]) * 1024
                    rss, pss = (rss + size, pss) if name == "Rss" else (rss, pss + size)
        return rss, pss

    def wait_for(self, port: int, path: str | None = None, timeout: float = 30.0) -> float:
        """Seconds from the start until `path` answers 200 (without a path: until the port accepts).

        Raises RuntimeError with the tail of the output when the process ends or `timeout` seconds pass.
        """
        while not _answers(port, path):
            if self._popen.poll() is not None:
                raise RuntimeError(f"{self.command[0]} ended with {self._popen.returncode}:\n{self.tail()}")
            if time.monotonic() - self.started > timeout:
                raise RuntimeError(f"{self.command[0]} was not ready after {timeout:g} s:\n{self.tail()}")
            time.sleep(0.002)
        return time.monotonic() - self.started

    def tail(self, size: int = 2000) -> str:
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """The signal, and SIGKILL to the family after 5 seconds."""
        if self._popen.poll() is not None:
            return
        family = self.family()
        self._popen.send_signal(by)
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            for pid in family:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self._popen.wait(5)


def _answers(port: int, path: str | None) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            if path is None:
                return True
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
            )
            return b" 200" in connection.recv(64)[:16]
    except OSError:
        return False
