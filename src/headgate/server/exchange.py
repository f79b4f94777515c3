"""What a handler sees of one HTTP request and its answer, whichever door it came through.

Two doors implement it: the express lane (`lane.py`) and the ASGI app (`asgi.py`). Handlers know neither.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from headgate.server.lines import Lines

if TYPE_CHECKING:
    from headgate.server.arriving import Arriving


class Exchange(Protocol):
    """One request, its body complete unless it is an upload, and the way to answer it. Header names are lower case.

    `headers` given to `send` and `start` are whole header lines, each ended by CRLF, without
    content-length, transfer-encoding and date: those are the door's.
    """

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def query(self) -> str:
        """What follows the question mark, as it came."""
        ...

    @property
    def headers(self) -> Lines: ...

    @property
    def body(self) -> bytes: ...

    @property
    def arriving(self) -> "Arriving | None":
        """The body of an upload that is still coming, None where it is complete in `body`."""
        ...

    @property
    def client(self) -> str:
        """The client's address, "" where there is none."""
        ...

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer at once."""
        ...

    def start(self, status: int, headers: bytes, length: int | None = None) -> None:
        """The head of an answer whose body follows by `write` and `end`. `length` is in bytes, where it is known."""
        ...

    def write(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Who to tell when the client reads slower than we write."""
        ...
