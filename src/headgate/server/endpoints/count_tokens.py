"""Tokens of a request, as Anthropic (`/v1/messages/count_tokens`), Google (`:countTokens`) and OpenAI
(`/v1/responses/input_tokens`) count them, and in the words of LiteLLM (`/utils/token_counter`): asked of a provider
that counts, else estimated here."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.catalog.tokens import count_messages
from headgate.core.call import Call, Options, model_of
from headgate.core.deployment import Deployment
from headgate.core.dialects import dialect
from headgate.core.fallback import is_callers
from headgate.core.route import Group
from headgate.errors import BadRequestError, HeadgateError, NotFoundError
from headgate.ports import Timeouts
from headgate.server.arriving import body_of
from headgate.server.callers import Caller
from headgate.server.endpoints.paths import MESSAGES
from headgate.server.gateway import Gateway
from headgate.server.lines import Lines
from headgate.wire import envelope as envelopes
from headgate.wire.dialect import Frame
from headgate.wire.ir_operations import CountReply

Serve = Callable[[Request, Gateway, Caller], Awaitable[Response]]
ANTHROPIC: Final = "anthropic_count"
GEMINI: Final = "gemini_count"
RESPONSES: Final = "responses_count"
_CHAT: Final = dialect("openai_chat")
_TIMEOUTS: Final = Timeouts(connect=5.0, first_byte=20.0, between_chunks=20.0, total=20.0)
"""Of a provider's count: who asks is about to ask the model, and an estimate is better than to wait."""
_TRIES: Final = 2
"""Deployments that are asked, one after the other, before it is estimated."""


class _Counted(NamedTuple):
    """`answer` is in the caller's format; `by` says who counted, None for an estimate."""

    answer: bytes
    deployment: Deployment
    by: Deployment | None

    @property
    def headers(self) -> dict[str, str]:
        return {"x-headgate-count": "provider" if self.by else "estimate"}


def counted_in(spoken: str) -> Serve:
    """A page in that format. Its header x-headgate-count says "provider" or "estimate"."""

    async def page(request: Request, gateway: Gateway, caller: Caller) -> Response:
        envelope = envelopes.read(await body_of(request.receive, gateway.body_limit) or b"")
        model = request.path_params.get("name") or model_of(envelope)
        found = await _counted(spoken, request, gateway, caller, model, envelope)
        return Response(found.answer, media_type="application/json", headers=found.headers)

    return page


_SPOKEN: Final = {"contents": GEMINI, "system": ANTHROPIC, "messages": "chat_count"}
"""A key of LiteLLM's body → whose format it is."""


async def token_counter(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """`{"total_tokens": n, …}` of `messages`, `contents` or a bare `prompt`."""
    envelope = envelopes.read(await body_of(request.receive, gateway.body_limit) or b"")
    model = model_of(envelope)
    if "prompt" in envelope and "messages" not in envelope:
        said = {"role": "user", "content": envelope.pop("prompt")}
        envelope["messages"] = Raw(msgspec.json.encode([said]))
    spoken = next((one for key, one in _SPOKEN.items() if key in envelope), None)
    if spoken is None:
        raise BadRequestError("messages: required, or contents, or prompt", param="messages")
    found = await _counted(spoken, request, gateway, caller, model, envelope)
    told = dialect(spoken).read_reply(found.answer)
    document = {
        "total_tokens": getattr(told, "tokens", 0),
        "request_model": model,
        "model_used": (found.by or found.deployment).model,
        "tokenizer_type": f"{found.by.provider.id}_api" if found.by else "estimate",
    }
    return JSONResponse(document, headers=found.headers)


async def _counted(
    spoken: str, request: Request, gateway: Gateway, caller: Caller, model: str, envelope: dict[str, Raw]
) -> _Counted:
    model = caller.aliases.get(model, model)
    caller.admit(model)
    snapshot = gateway.snapshot
    group = snapshot.lookup(model)
    call = _call(spoken, request, gateway, group.name, envelope)
    call.wish = snapshot.wish((), caller.region, caller.user_id, None, caller.team_id)
    call.meaning()  # says what is wrong with it
    for deployment in _counting(group, call, gateway.clock.monotonic())[:_TRIES]:
        try:
            answer = await snapshot.engine.ask(call, deployment, _TIMEOUTS)
        except HeadgateError as error:
            if _told(error, call, deployment):
                raise
            continue
        return _Counted(answer.body or b"", deployment, deployment)
    first = group.deployments[0]
    frame = Frame(id=call.id, created=call.created, model=first.model)
    spelled: Any = call.dialect
    return _Counted(spelled.write_reply(CountReply(tokens=_estimated(call, first)), frame), first, None)


def _call(spoken: str, request: Request, gateway: Gateway, model: str, envelope: dict[str, Raw]) -> Call:
    asked = Lines(request.scope["headers"])
    names = MESSAGES.forward if spoken == ANTHROPIC else ()
    own = {**envelope, "model": Raw(msgspec.json.encode(model))}
    call = gateway.call("count_tokens", dialect(spoken), model, own, options=Options(drop_params=True))
    call.forward = tuple((name.decode(), asked[name].decode("latin-1")) for name in names if name in asked)
    return call


def _counting(group: Group, call: Call, now: float) -> list[Deployment]:
    return [
        one
        for one in group.deployments
        if "count_tokens" in one.provider.paths and one.problem is None and not group.why_not(one, call, now)
    ]


def _told(error: HeadgateError, call: Call, deployment: Deployment) -> bool:
    """Whether the caller is told: what the provider of their own format finds wrong with their request."""
    if deployment.route(call.operation, False).dialect is not call.dialect:
        return False
    missing = isinstance(error, NotFoundError) and isinstance(error.body, Mapping) and "error" in error.body
    return missing or is_callers(error)


def _estimated(call: Call, deployment: Deployment) -> int:
    said = _CHAT.write_request(call.meaning(), deployment.target).body
    return max(1, count_messages(said["messages"], said.get("tools"), deployment.model))
