"""Client secrets: for a browser, in place of a key, for a short time and for realtime connections alone.

Each holds, sealed, whose it is, until when, and what its session is to be. Nothing is kept: every process with the
same salt reads them. The key behind one is asked at each connection, and while it runs.

https://platform.openai.com/docs/api-reference/realtime-sessions/create-realtime-client-secret
"""

import asyncio
import base64
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import AuthenticationError, BadRequestError
from headgate.store.crypto import NAME, SALTS, Vault, salts_of, slow

MARK: Final = "ek_"
"""How OpenAI's begin, too."""
MOST: Final = 16 * 1024
"""Bytes of a session: the secret travels in a header."""
_PURPOSE: Final = b"headgate: client secrets"


class ClientSecret(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`token` is the SHA-256 of the key behind it, "" where none is needed; `bearer` that key itself, where it is a
    token of somebody else's that nobody here keeps. `expires` is in seconds of the epoch, for opening a connection.
    `session` is OpenAI's configuration of a session, `model` the only one that it is for, "" for any of the key's."""

    token: str
    expires: float
    bearer: str = ""
    model: str = ""
    session: dict[str, Any] = {}


class ClientSecrets:
    """`env` and `master_key` as for the vault of models."""

    def __init__(self, env: Mapping[str, str], master_key: str | None) -> None:
        self._salts = salts_of(env, master_key)

    @cached_property
    def _vault(self) -> Vault:
        return Vault(self._salts, _PURPOSE, slow)

    async def make(self, secret: ClientSecret) -> str:
        """Its text, in characters that a subprotocol may have. Raises BadRequestError."""
        if not self._salts:
            raise BadRequestError(
                f"client secrets are sealed: set {SALTS[0]} to a long random text, or a master key"
            )
        if len(msgspec.json.encode(secret.session)) > MOST:
            raise BadRequestError(
                f"session: over {MOST} bytes, and the secret travels in a header: send the rest by session.update",
                param="session",
            )
        name, data = (await self._ready()).close(secret)
        return MARK + name + base64.urlsafe_b64encode(data).decode().rstrip("=")

    async def read(self, text: str, now: float) -> ClientSecret:
        """Raises AuthenticationError for what is none, or none any more."""
        try:
            if not self._salts:
                raise ValueError("nothing was sealed here")
            data = base64.urlsafe_b64decode(text[len(MARK) + NAME :] + "==")
            found = (await self._ready()).disclose(text[len(MARK) :][:NAME], data)
            secret = msgspec.convert(found, ClientSecret)
        except (ValueError, msgspec.ValidationError):
            raise AuthenticationError(
                "the client secret is not valid here", type="token_not_found_in_db", code="401"
            ) from None
        if now >= secret.expires:
            raise AuthenticationError(
                "the client secret has expired: ask for a new one", type="expired_key", code="401"
            )
        return secret

    async def _ready(self) -> Vault:
        """Its keys take a moment to make, once."""
        return await asyncio.to_thread(lambda: self._vault)
