"""Every page of the gateway and who may ask for it, in one table. Model calls have theirs in `endpoints/llm.py`."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from headgate.errors import PermissionDeniedError
from headgate.server.callers import ANYBODY, Caller
from headgate.server.endpoints import count_tokens, info
from headgate.server.gateway import Gateway
from headgate.server.headers import scan

Serve: TypeAlias = Callable[[Request, Gateway, Caller], Awaitable[Response]]

OPEN: Final = frozenset(("anybody",))
"""Without a key."""
ADMIN: Final = frozenset(("proxy_admin",))
VIEWER: Final = ADMIN | {"proxy_admin_viewer"}
ORG: Final = ADMIN | {"org_admin"}
WRITER: Final = ORG | {"internal_user"}
"""Who may change what is theirs: the page itself asks whose it is."""
READER: Final = WRITER | VIEWER | {"internal_user_viewer"}
"""Who may see what is theirs."""
KEY: Final = READER | {"team", "customer"}
"""Any key."""
ROLES: Final = tuple(sorted(KEY))


class Page(Struct, frozen=True):
    method: str
    path: str
    serve: Serve
    roles: frozenset[str]
    manages: bool = False
    """Keys for model calls alone may not ask for it."""


PAGES: Final = (
    Page("GET", "/", info.root, OPEN),
    Page("GET", "/health/liveliness", info.alive, OPEN),
    Page("GET", "/health/liveness", info.alive, OPEN),
    Page("GET", "/health/readiness", info.ready, OPEN),
    Page("GET", "/v1/models", info.models, KEY),
    Page("GET", "/models", info.models, KEY),
    Page("GET", "/v1/models/{name:path}", info.model, KEY),
    Page("GET", "/models/{name:path}", info.model, KEY),
    Page("GET", "/v1/model/info", info.model_info, KEY),
    Page("GET", "/model/info", info.model_info, KEY),
    Page("POST", "/v1/messages/count_tokens", count_tokens.count_tokens, KEY),
    Page("POST", "/messages/count_tokens", count_tokens.count_tokens, KEY),
    Page("GET", "/health", info.health, VIEWER),
    Page("GET", "/metrics", info.metrics, KEY),
)


async def identify(request: Request, gateway: Gateway, page: Page) -> Caller:
    """Raises AuthenticationError, and PermissionDeniedError that says nothing about what exists."""
    if page.roles is OPEN:
        return ANYBODY
    caller = await gateway.snapshot.access.find(scan(request.headers.raw))
    caller.check(gateway.clock.time())
    if caller.routes or caller.addresses:
        caller.reach(request.url.path, request.client.host if request.client else "")
    if caller.role not in page.roles or (page.manages and caller.restricted):
        raise PermissionDeniedError(
            f"your role {caller.role!r} is not enough for {page.method} {page.path}: it needs "
            f"{' or '.join(sorted(page.roles))}",
            type="auth_error",
            code="403",
        )
    return caller
