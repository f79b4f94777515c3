"""Who is calling: from request headers to a caller, from memory. Knows no HTTP beyond header names."""

import hashlib
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from headgate.errors import AuthenticationError

KEY_HEADERS: Final = (
    b"x-litellm-api-key",
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"x-goog-api-key",
    b"ocp-apim-subscription-key",
)
"""In the order in which they are asked, LiteLLM's."""


class Caller(Struct, frozen=True):
    """`name` is what the log may show; `admin` holds the master key."""

    name: str
    admin: bool = False


ANYBODY: Final = Caller("anybody", admin=True)


class Access:
    """Keys by the SHA-256 of their text. Without any, everybody is let in: that is for loopback only."""

    def __init__(self, master_key: str | None) -> None:
        self._callers: dict[bytes, Caller] = {}
        if master_key:
            self._callers[hashlib.sha256(master_key.encode()).digest()] = Caller("master key", admin=True)

    def identify(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Raises AuthenticationError without saying anything of the key that came."""
        if not self._callers:
            return ANYBODY
        for name in KEY_HEADERS:
            if (value := headers.get(name)) is not None:
                key = value[7:] if value[:7].lower() == b"bearer " else value
                caller = self._callers.get(hashlib.sha256(key.strip()).digest())
                if caller is not None:
                    return caller
                raise AuthenticationError(
                    f"the API key in the header {name.decode()!r} is not valid here",
                    type="token_not_found_in_db",
                    code="401",
                )
        raise AuthenticationError(
            "no API key: send it as 'Authorization: Bearer KEY' (or x-api-key)", type="auth_error", code="401"
        )
