"""One token: its three parts, its signature, its times, its issuer and its audience. Pure: keys and the time are
handed in, nobody is asked and nothing is fetched.

https://datatracker.ietf.org/doc/html/rfc7515, https://datatracker.ietf.org/doc/html/rfc7519,
https://datatracker.ietf.org/doc/html/rfc8725. A token is read once, here, so that what was verified is what is used;
PyJWT and cryptography (the extra `crypto`) make the keys and check the signatures.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from headgate.errors import AuthenticationError, BadRequestError

ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), frozenset(("RSA",))),
    "ES256": frozenset(("P-256",)),
    "ES384": frozenset(("P-384",)),
    "ES512": frozenset(("P-521",)),
    "EdDSA": frozenset(("Ed25519", "Ed448")),
}
"""Those with a public key, and the families of keys they take: never a shared secret, never none."""
MAX_LENGTH: Final = 16_384
LEEWAY: Final = 10.0
"""Seconds by which clocks may differ."""
LATEST: Final = 1e11
"""A token that is good for longer than three thousand years is good for ever."""
RSA_BITS: Final = range(2_048, 16_385)
_SHAPE: Final = re.compile(rb"[\w-]+\.[\w-]+\.[\w-]*")
_KINDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "RSA": ("RS256", ("n", "e")),
    "EC": ("ES256", ("crv", "x", "y")),
    "OKP": ("EdDSA", ("crv", "x")),
}
"""Who reads keys of each kind, and what makes a public one. A private one, should a provider give it away, is not
looked at."""


class Token(Struct, frozen=True, kw_only=True):
    """`signed` is what `signature` signs. Nothing of it holds until both have been checked."""

    algorithm: str
    kid: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


class Key(Struct, frozen=True, kw_only=True):
    """A public key. `family` is its curve, or RSA; `algorithm` the only one that it is for, where it says so."""

    kid: str
    family: str
    algorithm: str | None
    public: Any

    def fits(self, algorithm: str) -> bool:
        return self.family in ALGORITHMS[algorithm] and self.algorithm in (None, algorithm)


class _Head(Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: Any = None
    b64: bool = True


_head: Final = msgspec.json.Decoder(_Head).decode
_claims: Final = msgspec.json.Decoder(dict[str, Any]).decode


def has_shape(text: bytes) -> bool:
    """Three parts of base64url."""
    return _SHAPE.fullmatch(text) is not None


def read(text: bytes) -> Token:
    """Raises AuthenticationError for what can't be read, and for an algorithm that is not taken."""
    if len(text) > MAX_LENGTH:
        raise wrong(f"it is longer than {MAX_LENGTH} characters")
    signed, _, signature = text.rpartition(b".")
    first, _, second = signed.partition(b".")
    try:
        head = _head(_decoded(first))
        if head.alg not in ALGORITHMS:
            raise wrong(f"its algorithm {_shown(head.alg)} is not taken: expected {', '.join(ALGORITHMS)}")
        if head.crit is not None or not head.b64:
            raise wrong("its header asks for an extension (crit) that is not known here")
        claims = _claims(_decoded(second))
        return Token(
            algorithm=head.alg,
            kid=head.kid or "",
            claims=claims,
            signed=signed,
            signature=_decoded(signature),
        )
    except (ValueError, msgspec.DecodeError, RecursionError):
        raise wrong("it can't be read: expected a JSON Web Token, three parts of base64url") from None


def _decoded(part: bytes) -> bytes:
    return urlsafe_b64decode(part + b"=" * (-len(part) % 4))


def _shown(name: str) -> str:
    return repr(name) if name.isalnum() and len(name) <= 20 else "(of a strange name)"


def is_signed(token: Token, key: Key) -> bool:
    try:
        return bool(_verifiers()[token.algorithm].verify(token.signed, key.public, token.signature))
    except (ValueError, TypeError):
        return False


def check(
    claims: Mapping[str, Any], issuers: Collection[str], audiences: Collection[str], now: float
) -> float:
    """When the token ends. Empty collections allow everybody. Raises AuthenticationError."""
    ends = _time(claims, "exp")
    if ends is None:
        raise wrong("it has no time of expiry (exp)")
    if now >= ends + LEEWAY:
        raise AuthenticationError(
            "the token has expired: get a new one from the identity provider", type="expired_key", code="401"
        )
    for name, what in (("nbf", "it is not valid yet (nbf)"), ("iat", "it was issued in the future (iat)")):
        begins = _time(claims, name)
        if begins is not None and begins > now + LEEWAY:
            raise wrong(what)
    if issuers and claims.get("iss") not in issuers:
        raise wrong("its issuer (iss) is not one that is trusted here")
    named = claims.get("aud")
    if audiences and not any(name in audiences for name in (named if isinstance(named, list) else [named])):
        raise wrong("its audience (aud) is another: it was made for somebody else")
    return ends + LEEWAY


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"its time {name} is no number")
    return float(max(-LATEST, min(value, LATEST)))


def key_of(row: Any) -> Key | None:
    """A key as a provider publishes it (RFC 7517), None for one that signs nothing that we take."""
    if not isinstance(row, dict) or row.get("use") not in (None, "sig"):
        return None
    operations, kind = row.get("key_ops"), row.get("kty")
    if not isinstance(kind, str) or kind not in _KINDS:
        return None
    if isinstance(operations, list) and "verify" not in operations:
        return None
    reader, names = _KINDS[kind]
    try:
        public = _verifiers()[reader].from_jwk({"kty": kind, **{name: row[name] for name in names}})
    except (_pyjwt().PyJWTError, KeyError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    if kind == "RSA" and public.key_size not in RSA_BITS:
        return None
    kid, algorithm = row.get("kid"), row.get("alg")
    return Key(
        kid=kid if isinstance(kid, str) else "",
        family="RSA" if kind == "RSA" else row["crv"],
        algorithm=algorithm if isinstance(algorithm, str) else None,
        public=public,
    )


def wrong(why: str) -> AuthenticationError:
    return AuthenticationError(f"the token is not valid here: {why}", type="auth_error", code="401")


@lru_cache(maxsize=1)
def _verifiers() -> Mapping[str, Any]:
    found: Mapping[str, Any] = _pyjwt().algorithms.get_default_algorithms()
    return found


def require() -> None:
    """Raises BadRequestError where the extra is not installed."""
    if not _pyjwt().algorithms.has_crypto:
        raise _missing()


def _pyjwt() -> Any:
    try:
        import jwt
    except ImportError:
        raise _missing() from None
    return jwt


def _missing() -> BadRequestError:
    return BadRequestError(
        "enable_jwt_auth needs PyJWT and cryptography: pip install 'headgate[crypto]'",
        param="enable_jwt_auth",
    )
