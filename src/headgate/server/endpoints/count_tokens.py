"""POST /v1/messages/count_tokens: asked of the provider where it counts itself, else estimated here."""

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.catalog.tokens import count_messages
from headgate.core.call import Call, Options, model_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.server.asgi import body_of
from headgate.server.callers import Caller
from headgate.server.gateway import Gateway
from headgate.wire import envelope as envelopes

_CHAT = dialect("openai_chat")


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
    asked = anthropic.read_request(msgspec.json.decode(body or b""))  # says what is wrong with it
    if dialect(deployment.provider.dialect) is anthropic and "count_tokens" in deployment.provider.paths:
        answer = await _ask(gateway, deployment, envelope)
        return Response(answer, media_type="application/json", headers={"x-headgate-count": "provider"})
    said = _CHAT.write_request(asked, deployment.target).body
    count = count_messages(said["messages"], said.get("tools"), deployment.model)
    return JSONResponse({"input_tokens": max(1, count)}, headers={"x-headgate-count": "estimate"})


async def _ask(gateway: Gateway, deployment: Deployment, envelope: dict[str, Raw]) -> bytes:
    call = Call(
        id=gateway.new_id(),
        operation="count_tokens",
        dialect=dialect("anthropic"),
        envelope=envelope,
        model=deployment.group,
        stream=False,
        started=gateway.clock.monotonic(),
        created=int(gateway.clock.time()),
        options=Options(retries=1),
    )
    answer = await gateway.snapshot.engine.run(call, gateway.snapshot.lookup)
    return answer.body or b""
