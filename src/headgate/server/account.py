"""Step 7 of a call, once and before its answer's last byte: the hold is settled, the ledger written, metrics and the
log line booked."""

from operator import attrgetter
from typing import Any, Final

import msgspec

from headgate.core.answer import settle
from headgate.core.call import PICTURES, Call, Leg
from headgate.core.partial import estimated
from headgate.record import Finished, Record
from headgate.server.booking import Booking
from headgate.server.bounds import scopes_of
from headgate.server.gateway import Gateway
from headgate.server.meters import settle_all
from headgate.store.totals import Scope
from headgate.wire import ir


def account(gateway: Gateway, call: Call, booking: Booking) -> None:
    if booking.booked:
        return
    booking.booked = True
    call.ended = gateway.clock.monotonic()
    usage = call.usage if isinstance(call.usage, ir.Usage) else None
    counted = "estimated" if call.estimated else "provider"
    source = counted if usage is not None and (usage.output or not call.pieces) else None
    if source is None and call.pieces and call.deployment is not None and call.operation not in _NO_TEXT:
        usage, source = estimated(call), "estimated"
        call.usage = usage
        settle(call, call.deployment)
    if call.legs and (lost := call.lost):
        call.cost = lost + (call.cost or 0)
    now = gateway.clock.time()
    group = call.deployment.group if call.deployment is not None else _known(gateway, call.model)
    if holds := booking.holds:
        if len(holds) == 1:
            holds[0].settle(_used(call, usage), call.cost or 0, now)
        else:
            settle_all(holds, _answered(call, group), _used(call, usage), call.cost or 0, now)
        if booking.ceiling is not None and usage is not None and call.error is None and not call.hops:
            booking.ceiling.learn(usage.output, call.cost or 0)
    record = _record(call, booking, group, usage, source, now)
    if gateway.ledger is not None:
        try:
            gateway.ledger.add(record)
        except OSError as error:
            gateway.lost_records += 1
            gateway.report(error, call.id)
    record.metadata = record.request = record.response = None
    message = call.error.message[:_MESSAGE] if call.error is not None else ""
    finished = Finished(
        record, booking.caller.name, call.path, call.stream, _overhead(call), call.dropped, message
    )
    gateway.metrics.add(finished)
    if gateway.log is not None:
        gateway.log.add(finished)


def _used(call: Call, usage: ir.Usage | None) -> int:
    """Tokens, those of attempts that came to nothing among them."""
    lost = sum(leg.input + leg.output for leg in call.legs) if call.legs else 0
    return lost if usage is None else lost + usage.input + usage.output


def _known(gateway: Gateway, model: str) -> str | None:
    """The group of a model that nobody was asked for: sums are not kept by what clients think up."""
    group = gateway.snapshot.groups.get(model)
    return None if group is None else group.name


def _answered(call: Call, group: str | None) -> list[Scope]:
    found: list[Scope] = [("model", group)] if group else []
    return found if call.deployment is None else [*found, *scopes_of(call.deployment)]


def _record(
    call: Call,
    booking: Booking,
    group: str | None,
    usage: ir.Usage | None,
    source: str | None,
    now: float,
) -> Record:
    """By place: names would cost several times as much as all the rest of it."""
    caller, deployment, error = booking.caller, call.deployment, call.error
    begun = now - (call.ended - call.started)
    row = provider = None
    if deployment is not None:
        row, provider = deployment.id, deployment.provider.id
    model = call.upstream_model or (deployment.model if deployment is not None else None)
    request = None
    if booking.response is not None and booking.request:
        request = msgspec.Raw(booking.request)
    # fmt: off
    return Record(
        call.id, begun, begun + call.first_byte - call.started if call.first_byte else None, now,
        caller.key, caller.user_id, caller.team_id, caller.organization_id, booking.customer, booking.tags or None,
        call.model, group, row, provider, model,
        call.operation, call.dialect.name, call.status, type(error).__name__ if error is not None else None,
        usage.input if usage else 0, usage.output if usage else 0, kinds_of(usage) if usage else None, source,
        call.cost, call.cause, call.attempts, call.hops, [_leg(leg) for leg in call.legs] if call.legs else None,
        None, booking.client, booking.session, booking.metadata,
        request, _shown(booking.response) if booking.response else None,
    )
    # fmt: on


def _leg(leg: Leg) -> list[Any]:
    known = [*leg[:3], round(leg.seconds * 1000, 3)]
    return known if leg.cost is None else [*known, leg.input, leg.output, leg.cost]


def _shown(pieces: list[bytes]) -> Any:
    """A body as JSON; a stream is a text."""
    body = b"".join(pieces)
    return msgspec.Raw(body) if body[:1] == b"{" else body.decode("utf-8", "replace")


def _overhead(call: Call) -> float:
    """A stream's own time: until its first byte less what the upstream took for it."""
    until = call.ended if not call.stream else call.first_byte
    ours = until - call.started - call.upstream_seconds
    return ours if until and ours > 0 else 0.0


def kinds_of(usage: ir.Usage) -> dict[str, int] | None:
    """Tokens of those kinds that not every call has."""
    amounts = _amounts(usage)
    if not any(amounts):
        return None
    return {kind: amount for kind, amount in zip(_KINDS, amounts, strict=True) if amount}


_NO_TEXT: Final = PICTURES | {"embeddings"}
"""Operations whose answers have no tokens in proportion to their length."""
_KINDS: Final = ("cache_read", "cache_write", "reasoning", "audio_input", "audio_output")
_amounts: Final = attrgetter(*_KINDS)
_MESSAGE: Final = 500
"""Characters of an error that the log shows."""
