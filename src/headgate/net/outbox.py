"""Writes to many connections, gathered over one turn of the event loop.

A write wakes whoever sleeps at the other end of its connection, which costs the writer more than the write itself.
With time between two writes they all fall asleep again; written one behind the other, most find somebody awake. And
what goes to one connection is one write. Knows transports and no protocol.
"""

import asyncio
from typing import Final

ALONE: Final = 3
"""Turns with a single write, one after the other, after which there is nothing to gather."""
DIRECT: Final = 32
"""Writes that then leave at once, before it is tried again."""
MOST: Final = 8
"""Connections whose writes are gathered: all at once would all be answered at once, and nothing stay in a cache."""
LARGE: Final = 16 * 1024
"""Bytes from which on a write is worth a wake-up, and a copy is not worth while."""


class Outbox:
    """Belongs to one event loop. What was put in leaves in order, at the end of the loop's turn at the latest, and at
    once while nobody else writes. Flow control stays the transports' own."""

    __slots__ = ("_direct", "_loop", "_single", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[asyncio.WriteTransport, list[bytes]] = {}
        self._single = 0
        self._direct = 0

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        if len(data) >= LARGE:
            self.push(transport)
            transport.write(data)
            return
        waiting = self._waiting
        if (pieces := waiting.get(transport)) is not None:
            pieces.append(data)
        elif self._direct:
            self._direct -= 1
            transport.write(data)
        else:
            if not waiting:
                self._loop.call_soon(self._flush)
            waiting[transport] = [data]
            if len(waiting) >= MOST:
                self._flush()

    def push(self, transport: asyncio.WriteTransport) -> None:
        """What was put in for it leaves now: before anything else is done with it."""
        if (pieces := self._waiting.pop(transport, None)) is not None:
            _write(transport, pieces)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        count = 0
        for transport, pieces in waiting.items():
            count += len(pieces)
            _write(transport, pieces)
        self._single = self._single + 1 if count == 1 else 0
        if self._single >= ALONE:
            self._single, self._direct = 0, DIRECT


def _write(transport: asyncio.WriteTransport, pieces: list[bytes]) -> None:
    if not transport.is_closing():
        transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))
