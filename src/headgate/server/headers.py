"""Headers both ways: what a request's headers ask of us, and what an answer's say. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

import headgate
from headgate.core.call import Call
from headgate.core.deployment import Deployment
from headgate.errors import BadRequestError
from headgate.money import shown
from headgate.ports import Headers
from headgate.record import retries
from headgate.server.lines import KEY_HEADERS, Lines

TIMEOUT_HEADERS: Final = (b"x-headgate-timeout", b"x-litellm-timeout")
STREAM_TIMEOUT_HEADERS: Final = (b"x-headgate-stream-timeout", b"x-litellm-stream-timeout")
RETRY_HEADERS: Final = (b"x-headgate-num-retries", b"x-litellm-num-retries")
EXPLAIN: Final = b"x-headgate-explain"
_VERSION: Final = f"x-litellm-version: headgate-{headgate.__version__}\r\n".encode()
_UPSTREAM: Final = frozenset(("x-request-id", "request-id", "retry-after", "openai-processing-ms"))


def with_key(found: Lines, query: str) -> Lines:
    """Google's clients may send the key as `?key=`, where no header has one."""
    if "key=" in query and not any(name in found for name in KEY_HEADERS):
        keys = parse_qs(query).get("key")
        if keys:
            return Lines({**found, b"x-goog-api-key": keys[0].encode()})
    return found


def number(found: Mapping[bytes, bytes], names: tuple[bytes, ...]) -> float | None:
    """A header's number. Raises BadRequestError for what is none."""
    for name in names:
        if name in found:
            try:
                value = float(found[name])
            except ValueError:
                value = -1.0
            if not 0 <= value < 1e9:
                shown = found[name][:20].decode("latin-1")
                raise BadRequestError(
                    f"the header {name.decode()!r} must be a number, not {shown!r}",
                    param=name.decode(),
                )
            return value
    return None


def identity(deployment: Deployment) -> bytes:
    """The lines that say who answers: the same for every call of a deployment."""
    return _VERSION + lines(
        {
            "x-litellm-model-id": deployment.id,
            "x-litellm-model-api-base": deployment.address,
            "x-litellm-model-group": deployment.group,
            "x-headgate-provider": deployment.provider.id,
        }
    )


def lines(fields: Mapping[str, str]) -> bytes:
    """Header lines; characters that HTTP forbids in a value become "?"."""
    return b"".join(
        f"{name}: {''.join(c if c.isprintable() else '?' for c in value)}\r\n".encode("latin-1", "replace")
        for name, value in fields.items()
    )


def of_call(call: Call, now: float) -> bytes:
    """The lines that differ from call to call. Durations are milliseconds, cost is US dollars."""
    spent = (now - call.started) * 1000
    ours = spent - call.upstream_seconds * 1000
    call_id = call.id.encode()
    text = (
        b"x-litellm-call-id: %b\r\nx-headgate-call-id: %b\r\nx-litellm-attempted-retries: %d\r\n"
        b"x-litellm-attempted-fallbacks: %d\r\nx-litellm-response-duration-ms: %.3f\r\n"
        b"x-litellm-overhead-duration-ms: %.3f\r\n"
        % (call_id, call_id, retries(call.attempts, call.hops), call.hops, spent, ours if ours > 0 else 0.0)
    )
    if call.cost is not None:
        text += b"x-litellm-response-cost: %b\r\n" % shown(call.cost).encode()
    if call.dropped:
        text += lines({"x-headgate-dropped-params": ", ".join(call.dropped)})
    return text


def of_upstream(headers: Headers, bare: bool = True) -> bytes:
    """The upstream's rate limits and request id as LiteLLM names them; `bare`: the limits also as they came, which
    are ours where the caller has any."""
    values = headers.values
    return b"".join(
        [start + values[at] + b"\r\n" for at, start, own in _passed_on(headers.names) if bare or not own]
    )


@lru_cache(maxsize=256)
def _passed_on(names: tuple[str, ...]) -> list[tuple[int, bytes, bool]]:
    """Which of an answer's lines go on: their places, how they begin, and whether that is under their own name."""
    found: list[tuple[int, bytes, bool]] = []
    for at, name in enumerate(names):
        limit = name.startswith(("x-ratelimit-", "anthropic-ratelimit-"))
        if limit or name in _UPSTREAM:
            found.append((at, f"llm_provider-{name}: ".encode(), False))
        if limit:
            found.append((at, f"{name}: ".encode(), True))
    return found
