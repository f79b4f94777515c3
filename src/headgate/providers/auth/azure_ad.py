"""Who a deployment on Azure is: tokens of Microsoft Entra ID, by a secret, a federated token or a managed identity.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. Knows no model and no API.
"""

import asyncio
import inspect
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

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
AUTHORITY: Final = "https://login.microsoftonline.com"
IMDS: Final = "http://169.254.169.254"
PROVIDED_SECONDS: Final = 60.0
"""How often a function that gives tokens is asked: it keeps its own, and does not say until when."""
_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Source: TypeAlias = Callable[[Fetch, float], Awaitable[Token]]

NAMES: Final[dict[str, tuple[str, str]]] = {
    "tenant": ("tenant_id", "AZURE_TENANT_ID"),
    "client": ("client_id", "AZURE_CLIENT_ID"),
    "secret": ("client_secret", "AZURE_CLIENT_SECRET"),
    "file": ("azure_federated_token_file", "AZURE_FEDERATED_TOKEN_FILE"),
    "user": ("azure_username", "AZURE_USERNAME"),
    "password": ("azure_password", "AZURE_PASSWORD"),
    "kind": ("azure_credential", "AZURE_CREDENTIAL"),
    "scope": ("azure_scope", "AZURE_SCOPE"),
    "authority": ("azure_authority_host", "AZURE_AUTHORITY_HOST"),
}
"""Fact → its parameter, and the variable that counts where the parameter is not given."""
KEYS: Final = ("AZURE_OPENAI_API_KEY", "AZURE_API_KEY", "AZURE_AI_API_KEY")
_MANAGED: Final = ("ManagedIdentityCredential", "DefaultAzureCredential")


class _Facts(Struct, frozen=True, kw_only=True):
    """The values of NAMES, "" for what is not given."""

    tenant: str
    client: str
    secret: str
    file: str
    user: str
    password: str
    kind: str
    scope: str
    authority: str

    def url(self) -> str:
        host = self.authority if "://" in self.authority else f"https://{self.authority}"
        return f"{host.rstrip('/')}/{self.tenant}/oauth2/v2.0/token"


def credential(around: Surroundings) -> Credential | None:
    """What the parameters name; else, where there is no parameter `api_key` and no variable of KEYS, what the
    environment names; None where neither names anything, so that a key counts.

    In this order: a given token (or the function `azure_ad_token_provider`), a client secret, a federated token
    file, a user's password, a managed identity. Raises AuthenticationError for something that is given by half.
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
    return None if source is None else Bearer(source, (facts.secret, facts.password))


def _given(token: str) -> Credential:
    return Fixed([("authorization", f"Bearer {token}")], [token])


def _facts(around: Surroundings) -> _Facts:
    found = {name: around.param(param) or around.variable(var) for name, (param, var) in NAMES.items()}
    found["scope"] = found["scope"] or SCOPE
    found["authority"] = found["authority"] or AUTHORITY
    return _Facts(**found)


def _source(around: Surroundings, facts: _Facts) -> Source | None:
    if facts.kind in _MANAGED and not facts.secret:
        return _managed(around, facts)
    if facts.secret:
        _require(facts, "client_secret is given", "tenant", "client")
        form = {"grant_type": "client_credentials", "client_secret": facts.secret}
        return _granted(facts, lambda: form)
    if facts.file:
        _require(facts, f"{NAMES['file'][1]} is set", "tenant", "client")
        return _granted(facts, lambda: _assertion(around, facts))
    if facts.user or facts.password:
        _require(facts, "a user's name or password is given", "tenant", "client", "user", "password")
        form = {"grant_type": "password", "username": facts.user, "password": facts.password}
        return _granted(facts, lambda: form)
    if facts.client or _identity_endpoint(around) or around.params.get("enable_azure_ad_token_refresh"):
        return _managed(around, facts)
    return None


def _require(facts: _Facts, reason: str, *names: str) -> None:
    lacking = [" or ".join(NAMES[name]) for name in names if not getattr(facts, name)]
    if lacking:
        raise missing(f"Microsoft Entra ID: {reason}, but not {', '.join(lacking)}")


def _assertion(around: Surroundings, facts: _Facts) -> dict[str, str]:
    """Kubernetes writes a new token into the file every hour or so.
    https://learn.microsoft.com/entra/workload-id/workload-identity-federation"""
    token = around.file(facts.file, "the federated token of AZURE_FEDERATED_TOKEN_FILE").strip()
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": _ASSERTION,
        "client_assertion": token,
    }


def _granted(facts: _Facts, form: Callable[[], dict[str, str]]) -> Source:
    """`form` gives what is particular to a grant, anew each time."""

    async def source(fetch: Fetch, now: float) -> Token:
        sent = {**form(), "client_id": facts.client, "scope": facts.scope}
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
        query, headers = {"api-version": "2019-08-01", **query}, {"x-identity-header": header}
    else:
        host = around.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") or IMDS
        url = f"{host.rstrip('/')}/metadata/identity/oauth2/token"
        query, headers = {"api-version": "2018-02-01", **query}, {"metadata": "true"}
    ask = Ask(url=f"{url}?{urlencode(query)}", headers=headers, direct=True)
    what = "a token of the managed identity" + (f" {facts.client}" if facts.client else "")

    async def source(fetch: Fetch, now: float) -> Token:
        try:
            return (await asked_json(fetch, ask, Granted, what, now)).token(now)
        except HeadgateError as error:
            error.message += f". Looked for before: {_looked_for()}"
            error.args = (error.message,)
            raise

    return source


def _looked_for() -> str:
    names = ("secret", "file", "user")
    return ", ".join(["azure_ad_token", "AZURE_AD_TOKEN", *(name for one in names for name in NAMES[one])])


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
