"""The ways of a stream through us, piece by piece: as it is, translated, or as the rest of one that broke.

They tell the call what went by. They know no socket and no engine.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from headgate.errors import APIConnectionError, HeadgateError
from headgate.wire import fold, free_tools, ir
from headgate.wire.dialect import Sniffer
from headgate.wire.openai_chat.sniff import UsageStripper
from headgate.wire.whole import Whole

if TYPE_CHECKING:
    from headgate.core.answer import Answer
    from headgate.core.call import Call
    from headgate.core.deployment import Deployment


class Filter(Protocol):
    """Upstream's bytes → client's bytes, piece by piece. `end` gives what is left and raises nothing. `failure` is
    what an event of the stream said, or what is wrong with it."""

    @property
    def failure(self) -> HeadgateError | None: ...

    def feed(self, data: bytes) -> bytes: ...

    def pipe(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """`feed` and `write` in one step, for the socket's callback."""
        ...

    def end(self) -> bytes: ...

    def cut(self) -> None:
        """Tells the call what went by until now."""
        ...


class Passage:
    """A stream whose bytes travel as they are; the usage event that only we asked for is taken out. A whole answer in
    its place, under a content type that doesn't say so, becomes one."""

    __slots__ = ("_answer", "_failure", "_sniffer", "_strip", "_whole")

    def __init__(self, answer: "Answer") -> None:
        self._answer = answer
        self._whole = Whole(b"{")
        self._whole.maybe = answer.call.dialect.stream_type == "text/event-stream"
        self._sniffer: Sniffer = answer.prepared.route.dialect.sniffer()
        self._strip = UsageStripper() if answer.prepared.strip_usage else None
        self._failure: HeadgateError | None = None

    @property
    def failure(self) -> HeadgateError | None:
        return self._sniffer.error or self._failure

    def feed(self, data: bytes) -> bytes:
        if self._whole.maybe and self._whole.takes(data):
            return b""
        self._sniffer.feed(data)
        if self._sniffer.error is not None and self._answer.again is not None:
            return b""  # as in `pipe`
        if self._sniffer.done:
            self.cut()
            self._answer.finish()
        return data if self._strip is None else self._strip.feed(data)

    def pipe(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        answer, sniffer, sniff = self._answer, self._sniffer, self._sniffer.feed
        strip = self._strip.feed if self._strip is not None else None
        call = answer.call

        def sink(data: bytes) -> None:
            if not call.first_byte:
                answer.mark()
            call.pieces += data.count(b"\n\n") or 1
            call.body_bytes += len(data)
            sniff(data)
            if sniffer.error is not None and answer.again is not None:
                return  # nobody needs to see it: another deployment is asked
            if sniffer.done:
                self.cut()
                answer.finish()
            if strip is None:
                write(data)
            elif out := strip(data):
                write(out)

        return sink if self._whole.body() is None else self._gather

    def _gather(self, data: bytes) -> None:
        self.feed(data)

    def cut(self) -> None:
        self._answer.call.usage, self._answer.call.upstream_model = self._sniffer.usage, self._sniffer.model

    def end(self) -> bytes:
        call, sniffer = self._answer.call, self._sniffer
        if (body := self._whole.body()) is not None:
            return self._unfolded(body)
        self.cut()
        rest = self._strip.close() if self._strip is not None else b""
        if sniffer.error is not None:
            call.error = sniffer.error  # its event has gone to the client as it came
            return rest
        if call.error is None and not sniffer.ended:
            call.error = self._failure = _cut(self._answer.deployment, call)
        return rest + call.dialect.write_stream_error(call.error) if call.error else rest

    def _unfolded(self, body: bytes) -> bytes:
        call = self._answer.call
        glance = call.dialect.glance(body)
        call.usage, call.upstream_model = glance.usage, glance.model
        try:
            if (error := call.error or glance.error) is not None:
                raise error
            events = fold.unfold(call.dialect.read_reply(body))
        except HeadgateError as error:
            call.error = self._failure = error
            return call.dialect.write_stream_error(error)
        return call.dialect.stream_writer(self._answer.frame).write(events)


class Translation:
    """A stream read in one dialect and written in another."""

    __slots__ = ("_answer", "_over", "_reader", "_writer", "failure")

    def __init__(self, answer: "Answer") -> None:
        self._answer = answer
        self._reader = free_tools.stream_reader(answer.prepared.route.dialect, answer.prepared.echo)
        self._writer = answer.call.dialect.stream_writer(answer.frame)
        self._over = False
        self.failure: HeadgateError | None = None

    def pipe(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def sink(data: bytes) -> None:
            call = self._answer.call
            if not call.first_byte:
                self._answer.mark()
            call.pieces += data.count(b"\n\n") or 1
            call.body_bytes += len(data)
            if out := self.feed(data):
                write(out)

        return sink

    def cut(self) -> None:
        """The call knows: every event has told it."""

    def feed(self, data: bytes) -> bytes:
        if self._over:
            return b""
        try:
            return self.write(self._reader.feed(data))
        except HeadgateError as error:
            return self._fail(error)

    def end(self) -> bytes:
        if self._over:
            return b""
        if (error := self._answer.call.error) is not None:
            return self._fail(error)
        try:
            return self.write(self._reader.close())
        except HeadgateError as failure:
            return self._fail(failure)

    def write(self, events: Iterable[ir.Event]) -> bytes:
        call = self._answer.call
        fine: list[ir.Event] = []
        for event in events:
            if type(event) is ir.StreamFailure:
                return self._writer.write(fine) + self._fail(event.error)
            if type(event) is ir.UsageUpdate:
                call.usage = event.usage
            elif type(event) is ir.ReplyStart:
                call.upstream_model = event.model
            fine.append(event)
        out = self._writer.write(fine)
        if fine and type(fine[-1]) is ir.ReplyEnd:
            self._answer.finish()
        return out

    def _fail(self, error: HeadgateError) -> bytes:
        self._over = True
        self.failure = error
        call = self._answer.call
        call.error = error
        if self._answer.again is not None:
            return b""  # nobody needs to see it: another deployment is asked
        return call.dialect.write_stream_error(error)


class Continuation(Translation):
    """The rest of an answer whose beginning is `call.said`, by another deployment: the text goes on where it stopped,
    in one reply with one block."""

    __slots__ = ("_blocks", "_open", "_overlap")

    def __init__(self, answer: "Answer") -> None:
        super().__init__(answer)
        said = answer.call.said
        self._overlap = said[len(said.rstrip()) :]
        """White space that has been sent, and that the model was not shown: it may say it again."""
        self._blocks: set[int] = set()
        self._open = True
        begun: list[ir.Event] = [
            ir.ReplyStart(),
            ir.BlockStart(0, 0, ir.Text("")),
            ir.BlockDelta(0, 0, "text", said),
        ]
        self._writer.write(begun)  # has gone to the client already

    def write(self, events: Iterable[ir.Event]) -> bytes:
        return super().write([made for event in events for made in self._fitted(event)])

    def _fitted(self, event: ir.Event) -> list[ir.Event]:
        match event:
            case ir.ReplyStart():
                self._answer.call.upstream_model = event.model
                return []
            case ir.BlockStart(block=ir.Text(text=text)):
                self._blocks.add(event.index)
                return self._text(text)
            case ir.BlockDelta():
                return self._text(event.text) if event.index in self._blocks else []
            case ir.BlockStart() | ir.BlockStop() | ir.CitationDelta():
                return []
            case ir.ChoiceEnd() | ir.ReplyEnd() if self._open:
                self._open = False
                return [ir.BlockStop(0, 0), event]
        return [event]

    def _text(self, text: str) -> list[ir.Event]:
        while text and self._overlap and text[0] == self._overlap[0]:
            text, self._overlap = text[1:], self._overlap[1:]
        if text:
            self._overlap = ""
        return [ir.BlockDelta(0, 0, "text", text)] if text else []


def _cut(deployment: "Deployment", call: "Call") -> HeadgateError:
    return APIConnectionError(
        f"{deployment.provider.name} ended the stream before the answer was complete, after {call.pieces} events",
        model=deployment.model,
        llm_provider=deployment.provider.id,
    )
