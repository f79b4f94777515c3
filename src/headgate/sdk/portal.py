"""One background thread with an event loop: synchronous calls run the asynchronous core on it."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Started at its first use, and again in a forked child. Its thread is a daemon: it ends with the program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of the coroutine. An interrupted caller cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None and self._pid == os.getpid():
            return self._loop
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                loop = asyncio.new_event_loop()
                ready = threading.Event()
                loop.call_soon(ready.set)
                threading.Thread(target=loop.run_forever, name="headgate-sync", daemon=True).start()
                ready.wait()
                self._loop, self._pid = loop, os.getpid()
        return self._loop


PORTAL = Portal()
"""The program's one: a thread is a property of the process, like its standard output."""
