"""Who a deployment on Azure is: tokens of Microsoft Entra ID, by a secret, a federated token or a managed identity.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. Knows no model and no API.
"""

import asyncio
import inspect
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from msgspec import Struct

from headgate.errors import AuthenticationError, HeadgateError
from headgate.ports import Ask, Credential, Fetch
from headgate.providers.auth.base import (
    Bearer,
    Fixed,
    Granted,
    Surroundings,
    Token,
    asked_json,
    granted,
    missing,
)
from headgate.providers.auth.rs256 import private_key, signed, thumbprint
from headgate.providers.auth.values import address, clean, file_text, header_value

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
AUTHORITY: Final = "https://login.microsoftonline.com"
IMDS: Final = "http://169.254.169.254"
PROVIDED_SECONDS: Final = 60.0
"""How often a function that gives tokens is asked: it keeps its own, and does not say until when."""
ASSERTION_SECONDS: Final = 600
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Source: TypeAlias = Callable[[Fetch, float], Awaitable[Token]]

NAMES: Final[dict[str, tuple[str, str]]] = {
    "tenant": ("tenant_id", "AZURE_TENANT_ID"),
    "client": ("client_id", "AZURE_CLIENT_ID"),
    "secret": ("client_secret", "AZURE_CLIENT_SECRET"),
    "file": ("azure_federated_token_file", "AZURE_FEDERATED_TOKEN_FILE"),
    "certificate": ("azure_certificate_path", "AZURE_CLIENT_CERTIFICATE_PATH AZURE_CERTIFICATE_PATH"),
    "passphrase": (
        "azure_certificate_password",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD AZURE_CERTIFICATE_PASSWORD",
    ),
    "user": ("azure_username", "AZURE_USERNAME"),
    "password": ("azure_password", "AZURE_PASSWORD"),
    "kind": ("azure_credential", "AZURE_CREDENTIAL"),
    "scope": ("azure_scope", "AZURE_SCOPE"),
    "authority": ("azure_authority_host", "AZURE_AUTHORITY_HOST"),
}
"""Fact → its parameter, and the variables that count where the parameter is not given."""
KEYS: Final = ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY", "AZURE_AI_API_KEY")
_MANAGED: Final = ("ManagedIdentityCredential", "DefaultAzureCredential")


class _Facts(Struct, frozen=True, kw_only=True):
    """The values of NAMES, "" for what is not given."""

    tenant: str
    client: str
    secret: str
    file: str
    certificate: str
    passphrase: str
    user: str
    password: str
    kind: str
    scope: str
    authority: str

    def url(self) -> str:
        host = self.authority if "://" in self.authority else f"https://{self.authority}"
        url = f"{host.rstrip('/')}/{self.tenant}/oauth2/v2.0/token"
        return address(url, "Microsoft Entra ID: what AZURE_AUTHORITY_HOST and the tenant make up")


def credential(around: Surroundings) -> Credential | None:
    """What the parameters name; else, where there is no parameter `api_key` and no variable of KEYS, what the
    environment names; None where neither names anything, so that a key counts.

    In this order: a given token (or the function `azure_ad_token_provider`), a client secret, a federated token
    file, a certificate, a user's password, a managed identity. Raises AuthenticationError for what is given by half.
    """
    if provider := around.params.get("azure_ad_token_provider"):
        return Bearer(_provided(provider))
    if token := around.param("azure_ad_token"):
        return _given(token)
    own = {name for name, (param, _) in NAMES.items() if around.param(param)} - {"scope", "authority"}
    if not own and (around.param("api_key") or around.variable(*KEYS)):
        return None
    if not own and (token := around.variable("AZURE_AD_TOKEN")):
        return _given(token)
    facts = _facts(around)
    source = _source(around, facts)
    return None if source is None else Bearer(source, (facts.secret, facts.password, facts.passphrase))


def _given(token: str) -> Credential:
    token = header_value(token, "azure_ad_token or AZURE_AD_TOKEN")
    return Fixed([("authorization", f"Bearer {token}")], [token])


def _facts(around: Surroundings) -> _Facts:
    found = {
        name: clean(around.param(param) or around.variable(*variables.split()), f"{param} or {variables}")
        for name, (param, variables) in NAMES.items()
    }
    found["scope"] = found["scope"] or SCOPE
    found["authority"] = found["authority"] or AUTHORITY
    return _Facts(**found)


def _source(around: Surroundings, facts: _Facts) -> Source | None:
    if facts.kind in _MANAGED and not facts.secret:
        return _managed(around, facts)
    if facts.secret:
        _require(facts, "client_secret is given", "tenant", "client")
        form = {"grant_type": "client_credentials", "client_secret": facts.secret}
        return _granted(facts, lambda now: form)
    if facts.file:
        _require(facts, "a federated token file is named", "tenant", "client")
        return _granted(facts, lambda now: _assertion(_federated(around, facts)))
    if facts.certificate:
        _require(facts, "a certificate is named", "tenant", "client")
        return _granted(facts, lambda now: _assertion(_by_certificate(around, facts, now)))
    if facts.user or facts.password:
        _require(facts, "a user's name or password is given", "tenant", "client", "user", "password")
        form = {"grant_type": "password", "username": facts.user, "password": facts.password}
        return _granted(facts, lambda now: form)
    if facts.client or _identity_endpoint(around) or around.params.get("enable_azure_ad_token_refresh"):
        return _managed(around, facts)
    return None


def _require(facts: _Facts, reason: str, *names: str) -> None:
    lacking = [_called(name) for name in names if not getattr(facts, name)]
    if lacking:
        raise missing(f"Microsoft Entra ID: {reason}, but not {', '.join(lacking)}")


def _assertion(token: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": _ASSERTION,
        "client_assertion": token,
    }


def _federated(around: Surroundings, facts: _Facts) -> str:
    """Kubernetes writes a new token into the file every hour or so.
    https://learn.microsoft.com/entra/workload-id/workload-identity-federation"""
    return file_text(around, facts.file, "the federated token of AZURE_FEDERATED_TOKEN_FILE").strip()


def _by_certificate(around: Surroundings, facts: _Facts, now: float) -> str:
    """The file holds a private key and its certificate.
    https://learn.microsoft.com/entra/identity-platform/certificate-credentials"""
    what = f"the certificate of Microsoft Entra ID, the file {facts.certificate},"
    pem = file_text(around, facts.certificate, what)
    key = private_key(pem, what, facts.passphrase)
    claims = {
        "aud": facts.url(),
        "iss": facts.client,
        "sub": facts.client,
        "jti": str(uuid.uuid4()),
        "nbf": int(now),
        "exp": int(now) + ASSERTION_SECONDS,
    }
    return signed(key, claims, {"x5t": thumbprint(pem, what)})


def _granted(facts: _Facts, form: Callable[[float], dict[str, str]]) -> Source:
    """`form` gives what is particular to a grant, anew each time."""

    async def source(fetch: Fetch, now: float) -> Token:
        sent = {**form(now), "client_id": facts.client, "scope": facts.scope}
        what = f"a token of Microsoft Entra ID for the client {facts.client}, scope {facts.scope}"
        return await granted(fetch, facts.url(), sent, what, now)

    return source


def _identity_endpoint(around: Surroundings) -> tuple[str, str] | None:
    """App Service, Functions and Container Apps have a server of their own.
    https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference"""
    url, header = around.variable("IDENTITY_ENDPOINT"), around.variable("IDENTITY_HEADER")
    return (url, header) if url and header else None


def _managed(around: Surroundings, facts: _Facts) -> Source:
    """The identity of a machine.
    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token"""
    query = {"resource": facts.scope.removesuffix("/.default")}
    if facts.client:
        query["client_id"] = facts.client
    if found := _identity_endpoint(around):
        url, header = found
        query, headers = (
            {"api-version": "2019-08-01", **query},
            {"x-identity-header": header_value(header, "IDENTITY_HEADER")},
        )
    else:
        host = around.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") or IMDS
        url = f"{host.rstrip('/')}/metadata/identity/oauth2/token"
        query, headers = {"api-version": "2018-02-01", **query}, {"metadata": "true"}
    ask = Ask(
        url=address(f"{url}?{urlencode(query)}", "the managed identity's endpoint"),
        headers=headers,
        direct=True,
    )
    what = "a token of the managed identity" + (f" {facts.client}" if facts.client else "")

    async def source(fetch: Fetch, now: float) -> Token:
        try:
            return (await asked_json(fetch, ask, Granted, what, now)).token(now)
        except HeadgateError as error:
            error.message += f". Looked for before: {_looked_for()}"
            error.args = (error.message,)
            raise

    return source


def _called(name: str) -> str:
    return " or ".join(" ".join(NAMES[name]).split())


def _looked_for() -> str:
    names = ("secret", "file", "certificate", "user")
    return ", ".join(["azure_ad_token or AZURE_AD_TOKEN", *map(_called, names)])


def _provided(provider: Any) -> Source:
    """A function of the user's, as azure-identity's `get_bearer_token_provider` makes them, or a coroutine's."""
    if not callable(provider):
        raise AuthenticationError(
            f"azure_ad_token_provider is a {type(provider).__name__}: expected a function that gives a token",
            code="missing_credentials",
        )

    async def source(fetch: Fetch, now: float) -> Token:
        try:
            given = provider() if inspect.iscoroutinefunction(provider) else await asyncio.to_thread(provider)
            token = await given if inspect.isawaitable(given) else given
        except HeadgateError:
            raise
        except Exception as error:
            raise AuthenticationError(
                f"azure_ad_token_provider raised {type(error).__name__}: {error}", code="token_refused"
            ) from error
        if not isinstance(token, str) or not token:
            kind = "an empty text" if token == "" else f"a {type(token).__name__}"
            raise AuthenticationError(
                f"azure_ad_token_provider gave {kind}: expected a token", code="unreadable_credentials"
            )
        return Token(token, now + PROVIDED_SECONDS)

    return source
