"""`POST /v1/realtime/client_secrets`, and `/sessions` as it was called in the beta: a client secret for a browser.

It is ours, bound to the key that asks: a provider's own would get around that key's budgets.

https://platform.openai.com/docs/api-reference/realtime-sessions/create-realtime-client-secret
https://platform.openai.com/docs/api-reference/realtime-sessions/create (beta)
"""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.errors import BadRequestError
from headgate.server.admin.fields import body_of
from headgate.server.callers import Caller
from headgate.server.client_secrets import ClientSecret
from headgate.server.gateway import Gateway
from headgate.server.lines import Lines, token_of

SECONDS: Final = 600
LEAST: Final = 10
MOST: Final = 7_200
_KNOWN: Final = frozenset(("expires_after", "session"))


async def create(request: Request, gateway: Gateway, caller: Caller) -> Response:
    body = await body_of(request)
    odd = next((key for key in body if key not in _KNOWN), None)
    if odd is not None:
        raise BadRequestError(f"{odd[:80]}: unknown; expected {' and '.join(sorted(_KNOWN))}", param=odd[:80])
    session = body.get("session") or {}
    if not isinstance(session, dict):
        raise BadRequestError("session: expected an object", param="session")
    secret, value = await _made(request, gateway, caller, session, body.get("expires_after"))
    return JSONResponse(
        {"value": value, "expires_at": int(secret.expires), "session": _shown(gateway, secret, "realtime")}
    )


async def create_beta(request: Request, gateway: Gateway, caller: Caller) -> Response:
    """The session's fields are the body's own, and so are the answer's."""
    body = await body_of(request)
    session = {key: value for key, value in body.items() if key != "expires_after"}
    secret, value = await _made(request, gateway, caller, session, body.get("expires_after"))
    told = {"value": value, "expires_at": int(secret.expires)}
    return JSONResponse({**_shown(gateway, secret, ""), "client_secret": told})


async def _made(
    request: Request, gateway: Gateway, caller: Caller, session: Mapping[str, Any], after: Any
) -> tuple[ClientSecret, str]:
    model = session.get("model") or ""
    if not isinstance(model, str):
        raise BadRequestError("session.model: expected a string", param="session.model")
    if session.get("type", "realtime") != "realtime":
        raise BadRequestError(
            "session.type: expected realtime; other sessions have no client secrets here",
            param="session.type",
        )
    if model:
        found = caller.aliases.get(model, model)
        caller.admit(found)
        gateway.snapshot.lookup(found)
    bearer = Lines(request.headers.raw).bearer
    token = token_of(bearer) if bearer else ""
    known = not bearer or await gateway.snapshot.access.keeps(token)
    secret = ClientSecret(
        token=token,
        bearer="" if known else bearer.decode("latin-1"),
        expires=int(gateway.clock.time()) + _seconds(after),
        model=model,
        session={key: value for key, value in session.items() if key not in ("model", "type")},
    )
    return secret, await gateway.client_secrets.make(secret)


def _seconds(after: Any) -> int:
    """Of `expires_after`. Raises BadRequestError."""
    given = after if isinstance(after, dict) else {}
    seconds = given.get("seconds", SECONDS)
    whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if (after is not None and not isinstance(after, dict)) or given.get(
        "anchor", "created_at"
    ) != "created_at":
        raise BadRequestError(
            'expires_after: expected {"anchor": "created_at", "seconds": …}', param="expires_after"
        )
    if not whole or not LEAST <= seconds <= MOST:
        raise BadRequestError(
            f"expires_after.seconds: expected a whole number from {LEAST} to {MOST}",
            param="expires_after.seconds",
        )
    return int(seconds)


def _shown(gateway: Gateway, secret: ClientSecret, kind: str) -> dict[str, Any]:
    about = {"id": f"sess_{gateway.new_id()}", "object": "realtime.session"}
    typed = {"type": kind} if kind else {}
    named = {"model": secret.model} if secret.model else {}
    return {**typed, **about, **named, **secret.session}
