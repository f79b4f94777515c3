"""Speech and transcription as errands: the steps of `wire/audio`, sent to the deployment that the engine chose.

A request is made anew for each deployment from the call's envelope, which holds a form's fields as JSON, too. A
transcription's file is held once (`core/files.py`) and sent from there as often as it is asked for. Knows no door
and no provider.
"""

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from msgspec import Raw, Struct
from msgspec.structs import replace

from headgate.catalog.price import PriceSheet
from headgate.core.answer import settle
from headgate.core.call import Call, text_of
from headgate.core.deployment import Deployment, Route
from headgate.core.errand import Attempt, Means
from headgate.core.files import File, body_of
from headgate.core.params import take_ours
from headgate.core.prepare import TRANSLATE, Prepared, drops, report
from headgate.core.signing import ERROR_LIMIT, Sending
from headgate.core.sound import EVENTS, Bare, Flow, Heard, Told
from headgate.errors import APIConnectionError, HeadgateError, NotFoundError, Timeout, UnsupportedParamsError
from headgate.ports import Incoming, Outgoing, Timeouts
from headgate.wire import envelope as envelopes
from headgate.wire import failures, ir
from headgate.wire.audio import SPEECH, TRANSCRIPTIONS, transcript
from headgate.wire.audio.shape import pairs
from headgate.wire.audio.speech_openai import CLIENT as SPEAKING
from headgate.wire.audio.speech_openai import Reader as SpeechReader
from headgate.wire.audio.speech_openai import Writer as SpeechWriter
from headgate.wire.audio.transcript_events import Reader, Writer, unfold
from headgate.wire.audio.transcription_openai import CLIENT as LISTENING
from headgate.wire.ir_audio import (
    AudioPiece,
    AudioUsage,
    SpeechDone,
    SpeechReply,
    SpeechRequest,
    TranscriptionReply,
    TranscriptionRequest,
)
from headgate.wire.outgoing import Sent, Step, Wire, address, framed
from headgate.wire.shape import reply_object

T = TypeVar("T")
LIMIT: Final = 256 * 1024 * 1024
"""Bytes of a whole answer."""
POLLING_SECONDS: Final = 600.0
"""How long a job is asked after where the call has no deadline."""
MISSES: Final = 3
"""Times that asking after a job may fail one after the other: the job itself is paid for."""
_PASSING: Final = frozenset((408, 429, 500, 502, 503, 504))
_OWN: Final = {
    "speech": "openai_speech",
    "transcriptions": "openai_transcriptions",
    "translations": "openai_transcriptions",
}
"""Operation → the format of rows that name none."""


class _Does(Protocol[T]):
    """How an operation turns answers into what the client gets."""

    def whole(self, reply: T) -> tuple[str, bytes, AudioUsage | None]:
        """Content type, body and usage. Raises UnsupportedParamsError."""
        ...

    def flow(self, step: Step[T], incoming: Incoming) -> tuple[str, Flow] | None:
        """Content type and flow of an answer that is passed on while it comes; None for one that is read whole."""
        ...


class _Fails(Protocol):
    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> HeadgateError: ...


class _Attempt(Struct, Generic[T], kw_only=True):
    """One deployment, and the steps that are made there. See errand.Attempt."""

    call: Call
    deployment: Deployment
    step: Step[T]
    does: _Does[T]
    dialect: _Fails
    file: File | None = None

    @property
    def size(self) -> int:
        body = self.step.wire.body
        return (len(body) if isinstance(body, bytes) else 0) + (self.file.size if self.file else 0)

    async def make(self, means: Means) -> Heard:
        step, misses = self.step, 0
        end = means.clock.monotonic() + (means.timeouts.total or POLLING_SECONDS)
        while True:
            if step.after:
                if means.clock.monotonic() + step.after >= end:
                    raise Timeout("the provider has not finished the transcription in time", code="deadline")
                await means.sleep(step.after)
            patient = bool(step.after) and misses < MISSES
            try:
                incoming = await self._asked(step.wire, means, end)
            except APIConnectionError:
                misses += 1
                if patient:
                    continue
                raise
            try:
                if incoming.status >= 300:
                    misses += 1
                    body = await incoming.read(ERROR_LIMIT)
                    if patient and incoming.status in _PASSING:
                        continue
                    raise self.dialect.read_error(incoming.status, dict(incoming.headers), body)
                misses = 0
                if (found := self.does.flow(step, incoming)) is not None:
                    answer = self._heard(incoming, means, found[0], found[1])
                    await answer.begin()
                    return answer
                then = step.then(dict(incoming.headers), await incoming.read(LIMIT))
            except BaseException:
                incoming.abort()
                raise
            if not isinstance(then, Step):
                return self._whole(then, incoming, means)
            step = then

    def _whole(self, reply: T, incoming: Incoming, means: Means) -> Heard:
        kind, body, used = self.does.whole(reply)
        answer = self._heard(incoming, means, kind)
        answer.body = body
        answer.mark()
        self.call.usage = billed(self.deployment, used)
        settle(self.call, self.deployment)
        return answer

    def _heard(self, incoming: Incoming, means: Means, kind: str, flow: Flow | None = None) -> Heard:
        route = self.deployment.route(self.call.operation, False)
        prepared = Prepared(route=route, head=b"", body=b"", path=TRANSLATE)
        make = partial(billed, self.deployment)
        return Heard(
            self.call,
            self.deployment,
            prepared,
            incoming,
            means.clock,
            media_type=kind,
            flow=flow,
            billed=make,
        )

    async def _asked(self, wire: Wire, means: Means, end: float) -> Incoming:
        route = self.deployment.route(wire.operation or self.call.operation, False)
        laid_out = framed(wire, _boundary(), self.file.part if self.file else None)
        url = address(route.url, wire)
        head = _head(route, wire, url, laid_out.content_type)
        body: bytes | Outgoing = laid_out.before
        if laid_out.file and self.file is not None:
            body = body_of((laid_out.before, self.file, laid_out.after))
        timeouts: Timeouts = means.timeouts
        if timeouts.total is not None:
            timeouts = replace(timeouts, total=max(0.001, end - means.clock.monotonic()))
        return await means.send(
            self.deployment, Sending(wire.method, url, route.origin, head, body), timeouts
        )


def _boundary() -> bytes:
    return b"headgate-" + secrets.token_hex(16).encode()


def _head(route: Route, wire: Wire, url: str, content_type: str) -> bytes:
    """The route's head for another address, with the wire's headers over its own."""
    given = {**wire.headers, **({"content-type": content_type} if content_type.isprintable() else {})}
    names = tuple(f"{name}:".encode() for name in {**given, "content-type": ""})
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{wire.method} {target} HTTP/1.1".encode("latin-1")]
    lines += [line for line in route.head.split(b"\r\n")[1:-1] if not line.lower().startswith(names)]
    lines += [f"{name}: {value}".encode("latin-1", "replace") for name, value in given.items() if value]
    return b"\r\n".join([*lines, b""])


TOKENS_PER_SECOND: Final = 1250 / 60
"""Of sound that is made: OpenAI's estimate of a minute and its price of a token,
https://platform.openai.com/docs/pricing."""
CHARACTERS_PER_TOKEN: Final = 4


def billed(deployment: Deployment, used: AudioUsage | None) -> ir.Usage | None:
    """What is paid for: tokens where they are known and have a price, else characters and seconds. Of speech that is
    paid by tokens which nobody counted, an estimate."""
    if used is None:
        return None
    sheet, tokens = deployment.sheet, used.tokens
    if tokens is not None and (sheet is None or sheet.tokens):
        return tokens
    if sheet is not None and _by_tokens(sheet) and used.characters and used.seconds is not None:
        made = round(used.seconds * TOKENS_PER_SECOND)
        return ir.Usage(input=-(-used.characters // CHARACTERS_PER_TOKEN), output=made, audio_output=made)
    return ir.Usage(characters=used.characters, seconds=used.seconds)


def _by_tokens(sheet: PriceSheet) -> bool:
    return sheet.tokens and sheet.units.get("standard", {}).keys().isdisjoint(("characters", "seconds"))


def _request_body(call: Call, deployment: Deployment) -> dict[str, Any]:
    """The caller's parameters as values, the deployment's defaults below and its `extra_body` over them."""
    envelope: dict[str, Raw] = {**deployment.defaults, **call.envelope}
    take_ours(envelope)
    for name in (*deployment.drop, *call.options.drop):
        envelope.pop(name, None)
    envelope |= deployment.fixed | deployment.extra
    return {name: value for name, value in envelopes.document(envelope).items() if value is not None}


def _dialect(table: Mapping[str, T], call: Call, deployment: Deployment) -> T:
    """Raises NotFoundError for a provider that can't do this."""
    deployment.route(call.operation, False)
    name = deployment.provider.dialects.get(call.operation, _OWN[call.operation])
    if name not in table:
        raise NotFoundError(
            f"{deployment.provider.name} has no {call.operation}", llm_provider=deployment.provider.id
        )
    return table[name]


def _noted(sent: Sent[T], body: Mapping[str, Any], call: Call, deployment: Deployment) -> None:
    """Raises UnsupportedParamsError for what the target can't express, naming the value, too."""
    call.path, call.dropped = TRANSLATE, []
    if not sent.dropped:
        return
    try:
        report(sent.dropped, call, deployment)
    except UnsupportedParamsError as error:
        if error.param and error.param in body:
            error.message += f" (got {error.param} {str(body[error.param])[:40]!r})"
            error.args = (error.message,)
        raise


class Speech:
    """See errand.Errand. The request is JSON: the call's envelope."""

    def ready(self, call: Call, deployment: Deployment) -> Attempt:
        dialect = _dialect(SPEECH, call, deployment)
        body = _request_body(call, deployment)
        request = SPEAKING.read_request(body)
        sent = dialect.write_request(request, _target(deployment))
        _noted(sent, body, call, deployment)
        return _Attempt(
            call=call,
            deployment=deployment,
            step=sent.step,
            does=_Speaks(request, deployment),
            dialect=dialect,
        )

    def begun(self, call: Call, deployment: Deployment) -> ir.Usage | None:
        """Its text: of the sound nothing is here."""
        spoken = len(text_of(call.envelope, "input") or "")
        made = 0.0 if deployment.sheet is not None and _by_tokens(deployment.sheet) else None
        return billed(deployment, AudioUsage(characters=spoken, seconds=made))

    def close(self) -> None:
        """Nothing was held."""


class _Speaks:
    def __init__(self, request: SpeechRequest, deployment: Deployment) -> None:
        self._events = request.stream_format == "sse"
        self._refused = False
        sheet = deployment.sheet
        units: Mapping[str, Any] = {} if sheet is None else sheet.units.get("standard", {})
        timed = "seconds" in units and "characters" not in units
        self._measured = timed or (sheet is not None and _by_tokens(sheet))

    def whole(self, reply: SpeechReply) -> tuple[str, bytes, AudioUsage | None]:
        if self._refused:  # under a good status
            raise failures.read_document(reply_object(reply.audio))
        if self._events:
            events = SpeechWriter().write([AudioPiece(reply.audio), SpeechDone(reply.usage)])
            return EVENTS, events, reply.usage
        return reply.content_type, reply.audio, reply.usage

    def flow(self, step: Step[SpeechReply], incoming: Incoming) -> tuple[str, Flow] | None:
        kind = incoming.headers.get("content-type") or ""
        self._refused = step.raw and kind.startswith("application/json")
        if not step.raw or self._refused:
            return None
        said = step.then(dict(incoming.headers), b"")
        if isinstance(said, Step):
            return None
        if kind.startswith(EVENTS):
            return EVENTS, Told(SpeechReader(), SpeechWriter().write, said.usage)
        flow = Bare(said.usage, events=self._events, measured=self._measured)
        return (EVENTS if self._events else said.content_type), flow


class Transcription:
    """See errand.Errand. `translate`: into English."""

    def __init__(self, file: File, *, translate: bool = False) -> None:
        self.file = file
        self._translate = translate

    def ready(self, call: Call, deployment: Deployment) -> Attempt:
        dialect = _dialect(TRANSCRIPTIONS, call, deployment)
        body = _request_body(call, deployment)
        fields = [pair for name, value in body.items() for pair in pairs(name, value)]
        request = LISTENING.read_request(fields, self.file.part, translate=self._translate)
        sent = dialect.write_request(request, _target(deployment))
        _noted(sent, body, call, deployment)
        does = _Listens(call, deployment, request, self.file.seconds)
        return _Attempt(
            call=call, deployment=deployment, step=sent.step, does=does, dialect=dialect, file=self.file
        )

    def begun(self, call: Call, deployment: Deployment) -> ir.Usage | None:
        """The whole file, where its length is known: it was sent."""
        heard = self.file.seconds
        return None if heard is None else billed(deployment, AudioUsage(seconds=heard))

    def close(self) -> None:
        self.file.content.close()


class _Listens:
    def __init__(
        self, call: Call, deployment: Deployment, request: TranscriptionRequest, seconds: float | None
    ) -> None:
        self._call = call
        self._deployment = deployment
        self._request = request
        self._seconds = seconds

    def whole(self, reply: TranscriptionReply) -> tuple[str, bytes, AudioUsage | None]:
        used = transcript.settled(reply, self._seconds)
        if self._request.stream:
            return EVENTS, Writer().write(unfold(reply, self._request.format)), used
        try:
            return (*LISTENING.write_reply(reply, self._request), used)
        except UnsupportedParamsError as error:
            provider = self._deployment.provider
            if drops(self._call, self._deployment):
                self._call.dropped = [*self._call.dropped, "response_format"]
                return (*LISTENING.write_reply(reply, replace(self._request, format=None)), used)
            self._call.usage = billed(self._deployment, used)  # it was heard, and is paid for
            settle(self._call, self._deployment)
            raise UnsupportedParamsError(
                f"{error.message} (response_format {self._request.format!r} of {provider.name}'s "
                f"{self._deployment.model}; leave it out or set drop_params)",
                param="response_format",
                model=self._deployment.model,
                llm_provider=provider.id,
            ) from None

    def flow(self, step: Step[TranscriptionReply], incoming: Incoming) -> tuple[str, Flow] | None:
        kind = incoming.headers.get("content-type") or ""
        if not self._request.stream or not kind.startswith(EVENTS):
            return None
        write: Callable[..., bytes] = Writer().write
        return EVENTS, Told(Reader(), write, AudioUsage(seconds=self._seconds))


def _target(deployment: Deployment) -> Any:
    return replace(deployment.target, model=deployment.body_model)
