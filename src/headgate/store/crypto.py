"""Credentials at rest: sealed with AES-256-GCM under keys made of the operator's salt.

Several salts may be given: the first seals, all open, so that a key can be changed without a pause.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.errors import BadRequestError, InternalServerError

_FORM: Final = "1"
_PURPOSE: Final = b"headgate: credentials of models"
NAME: Final = 8
NONCE: Final = 12
SALTS: Final = ("HEADGATE_SALT_KEY", "LITELLM_SALT_KEY")


def salts_of(env: Mapping[str, str], master_key: str | None) -> list[str]:
    """The salt in the environment (several by comma), else the master key."""
    given = next((env[name] for name in SALTS if env.get(name)), master_key or "")
    return [salt.strip() for salt in given.split(",") if salt.strip()]


def quick(purpose: bytes, salt: str) -> bytes:
    """For what stays in the database."""
    return hashlib.sha256(purpose + salt.encode()).digest()


def slow(purpose: bytes, salt: str) -> bytes:
    """For what strangers hold, who could try many salts on it: some 50 ms, and 16 MB."""
    return hashlib.scrypt(salt.encode(), salt=purpose, n=2**14, r=8, p=1, dklen=32)


class Vault:
    """`salts` are texts, the newest first. Raises BadRequestError where nothing can be sealed."""

    def __init__(
        self,
        salts: Sequence[str],
        purpose: bytes = _PURPOSE,
        derive: Callable[[bytes, str], bytes] = quick,
    ) -> None:
        keys = [derive(purpose, salt) for salt in salts]
        self._keys = {hashlib.sha256(key).hexdigest()[:NAME]: key for key in keys}

    @classmethod
    def of(cls, env: Mapping[str, str], master_key: str | None) -> "Vault":
        return cls(salts_of(env, master_key))

    def close(self, value: Any) -> tuple[str, bytes]:
        """The name of the key, and the value sealed with it. Raises BadRequestError."""
        name, key = next(iter(self._keys.items()))
        nonce = os.urandom(NONCE)
        return name, nonce + _cipher(key).encrypt(nonce, msgspec.json.encode(value), name.encode())

    def disclose(self, name: str, data: bytes) -> Any:
        """Raises ValueError for what was not sealed here."""
        if name not in self._keys:
            raise ValueError("sealed with another salt")
        cipher = _cipher(self._keys[name])
        from cryptography.exceptions import InvalidTag

        try:
            return msgspec.json.decode(cipher.decrypt(data[:NONCE], data[NONCE:], name.encode()))
        except InvalidTag:
            raise ValueError("not sealed here, or changed since") from None

    def seal(self, value: Mapping[str, Any]) -> dict[str, str]:
        if not self._keys:
            raise BadRequestError(
                f"models are kept with their credentials: set {SALTS[0]} to a long random text to seal them with"
            )
        name, data = self.close(value)
        return {"sealed": f"{_FORM}:{name}:{base64.b64encode(data).decode()}"}

    def open(self, sealed: Mapping[str, Any]) -> dict[str, Any]:
        """Raises InternalServerError where the salt is another one."""
        form, _, rest = str(sealed.get("sealed", "")).partition(":")
        name, _, data = rest.partition(":")
        if form != _FORM or name not in self._keys:
            raise InternalServerError(f"sealed with another salt: is {SALTS[0]} the one that was set then?")
        found: dict[str, Any] = self.disclose(name, base64.b64decode(data))
        return found


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise BadRequestError("nothing can be sealed here: pip install 'headgate[crypto]'") from None
    return AESGCM(key)
