"""Tokens of a request, as Anthropic (`/v1/messages/count_tokens`) and Google (`:countTokens`) count them: asked of
the provider where it counts itself, else estimated here."""

from typing import Any, Final

from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.catalog.tokens import count_messages
from headgate.core.call import Call, Options, decoded, model_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.server.asgi import body_of
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.wire import envelope as envelopes
from headgate.wire.dialect import Dialect

_CHAT: Final = dialect("openai_chat")
_ASKED: Final = {"x-headgate-count": "provider"}
_ESTIMATED: Final = {"x-headgate-count": "estimate"}


async def count_tokens(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """`{"input_tokens": n}`; the header x-headgate-count says "provider" or "estimate"."""
    body = await body_of(request.receive, gateway.body_limit)
    envelope = envelopes.read(body or b"")
    model = model_of(envelope)
    model = caller.aliases.get(model, model)
    caller.admit(model)
    group = gateway.snapshot.lookup(model)
    deployment = group.deployments[0]
    anthropic = dialect("anthropic")
    asked = anthropic.read_request(decoded(envelope))  # says what is wrong with it
    if _counts(deployment, anthropic):
        answer = await _ask(gateway, deployment, envelope, anthropic)
        return Response(answer, media_type="application/json", headers=_ASKED)
    return JSONResponse({"input_tokens": _estimated(asked, deployment)}, headers=_ESTIMATED)


async def count_gemini(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """`{"totalTokens": n}`, of `contents` or of a whole `generateContentRequest`."""
    body = await body_of(request.receive, gateway.body_limit)
    envelope = envelopes.read(body or b"")
    name = request.path_params["name"]
    model = caller.aliases.get(name, name)
    caller.admit(model)
    deployment = gateway.snapshot.lookup(model).deployments[0]
    gemini = dialect("gemini")
    given = envelopes.read(bytes(envelope.get("generateContentRequest", body or b"")))
    asked = gemini.read_request(decoded(given))
    if _counts(deployment, gemini):
        answer = await _ask(gateway, deployment, envelope, gemini)
        return Response(answer, media_type="application/json", headers=_ASKED)
    return JSONResponse({"totalTokens": _estimated(asked, deployment)}, headers=_ESTIMATED)


def _counts(deployment: Deployment, spoken: Dialect) -> bool:
    return dialect(deployment.provider.dialect) is spoken and "count_tokens" in deployment.provider.paths


def _estimated(asked: Any, deployment: Deployment) -> int:
    said = _CHAT.write_request(asked, deployment.target).body
    return max(1, count_messages(said["messages"], said.get("tools"), deployment.model))


async def _ask(gateway: Gateway, deployment: Deployment, envelope: dict[str, Raw], spoken: Dialect) -> bytes:
    call = Call(
        id=gateway.new_id(),
        operation="count_tokens",
        dialect=spoken,
        envelope=envelope,
        model=deployment.group,
        stream=False,
        started=gateway.clock.monotonic(),
        created=int(gateway.clock.time()),
        options=Options(retries=1),
    )
    answer = await gateway.snapshot.engine.run(call, gateway.snapshot.lookup)
    return answer.body or b""
