"""Answers of calls for pictures: passed on, however long they are, or read, waited for, fetched and written anew.

Knows no provider. A long answer that is only passed on is never held: its head and its end tell what was used.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from headgate.core.answer import LIMIT, Answer, settle
from headgate.core.breaks import OnBreak
from headgate.core.call import Call, text_of
from headgate.core.jobs import Jobs, Send
from headgate.core.media import inline
from headgate.core.prepare import PASS
from headgate.errors import HeadgateError
from headgate.ports import Clock, Incoming, Transport
from headgate.wire.envelope import UNREADABLE
from headgate.wire.images.answers import usage_of
from headgate.wire.images.openai import OpenAIImages
from headgate.wire.images.openai_sniff import WINDOW, facts
from headgate.wire.ir_images import ImageEcho, ImageReply, ImageUsage, measured, pending
from headgate.wire.polling import RULES

HELD: Final = 4 * 1024 * 1024
"""Bytes of an answer that we hold: a longer one is passed on piece by piece where somebody takes it so."""


class Pictures:
    """`transports` are by scheme, `media_hosts` the private hosts that pictures may be fetched from, None for all."""

    def __init__(
        self,
        send: Send,
        sleep: Callable[[float], Awaitable[None]],
        transports: dict[str, Transport],
        clock: Clock,
        media_hosts: frozenset[str] | None,
    ) -> None:
        self._jobs = Jobs(send, clock, sleep)
        self._transports = transports
        self._clock = clock
        self._media_hosts = media_hosts

    async def take(self, answer: Answer, incoming: Incoming, on_break: OnBreak) -> None:
        """Sets the answer's body, or has it pass piece by piece. Raises what an error in it says, Timeout, and
        ImageFetchError for a picture that can't be fetched."""
        call, prepared = answer.call, answer.prepared
        if prepared.route.dialect is call.dialect:
            prepared.path = PASS  # whatever became of the request, this is the client's own format
            await self._pass(answer, incoming, on_break)
            return
        upstream: Any = prepared.route.dialect
        body, kind = await incoming.read(LIMIT), incoming.headers.get("content-type")
        if upstream.polling is not None:
            rule, url = RULES[upstream.polling], prepared.route.url
            done = await self._jobs.follow(call, answer.deployment, rule, url, incoming, body)
            body, kind = done.body, done.content_type
        call.first_byte = self._clock.monotonic()
        reply = upstream.read_reply(body, prepared.echo, reply_type=kind)
        await self._write(answer, reply)

    async def close(self) -> None:
        await self._jobs.close()

    async def _write(self, answer: Answer, reply: ImageReply) -> None:
        call, client = answer.call, cast(OpenAIImages, answer.call.dialect)  # the only one that clients speak
        call.usage, call.upstream_model = reply.usage, reply.model
        settle(call, answer.deployment)  # it is paid for, whether the pictures can be fetched or not
        if call.stream:  # whose events hold data
            reply.response_format = "b64_json"
        transport = self._transports[answer.prepared.route.origin.scheme]
        await inline(pending(reply), transport, self._media_hosts)
        if call.stream:
            answer.body = client.write_events(reply, answer.frame, edited=call.operation == "image_edits")
        else:
            answer.body = client.write_reply(reply, answer.frame)

    async def _pass(self, answer: Answer, incoming: Incoming, on_break: OnBreak) -> None:
        call, dialect = answer.call, cast(OpenAIImages, answer.prepared.route.dialect)
        if call.stream and (incoming.headers.get("content-type") or "").startswith("text/event-stream"):
            await answer.open(on_break)
            return
        pieces, long = await _begun(incoming, whole=call.stream or not call.relayed)
        call.first_byte = self._clock.monotonic()
        if long:
            answer.stream(Window(answer), pieces)
            _foresee(answer)
            return
        body = b"".join(pieces)
        glance = dialect.glance(body)
        if glance.error is not None:
            raise glance.error
        if call.stream:
            await self._write(answer, dialect.read_reply(body, answer.prepared.echo))
            return
        answer.body = body
        if isinstance(glance.usage, ImageUsage):
            call.usage = measured(glance.usage, _asked(call))
        settle(call, answer.deployment)


async def _begun(incoming: Incoming, *, whole: bool) -> tuple[list[bytes], bool]:
    """The pieces of an answer, and whether there are more of them than are held."""
    if whole:
        return [await incoming.read(LIMIT)], False
    length = incoming.headers.get("content-length") or ""
    if length.isdigit() and int(length) > HELD:
        return [], True
    pieces: list[bytes] = []
    size = 0
    while data := await incoming.next():
        pieces.append(data)
        size += len(data)
        if size > HELD:
            return pieces, True
    return pieces, False


def _foresee(answer: Answer) -> None:
    """The price that the answer's head can name: of what is paid for by the token only its end tells it."""
    sheet, call = answer.deployment.sheet, answer.call
    if sheet is None or not sheet.tokens:
        call.usage = asked(call)
        settle(call, answer.deployment)


def asked(call: Call) -> ImageUsage:
    """What the request says of the pictures that are wanted."""
    return measured(ImageUsage(images=_number(call)), _asked(call))


def _asked(call: Call) -> ImageEcho:
    return ImageEcho(size=_word(call, "size"), quality=_word(call, "quality"))


def _word(call: Call, key: str) -> str | None:
    try:
        return text_of(call.envelope, key)
    except UNREADABLE:
        return None  # the upstream took it: it is not for us to judge


class Window:
    """See filters.Filter: passes all as it is and remembers the two ends."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._head = b""
        self._tail = b""
        self.failure: HeadgateError | None = None

    def feed(self, data: bytes) -> bytes:
        self._answer.call.body_bytes += len(data)
        if len(self._head) < WINDOW:
            self._head += data[: WINDOW - len(self._head)]
        self._tail = data[-WINDOW:] if len(data) >= WINDOW else (self._tail + data)[-WINDOW:]
        return data

    def pipe(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def sink(data: bytes) -> None:
            write(self.feed(data))

        return sink

    def end(self) -> bytes:
        self.cut()
        return b""

    def cut(self) -> None:
        """The pictures are those that were asked for: nobody counts them as they go by."""
        call = self._answer.call
        usage = usage_of({**facts(self._head), **facts(self._tail)})
        usage.images = _number(call)
        call.usage = measured(usage, _asked(call))


def _number(call: Call) -> int:
    given = bytes(call.envelope.get("n", b"")).strip()
    return int(given) if given.isdigit() and len(given) < 6 and int(given) else 1
