"""One background thread with an event loop: synchronous calls run the asynchronous core on it."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
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


def blocking(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The same function for code that does not await, under its name without the "a" of "asynchronous"."""

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return PORTAL.run(work(*args, **kwargs))

    run.__name__ = run.__qualname__ = work.__name__.removeprefix("a")
    run.__doc__ = f"`{work.__name__}`, for code that does not await."
    return run
