"""An upstream's answer on its way to the client, in the client's dialect, whole or as a stream.

Watches the bytes go by for usage, end and errors; what it learns goes into the call. Never waits for the
whole of a stream. A stream that breaks ends with an error event in the client's dialect, never silently.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from headgate.core.breaks import OnBreak
from headgate.core.call import TEXTS, Call
from headgate.core.deployment import Deployment
from headgate.core.filters import Continuation, Filter, Passage, Translation
from headgate.core.partial import charged
from headgate.core.prepare import TRANSLATE, Prepared
from headgate.errors import APIResponseValidationError, HeadgateError
from headgate.ports import Clock, Incoming
from headgate.wire import fold, free_tools, ir
from headgate.wire.dialect import Frame
from headgate.wire.ir_images import ImageUsage

LIMIT = 512 * 1024 * 1024
"""Bytes of a whole answer that we hold in memory."""


_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":")


class Answer:
    """What a call got. `body` is the whole answer, None for a stream, which is taken by `relay` or iteration.

    `headers` are the upstream's. `torn`: it broke where nothing can say so, and the connection must. `on_end` is
    called once, when all is known and before the last piece goes out; `leave` once when the upstream is not needed
    any more, with what broke it. `again` finds another answer for a stream that broke (`on_stream_break: restart` and
    `continue`), None where nobody is left.
    """

    __slots__ = (
        "_clock",
        "_complete",
        "_early",
        "_filter",
        "_halted",
        "_incoming",
        "_kept",
        "_opening",
        "_over",
        "_successor",
        "again",
        "body",
        "call",
        "deployment",
        "headers",
        "leave",
        "on_end",
        "prepared",
        "torn",
    )

    def __init__(
        self, call: Call, deployment: Deployment, prepared: Prepared, incoming: Incoming, clock: Clock
    ) -> None:
        self.call = call
        self.deployment = deployment
        self.prepared = prepared
        self.headers = incoming.headers
        self.body: bytes | None = None
        self.on_end: Callable[[], None] | None = None
        self.leave: Callable[[HeadgateError | None], None] | None = None
        self.again: Callable[[HeadgateError], Awaitable[Answer | None]] | None = None
        self.torn = False
        self._over = False
        self._halted = False
        self._opening = False
        self._complete = False
        self._early: list[bytes] = []
        self._successor: Answer | None = None
        self._kept: list[bytes] | None = None
        self._incoming = incoming
        self._clock = clock
        self._filter: Filter | None = None

    async def take(self) -> None:
        """Reads a whole answer and puts it into the client's dialect. Raises what an error in it says."""
        raw = await self._incoming.read(LIMIT)
        call = self.call
        call.first_byte = self._clock.monotonic()
        dialect = self.prepared.route.dialect
        if self.prepared.path is not TRANSLATE:
            glance = dialect.glance(raw)
            if glance.error is not None:
                raise glance.error
            call.usage, call.upstream_model = glance.usage, glance.model
            uncounted = glance.usage is None
            self.body = raw
        else:
            reply = free_tools.read_reply(dialect, raw, self.prepared.echo)
            uncounted = reply.usage is None
            reply.usage = reply.usage or counted(self._incoming, self.deployment)
            call.usage, call.upstream_model = reply.usage, reply.model
            self.body = call.dialect.write_reply(reply, self.frame)
        if uncounted:
            self._weigh(raw)
        settle(call, self.deployment)

    async def open(self, on_break: OnBreak) -> None:
        """Gets a stream ready: until its first content is here, and what is held back beyond it, another deployment
        can still be asked. An upstream may answer a stream request with a whole document.

        Raises what the stream says, or why it broke off.
        """
        kind = self._incoming.headers.get("content-type") or ""
        if kind.startswith("application/json"):
            await self._take_as_stream()
            return
        self._filter = watch = self._suited()
        self._opening = True
        is_opening, begun = self.prepared.route.dialect.is_opening, False
        self._kept = [] if on_break.way == "continue" else None
        while not begun or on_break.holds(
            self.call.pieces, self._clock.monotonic() - self.call.first_byte if on_break.seconds else 0.0
        ):
            data = await self._incoming.next()
            self._early.append(watch.feed(data) if data else watch.end())
            if self._kept is not None:
                self._kept.append(data)
            if data and not begun and not is_opening(data):
                begun = True
                self.mark()
            if watch.failure is not None and (on_break.way == "hold" or not begun):
                self.call.error = None
                raise watch.failure
            if not data:
                self._complete = True
                break
            self.call.pieces += data.count(b"\n\n") or 1
            self.call.body_bytes += len(data)
        self._opening = False

    def stream(self, watch: Filter, early: list[bytes]) -> None:
        """A whole answer that is too long to be held travels as a stream does. `early` is what came of it."""
        self._filter = watch
        self._early = [watch.feed(data) for data in early]

    @property
    def length(self) -> int | None:
        """Bytes of an answer that travels as it came, where the upstream said how many."""
        told = self._incoming.headers.get("content-length") or ""
        return int(told) if told.isdigit() and not self._incoming.headers.get("content-encoding") else None

    async def relay(self, write: Callable[[bytes], None]) -> None:
        """Hands every piece to `write` from within the socket's callback; returns when the stream is over."""
        if self.body is not None:
            self.finish()
            write(self.body)
            return
        watch = self._filter
        if watch is None:
            raise RuntimeError("relay before open")
        if self._complete:
            self.finish()
        for out in self._early:
            if out:
                write(out)
        self._early.clear()
        sink = watch.pipe(write)
        try:
            await self._incoming.relay(sink if self._kept is None else _keeping(self._kept, sink))
        except HeadgateError as error:
            self.call.error = error
        out = watch.end()
        broken = self.call.error or watch.failure
        if broken is not None and self.again is not None and not self._over:
            await self._restart(write, broken)
            return
        self.finish()
        if out:
            write(out)

    def said(self) -> str | None:
        """The text of a stream until now; None where it said anything else, or where nothing was kept."""
        if self._kept is None:
            return None
        reader = self.prepared.route.dialect.stream_reader(self.prepared.echo)
        text = ""
        for event in reader.feed(b"".join(self._kept)):
            if isinstance(event, ir.BlockStart) and not isinstance(event.block, ir.Text):
                return None
            if isinstance(event, ir.BlockDelta):
                if event.kind != "text" or event.choice or event.index:
                    return None
                text += event.text
        return text

    async def _restart(self, write: Callable[[bytes], None], broken: HeadgateError) -> None:
        """Another deployment answers from the beginning, or goes on; a comment in the stream says so."""
        other, told = await self._resumed(broken)
        write(told)
        if other is not None:
            await other.relay(write)

    async def _resumed(self, broken: HeadgateError) -> "tuple[Answer | None, bytes]":
        """Who goes on, and what the client is told of it: that, or what broke the stream. What was delivered is paid
        for."""
        call = self.call
        before = call.usage, call.pieces, call.body_bytes
        self._depart(broken)
        at, paid = len(call.legs) - 1, charged(call, self.deployment)
        call.usage, call.pieces, call.body_bytes, call.error = None, 0, 0, None
        other = await self.again(broken) if self.again is not None else None
        if other is None:
            call.usage, call.pieces, call.body_bytes = before
            call.error = broken
            self.finish()
            return None, call.dialect.write_stream_error(broken)
        if at >= 0:
            call.legs[at] = call.legs[at]._replace(**paid)
        other.on_end, self._over, self._successor = self.on_end, True, other
        if self._halted:
            other.pause()
        if call.dialect.stream_type != "text/event-stream":
            return other, b""
        anew = b"begins anew" if self._kept is None else b"goes on"
        return other, b": headgate: the stream broke and %b\n\n" % anew

    def finish(self) -> None:
        """All is known: what it cost, too."""
        if self._opening:
            self._complete = True
        elif not self._over:
            self._over = True
            settle(self.call, self.deployment)
            self._depart(self.call.error)
            if self.on_end is not None:
                self.on_end()

    def _depart(self, broken: HeadgateError | None) -> None:
        leave, self.leave = self.leave, None
        if leave is not None:
            leave(broken)

    def cut(self) -> None:
        """The client has gone before the end: what is known now is all that will be."""
        if self._successor is not None:
            self._successor.cut()
        elif self._filter is not None and not self._over:
            self._filter.cut()
            self.finish()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same, pulled. Ends with the error event too: `call.error` says that there was one."""
        if self.body is not None:
            yield self.body
            return
        watch = self._filter
        if watch is None:
            raise RuntimeError("iteration before open")
        for out in self._early:
            if out:
                yield out
        self._early.clear()
        try:
            async for data in self._incoming:
                self.call.first_byte = self.call.first_byte or self._clock.monotonic()
                if self._kept is not None:
                    self._kept.append(data)
                if out := watch.feed(data):
                    yield out
        except HeadgateError as error:
            self.call.error = error
        out = watch.end()
        broken = self.call.error or watch.failure
        if broken is not None and self.again is not None and not self._over:
            other, told = await self._resumed(broken)
            if told:
                yield told
            if other is not None:
                async for piece in other:
                    yield piece
            return
        self.finish()
        if out:
            yield out

    @property
    def media_type(self) -> str:
        """Of what the client gets."""
        return self.call.dialect.stream_type if self.call.stream else "application/json"

    def mark(self) -> None:
        """The first byte is here."""
        self.call.first_byte = self._clock.monotonic()

    def pause(self) -> None:
        """Whoever reads is slow: so is who goes on after a break."""
        self._halted = True
        if self._successor is not None:
            self._successor.pause()
        else:
            self._incoming.pause()

    def resume(self) -> None:
        self._halted = False
        if self._successor is not None:
            self._successor.resume()
        else:
            self._incoming.resume()

    def abort(self) -> None:
        """The client has gone: the upstream is closed at once."""
        if self._successor is not None:
            self._successor.abort()
            return
        self._incoming.abort()
        self._depart(None)

    @property
    def frame(self) -> Frame:
        """What a reply writer fills in where the upstream said nothing."""
        call = self.call
        if isinstance(call.request, ir.Request):
            usage = bool(call.request.stream_usage)
        else:
            usage = not self.prepared.strip_usage and b"true" in bytes(
                call.envelope.get("stream_options", b"")
            )
        return Frame(
            id=f"chatcmpl-{call.id}",
            created=call.created,
            model=self.deployment.model,
            stream_usage=usage or call.options.show_usage,
        )

    def _suited(self) -> Filter:
        """How this stream gets through us."""
        if self.call.said:
            return Continuation(self)
        return Translation(self) if self.prepared.path is TRANSLATE else Passage(self)

    def _weigh(self, raw: bytes) -> None:
        """A whole text that nobody counted is estimated as a stream would be: by its size."""
        if self.call.operation in TEXTS:
            self.call.pieces, self.call.body_bytes = 1, len(raw)

    async def _take_as_stream(self) -> None:
        raw = await self._incoming.read(LIMIT)
        dialect, call = self.prepared.route.dialect, self.call
        call.first_byte = self._clock.monotonic()
        start = raw.lstrip()
        if start[:1] == b"[" or start.startswith(_EVENTS):
            # Gemini's stream without server-sent events is a list of chunks; others are events in spite of their type
            watch = Translation(self) if start[:1] == b"[" else self._suited()
            self._opening = True
            self.body = watch.feed(raw) + watch.end()
            self._opening = False
            if watch.failure is not None:
                call.error = None
                raise watch.failure
            settle(call, self.deployment)
            return
        if (error := dialect.glance(raw).error) is not None:
            raise error
        reply = free_tools.read_reply(dialect, raw, self.prepared.echo)
        call.usage, call.upstream_model = reply.usage, reply.model
        if reply.usage is None:
            self._weigh(raw)
        events = fold.unfold(reply)
        if call.said:
            self.body = Continuation(self).write(events)
        else:
            self.body = call.dialect.stream_writer(self.frame).write(events)
        settle(call, self.deployment)


def _keeping(kept: list[bytes], sink: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def keep(data: bytes) -> None:
        kept.append(data)
        sink(data)

    return keep


def counted(incoming: Incoming, deployment: Deployment) -> ir.Usage | None:
    """What a header counts, where the provider has one for it."""
    name = deployment.provider.input_header
    told = (incoming.headers.get(name) if name else None) or ""
    return ir.Usage(input=int(told)) if told.isdecimal() and len(told) < 12 else None


def settle(call: Call, deployment: Deployment) -> None:
    """What the usage costs. Unknown prices leave None, never 0."""
    if call.usage is not None:
        cost = deployment.cost(call.usage)
        if cost is not None or isinstance(call.usage, ImageUsage):
            call.cost = cost


def unreadable(deployment: Deployment, error: APIResponseValidationError) -> HeadgateError:
    error.llm_provider, error.model = deployment.provider.id, deployment.model
    return error
