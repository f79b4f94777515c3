"""An identity provider for tests: its keys, the tokens that it signs, and gateways that take them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from gateways import CONFIG, KEY
from servers import RunningGateway, Upstream, running

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, Any] = {
    "r": RSA,
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "d": ED,
    "d448": ed448.Ed448PrivateKey.generate(),
}
ISSUER = "https://id.example"


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    kind = {"RSA": "RSAAlgorithm", "EC": "ECAlgorithm", "El": "ECAlgorithm", "Ed": "OKPAlgorithm"}
    name = type(key).__name__
    algorithm = getattr(jwt.algorithms, kind["RSA" if "RSA" in name else name[:2]])
    return {**json.loads(algorithm.to_jwk(key.public_key())), **more}


def jwks(keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": [jwk(key, kid=kid, use="sig") for kid, key in keys.items()]}).encode()


@contextmanager
def serving(document: bytes, status: int = 200) -> Iterator[Upstream]:
    server = Upstream()
    server.reply(status, {"content-type": "application/json"}, document)
    yield server
    server.stop()


@pytest.fixture(scope="module", name="provider")
def fixture_provider() -> Iterator[Upstream]:
    with serving(jwks(KEYS)) as server:
        yield server


def config_of(base: str, fields: dict[str, Any], general: dict[str, Any], **env: str) -> dict[str, Any]:
    return {
        **CONFIG,
        "general_settings": {
            "master_key": KEY,
            "enable_jwt_auth": True,
            "litellm_jwtauth": fields,
            **general,
        },
        "environment_variables": {
            "JWT_PUBLIC_KEY_URL": f"{base}/keys",
            "JWT_AUDIENCE": "headgate",
            "JWT_ISSUER": ISSUER,
            **env,
        },
    }


Start = Callable[..., AbstractContextManager[RunningGateway]]


@pytest.fixture(name="start")
def fixture_start(provider: Upstream, tmp_path: Path) -> Start:
    """A gateway that takes the provider's tokens, by these fields of litellm_jwtauth."""

    def started(base: str = "", general: dict[str, Any] | None = None, **fields: Any) -> Any:
        return running(config_of(base or provider.base, fields, general or {}), tmp_path)

    return started


@pytest.fixture(scope="module", name="gateway")
def fixture_gateway(provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    fields = {
        "team_id_jwt_field": "app.team",
        "team_ids_jwt_field": "groups",
        "roles_jwt_field": "realm_access.roles",
        "jwt_litellm_role_map": [{"jwt_role": "watchers", "litellm_role": "proxy_admin_viewer"}],
        "end_user_id_jwt_field": "customer",
        "org_id_jwt_field": "org",
    }
    with running(config_of(provider.base, fields, {}), tmp_path_factory.mktemp("jwt")) as served:
        yield served


def token(algorithm: str = "RS256", kid: str | None = "r", key: Any = None, **claims: Any) -> str:
    body = {"iss": ISSUER, "aud": "headgate", "sub": "anna", "exp": time.time() + 600, **claims}
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key or KEYS[kid or "r"], algorithm, {"kid": kid} if kid else None)


def call(
    gateway: RunningGateway, bearer: str, path: str = "/v1/chat/completions"
) -> tuple[int, dict[str, Any]]:
    asked = {"model": "m", "messages": [{"role": "user", "content": "one two"}], "max_tokens": 2}
    status, headers, data = gateway.request(path, asked, {"authorization": f"Bearer {bearer}"})
    return status, {**json.loads(data), "retry-after": headers.get("retry-after")}


def manage(gateway: RunningGateway, path: str, body: Any = None, bearer: str = KEY) -> tuple[int, Any]:
    status, _, data = gateway.request(path, body, {"authorization": f"Bearer {bearer}"})
    return status, json.loads(data)


def made(gateway: RunningGateway, path: str, body: Any) -> Any:
    status, answer = manage(gateway, path, body)
    assert status == 200, answer
    return answer


def pass_time(gateway: RunningGateway, seconds: float) -> None:
    clock: Any = gateway.gateway.clock
    now, since = clock.time, clock.monotonic
    clock.time, clock.monotonic = (lambda: now() + seconds), (lambda: since() + seconds)
