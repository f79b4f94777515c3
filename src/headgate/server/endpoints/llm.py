"""Model calls: the only place that knows the order of things.

identify → envelope → access → reserve → engine → relay → account, each a line of `_serve`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw

from headgate.core.answer import Answer
from headgate.core.audio import Speech, Transcription
from headgate.core.call import Call, model_of
from headgate.core.dialects import dialect
from headgate.core.route import Group, narrowed
from headgate.errors import HeadgateError, InternalServerError
from headgate.server import headers, repeats
from headgate.server.account import account
from headgate.server.arriving import Arriving
from headgate.server.asked import options_of
from headgate.server.booking import Booking
from headgate.server.drain import drained
from headgate.server.endpoints import responses
from headgate.server.endpoints.paths import Endpoint
from headgate.server.exchange import Exchange
from headgate.server.explain import decision
from headgate.server.gateway import Gateway
from headgate.server.limits import Permit, reserve
from headgate.server.lines import Lines
from headgate.server.listed import ListWriter
from headgate.server.mirror import mirror
from headgate.server.rename import renamed, renaming
from headgate.server.snapshot import Snapshot
from headgate.wire import envelope as envelopes

if TYPE_CHECKING:
    from headgate.server.forms import Form

JSON: Final = b"content-type: application/json\r\n"
LINES: Final = b"content-type: application/x-ndjson\r\n"
CLIENT_CLOSED: Final = 499
_TRUE: Final = b"true"
_NULL: Final = b"null"


async def serve(gateway: Gateway, endpoint: Endpoint, model: str, exchange: Exchange) -> None:
    """Answers one model call, whatever happens. Raises only CancelledError: the client has gone."""
    snapshot = gateway.snapshot
    booking = Booking(exchange.client)
    call = gateway.call(endpoint.operation, dialect(endpoint.spoken), model)
    gateway.metrics.in_flight += 1
    try:
        await _serve(gateway, snapshot, endpoint, call, booking, exchange)
    except HeadgateError as error:
        _refuse(gateway, snapshot, call, booking, exchange, error)
    except asyncio.CancelledError:
        call.status = CLIENT_CLOSED
        raise
    except Exception as bug:  # noqa: BLE001 -- the last line of defence: a bug must not cost the client its answer
        gateway.report(bug, call.id)
        _refuse(
            gateway,
            snapshot,
            call,
            booking,
            exchange,
            InternalServerError(f"Headgate failed on call {call.id}; its log says why"),
        )
    finally:
        call.close()
        if exchange.arriving is not None:
            exchange.arriving.close()
        gateway.metrics.in_flight -= 1
        if not booking.draining:
            account(gateway, call, booking)


async def _serve(
    gateway: Gateway,
    snapshot: Snapshot,
    endpoint: Endpoint,
    call: Call,
    booking: Booking,
    exchange: Exchange,
) -> None:
    asked = exchange.headers
    if exchange.query and endpoint.spoken.startswith("gemini"):
        asked = headers.with_key(asked, exchange.query)
    booking.caller = caller = snapshot.access.identify(asked) or await snapshot.access.find(asked)
    caller.check(gateway.clock.time())
    if caller.routes or caller.addresses:
        caller.reach(exchange.path, exchange.client)
    if repeats.HEADER in asked and not isinstance(exchange, repeats.Tape):
        if exchange.arriving is not None:
            await _form(gateway, endpoint, asked, exchange.arriving)
        again = partial(serve, gateway, endpoint, call.model)
        await gateway.repeats.answer(caller.key or caller.name, asked[repeats.HEADER], exchange, again)
        booking.booked = True  # by the one call that answers all
        return
    named = call.model
    body, uploaded = exchange.body, 0
    if exchange.arriving is None:
        call.envelope = envelopes.read(body)
    else:
        body, uploaded = await _read(gateway, endpoint, call, asked, exchange.arriving)
    booking.request = body
    _fill(snapshot, endpoint, call, booking, asked)
    if call.operation == "responses":
        if only := await gateway.conversations.resume(call, caller):
            call.wish = msgspec.structs.replace(call.wish, only=only)
        again = partial(serve, gateway, endpoint, named)
        if (begun := responses.background(gateway, call, booking, exchange, again)) is not None:
            booking.booked = True  # by the call that is made in the background
            exchange.send(200, JSON, begun)
            return
    lookup: Callable[[str], Group] = snapshot.mocked if "mock_response" in call.envelope else snapshot.lookup
    if gateway.ledger is not None:
        await reserve(gateway, snapshot, call, booking, body, uploaded=uploaded)
    if booking.strict or caller.allows or caller.by_model or booking.allows or snapshot.bounds.any:
        call.permit = Permit(gateway, snapshot, call, booking, uploaded)
    if headers.EXPLAIN in asked and caller.admin:
        told = decision(lookup(call.model), call, gateway.clock.monotonic())
        booking.decision = headers.lines({"x-headgate-decision": msgspec.json.encode(told).decode()})
    answer = await snapshot.engine.run(call, lookup)
    call.status = 200
    for copied in answer.deployment.mirrors:
        mirror(gateway, snapshot, call, copied)
    if snapshot.store_prompts and not answer.media_type.startswith("audio/"):
        booking.response = []
    if call.stream or answer.body is None:
        await _relay(gateway, snapshot, answer, booking, exchange)
    else:
        _send(gateway, snapshot, answer, booking, exchange)


def _fill(snapshot: Snapshot, endpoint: Endpoint, call: Call, booking: Booking, asked: Lines) -> None:
    """What is asked for, by whom it may be answered, and how. Raises HeadgateError for what may not be asked."""
    envelope, caller = call.envelope, booking.caller
    if call.model:
        envelope["model"] = Raw(msgspec.json.encode(call.model))
    for key in endpoint.strange:
        envelope.pop(key, None)
    model = snapshot.only_group or model_of(envelope)
    call.model = model = caller.aliases.get(model, model)
    caller.admit(model)
    call.share = caller.share
    booking.read(envelope, asked)
    if endpoint.stream or (endpoint.unasked and bytes(envelope.get("stream", _NULL)) == _NULL):
        envelope["stream"] = Raw(_TRUE)
    call.stream = "stream" in envelope and bytes(envelope["stream"]) == _TRUE
    call.relayed = not snapshot.requested_name
    if call.operation == "speech":
        call.errand = Speech()
    call.options = options_of(snapshot.options, envelope, asked, call.stream)
    if endpoint.forward:
        call.forward = tuple(
            (name.decode(), asked[name].decode("latin-1")) for name in endpoint.forward if name in asked
        )
    if snapshot.wishes or caller.region:
        user = booking.customer or caller.user_id
        call.wish = snapshot.wish(booking.tags, caller.region, user, booking.session, caller.team_id)


async def _read(
    gateway: Gateway, endpoint: Endpoint, call: Call, asked: Lines, arriving: Arriving
) -> tuple[bytes, int]:
    """The fields and the files of a form. The request as it is logged, and the bytes of a file that is sound."""
    form = await _form(gateway, endpoint, asked, arriving)
    call.envelope = form.envelope
    if endpoint.forms:
        from headgate.server.forms import by_field  # only who sends files needs it

        call.files = by_field(form.files)
        return envelopes.write(form.envelope), 0  # files are no text to be counted or kept
    (file,) = form.files
    call.errand = Transcription(file, translate=call.operation == "translations")
    named = Raw(msgspec.json.encode(file.part.filename or "file"))
    return msgspec.json.encode({**form.envelope, "file": named}), file.size


async def _form(gateway: Gateway, endpoint: Endpoint, asked: Lines, arriving: Arriving) -> "Form":
    """The upload, read once; whoever answers the exchange closes it."""
    if arriving.form is not None:
        return arriving.form
    from headgate.server import forms  # only who sends files needs it

    kind, limit = asked.get(b"content-type", b"").decode("latin-1"), gateway.body_limit
    read = forms.of_pictures
    if endpoint.upload:
        read = partial(forms.of_sound, translate=endpoint.operation == "translations")
    arriving.form = await read(aiter(arriving), kind, limit, marked=repeats.HEADER in asked)
    return arriving.form


def _send(gateway: Gateway, snapshot: Snapshot, answer: Answer, booking: Booking, exchange: Exchange) -> None:
    """A whole answer."""
    call, body = answer.call, answer.body or b""
    if snapshot.requested_name and call.errand is None:
        body = renamed(body, call.model)
    if booking.response is not None:
        booking.response.append(body)
    if call.operation == "responses" and (keep := gateway.conversations.keeper(call, booking, answer)):
        keep(body)
    account(gateway, call, booking)
    kind = JSON if call.errand is None else _kind(answer)
    exchange.send(200, kind + _head(gateway, snapshot, answer, booking), body)


def _kind(answer: Answer) -> bytes:
    return b"content-type: %b\r\n" % answer.media_type.encode("latin-1", "replace")


async def _relay(
    gateway: Gateway, snapshot: Snapshot, answer: Answer, booking: Booking, exchange: Exchange
) -> None:
    kind = _kind(answer) + b"cache-control: no-cache\r\n"
    length = None if answer.call.stream else answer.length  # a long answer as it came
    write: Callable[[bytes], None] = exchange.write
    listed = answer.call.dialect.name == "gemini" and "alt=sse" not in exchange.query
    if listed:  # Google's older form of a stream
        kind, array = JSON, ListWriter(exchange.write)
        write = array.write
    exchange.start(200, kind + _head(gateway, snapshot, answer, booking), length)
    exchange.flow(answer.pause, answer.resume)
    if snapshot.requested_name and answer.call.errand is None:
        write = renaming(write, answer.call.model, lines=kind.startswith(LINES))
    if booking.response is not None:
        write = _copying(write, booking.response.append)
    keep = (
        gateway.conversations.keeper(answer.call, booking, answer)
        if answer.call.operation == "responses"
        else None
    )
    if keep is not None:
        write = _copying(write, keep)
    answer.on_end = partial(account, gateway, answer.call, booking)
    try:
        if snapshot.drain is None:
            await answer.relay(write)
        else:
            await drained(answer, write, snapshot.drain, booking, gateway)
    except asyncio.CancelledError:
        answer.call.status = CLIENT_CLOSED
        raise
    finally:
        if not booking.draining:
            answer.abort()
            answer.cut()
    if answer.call.error is not None and not answer.call.stream:
        return  # half a document: the door closes the connection, so that nobody takes it for a whole one
    if listed:
        array.end()
    if not answer.torn:  # else the connection is closed before the end: nothing else can say that it broke
        exchange.end()


def _copying(write: Callable[[bytes], None], tell: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def copy(data: bytes) -> None:
        tell(data)
        write(data)

    return copy


def _head(gateway: Gateway, snapshot: Snapshot, answer: Answer, booking: Booking) -> bytes:
    limits = booking.limits(gateway.clock.time())
    bare = b"x-ratelimit" not in limits
    return b"%b%b%b%b%b" % (
        snapshot.identity(answer.deployment),
        booking.decision,
        headers.of_call(answer.call, gateway.clock.monotonic()),
        limits,
        headers.of_upstream(answer.headers, bare=bare),
    )


def _refuse(
    gateway: Gateway,
    snapshot: Snapshot,
    call: Call,
    booking: Booking,
    exchange: Exchange,
    error: HeadgateError,
) -> None:
    call.error = error = narrowed(error, booking.caller.may)
    started, call.status = call.status == 200, error.status_code
    account(gateway, call, booking)
    if started:  # the head has gone: what can still be said is said in the stream
        exchange.write(call.dialect.write_stream_error(error))
        exchange.end()
        return
    lines = headers.of_call(call, gateway.clock.monotonic())
    if call.deployment is not None:
        lines += snapshot.identity(call.deployment)
    lines += booking.decision + booking.limits(gateway.clock.time())
    if error.retry_after is not None:
        lines += b"retry-after: %d\r\n" % max(1, round(error.retry_after))
    exchange.send(error.status_code, JSON + lines, call.dialect.write_error(error, call.id))
