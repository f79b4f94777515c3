"""Tokens of an OpenID provider as keys: which are taken, what they claim, and what is said of the others."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways import CONFIG, KEY
from servers import RunningGateway, Upstream, running

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
SIGNERS = {"RS256": ("r", RSA), "PS384": ("r", RSA), "ES256": ("e", EC), "EdDSA": ("d", ED)}
CLAIMS = {
    "litellm_jwtauth": {
        "user_id_jwt_field": "sub",
        "user_id_upsert": True,
        "team_id_jwt_field": "app.team",
        "roles_jwt_field": "realm_access.roles",
        "jwt_litellm_role_map": [{"jwt_role": "watchers", "litellm_role": "proxy_admin_viewer"}],
        "end_user_id_jwt_field": "customer",
    }
}


def jwks() -> bytes:
    rows = []
    for kid, key in (("r", RSA), ("e", EC), ("d", ED)):
        algorithm = {
            "r": jwt.algorithms.RSAAlgorithm,
            "e": jwt.algorithms.ECAlgorithm,
            "d": jwt.algorithms.OKPAlgorithm,
        }
        rows.append({**json.loads(algorithm[kid].to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    return json.dumps({"keys": rows}).encode()


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    server = Upstream()
    server.reply(200, {"content-type": "application/json"}, jwks())
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gateway(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    config = {
        **CONFIG,
        "general_settings": {"master_key": KEY, "enable_jwt_auth": True, **CLAIMS},
        "environment_variables": {
            "JWT_PUBLIC_KEY_URL": f"{provider.base}/keys",
            "JWT_AUDIENCE": "headgate",
            "JWT_ISSUER": "https://id.example",
        },
    }
    with running(config, tmp_path_factory.mktemp("jwt")) as served:
        yield served


def token(algorithm: str = "RS256", kid: str | None = None, key: Any = None, **claims: Any) -> str:
    name, signer = SIGNERS.get(algorithm, ("r", RSA))
    body = {"iss": "https://id.example", "aud": "headgate", "sub": "anna", "exp": time.time() + 600, **claims}
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key or signer, algorithm, {"kid": kid or name})


def call(gateway: RunningGateway, bearer: str, **body: Any) -> tuple[int, dict[str, Any]]:
    asked = {"model": "m", "messages": [{"role": "user", "content": "one two"}], "max_tokens": 2, **body}
    status, _, data = gateway.request("/v1/chat/completions", asked, {"authorization": f"Bearer {bearer}"})
    return status, json.loads(data)


def manage(gateway: RunningGateway, path: str, body: Any = None, bearer: str = KEY) -> tuple[int, Any]:
    status, _, data = gateway.request(path, body, {"authorization": f"Bearer {bearer}"})
    return status, json.loads(data)


@pytest.mark.parametrize("algorithm", SIGNERS)
def test_tokens_of_every_algorithm_with_a_public_key_are_taken(
    gateway: RunningGateway, algorithm: str
) -> None:
    assert call(gateway, token(algorithm))[0] == 200


def forged() -> str:
    """The old trick: the public key as a shared secret."""
    public = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    import hashlib
    import hmac

    head = part(b'{"alg":"HS256","kid":"r"}')
    body = part(
        json.dumps({"exp": time.time() + 60, "aud": "headgate", "iss": "https://id.example"}).encode()
    )
    return f"{head}.{body}.{part(hmac.new(public, f'{head}.{body}'.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize(
    ("bearer", "words"),
    [
        (lambda: token(exp=time.time() - 60), "expired"),
        (lambda: token(nbf=time.time() + 60), "not valid"),
        (lambda: token(aud="somebody-else"), "not valid"),
        (lambda: token(iss="https://evil.example"), "not valid"),
        (lambda: token(exp=None), "not valid"),
        (lambda: token(key=OTHER), "not valid"),
        (lambda: token(kid="unknown"), "does not publish"),
        (lambda: jwt.encode({"sub": "x", "exp": time.time() + 60}, None, "none", {"kid": "r"}), "algorithm"),
        (forged, "algorithm"),
        (lambda: token()[:-4] + "AAAA", "not valid"),
        (lambda: "eyJhbGciOiJSUzI1NiJ9.e30.AAAA", "not"),
        (lambda: "ey.not.one", "not"),
    ],
    ids="expired early audience issuer endless forged unknown-key none shared-secret changed empty garbage".split(),
)
def test_other_tokens_are_refused_without_being_repeated(
    gateway: RunningGateway, bearer: Any, words: str
) -> None:
    text = bearer()
    status, body = call(gateway, text)
    assert status == 401
    assert words in body["error"]["message"]
    assert text not in json.dumps(body)


def test_a_known_token_costs_no_further_look(gateway: RunningGateway, provider: Upstream) -> None:
    text = token(sub="bert")
    assert call(gateway, text)[0] == 200
    before = len(provider.requests)
    asked: list[str] = []
    engine = gateway.gateway.database.engine  # type: ignore[union-attr]
    from sqlalchemy import event

    def hear(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "headgate_users" in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    assert call(gateway, text)[0] == 200
    event.remove(engine, "before_cursor_execute", hear)
    assert (len(provider.requests), asked) == (before, [])


def test_claims_make_users_teams_roles_and_customers(gateway: RunningGateway) -> None:
    assert manage(gateway, "/team/new", {"team_id": "search", "models": ["m"], "max_budget": 0.003})[0] == 200
    text = token(sub="carl", app={"team": "search"}, customer="acme")
    assert call(gateway, text)[0] == 200
    (row,) = manage(gateway, "/spend/logs?user_id=carl")[1]
    assert (row["team_id"], row["end_user"], row["api_key"][:4]) == ("search", "acme", "jwt:")
    assert manage(gateway, "/user/info?user_id=carl")[1]["user_info"]["user_role"] == "internal_user"
    assert call(gateway, text)[0] == 422  # the team's budget holds
    assert manage(gateway, "/team/block", {"team_id": "search"})[0] == 200
    assert call(gateway, text)[0] == 401


def test_roles_and_the_administrators_scope(gateway: RunningGateway) -> None:
    watcher = token(sub="dora", realm_access={"roles": ["watchers"]})
    assert manage(gateway, "/global/spend", None, watcher)[0] == 200
    assert manage(gateway, "/key/generate", {}, watcher)[0] == 403
    admin = token(sub="emil", scope="openid litellm_proxy_admin")
    assert manage(gateway, "/key/generate", {}, admin)[0] == 200
    assert manage(gateway, "/global/spend", None, token(sub="fritz"))[0] == 403


def test_a_team_that_does_not_exist_is_refused(gateway: RunningGateway) -> None:
    assert call(gateway, token(sub="gina", app={"team": "nowhere"}))[0] == 403


def test_keys_are_used_stale_and_then_nobody_gets_a_free_pass(tmp_path: Path) -> None:
    away = Upstream()
    away.reply(500, {}, b"")
    config = {
        **CONFIG,
        "general_settings": {"master_key": KEY, "enable_jwt_auth": True},
        "environment_variables": {"JWT_PUBLIC_KEY_URL": f"{away.base}/keys"},
    }
    with running(config, tmp_path) as gateway:
        status, body = call(gateway, token(aud=None))
        assert (status, body["error"]["type"]) == (503, "service_unavailable_error")
        away.reply(200, {"content-type": "application/json"}, jwks())
        assert call(gateway, token(aud=None))[0] == 200
        away.reply(200, {}, b"garbage")
        assert call(gateway, token(aud=None, sub="second"))[0] == 200
    away.stop()


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_tokens_are_only_ever_refused(gateway: RunningGateway, data: bytes) -> None:
    text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for bearer in (f"ey{text}.{text}.{text}", f"eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.{text}.{text}"):
        assert call(gateway, bearer)[0] == 401
