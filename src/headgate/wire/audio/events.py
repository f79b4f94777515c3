"""Event streams of sound and of its text, for any chunking: where they begin, fail and end.

Knows no format: a subclass reads an event and says which is the last.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

from headgate.errors import APIConnectionError, HeadgateError
from headgate.wire import sse
from headgate.wire.ir_audio import TranscriptFailure

E = TypeVar("E")


class EventReader(ABC, Generic[E]):
    """Bytes of an upstream's event stream → events. Those of unknown types are passed over.

    `feed` raises APIResponseValidationError for an event without an end (`sse.MAX_EVENT`).
    """

    def __init__(self) -> None:
        self._decoder = sse.Decoder()
        self._ended = False

    @abstractmethod
    def event(self, name: str, data: bytes) -> E | None:
        """One event, None for what says nothing here. Raises HeadgateError for a failure."""

    @abstractmethod
    def is_last(self, event: E) -> bool: ...

    def feed(self, data: bytes) -> list[E | TranscriptFailure]:
        return self._read(self._decoder.feed(data))

    def close(self) -> list[E | TranscriptFailure]:
        """What is left; a TranscriptFailure where the stream was cut."""
        events = self._read(self._decoder.close())
        if not self._ended:
            self._ended = True
            events.append(
                TranscriptFailure(APIConnectionError("the upstream's stream ended before its last event"))
            )
        return events

    def _read(self, frames: Iterable[tuple[str, bytes]]) -> list[E | TranscriptFailure]:
        events: list[E | TranscriptFailure] = []
        for name, data in frames:
            if self._ended or data.strip() == b"[DONE]":
                continue
            try:
                event = self.event(name, data)
            except HeadgateError as error:
                events.append(TranscriptFailure(error))
                self._ended = True
                continue
            if event is not None:
                events.append(event)
                self._ended = self.is_last(event)
        return events
