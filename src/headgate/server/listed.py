"""Server-sent events as one JSON array: how Gemini streams without `alt=sse`."""

from collections.abc import Callable

from headgate.wire import sse


class ListWriter:
    """Takes events in any pieces, writes whole elements."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._decoder = sse.Decoder()
        self._count = 0

    def write(self, data: bytes) -> None:
        self._elements(self._decoder.feed(data))

    def end(self) -> None:
        self._elements(self._decoder.close())
        self._write(b"]" if self._count else b"[]")

    def _elements(self, events: list[tuple[str, bytes]]) -> None:
        for _, event in events:
            self._write((b",\r\n" if self._count else b"[") + event)
            self._count += 1
