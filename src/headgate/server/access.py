"""Who is calling: from request headers to a caller, from memory where possible. Knows no HTTP beyond header names."""

from typing import Protocol

import msgspec

from headgate.errors import AuthenticationError
from headgate.server.callers import ANYBODY, MASTER, Caller, Callers
from headgate.server.lines import KEY_HEADERS, Lines, token_of
from headgate.server.meters import NONE, Meters


class Strangers(Protocol):
    """Who knows callers without a key of ours: `auth/tokens.py`."""

    def takes(self, text: bytes) -> bool:
        """Whether a key that is not known here has the shape of one of theirs."""
        ...

    async def caller(self, text: bytes, token: str) -> Caller:
        """`token` is the SHA-256 of the text, under which the caller is known from now on. Raises
        AuthenticationError, PermissionDeniedError, ServiceUnavailableError."""
        ...


class Access:
    """Without a master key and without tokens everybody is let in: that is for loopback only. `callers` None: there
    are no virtual keys. `meters` count for everybody."""

    def __init__(
        self,
        master_key: str | None,
        callers: Callers | None = None,
        meters: Meters = NONE,
        tokens: Strangers | None = None,
    ) -> None:
        self._callers = callers
        self._tokens = tokens
        self._master = token_of(master_key.encode()) if master_key else None
        self._open = self._master is None and tokens is None
        self.admin = msgspec.structs.replace(MASTER, meters=meters)
        self._anybody = msgspec.structs.replace(ANYBODY, meters=meters)

    def identify(self, headers: Lines) -> Caller | None:
        """From memory; None where the key must be looked up. Raises AuthenticationError where there is none."""
        token = headers.token
        if token is None:
            if self._open:
                return self._anybody
            raise AuthenticationError(
                "no API key: send it as 'Authorization: Bearer KEY' (or x-api-key)",
                type="auth_error",
                code="401",
            )
        if token == self._master:
            return self.admin
        if self._callers is None:
            return self._stranger(headers)
        return self._callers.known(token)

    async def find(self, headers: Lines) -> Caller:
        """The same, asking the database, and who knows strangers. Raises AuthenticationError, PermissionDeniedError,
        ServiceUnavailableError."""
        token = headers.token
        caller = self.identify(headers)
        if caller is None and self._callers is not None and token is not None:
            caller = await self._callers.load(token)
            if caller is None and self._tokens is not None and self._tokens.takes(text := headers.bearer):
                caller = await self._tokens.caller(text, token)
        return caller or self._stranger(headers)

    async def keeps(self, token: str) -> bool:
        """Whether the key with this SHA-256 is one of ours. Raises ServiceUnavailableError."""
        return token == self._master or (
            self._callers is not None and await self._callers.load(token) is not None
        )

    async def again(self, token: str) -> Caller:
        """By the SHA-256 of a key that was let in before, "" where none was needed. Raises AuthenticationError,
        ServiceUnavailableError."""
        if not token and self._open:
            return self._anybody
        if token == self._master:
            return self.admin
        caller = None
        if self._callers is not None and token:
            caller = self._callers.known(token) or await self._callers.load(token)
        if caller is None:
            raise AuthenticationError(
                "the key behind this client secret is not valid any more",
                type="token_not_found_in_db",
                code="401",
            )
        return caller

    def _stranger(self, headers: Lines) -> Caller:
        """Says nothing of the key that came."""
        if self._open:
            return self._anybody
        name = next(name for name in KEY_HEADERS if name in headers)
        raise AuthenticationError(
            f"the API key in the header {name.decode()!r} is not valid here",
            type="token_not_found_in_db",
            code="401",
        )
