"""Credentials at rest: sealed with AES-256-GCM under keys made of the operator's salt.

Several salts may be given: the first seals, all open, so that a key can be changed without a pause.
"""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.errors import BadRequestError, InternalServerError

_FORM: Final = "1"
_PURPOSE: Final = b"headgate: credentials of models"
SALTS: Final = ("HEADGATE_SALT_KEY", "LITELLM_SALT_KEY")


class Vault:
    """`salts` are texts, the newest first. Raises BadRequestError where nothing can be sealed."""

    def __init__(self, salts: Sequence[str]) -> None:
        keys = [hashlib.sha256(_PURPOSE + salt.encode()).digest() for salt in salts]
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in keys}

    @classmethod
    def of(cls, env: Mapping[str, str], master_key: str | None) -> "Vault":
        """Of the salt in the environment (several by comma), else of the master key."""
        given = next((env[name] for name in SALTS if env.get(name)), master_key or "")
        return cls([salt.strip() for salt in given.split(",") if salt.strip()])

    def seal(self, value: Mapping[str, Any]) -> dict[str, str]:
        if not self._keys:
            raise BadRequestError(
                f"models are kept with their credentials: set {SALTS[0]} to a long random text to seal them with"
            )
        name, key = next(iter(self._keys.items()))
        nonce = os.urandom(12)
        sealed = _cipher(key).encrypt(nonce, msgspec.json.encode(value), name.encode())
        return {"sealed": f"{_FORM}:{name}:{base64.b64encode(nonce + sealed).decode()}"}

    def open(self, sealed: Mapping[str, Any]) -> dict[str, Any]:
        """Raises InternalServerError where the salt is another one."""
        form, _, rest = str(sealed.get("sealed", "")).partition(":")
        name, _, data = rest.partition(":")
        if form != _FORM or name not in self._keys:
            raise InternalServerError(f"sealed with another salt: is {SALTS[0]} the one that was set then?")
        raw = base64.b64decode(data)
        found: dict[str, Any] = msgspec.json.decode(
            _cipher(self._keys[name]).decrypt(raw[:12], raw[12:], name.encode())
        )
        return found


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise BadRequestError("credentials can't be sealed here: pip install 'headgate[crypto]'") from None
    return AESGCM(key)
