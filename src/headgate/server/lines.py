"""The header lines of a request. Pure: knows no caller and no endpoint."""

import hashlib
from functools import cached_property
from typing import Final

KEY_HEADERS: Final = (
    b"x-litellm-api-key",
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"x-goog-api-key",
    b"ocp-apim-subscription-key",
)
"""In the order in which they are asked, LiteLLM's."""
_OURS: Final = (b"x-headgate-", b"x-litellm-")


class Lines(dict[bytes, bytes]):
    """By name in lower case; of several with one name the last counts. Never changed: a connection that sends the
    same lines again has the same object, and what they mean is found once."""

    @cached_property
    def bearer(self) -> bytes:
        """The key, b"" where there is none."""
        value = next((self[name] for name in KEY_HEADERS if name in self), b"")
        return (value[7:] if value[:7].lower() == b"bearer " else value).strip()

    @cached_property
    def token(self) -> str | None:
        """The SHA-256 of the key in hex, as it is stored; None where no line has one."""
        return token_of(self.bearer) if any(name in self for name in KEY_HEADERS) else None

    @cached_property
    def plain(self) -> bool:
        """Whether nothing is asked of the gateway itself."""
        return not any(name.startswith(_OURS) for name in self)


def token_of(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
