"""One request on the express lane and its answer, put on the wire as HTTP/1.1. Knows no handler and no bounds."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from headgate.server.lines import Lines

if TYPE_CHECKING:
    from headgate.server.lane import Lane


class LaneExchange:
    """One request on the lane and its answer, written straight to the socket."""

    __slots__ = (
        "_chunked",
        "_keep_alive",
        "_protocol",
        "_started",
        "_write",
        "arriving",
        "body",
        "client",
        "headers",
        "method",
        "path",
        "pause",
        "query",
        "resume",
    )

    def __init__(
        self,
        protocol: "Lane",
        path: str,
        query: str,
        headers: Lines,
        *,
        keep_alive: bool,
        chunked: bool,
    ) -> None:
        self._protocol = protocol
        self._keep_alive = keep_alive
        self._chunked = chunked
        self._started = False
        self._write = partial(protocol.outbox.write, protocol.transport)
        self.method = "POST"
        self.path = path
        self.query = query
        self.headers = headers
        self.client = protocol.client[0] if protocol.client else ""
        self.body = b""
        self.arriving = None
        self.pause: Callable[[], None] | None = None
        self.resume: Callable[[], None] | None = None

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        protocol = self._protocol
        if protocol.transport.is_closing():
            return
        self._started = True
        close = b"" if self._keep_alive else b"connection: close\r\n"
        self._write(
            b"%bcontent-length: %d\r\n%b%b%b\r\n%b"
            % (STATUS_LINE[status], len(body), protocol.date(), close, headers, body)
        )
        protocol.finished(self._keep_alive)

    def start(self, status: int, headers: bytes, length: int | None = None) -> None:
        protocol = self._protocol
        self._started = True
        if length is not None:
            self._chunked = False
            headers = b"content-length: %d\r\n%b" % (length, headers)
        elif not self._chunked:  # HTTP/1.0: the end of the connection is the end of the body
            self._keep_alive = False
        close = b"" if self._keep_alive else b"connection: close\r\n"
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        self._write(b"%b%b%b%b%b\r\n" % (STATUS_LINE[status], framing, protocol.date(), close, headers))

    def write(self, data: bytes) -> None:
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        protocol = self._protocol
        if self._chunked and not protocol.transport.is_closing():
            self._write(b"0\r\n\r\n")
        protocol.finished(self._keep_alive)

    def flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.pause, self.resume = pause, resume
        if self._protocol.flow.write_paused:
            pause()

    def drop_keep_alive(self) -> None:
        self._keep_alive = False

    @property
    def learnable(self) -> bool:
        """Whether another request with this head is to be treated alike: none of it speaks of the connection."""
        return self._keep_alive and self._chunked and b"expect" not in self.headers
