"""What is booked when a call is over: metrics at once, its log line to the batch. Exactly once a call."""

from collections.abc import Iterator

from headgate.core.call import Call
from headgate.server.gateway import Gateway
from headgate.server.headers import plain
from headgate.telemetry.logs import CallLine
from headgate.wire import ir


def account(gateway: Gateway, call: Call, client: str) -> None:
    call.ended = now = gateway.clock.monotonic()
    latency = now - call.started
    overhead = max(0.0, latency - call.upstream_seconds) if not call.stream else _before_upstream(call)
    first = call.first_byte - call.started if call.first_byte else None
    deployment = call.deployment
    usage = call.usage if isinstance(call.usage, ir.Usage) else None
    error = call.error
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
        first_token=first if call.stream else None,
        tokens=_tokens(usage) if usage else (),
        cost=call.cost,
        retries=max(0, call.attempts - 1 - call.hops),
        fallbacks=call.hops,
        error=type(error).__name__ if error is not None and deployment is not None else None,
    )
    if gateway.log is None:
        return
    gateway.log.add(
        CallLine(
            time=gateway.clock.time(),
            call=call.id,
            status=call.status,
            operation=call.operation,
            model=call.model,
            client=client,
            deployment=deployment.id if deployment else "",
            provider=deployment.provider.id if deployment else "",
            upstream_model=call.upstream_model or (deployment.model if deployment else ""),
            path=call.path,
            stream=call.stream,
            ms=latency * 1000,
            first_token_ms=first * 1000 if first else 0.0,
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
    )


def _before_upstream(call: Call) -> float:
    """A stream's own time: until its first byte less what the upstream took for it."""
    return max(0.0, call.first_byte - call.started - call.upstream_seconds) if call.first_byte else 0.0


def _tokens(usage: ir.Usage) -> Iterator[tuple[str, int]]:
    yield "input", usage.input
    yield "output", usage.output
    for kind, amount in (
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("reasoning", usage.reasoning),
        ("audio_input", usage.audio_input),
        ("audio_output", usage.audio_output),
    ):
        if amount:
            yield kind, amount
