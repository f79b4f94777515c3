"""Counts the Python calls that a package makes for one request: the same on every machine, unlike a time.

The server runs in the loop of the caller, on a socket; the request comes through that socket, so whatever
door it takes is counted. A resumed coroutine counts as a call. C functions do not.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from bench.load import Check, Load, check_whole

WARM_UP = 20


@contextmanager
def counting(package: Path) -> Iterator[Counter[str]]:
    """Calls made in this thread to functions whose source is below `package`: "file:function" -> count."""
    folder = f"{package.resolve()}/"
    calls: Counter[str] = Counter()

    def on_event(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            calls[f"{frame.f_code.co_filename[len(folder) :]}:{frame.f_code.co_qualname}"] += 1

    before = sys.getprofile()
    sys.setprofile(on_event)
    try:
        yield calls
    finally:
        sys.setprofile(before)


async def count_request(package: Path, port: int, request: bytes, check: Check | None = None) -> Counter[str]:
    """Calls below `package` for one request to the server in this loop, after a few to warm up.

    `request` is the whole HTTP request, as from `wire.chat_request`. Raises LoadError on a wrong answer.
    """
    async with Load(port, request, check or check_whole(), connections=1) as load:
        await load.run(WARM_UP)
        with counting(package) as calls:
            await load.run(1)
        return calls
