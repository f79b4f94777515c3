"""JSON Web Tokens signed with RSA and SHA-256: what a private key says of its owner. RFC 7515, RFC 7519.

Knows no provider, no clock and no file.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.errors import AuthenticationError
from headgate.providers.auth.base import missing


def private_key(pem: str, what: str, password: str = "") -> Any:
    """An RSA key of a PEM text. Raises AuthenticationError, which never shows the text."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise missing(f"{what} needs cryptography to sign with it: pip install 'headgate[crypto]'") from None
    lines = pem.replace("\\n", "\n").strip() + "\n"  # as variables and YAML often hold it
    try:
        key = load_pem_private_key(lines.encode(), password.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = " (is its passphrase right?)" if password or "ENCRYPTED" in pem else ""
        raise AuthenticationError(
            f"{what} can't be read as a private key in PEM{reason}: {type(error).__name__}",
            code="unreadable_credentials",
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise AuthenticationError(f"{what} is no RSA key", code="unreadable_credentials")
    return key


def signed(key: Any, claims: Mapping[str, Any], header: Mapping[str, str] = {}) -> str:
    """The token in its compact form. `key` is of `private_key`; times among the claims are Unix seconds."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    head = {"alg": "RS256", "typ": "JWT", **header}
    text = f"{_web64(msgspec.json.encode(head))}.{_web64(msgspec.json.encode(claims))}"
    return f"{text}.{_web64(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def thumbprint(pem: str, what: str) -> str:
    """The SHA-1 of the first certificate of a PEM text, as the header `x5t` has it: RFC 7515, 4.1.7.

    Raises AuthenticationError. After `private_key`, which sees to it that there is cryptography.
    """
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    try:
        der = load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError:
        raise AuthenticationError(
            f"{what} holds no certificate in PEM", code="unreadable_credentials"
        ) from None
    return _web64(hashlib.sha1(der, usedforsecurity=False).digest())


def fingerprint(key: Any) -> str:
    """Base64 of the SHA-256 of the public key in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def _web64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
