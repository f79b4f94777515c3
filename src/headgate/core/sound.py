"""Sound on its way to the client: bytes as they come, or events, each put into the client's format.

An `Answer` whose pieces are no dialect's. A stream of events that breaks ends with an error event; bare sound that
breaks can't say so, and is torn. Knows no request.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, Protocol, TypeVar

from headgate.core.answer import Answer, settle
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.core.prepare import Prepared
from headgate.errors import HeadgateError
from headgate.ports import Clock, Incoming
from headgate.wire import ir
from headgate.wire.audio.sound import Meter
from headgate.wire.audio.speech_openai import Writer as SpeechWriter
from headgate.wire.ir_audio import AudioPiece, AudioUsage, SpeechDone, TranscriptDone, TranscriptFailure

E = TypeVar("E")
EVENTS: Final = "text/event-stream"


class Flow(Protocol):
    """What becomes of an upstream's pieces. `failure` is what the upstream said in its stream; `events`: the client's
    format can say that it broke; `known`: the usage is whole from the beginning."""

    failure: HeadgateError | None
    usage: AudioUsage | None
    events: bool
    known: bool

    def feed(self, data: bytes) -> bytes: ...

    def close(self) -> bytes:
        """The end, where the upstream's came. Sets `failure` where it should not have come yet."""
        ...

    def broke(self, error: HeadgateError) -> bytes: ...


class Bare:
    """Sound as it is, or packed into events for a caller who wants those. `measured`: its length is paid for."""

    def __init__(self, usage: AudioUsage, *, events: bool = False, measured: bool = False) -> None:
        self.failure: HeadgateError | None = None
        self.usage: AudioUsage | None = usage
        self.events = events
        self.known = not measured
        self._meter = Meter() if measured else None

    def feed(self, data: bytes) -> bytes:
        if self._meter is not None:
            self._meter.feed(data)
        return SpeechWriter().write([AudioPiece(data)]) if self.events else data

    def close(self) -> bytes:
        if self._meter is not None and self.usage is not None:
            self.usage.seconds = self._meter.seconds
        return SpeechWriter().write([SpeechDone(self.usage)]) if self.events else b""

    def broke(self, error: HeadgateError) -> bytes:
        return SpeechWriter().write([TranscriptFailure(error)]) if self.events else b""


class Reads(Protocol[E]):
    def feed(self, data: bytes) -> list[E]: ...

    def close(self) -> list[E]: ...


class Told:
    """An upstream's own events, read and written anew."""

    def __init__(
        self, reader: Reads[E], write: Callable[[Iterable[E]], bytes], usage: AudioUsage | None = None
    ) -> None:
        self.failure: HeadgateError | None = None
        self.usage = usage
        self.events = True
        self.known = False
        self._read, self._close = reader.feed, reader.close
        self._write: Callable[..., bytes] = write

    def feed(self, data: bytes) -> bytes:
        try:
            return self._seen(self._read(data))
        except HeadgateError as error:  # an event without an end
            self.failure = error
            return b""

    def close(self) -> bytes:
        return self._seen(self._close())

    def broke(self, error: HeadgateError) -> bytes:
        return self._write([TranscriptFailure(error)])

    def _seen(self, events: Iterable[object]) -> bytes:
        """A failure is kept back: who relays decides when it is told."""
        out: list[object] = []
        for event in events:
            if isinstance(event, TranscriptFailure):
                self.failure = self.failure or event.error
                continue
            if isinstance(event, SpeechDone) and event.usage is not None:
                self.usage = event.usage
            if isinstance(event, TranscriptDone) and event.reply.usage is not None:
                self.usage = event.reply.usage
            out.append(event)
        return self._write(out)


class Heard(Answer):
    """An answer of an errand: whole in `body`, or by `flow`. `billed` makes the usage that is booked."""

    __slots__ = ("_begun", "_billed", "_flow", "_media_type")

    def __init__(
        self,
        call: Call,
        deployment: Deployment,
        prepared: Prepared,
        incoming: Incoming,
        clock: Clock,
        *,
        media_type: str,
        billed: Callable[[AudioUsage | None], ir.Usage | None],
        flow: Flow | None = None,
    ) -> None:
        super().__init__(call, deployment, prepared, incoming, clock)
        self._media_type = media_type
        self._billed = billed
        self._flow = flow
        self._begun: list[bytes] = []

    @property
    def media_type(self) -> str:
        return self._media_type

    async def begin(self) -> None:
        """Waits for the first piece of the client's: until then another deployment can still be asked. Raises what
        the stream says."""
        flow = self._streamed()
        while not any(self._begun) and not self._complete:
            data = await self._incoming.next()
            self._begun.append(flow.feed(data) if data else flow.close())
            self._complete = not data
            if flow.failure is not None:
                raise flow.failure
        self.mark()
        self.call.stream = True
        self._note(flow)
        if flow.known:
            settle(self.call, self.deployment)

    async def relay(self, write: Callable[[bytes], None]) -> None:
        if self.body is not None:
            self.finish()
            write(self.body)
            return
        flow = self._streamed()
        for piece in filter(None, self._take()):
            write(piece)

        def sink(data: bytes) -> None:
            self.call.body_bytes += len(data)
            if flow.failure is None and (out := flow.feed(data)):
                write(out)

        if not self._complete:
            try:
                await self._incoming.relay(sink)
            except HeadgateError as error:
                flow.failure = flow.failure or error
        if last := self._ended(flow):
            write(last)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.body is not None:
            yield self.body
            return
        flow = self._streamed()
        for piece in filter(None, self._take()):
            yield piece
        if not self._complete:
            try:
                async for data in self._incoming:
                    self.call.body_bytes += len(data)
                    if flow.failure is None and (out := flow.feed(data)):
                        yield out
            except HeadgateError as error:
                flow.failure = flow.failure or error
        if last := self._ended(flow):
            yield last

    def cut(self) -> None:
        if self._flow is not None and not self._over:
            self._flow.close()  # nobody hears it any more; what came until now is counted
            self._note(self._flow)
            self.finish()

    def _take(self) -> list[bytes]:
        begun, self._begun = self._begun, []
        return begun

    def _streamed(self) -> Flow:
        if self._flow is None:
            raise RuntimeError("a whole answer has no flow")
        return self._flow

    def _ended(self, flow: Flow) -> bytes:
        last = b"" if self._complete or flow.failure is not None else flow.close()
        if flow.failure is not None:
            self.call.error = flow.failure
            self.torn = not flow.events
            last += flow.broke(flow.failure)
        self._note(flow)
        self.finish()
        return last

    def _note(self, flow: Flow) -> None:
        self.call.usage = usage = self._billed(flow.usage)
        told = flow.usage is not None and flow.usage.tokens is not None
        self.call.estimated = usage is not None and usage.output > 0 and not told
