"""Tokens of an OpenID provider as keys: which are taken, where the provider's keys come from, and what is said of
the others. What tokens claim: test_claims.py."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.errors import AuthenticationError, HeadgateError
from headgate.server.auth.claims import principal
from headgate.server.auth.jwt import check, has_shape, key_of, read
from headgate.server.auth.settings import Fields
from servers import RunningGateway, Upstream
from tokens import ISSUER, KEYS, OTHER, RSA, Start, call, jwk, jwks, manage, pass_time, serving, token
from tokens import fixture_gateway as gateway
from tokens import fixture_provider as provider
from tokens import fixture_start as start

ALGORITHMS = [
    *((name, "r") for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    *(("ES256", "p256"), ("ES384", "p384"), ("ES512", "p521"), ("EdDSA", "d"), ("EdDSA", "d448")),
]
__all__ = ["gateway", "provider", "start"]


# Which are taken


@pytest.mark.parametrize(("algorithm", "kid"), ALGORITHMS)
def test_tokens_of_every_algorithm_with_a_public_key_are_taken(
    gateway: RunningGateway, algorithm: str, kid: str
) -> None:
    assert call(gateway, token(algorithm, kid))[0] == 200


def test_a_token_that_names_no_key_is_tried_with_all(gateway: RunningGateway) -> None:
    assert call(gateway, token(kid=None))[0] == 200
    assert call(gateway, token(kid=None, key=OTHER))[0] == 401


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def crafted(head: bytes, claims: bytes = b"{}", signature: bytes = b"x") -> str:
    return f"{part(head)}.{part(claims)}.{part(signature)}"


def forged() -> str:
    """The old trick: the public key as a shared secret."""
    kinds = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    public = RSA.public_key().public_bytes(*kinds)
    claims = {"exp": time.time() + 60, "aud": "headgate", "iss": ISSUER}
    head = part(json.dumps({"alg": "HS256", "kid": "r"}).encode())
    signed = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"


REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: token(exp=time.time() - 60), "expired"),
    "early": (lambda: token(nbf=time.time() + 60), "not valid yet"),
    "of the future": (lambda: token(iat=time.time() + 60), "in the future"),
    "audience": (lambda: token(aud="somebody-else"), "audience"),
    "audiences": (lambda: token(aud=["a", "b"]), "audience"),
    "no audience": (lambda: token(aud=None), "audience"),
    "issuer": (lambda: token(iss="https://evil.example"), "issuer"),
    "no issuer": (lambda: token(iss=None), "issuer"),
    "endless": (lambda: token(exp=None), "no time of expiry"),
    "forged": (lambda: token(key=OTHER), "signature"),
    "unknown key": (lambda: token(kid="unknown", key=OTHER), "does not publish"),
    "key of another kind": (lambda: token("RS256", "p256", RSA), "does not publish"),
    "none": (lambda: jwt.encode({"exp": time.time() + 60}, None, "none", {"kid": "r"}), "algorithm 'none'"),
    "shared secret": (forged, "algorithm 'HS256'"),
    "changed": (lambda: token()[:-6] + "AAAAAA", "signature"),
    "extension": (lambda: crafted(b'{"alg":"RS256","kid":"r","crit":["b64"],"b64":false}'), "crit"),
    "unsigned": (lambda: crafted(b'{"alg":"RS256","kid":"r"}', b'{"iss":"https://id.example"}'), "signature"),
    "no object": (lambda: crafted(b"[]"), "can't be read"),
    "no JSON": (lambda: crafted(b"\xff"), "can't be read"),
    "deep": (lambda: crafted(b'{"alg":' + b"[" * 9_000), "can't be read"),
    "deep claims": (lambda: crafted(b'{"alg":"RS256"}', b'{"a":' + b"[" * 9_000), "can't be read"),
    "wrong base64": (lambda: "e.e.e", "can't be read"),
    "huge": (lambda: token(filling="x" * 20_000), "longer"),
    "no token": (lambda: "sk-of-nobody", "not valid here"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_tokens_are_refused_without_being_repeated(gateway: RunningGateway, name: str) -> None:
    bearer, words = REFUSED[name]
    text = bearer()
    status, body = call(gateway, text)
    assert (status, words in body["error"]["message"]) == (401, True), body
    assert text not in json.dumps(body)


@pytest.mark.parametrize("claims", [{"exp": "soon"}, {"exp": True}, {"exp": [1]}, {"exp": 9e9, "nbf": "x"}])
def test_times_that_are_no_numbers_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError, match="no number"):
        check(claims, (), (), 0.0)


def test_a_token_may_be_good_for_ever_and_then_clocks_may_differ() -> None:
    assert check({"exp": 10**400, "nbf": -(10**400)}, (), (), 5.0) > 1e11
    assert check({"exp": 100, "aud": ["x", "us"]}, (), ("us",), 105.0) == 110.0
    with pytest.raises(AuthenticationError, match="expired"):
        check({"exp": 100}, (), (), 110.0)


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_tokens_are_only_ever_refused(gateway: RunningGateway, data: bytes) -> None:
    text = part(data)
    raw = data.decode("latin-1").translate(dict.fromkeys((*range(32), 127)))
    head = part(b'{"alg":"RS256","kid":"r"}')
    for bearer in (f"ey{text}.{text}.{text}", f"{head}.{text}.{text}", f"{text}.{head}.", "k" + raw):
        assert call(gateway, bearer)[0] == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(
    "iss sub aud exp nbf iat scope team groups org email roles user oid a client_id".split()
)
FIELDS = Fields(
    team_id_jwt_field="team",
    team_ids_jwt_field="groups.a",
    org_id_jwt_field="org",
    user_email_jwt_field="email",
    roles_jwt_field="roles",
    object_id_jwt_field="oid",
    enforce_scope_based_access=True,
)


@given(st.dictionaries(NAMES, JSON))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_arbitrary_claims_are_understood_or_refused(claims: dict[str, Any]) -> None:
    for work in (lambda: check(claims, ("i",), ("a",), 0.0), lambda: principal(claims, FIELDS)):
        try:
            work()
        except HeadgateError as error:
            assert error.status_code in (401, 403)


@given(st.binary(max_size=200), JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_arbitrary_bytes_are_no_token_and_arbitrary_rows_no_key(data: bytes, row: Any) -> None:
    if has_shape(data):
        with pytest.raises(AuthenticationError):
            read(data)
    assert key_of(row) is None
    assert key_of({"kty": "RSA", "n": row, "e": "AQAB"}) is None


@pytest.mark.parametrize(
    "row",
    [
        jwk(RSA, use="enc"),
        jwk(RSA, key_ops=["encrypt"]),
        jwk(RSA, kty="oct"),
        jwk(KEYS["p256"], crv="P-384"),
        jwk(KEYS["d"], crv="X25519"),
        {"kty": "oct", "k": "c2VjcmV0"},
        jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
    ],
)
def test_keys_that_sign_nothing_and_weak_ones_are_left_out(row: dict[str, Any]) -> None:
    assert key_of(row) is None


def test_a_key_is_used_for_its_own_algorithm_only() -> None:
    key = key_of(jwk(RSA, alg="PS256", d="never looked at"))
    assert key is not None
    assert [key.fits(name) for name in ("RS256", "PS256", "ES256")] == [False, True, False]


# Where keys come from


def test_keys_are_used_stale_for_a_while_and_then_nobody_gets_a_free_pass(start: Start) -> None:
    with serving(b"", 500) as away, start(away.base) as gateway:
        status, body = call(gateway, token())
        assert (status, body["error"]["type"]) == (503, "auth_provider_unavailable")
        assert int(body["retry-after"]) >= 1
        assert "127.0.0.1" not in body["error"]["message"]  # nobody's business
        away.reply(200, {}, jwks(KEYS))
        pass_time(gateway, 5)
        known = token(exp=time.time() + 90_000)
        assert call(gateway, known)[0] == 200
        away.reply(200, {}, b"garbage")
        pass_time(gateway, 601)
        later = {"exp": time.time() + 90_000}
        assert call(gateway, token(sub="second", **later))[0] == 200
        assert call(gateway, token(kid="new", key=OTHER, **later))[0] == 503  # it may be one of theirs
        pass_time(gateway, 3_601)
        assert call(gateway, token(sub="third", **later))[0] == 503
        assert call(gateway, known)[0] == 200  # verified before
        away.reply(200, {}, jwks(KEYS))
        pass_time(gateway, 5)
        assert call(gateway, token(sub="third", **later))[0] == 200


NO_KEYS = [
    *(b"", b"[", b"[]", b"null", b"{}", b"[" * 5_000, b"x" * 1_100_000),
    *(b'{"keys":[]}', b'{"keys":{"a":1}}', b'{"keys":[1,null,{"kty":[]}]}'),
    *(b'{"jwks_uri":"http://["}', b'{"jwks_uri":"ftp://a/b"}', b'{"jwks_uri":"http://h:99999/"}'),
]


def test_a_provider_that_gives_no_keys_is_away(start: Start) -> None:
    with serving(b"") as away, start(away.base) as gateway:
        for document in NO_KEYS:
            away.reply(200, {}, document)
            assert (document[:30], call(gateway, token())[0]) == (document[:30], 503)
            pass_time(gateway, 5)
        assert len(away.requests) == len(NO_KEYS)


def test_a_key_that_is_not_known_is_asked_for_once(start: Start) -> None:
    with serving(jwks({"r": RSA})) as own, start(own.base) as gateway:
        assert call(gateway, token())[0] == 200
        pass_time(gateway, 11)
        own.reply(200, {}, jwks({"r": RSA, "new": OTHER}))
        assert call(gateway, token(kid="new", key=OTHER))[0] == 200
        assert [call(gateway, token(kid=f"no{at}", key=OTHER))[0] for at in range(4)] == [401] * 4
        assert len(own.requests) == 2
        assert own.requests[0][0] == "GET /keys HTTP/1.1"


def test_many_that_come_at_once_are_one_fetch(start: Start) -> None:
    with serving(jwks(KEYS)) as own, start(own.base) as gateway, ThreadPoolExecutor(8) as pool:
        bearers = [token(sub=f"s{at % 3}", n=at % 3) for at in range(12)]
        assert set(pool.map(lambda bearer: call(gateway, bearer)[0], bearers)) == {200}
        assert len(own.requests) == 1


def test_of_several_addresses_one_may_be_away(start: Start) -> None:
    with serving(jwks({"r": RSA})) as one, serving(b"", 500) as other:
        with start(f"{other.base}/x,{one.base}") as gateway:
            assert call(gateway, token())[0] == 200
            assert call(gateway, token(kid="p256", algorithm="ES256"))[0] == 503
        assert len(one.requests) == 1


def test_addresses_are_found_from_the_issuer_and_redirects_followed(start: Start, provider: Upstream) -> None:
    document = json.dumps({"jwks_uri": f"{provider.base}/keys"}).encode()
    with serving(document) as discovery, serving(b"") as moved:
        moved.reply(302, {"location": f"{discovery.base}/other"}, b"")
        row = {"issuer": f"{moved.base}/", "audience": ["a", "b"]}
        with start(issuers=[row]) as gateway:
            assert call(gateway, token(iss=f"{moved.base}/", aud="b"))[0] == 200
        assert moved.requests[0][0] == "GET /.well-known/openid-configuration HTTP/1.1"


def test_each_issuer_has_keys_audience_and_claims_of_its_own(start: Start) -> None:
    with serving(jwks({"r": RSA})) as one, serving(jwks({"r": OTHER})) as other:
        rows = [
            {"issuer": "one", "jwks_url": one.base, "audience": "a", "user_id_jwt_field": "email"},
            {"issuer": "two", "jwks_url": other.base, "disable_audience_validation": True},
        ]
        with start(issuers=rows) as gateway:
            assert call(gateway, token(iss="one", aud="a", email="a@b.example"))[0] == 200
            assert call(gateway, token(iss="two", aud=None, key=OTHER))[0] == 200
            assert call(gateway, token(iss="one", aud="a", key=OTHER))[0] == 401  # signed by the other one
            assert call(gateway, token(iss="one", aud="headgate"))[0] == 401
            assert call(gateway, token())[0] == 200  # of JWT_ISSUER
            users = [row["user"] for row in manage(gateway, "/spend/logs")[1] if row["status"] == "success"]
            assert sorted(users) == ["a@b.example", "anna", "anna"]
