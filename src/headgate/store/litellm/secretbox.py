"""Opens what LiteLLM keeps encrypted: NaCl's secretbox (XSalsa20-Poly1305), and AES-256-GCM of newer versions.

The key is made of LITELLM_SALT_KEY, or of the master key where there is none. Only reads: nothing here is fast, and
nothing here must be used to encrypt.

https://nacl.cr.yp.to/secretbox.html, https://cr.yp.to/snuffle/xsalsa-20110204.pdf, RFC 8439 section 2.5
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from struct import pack, unpack
from typing import Final

_CONSTANTS: Final = unpack("<4I", b"expand 32-byte k")
_MASK: Final = 0xFFFFFFFF
_ROUNDS: Final = (
    (4, 0, 12, 7), (8, 4, 0, 9), (12, 8, 4, 13), (0, 12, 8, 18),
    (9, 5, 1, 7), (13, 9, 5, 9), (1, 13, 9, 13), (5, 1, 13, 18),
    (14, 10, 6, 7), (2, 14, 10, 9), (6, 2, 14, 13), (10, 6, 2, 18),
    (3, 15, 11, 7), (7, 3, 15, 9), (11, 7, 3, 13), (15, 11, 7, 18),
    (1, 0, 3, 7), (2, 1, 0, 9), (3, 2, 1, 13), (0, 3, 2, 18),
    (6, 5, 4, 7), (7, 6, 5, 9), (4, 7, 6, 13), (5, 4, 7, 18),
    (11, 10, 9, 7), (8, 11, 10, 9), (9, 8, 11, 13), (10, 9, 8, 18),
    (12, 15, 14, 7), (13, 12, 15, 9), (14, 13, 12, 13), (15, 14, 13, 18),
)  # fmt: skip
"""Salsa20's double round: x[a] ^= (x[b] + x[c]) <<< by."""
_POLY: Final = (1 << 130) - 5
_CLAMP: Final = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
NONCE: Final = 24
TAG: Final = 16
_GCM_INFO: Final = b"litellm-at-rest-v3"


class SealedError(ValueError):
    """The value is encrypted, and the key does not open it."""


def opened(value: str, salt: str) -> str:
    """The text in an encrypted value; one that is not encrypted as it is. Raises SealedError."""
    for prefix, key_of in _GCM.items():
        if value.startswith(prefix):
            return _open_gcm(_decoded(value[len(prefix) :]) or b"", key_of(salt.encode()))
    data = _decoded(value)
    if data is None or len(data) < NONCE + TAG:
        return value
    try:
        return open_box(data, hashlib.sha256(salt.encode()).digest()).decode()
    except UnicodeDecodeError:
        raise SealedError from None


def open_box(data: bytes, key: bytes) -> bytes:
    """NaCl's crypto_secretbox_open of nonce, tag and ciphertext. Raises SealedError."""
    nonce, tag, cipher = data[:NONCE], data[NONCE : NONCE + TAG], data[NONCE + TAG :]
    stream = xsalsa20(key, nonce, 32 + len(cipher))
    if not hmac.compare_digest(poly1305(stream[:32], cipher), tag):
        raise SealedError
    return bytes(a ^ b for a, b in zip(cipher, stream[32:], strict=True))


def xsalsa20(key: bytes, nonce: bytes, length: int) -> bytes:
    """`length` bytes of the key stream."""
    parts = unpack("<8I", key)
    inner = _double_rounds(_state(parts, unpack("<4I", nonce[:16])))
    derived = tuple(inner[at] for at in (0, 5, 10, 15, 6, 7, 8, 9))
    rest = unpack("<2I", nonce[16:])
    blocks = []
    for number in range(-(-length // 64)):
        state = _state(derived, (*rest, number & _MASK, number >> 32))
        mixed = _double_rounds(state)
        blocks.append(pack("<16I", *((a + b) & _MASK for a, b in zip(state, mixed, strict=True))))
    return b"".join(blocks)[:length]


def _state(key: tuple[int, ...], middle: tuple[int, ...]) -> list[int]:
    one, two, three, four = _CONSTANTS
    return [one, *key[:4], two, *middle, three, *key[4:], four]


def _double_rounds(state: list[int]) -> list[int]:
    x = list(state)
    for _ in range(10):
        for a, b, c, by in _ROUNDS:
            total = (x[b] + x[c]) & _MASK
            x[a] ^= (total << by | total >> 32 - by) & _MASK
    return x


def poly1305(key: bytes, message: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & _CLAMP
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % _POLY
    total += int.from_bytes(key[16:], "little")
    return (total & (1 << 128) - 1).to_bytes(16, "little")


def _decoded(value: str) -> bytes | None:
    """Base64 of either alphabet; None where it is none."""
    try:
        return base64.b64decode(value.translate(_URLSAFE), validate=True)
    except (binascii.Error, ValueError):
        return None


_URLSAFE: Final = str.maketrans("-_", "+/")


def _open_gcm(data: bytes, key: bytes) -> str:
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise SealedError("needs a library: pip install 'headgate[crypto]'") from None
    try:
        return AESGCM(key).decrypt(data[:12], data[12:], None).decode()
    except (InvalidTag, ValueError):
        raise SealedError from None


def _hkdf(secret: bytes) -> bytes:
    """HKDF-SHA256 of 32 bytes without salt, RFC 5869."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, _GCM_INFO + b"\x01", "sha256")


_GCM: Final[dict[str, Callable[[bytes], bytes]]] = {
    "v3:gcm:": _hkdf,
    "v2:gcm:": lambda secret: hashlib.sha256(secret).digest(),
}
"""How newer versions mark their values, and how the key is made of the salt key."""
