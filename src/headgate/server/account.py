"""Step 8 of a call, once and before its answer's last byte: the hold is settled, the ledger written, metrics and the
log line booked."""

from typing import Any, Final

import msgspec

from headgate.core.answer import settle
from headgate.core.call import PICTURES, Call, Leg
from headgate.core.partial import estimated
from headgate.server.booking import Booking
from headgate.server.gateway import Gateway
from headgate.server.headers import plain
from headgate.store.ledger import Record
from headgate.store.money import units
from headgate.telemetry.logs import CallLine
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
    cost = units(call.cost) if call.cost is not None else None
    now = gateway.clock.time()
    kinds = kinds_of(usage) if usage is not None else {}
    overhead = _overhead(call)
    if booking.hold is not None:
        used = sum(leg.input + leg.output for leg in call.legs) + (usage.input + usage.output if usage else 0)
        booking.hold.settle(used, cost or 0, now)
        if booking.ceiling is not None and usage is not None and call.error is None and not call.hops:
            booking.ceiling.learn(usage.output, cost or 0)
    if gateway.ledger is not None:
        deployment = call.deployment
        group = deployment.group if deployment is not None else _known(gateway, call)
        try:
            gateway.ledger.add(_record(call, booking, usage, kinds, source, cost, group, now))
        except OSError as error:
            gateway.lost_records += 1
            gateway.report(error, call.id)
    _measure(gateway, call, usage, kinds, overhead)
    if gateway.log is not None:
        gateway.log.add(_line(call, booking, usage, overhead, now))


def _record(
    call: Call,
    booking: Booking,
    usage: ir.Usage | None,
    kinds: dict[str, int],
    source: str | None,
    cost: int | None,
    group: str | None,
    now: float,
) -> Record:
    """`group` None: nobody has configured such a model, and sums are not kept by what clients think up."""
    caller, deployment, error = booking.caller, call.deployment, call.error
    begun = now - (call.ended - call.started)
    return Record(
        id=call.id,
        started=begun,
        first_token=begun + call.first_byte - call.started if call.first_byte else None,
        ended=now,
        key=caller.key,
        user_id=caller.user_id,
        team_id=caller.team_id,
        organization_id=caller.organization_id,
        customer=booking.customer,
        tags=booking.tags or None,
        model=call.model,
        model_group=group,
        deployment=deployment.id if deployment else None,
        provider=deployment.provider.id if deployment else None,
        upstream_model=call.upstream_model or (deployment.model if deployment else None),
        operation=call.operation,
        dialect=call.dialect.name,
        status=call.status,
        error=type(error).__name__ if error is not None else None,
        input_tokens=usage.input if usage else 0,
        output_tokens=usage.output if usage else 0,
        tokens=kinds or None,
        usage_from=source,
        cost=cost,
        cause=call.cause,
        attempts=call.attempts,
        fallbacks=call.hops,
        legs=[_leg(leg) for leg in call.legs] if call.legs else None,
        client=booking.client,
        session=booking.session,
        metadata=booking.metadata,
        request=msgspec.Raw(booking.request) if booking.response is not None and booking.request else None,
        response=_shown(booking.response) if booking.response else None,
    )


def _leg(leg: Leg) -> list[Any]:
    known = [*leg[:3], round(leg.seconds * 1000, 3)]
    return known if leg.cost is None else [*known, leg.input, leg.output, units(leg.cost)]


def _shown(pieces: list[bytes]) -> Any:
    """A body as JSON; a stream is a text."""
    body = b"".join(pieces)
    return msgspec.Raw(body) if body[:1] == b"{" else body.decode("utf-8", "replace")


def _known(gateway: Gateway, call: Call) -> str | None:
    return call.model if call.model in gateway.snapshot.groups else None


def _measure(
    gateway: Gateway, call: Call, usage: ir.Usage | None, kinds: dict[str, int], overhead: float
) -> None:
    deployment, error = call.deployment, call.error
    latency = call.ended - call.started
    gateway.metrics.count(
        (
            deployment.group if deployment else "",
            deployment.id if deployment else "",
            deployment.provider.id if deployment else "",
            call.operation,
            str(call.status),
        ),
        latency=latency,
        overhead=overhead,
        first_token=call.first_byte - call.started if call.first_byte and call.stream else None,
        tokens=(("input", usage.input), ("output", usage.output), *kinds.items()) if usage else (),
        cost=call.cost,
        retries=max(0, call.attempts - 1 - call.hops),
        fallbacks=call.hops,
        error=type(error).__name__ if error is not None and deployment is not None else None,
    )


def _line(call: Call, booking: Booking, usage: ir.Usage | None, overhead: float, now: float) -> CallLine:
    deployment, error = call.deployment, call.error
    return CallLine(
        time=now,
        call=call.id,
        status=call.status,
        operation=call.operation,
        model=call.model,
        client=booking.client,
        key=booking.caller.name,
        deployment=deployment.id if deployment else "",
        provider=deployment.provider.id if deployment else "",
        upstream_model=call.upstream_model or (deployment.model if deployment else ""),
        path=call.path,
        stream=call.stream,
        ms=(call.ended - call.started) * 1000,
        first_token_ms=(call.first_byte - call.started) * 1000 if call.first_byte else 0.0,
        overhead_ms=overhead * 1000,
        input_tokens=usage.input if usage else 0,
        output_tokens=usage.output if usage else 0,
        cached_tokens=(usage.cache_read or 0) if usage else 0,
        cost=None if call.cost is None else plain(call.cost),
        attempts=call.attempts,
        fallbacks=call.hops,
        dropped=tuple(call.dropped),
        error=type(error).__name__ if error is not None else "",
        message=error.message[:500] if error is not None else "",
    )


def _overhead(call: Call) -> float:
    """A stream's own time: until its first byte less what the upstream took for it."""
    until = call.ended if not call.stream else call.first_byte
    return max(0.0, until - call.started - call.upstream_seconds) if until else 0.0


def kinds_of(usage: ir.Usage) -> dict[str, int]:
    """Tokens of those kinds that not every call has."""
    return {kind: amount for kind in _KINDS if (amount := getattr(usage, kind))}


_NO_TEXT: Final = PICTURES | {"embeddings"}
"""Operations whose answers have no tokens in proportion to their length."""
_KINDS: Final = ("cache_read", "cache_write", "reasoning", "audio_input", "audio_output")
