"""From a token to a caller. What was verified is kept by `Callers` under the SHA-256 of the token's whole text until
it expires, so that a known token costs what a known key does."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from headgate.ports import Clock
from headgate.server.auth import jwt
from headgate.server.auth.claims import Principal, principal
from headgate.server.auth.jwks import KeySets
from headgate.server.auth.people import Found, settle
from headgate.server.auth.settings import Settings, settings_of
from headgate.server.callers import Caller, Callers
from headgate.server.config.schema import GeneralSettings
from headgate.store import tables
from headgate.store.database import Database

NAME: Final = "token"
_logger: Final = logging.getLogger("headgate")


class Tokens:
    """See access.Strangers."""

    def __init__(
        self, settings: Settings, keys: KeySets, callers: Callers, database: Database, clock: Clock
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._callers = callers
        self._database = database
        self._clock = clock
        self._running: dict[str, asyncio.Future[Caller]] = {}

    def takes(self, text: bytes) -> bool:
        return jwt.has_shape(text)

    async def caller(self, text: bytes, token: str) -> Caller:
        """`token` is the SHA-256 of the text. However many ask at once, it is verified once. Raises
        AuthenticationError, PermissionDeniedError, ServiceUnavailableError."""
        running = self._running.get(token)
        if running is None:
            running = self._running[token] = asyncio.ensure_future(self._caller(text, token))
            running.add_done_callback(lambda done: self._done(token, done))
        return await asyncio.shield(running)

    def _done(self, token: str, done: "asyncio.Future[Caller]") -> None:
        del self._running[token]
        if not done.cancelled():
            done.exception()  # told to whoever still waits

    async def _caller(self, text: bytes, token: str) -> Caller:
        callers, settings = self._callers, self._settings
        epoch, read = callers.epoch, jwt.read(text)
        provider = settings.provider(read.claims.get("iss"))
        await self._keys.verify(read, provider.urls, settings.ttl, settings.stale)
        now = self._clock.time()
        ends = jwt.check(read.claims, provider.issuers, provider.audiences, now)
        who = principal(read.claims, provider.fields)
        found = await settle(self._database, callers, who, provider.fields, now)
        row = _row(who, found, ends)
        return await callers.add(row, token, role=who.role, customer=who.customer, epoch=epoch)


def _row(who: Principal, found: Found, ends: float) -> dict[str, Any]:
    """The key that the caller would have."""
    row: dict[str, Any] = dict.fromkeys(tables.keys.c.keys())
    return row | {
        "id": who.id,
        "key_name": NAME,
        "key_alias": who.email,
        "user_id": found.user,
        "team_id": found.team,
        "organization_id": found.organization,
        "expires": ends,
        "models": list(who.models),
        "allowed_routes": list(who.routes),
        "blocked": False,
        "created_at": 0.0,
    }


def tokens_of(
    general: GeneralSettings,
    env: Mapping[str, str],
    keys: KeySets,
    callers: Callers,
    database: Database,
    clock: Clock,
) -> Tokens | None:
    """None where tokens are not taken. Raises BadRequestError for settings that can't be meant."""
    if not general.enable_jwt_auth:
        return None
    jwt.require()
    settings = settings_of(general.litellm_jwtauth, general.role_permissions, env)
    for provider in settings.providers:
        if provider.careless:
            _logger.warning("tokens are taken whoever they were made for: set JWT_AUDIENCE")
    return Tokens(settings, keys, callers, database, clock)
