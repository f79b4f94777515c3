"""What a call would be: what it would cost, what would be sent for it, and where it would go next. Nobody is
called."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.catalog.price import Cost, PriceSheet
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.fallback import Fallback
from headgate.core.prepare import Prepared, prepare
from headgate.errors import BadRequestError, NotFoundError
from headgate.server.admin import fields
from headgate.server.callers import Caller
from headgate.server.config.nearest import nearest
from headgate.server.endpoints import paths
from headgate.server.endpoints.paths import Endpoint
from headgate.server.gateway import Gateway
from headgate.wire import envelope as envelopes
from headgate.wire.ir import Usage

MASK: Final = "***"
_ESTIMATED: Final = fields.table(
    """model:name input_tokens:count output_tokens:count cache_read_input_tokens:count
    cache_creation_input_tokens:count reasoning_tokens:count num_requests_per_day:count
    num_requests_per_month:count"""
)
_PARTS: Final = (
    "cost",
    "input_cost",
    "output_cost",
    "cache_read_cost",
    "cache_creation_cost",
    "reasoning_cost",
)
_PERIODS: Final = (("daily", "num_requests_per_day"), ("monthly", "num_requests_per_month"))
_PER_TOKEN: Final = (
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("cache_read_input_token_cost", "cache_read"),
    ("cache_creation_input_token_cost", "cache_write"),
    ("output_cost_per_reasoning_token", "reasoning"),
)
_CALLS: Final[Mapping[str, Endpoint]] = {
    "completion": paths.CHAT,
    "text_completion": paths.COMPLETIONS,
    "embedding": paths.EMBEDDINGS,
    "responses": paths.RESPONSES,
    "anthropic_messages": paths.MESSAGES,
    "rerank": paths.RERANK,
    "moderation": paths.MODERATIONS,
}
"""LiteLLM's words for kinds of calls; each also with an "a" before it."""
_OPEN_LINES: Final = frozenset(
    "host content-type accept user-agent anthropic-version anthropic-beta openai-beta".split()
)
_OPEN_PARAMETERS: Final = frozenset(("api-version", "alt"))


async def cost(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What a call of so many tokens costs, and so many of them. The cached and written tokens are parts of the input,
    reasoning is one of the output: so are their costs."""
    given = fields.read(await fields.body_of(request), _ESTIMATED)
    fields.required(given, "model")
    for name in ("input_tokens", "output_tokens"):
        if given.get(name) is None:
            raise BadRequestError(f"{name!r} is missing", param=name)
    counts = {name: given.get(name) or 0 for name, kind in _ESTIMATED.items() if kind == "count"}
    _check_parts(counts)
    name = given["model"]
    caller.admit(name)
    sheet, provider = _sheet(gateway, name)
    usage = Usage(
        input=counts["input_tokens"],
        output=counts["output_tokens"],
        cache_read=counts["cache_read_input_tokens"],
        cache_write=counts["cache_creation_input_tokens"],
        reasoning=counts["reasoning_tokens"],
    )
    one = _by_part(sheet.cost(usage))
    found: dict[str, Any] = {"model": name, **counts}
    found |= {part: given.get(part) for _, part in _PERIODS}
    found |= {f"{part}_per_request": float(one[part]) for part in _PARTS}
    found["margin_cost_per_request"] = 0.0
    for period, number in _PERIODS:
        times = given.get(number)
        found |= {f"{period}_{part}": None if times is None else float(one[part] * times) for part in _PARTS}
        found[f"{period}_margin_cost"] = None if times is None else 0.0
    return JSONResponse(found | _per_token(sheet, usage) | {"provider": provider})


def _check_parts(counts: Mapping[str, int]) -> None:
    cached = counts["cache_read_input_tokens"] + counts["cache_creation_input_tokens"]
    for param, part, whole in (
        ("cache_read_input_tokens", cached, "input_tokens"),
        ("reasoning_tokens", counts["reasoning_tokens"], "output_tokens"),
    ):
        if part > counts[whole]:
            raise BadRequestError(
                f"{param!r}: {part} are more than the {counts[whole]} of {whole!r}, which holds them",
                param=param,
            )


def _sheet(gateway: Gateway, name: str) -> tuple[PriceSheet, str | None]:
    """Of the first deployment of a group here, else of what the catalog knows."""
    snapshot = gateway.snapshot
    provider: str | None = None
    try:
        deployment = snapshot.lookup(name).deployments[0]
        sheet, provider = deployment.sheet, deployment.provider.id
    except NotFoundError:
        sheet = snapshot.catalog.sheet(name, None, {})
        provider = (snapshot.catalog.find(name) or {}).get("litellm_provider")
    if sheet is None:
        raise NotFoundError(f"no price is known for {name!r}", param="model")
    return sheet, provider


def _by_part(found: Cost) -> dict[str, Decimal]:
    cached = found.cache_read + found.cache_write
    return {
        "cost": found.total,
        "input_cost": found.input + cached + found.request,
        "output_cost": found.output + found.reasoning,
        "cache_read_cost": found.cache_read,
        "cache_creation_cost": found.cache_write,
        "reasoning_cost": found.reasoning,
    }


def _per_token(sheet: PriceSheet, usage: Usage) -> dict[str, float | None]:
    """At this size of the input."""
    rates = sheet.rates(usage.input)
    return {
        name: None if (price := getattr(rates, part)) is None else float(price) for name, part in _PER_TOKEN
    }


async def transformed(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """What the first deployment of the model would be sent. What signs a request, or fetches media for it, is done
    when it goes out: it is not in here."""
    given = fields.read(await fields.body_of(request), fields.table("call_type:name request_body:mapping"))
    fields.required(given, "call_type", "request_body")
    point, body = _point(given["call_type"]), given["request_body"]
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise BadRequestError("'request_body.model' must be the name of a model", param="request_body.model")
    caller.admit(name)
    deployment = gateway.snapshot.lookup(name).deployments[0]
    if gateway.clock.monotonic() >= deployment.placed_until:
        raise BadRequestError(
            f"{deployment.provider.name} says the address of {name!r} when it is called: it is not known yet",
            param="request_body.model",
        )
    envelope = envelopes.read(msgspec.json.encode(body))
    stream = body.get("stream") is True
    call = gateway.call(point.operation, dialect(point.spoken), name, envelope, stream=stream)
    prepared = prepare(call, deployment)
    sent = _body(deployment, prepared)
    return JSONResponse(
        {
            "raw_request_api_base": _address(deployment, prepared.route.url),
            "raw_request_body": sent,
            "raw_request_headers": _lines(prepared.head or prepared.route.head),
            "dropped_params": list(call.dropped),
            "error": None
            if sent is not None
            else "its media are fetched first: the body is not there before",
        }
    )


def _point(name: str) -> Endpoint:
    found = _CALLS.get(name) or _CALLS.get(name.removeprefix("a"))
    if found is None:
        near = nearest(name, list(_CALLS))
        raise BadRequestError(
            f"'call_type' must be one of {', '.join(_CALLS)}" + (f": did you mean {near!r}?" if near else ""),
            param="call_type",
        )
    return found


def _address(deployment: Deployment, url: str) -> str:
    parts = urlsplit(url)
    query = "&".join(
        part if name in _OPEN_PARAMETERS else f"{name}={MASK}"
        for part in parts.query.split("&")
        if (name := part.partition("=")[0])
    )
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query)
    return deployment.scrubbed(plain.geturl())


def _body(deployment: Deployment, prepared: Prepared) -> Any:
    """None for one that waits for its media."""
    if not isinstance(prepared.body, bytes) or not prepared.body:
        return None
    text = deployment.scrubbed(prepared.body.decode("utf-8", "replace"))
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # a form of texts
        return {"form": text}


def _lines(head: bytes) -> dict[str, str]:
    """Those that can be no secret as they are, of the others the names."""
    pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    return {name: value if name in _OPEN_LINES else MASK for name, _, value in pairs}


async def fallbacks(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """/fallback/{model}: where its calls go when it has failed, as the configuration says."""
    kind = fields.query(request, "fallback_type").get("fallback_type", "general")
    known = ("general", "context_window", "content_policy")
    if kind not in known:
        raise BadRequestError(f"'fallback_type' must be one of {', '.join(known)}", param="fallback_type")
    name = request.path_params["model"]
    found: tuple[Fallback, ...] = getattr(gateway.snapshot.lookup(name).fallbacks, kind)
    if not found:
        raise NotFoundError(f"{name!r} has no fallbacks of the kind {kind}", param="model", code="404")
    targets = [one if isinstance(one, str) else str(one.get("model", name)) for one in found]
    return JSONResponse({"model": name, "fallback_models": targets, "fallback_type": kind})
