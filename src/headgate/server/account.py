"""Step 8 of a call, once and before its answer's last byte: the hold is settled, the ledger written, metrics and the
log line booked."""

from collections.abc import Iterator
from typing import Any

import msgspec

from headgate.catalog.tokens import estimate_json
from headgate.core.answer import settle
from headgate.core.call import Call
from headgate.server.booking import Booking
from headgate.server.gateway import Gateway
from headgate.server.headers import plain
from headgate.store.ledger import Record
from headgate.store.money import units
from headgate.telemetry.logs import CallLine
from headgate.wire import ir

OVERHEAD: int = 200
"""Bytes of a stream's event that are no text, where only its size is known."""


def account(gateway: Gateway, call: Call, booking: Booking) -> None:
    if booking.booked:
        return
    booking.booked = True
    call.ended = gateway.clock.monotonic()
    usage = call.usage if isinstance(call.usage, ir.Usage) else None
    source = "provider" if usage is not None and (usage.output or not call.pieces) else None
    if source is None and call.pieces and call.deployment is not None and call.operation != "embeddings":
        usage, source = _estimated(call, booking), "estimated"
    cost = units(call.cost) if call.cost is not None else None
    now = gateway.clock.time()
    if booking.hold is not None:
        booking.hold.settle((usage.input + usage.output) if usage else 0, cost or 0, now)
        if usage is not None and call.error is None:
            gateway.snapshot.ceiling(call.model).learn(usage.output, cost or 0)
    if gateway.ledger is not None:
        try:
            gateway.ledger.add(_record(call, booking, usage, source, cost, now))
        except OSError as error:
            gateway.lost_records += 1
            gateway.report(error, call.id)
    _measure(gateway, call, usage)
    if gateway.log is not None:
        gateway.log.add(_line(gateway, call, booking, usage))


def _estimated(call: Call, booking: Booking) -> ir.Usage:
    """A stream that was cut before the provider told its usage: what was relayed is charged."""
    told = call.usage if isinstance(call.usage, ir.Usage) else ir.Usage(input=estimate_json(booking.request))
    text = max(0, call.body_bytes - call.pieces * OVERHEAD) // 4
    usage = msgspec.structs.replace(told, output=max(call.pieces, text), total=None)
    call.usage = usage
    if call.deployment is not None:
        settle(call, call.deployment)
    return usage


def _record(
    call: Call, booking: Booking, usage: ir.Usage | None, source: str | None, cost: int | None, now: float
) -> Record:
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
        tags=list(booking.tags) if booking.tags else None,
        model=call.model,
        model_group=deployment.group if deployment else None,
        deployment=deployment.id if deployment else None,
        provider=deployment.provider.id if deployment else None,
        upstream_model=call.upstream_model or (deployment.model if deployment else None),
        operation=call.operation,
        dialect=call.dialect.name,
        status=call.status,
        error=type(error).__name__ if error is not None else None,
        input_tokens=usage.input if usage else 0,
        output_tokens=usage.output if usage else 0,
        tokens=dict(_kinds(usage)) or None if usage else None,
        usage_from=source,
        cost=cost,
        cause="fallback" if call.hops else "retry" if call.attempts > 1 else "first",
        attempts=call.attempts,
        fallbacks=call.hops,
        client=booking.client,
        session=booking.session,
        metadata=booking.metadata,
        request=msgspec.Raw(booking.request) if booking.response is not None and booking.request else None,
        response=_shown(booking.response),
    )


def _shown(pieces: list[bytes] | None) -> Any:
    """A body as JSON; a stream is a text."""
    if not pieces:
        return None
    body = b"".join(pieces)
    return msgspec.Raw(body) if body[:1] == b"{" else body.decode("utf-8", "replace")


def _measure(gateway: Gateway, call: Call, usage: ir.Usage | None) -> None:
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
        overhead=_overhead(call),
        first_token=call.first_byte - call.started if call.first_byte and call.stream else None,
        tokens=_tokens(usage) if usage else (),
        cost=call.cost,
        retries=max(0, call.attempts - 1 - call.hops),
        fallbacks=call.hops,
        error=type(error).__name__ if error is not None and deployment is not None else None,
    )


def _line(gateway: Gateway, call: Call, booking: Booking, usage: ir.Usage | None) -> CallLine:
    deployment, error = call.deployment, call.error
    return CallLine(
        time=gateway.clock.time(),
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
        overhead_ms=_overhead(call) * 1000,
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


def _tokens(usage: ir.Usage) -> Iterator[tuple[str, int]]:
    yield "input", usage.input
    yield "output", usage.output
    yield from _kinds(usage)


def _kinds(usage: ir.Usage) -> Iterator[tuple[str, int]]:
    for kind, amount in (
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("reasoning", usage.reasoning),
        ("audio_input", usage.audio_input),
        ("audio_output", usage.audio_output),
    ):
        if amount:
            yield kind, amount
