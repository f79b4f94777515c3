"""The public keys of identity providers: fetched when they are needed, kept, used stale for a while when the provider
is away. Knows no token but the name of the key that signed it.

https://datatracker.ietf.org/doc/html/rfc7517. Where an address leads to an OpenID configuration, its `jwks_uri` is
followed: https://openid.net/specs/openid-connect-discovery-1_0.html.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from headgate.errors import APIConnectionError, HeadgateError, ServiceUnavailableError
from headgate.ports import Clock
from headgate.server.auth.fetch import shown
from headgate.server.auth.jwt import Key, Token, is_signed, key_of, wrong

MAX_KEYS: Final = 100
"""Of one provider; the rest is not looked at."""
REFETCH_SECONDS: Final = 10.0
"""A key that is not known makes the provider be asked anew, no more often than this."""
RETRY_SECONDS: Final = 3.0
"""And this often while it can't be reached."""
Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Raises HeadgateError."""
_logger: Final = logging.getLogger("headgate")


class KeySet:
    """The keys behind one address. Belongs to one event loop."""

    def __init__(self, url: str, fetch: Fetch, clock: Clock) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched: float | None = None
        self._away = True
        self._next = 0.0
        self._lock = asyncio.Lock()

    def named(self, kid: str) -> list[Key]:
        """A token that names no key may be signed with any, and a key without a name may sign any token."""
        return [key for key in self._keys if not kid or not key.kid or key.kid == kid]

    async def find(self, token: Token, ttl: float, stale: float) -> list[Key]:
        """Those that may have signed the token; none where the provider publishes no such key. Raises
        ServiceUnavailableError where that can't be said."""
        if self._age() >= ttl or not self.named(token.kid):
            async with self._lock:
                await self._renew(token.kid, ttl)
        found = [key for key in self.named(token.kid) if key.fits(token.algorithm)]
        if self._age() < ttl + stale and (found or not self._away):
            return found
        raise ServiceUnavailableError(
            "the keys of the identity provider can't be fetched just now: the gateway's log says why",
            type="auth_provider_unavailable",
            code="503",
            retry_after=max(1.0, self._next - self._clock.monotonic()),
        )

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock.monotonic() - self._fetched

    async def _renew(self, kid: str, ttl: float) -> None:
        """Whoever waited for the lock finds the work done."""
        now = self._clock.monotonic()
        if now < self._next or (self._age() < ttl and self.named(kid)):
            return
        try:
            self._keys = await self._read(self._url)
            self._fetched, self._away, pause = now, False, REFETCH_SECONDS
        except HeadgateError as error:
            self._away, pause = True, RETRY_SECONDS
            _logger.warning("the keys of the identity provider can't be fetched: %s", error.message)
        self._next = self._clock.monotonic() + pause

    async def _read(self, url: str, *, follow: bool = True) -> tuple[Key, ...]:
        try:
            document = msgspec.json.decode(await self._fetch(url))
        except (msgspec.DecodeError, RecursionError):
            raise APIConnectionError(f"{shown(url)} gave no JSON") from None
        further = document.get("jwks_uri") if isinstance(document, dict) else None
        if follow and isinstance(further, str) and "keys" not in document:
            if url.startswith("https://") and not further.startswith("https://"):
                raise APIConnectionError(f"{shown(url)} leads to keys that are not served over https")
            return await self._read(further, follow=False)
        rows = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(rows, list):
            raise APIConnectionError(f"{shown(url)} gave no list of keys")
        found = tuple(key for key in map(key_of, rows[:MAX_KEYS]) if key is not None)
        if not found:
            raise APIConnectionError(f"{shown(url)} gave no key that can be used")
        return found


class KeySets:
    """All of them by address. They outlive a change of the configuration."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._sets: dict[str, KeySet] = {}

    async def verify(self, token: Token, urls: Sequence[str], ttl: float, stale: float) -> None:
        """Raises AuthenticationError where none of the providers has signed the token, ServiceUnavailableError where
        one that might have can't be reached."""
        trouble: ServiceUnavailableError | None = None
        tried = False
        for one in sorted(map(self._at, urls), key=lambda one: not one.named(token.kid)):
            try:
                keys = await one.find(token, ttl, stale)
            except ServiceUnavailableError as error:
                trouble = error
                continue
            if any(is_signed(token, key) for key in keys):
                return
            tried = tried or bool(keys)
        if trouble is not None:
            raise trouble
        if tried:
            raise wrong("its signature is not right")
        raise wrong("it is signed with a key that the identity provider does not publish")

    def _at(self, url: str) -> KeySet:
        known = self._sets.get(url)
        if known is None:
            known = self._sets[url] = KeySet(url, self._fetch, self._clock)
        return known
