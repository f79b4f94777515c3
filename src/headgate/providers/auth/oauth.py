"""Token exchanges of providers whose key is no token: one row each in EXCHANGES.

Knows what each provider wants for a token, but no model and no API of theirs.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct, field

from headgate.errors import BadRequestError
from headgate.ports import Ask, Credential, Fetch
from headgate.providers.auth.base import (
    Bearer,
    Fixed,
    Granted,
    Surroundings,
    Text,
    Token,
    asked_json,
    basic,
    decoded,
    missing,
    posted,
)
from headgate.providers.auth.rs256 import fingerprint, private_key, signed
from headgate.providers.auth.values import address, clean, file_text, header_value, json_text, there

Facts: TypeAlias = Mapping[str, str]
"""The values of a row's facts, "" for what was not found."""
Source: TypeAlias = Callable[[Fetch, float], Any]


class Fact(Struct, frozen=True):
    """Where a value is looked for: parameters, then environment variables, each separated by blanks; then
    `default`. It may be asked for in a message."""

    params: str
    variables: str = ""
    default: str = ""
    secret: bool = False

    def find(self, around: Surroundings) -> str:
        given = around.param(*self.params.split()) or around.variable(*self.variables.split())
        return clean(given, self.names) or self.default

    @property
    def names(self) -> str:
        return " or ".join([*self.params.split()[:1], *self.variables.split()])


class Given(Struct, frozen=True):
    """Something that needs no exchange; `scheme` stands before it in the header `authorization`."""

    fact: Fact
    scheme: str = "Bearer"


class Exchange(Struct, frozen=True, kw_only=True):
    """One row.

    `given` is looked for first. `facts` are what the exchange is made of; all but those in `optional` must be
    there. `holders` are facts, optional too, that hold others; `more` takes them out. `url`, made of the
    address that the fact `place` is, `form` and `headers` are the request, a GET where there is no form;
    `answer` is what it answers. `local` makes the token without a request. `beside` are header lines that
    travel with the token. `keyed`: the provider takes a plain API key as well, so nothing at all is no error,
    and a parameter `api_key` wins over the environment. `hint` ends the error where something is lacking.
    """

    name: str
    facts: Mapping[str, Fact]
    given: tuple[Given, ...] = ()
    optional: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    more: Callable[[Surroundings, Facts], Facts] = lambda around, facts: facts
    place: str = "url"
    url: Callable[[Facts], str] = lambda facts: facts["url"]
    form: Callable[[Facts], Mapping[str, str]] | None = lambda facts: {"grant_type": "client_credentials"}
    headers: Callable[[Facts], Mapping[str, str]] = lambda facts: basic_header(facts)
    local: Callable[[Facts, float], Token] | None = None
    beside: Callable[[Facts], Mapping[str, str]] = lambda facts: {}
    keyed: bool = False
    answer: type[Granted] = Granted
    hint: str = ""


def basic_header(facts: Facts) -> Mapping[str, str]:
    """RFC 6749, 2.3.1."""
    return {"authorization": basic(facts["client"], facts["secret"])}


def credential(name: str, around: Surroundings) -> Credential | None:
    """The credential of the row `name`, None where nothing is configured and an API key does as well.

    Raises AuthenticationError that names the parameters and variables of what is lacking, BadRequestError for a
    name that is in no row.
    """
    row = EXCHANGES.get(name)
    if row is None:
        raise BadRequestError(f"no token exchange {name!r}: expected {', '.join(EXCHANGES)}")
    for given in row.given:
        if text := around.param(*given.fact.params.split()):
            return _fixed(row, given, text, around)
    if row.keyed and around.param("api_key"):
        return None
    if not any(around.param(*fact.params.split()) for fact in row.facts.values() if fact.secret):
        for given in row.given:
            if text := around.variable(*given.fact.variables.split()):
                return _fixed(row, given, text, around)
    facts = _facts(row, around)
    lacking = [one for one in row.facts if not facts[one] and one not in (*row.optional, *row.holders)]
    if not lacking:
        secrets = [facts[one] for one, fact in row.facts.items() if fact.secret]
        return Bearer(_source(row, facts), secrets, _beside(row, facts))
    if row.keyed and not any(facts[one] for one, fact in row.facts.items() if fact.secret):
        return None
    raise missing(_lacking(row, lacking))


def _lacking(row: Exchange, lacking: list[str]) -> str:
    names = ", ".join(row.facts[one].names for one in lacking)
    others = [row.facts[one].names for one in row.holders] + [given.fact.names for given in row.given]
    return f"{row.name}: no credentials: set {'; or '.join([names, *others])}{row.hint}"


def found(name: str, around: Surroundings) -> Facts:
    """What is known of a row's facts, "" for the others. An address that a service key holds is among them."""
    return _facts(EXCHANGES[name], around)


def taken(name: str) -> frozenset[str]:
    """The parameters that are looked for."""
    row = EXCHANGES[name]
    facts = [*row.facts.values(), *(given.fact for given in row.given)]
    return frozenset(param for fact in facts for param in fact.params.split())


def _facts(row: Exchange, around: Surroundings) -> Facts:
    return row.more(around, {one: fact.find(around) for one, fact in row.facts.items()})


def _fixed(row: Exchange, given: Given, text: str, around: Surroundings) -> Credential:
    text = header_value(text, given.fact.names)
    return Fixed([("authorization", f"{given.scheme} {text}"), *_beside(row, _facts(row, around))], [text])


def _beside(row: Exchange, facts: Facts) -> list[tuple[str, str]]:
    return [(name, header_value(value, f"{row.name}: {name}")) for name, value in row.beside(facts).items()]


def _source(row: Exchange, facts: Facts) -> Source:
    async def source(fetch: Fetch, now: float) -> Token:
        if row.local is not None:
            return row.local(facts, now)
        address(facts[row.place], f"{row.name}: {row.facts[row.place].names}")
        what = f"{row.name}: a token"
        told = await asked_json(fetch, _ask(row, facts), row.answer, what, now)
        return told.token(now)

    return source


def _ask(row: Exchange, facts: Facts) -> Ask:
    if row.form is None:
        return Ask(url=row.url(facts), headers={"accept": "application/json", **row.headers(facts)})
    return posted(row.url(facts), row.form(facts), row.headers(facts))


def _host(around: Surroundings, facts: Facts) -> Facts:
    """The workspace is named by the base URL of its API."""
    host = around.base or facts["host"]
    return {**facts, "host": host if "://" in host or not host else f"https://{host}"}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class _ServiceKey(Struct):
    """https://help.sap.com/docs/sap-ai-core/sap-ai-core-service-guide/create-service-key"""

    clientid: str = ""
    clientsecret: str = ""
    url: str = ""
    serviceurls: dict[str, str] = {}
    credentials: "_ServiceKey | None" = None

    def facts(self) -> Facts:
        if self.credentials:
            return self.credentials.facts()
        base = self.serviceurls.get("AI_API_URL", "")
        return {"client": self.clientid, "secret": self.clientsecret, "url": self.url, "base": base}


class _Services(Struct):
    """What Cloud Foundry tells an application of the services that are bound to it."""

    aicore: list[_ServiceKey] = []


def _sap(around: Surroundings, facts: Facts) -> Facts:
    """What was not given singly is in a service key, in a file of SAP's own tools, or in a bound service."""
    layers: list[Facts] = [facts]
    if facts["key"]:
        text, what = json_text(around, facts["key"], "SAP AI Core's service key")
        layers.append(decoded(text, _ServiceKey, what).facts())
    if config := _sap_config(around):
        layers.append(config)
    if bound := around.variable("VCAP_SERVICES"):
        layers += [one.facts() for one in decoded(bound, _Services, "VCAP_SERVICES").aicore]
    return {name: next((layer[name] for layer in layers if layer.get(name)), "") for name in facts}


def _sap_config(around: Surroundings) -> Facts | None:
    """https://sap.github.io/ai-sdk/docs/python/overview: a file that holds
    the variables' names."""
    named, profile = around.variable("AICORE_CONFIG"), around.variable("AICORE_PROFILE")
    folder = around.variable("AICORE_HOME") or "~/.aicore"
    default = profile in ("", "default")
    path = named or f"{folder}/config{'' if default else '_' + profile}.json"
    if not named and default and not there(around, path):
        return None
    text, what = json_text(around, path, "AICORE_CONFIG" if named else "SAP AI Core's configuration")
    held = decoded(text, dict[str, Any], what)
    names = {one: fact.variables for one, fact in EXCHANGES["sap"].facts.items()}
    return {one: value for one, name in names.items() if isinstance(value := held.get(name), str)}


def _key_file(around: Surroundings, facts: Facts) -> Facts:
    """The key's text, where its file was named."""
    if facts["key"] or not facts["file"]:
        return facts
    return {**facts, "key": file_text(around, facts["file"], "Snowflake's private key")}


def _account_jwt(facts: Facts, now: float) -> Token:
    """https://docs.snowflake.com/en/developer-guide/sql-api/authenticating#using-key-pair-authentication"""
    key = private_key(facts["key"], "Snowflake's private key", facts["passphrase"])
    account, dot, rest = facts["account"].partition(".")
    if dot and rest.startswith("global"):
        account = account.partition("-")[0]
    subject = f"{account}.{facts['user']}".upper()
    iat = int(now)
    claims = {
        "iss": f"{subject}.SHA256:{fingerprint(key)}",
        "sub": subject,
        "iat": iat,
        "exp": iat + JWT_SECONDS,
    }
    return Token(signed(key, claims), iat + JWT_SECONDS)


class _CopilotToken(Granted, kw_only=True):
    """`expires_at` is Unix seconds."""

    access_token: Text = field(name="token")


_COPILOT_FILES: Final = ("~/.config/github-copilot/apps.json", "~/.config/github-copilot/hosts.json")
"""Where editors keep what a sign-in gave them."""


def _copilot(around: Surroundings, facts: Facts) -> Facts:
    """The token of GitHub that was given, or that a program keeps after its user signed in."""
    if facts["key"]:
        return facts
    what = "GitHub Copilot's token"
    kept = f"{facts['folder'].rstrip('/')}/{facts['name']}"
    path = facts["file"] or next((one for one in (kept, *_COPILOT_FILES) if there(around, one)), "")
    if not path:
        return facts
    text = clean(file_text(around, path, what), what)
    if text.startswith("{"):
        apps = decoded(text, dict[str, _SignedIn], f"{what}, the file {around.path(path)},")
        text = next((app.oauth_token for app in apps.values() if app.oauth_token), "")
    return {**facts, "key": text}


class _SignedIn(Struct):
    oauth_token: str = ""


JWT_SECONDS: Final = 3540
"""Snowflake takes no longer life than an hour."""

EXCHANGES: Final[Mapping[str, Exchange]] = {
    # https://cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey
    "watsonx": Exchange(
        name="IBM watsonx.ai",
        given=(
            Given(Fact("token", "WATSONX_TOKEN")),
            Given(Fact("zen_api_key", "WATSONX_ZENAPIKEY"), "ZenApiKey"),
        ),
        facts={
            "key": Fact("api_key apikey", "WATSONX_APIKEY WATSONX_API_KEY WX_API_KEY", secret=True),
            "url": Fact("iam_url", "WATSONX_IAM_URL", "https://iam.cloud.ibm.com/identity/token"),
        },
        form=lambda facts: {
            "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
            "apikey": facts["key"],
        },
        headers=lambda facts: {},
    ),
    # https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-token
    "gigachat": Exchange(
        name="GigaChat",
        given=(Given(Fact("access_token", "GIGACHAT_ACCESS_TOKEN")),),
        facts={
            "key": Fact("api_key credentials", "GIGACHAT_CREDENTIALS GIGACHAT_API_KEY", secret=True),
            "scope": Fact("scope", "GIGACHAT_SCOPE", "GIGACHAT_API_PERS"),
            "url": Fact("auth_url", "GIGACHAT_AUTH_URL", "https://ngw.devices.sberbank.ru:9443/api/v2/oauth"),
        },
        form=lambda facts: {"scope": facts["scope"]},
        headers=lambda facts: {
            "authorization": "Basic " + header_value(facts["key"].removeprefix("Basic "), "the credentials"),
            "rquid": str(uuid.uuid4()),
        },
    ),
    # https://help.sap.com/docs/sap-ai-core/sap-ai-core-service-guide/use-service-key
    "sap": Exchange(
        name="SAP AI Core",
        given=(Given(Fact("access_token", "AICORE_ACCESS_TOKEN")),),
        facts={
            "key": Fact("api_key service_key", "AICORE_SERVICE_KEY", secret=True),
            "client": Fact("client_id", "AICORE_CLIENT_ID"),
            "secret": Fact("client_secret", "AICORE_CLIENT_SECRET", secret=True),
            "url": Fact("auth_url", "AICORE_AUTH_URL"),
            "base": Fact("base_url", "AICORE_BASE_URL"),
            "group": Fact("resource_group", "AICORE_RESOURCE_GROUP"),
        },
        optional=("base", "group"),
        holders=("key",),
        more=_sap,
        url=lambda facts: facts["url"].rstrip("/").removesuffix("/oauth/token") + "/oauth/token",
        beside=lambda facts: {"ai-resource-group": facts["group"] or "default"},
    ),
    # https://docs.github.com/en/copilot; what editors ask, which no page describes
    "github_copilot": Exchange(
        name="GitHub Copilot",
        facts={
            "key": Fact("api_key github_token", "COPILOT_GITHUB_TOKEN", secret=True),
            "file": Fact("github_token_file", "GITHUB_COPILOT_TOKEN_FILE"),
            "folder": Fact("", "GITHUB_COPILOT_TOKEN_DIR", "~/.config/litellm/github_copilot"),
            "name": Fact("", "GITHUB_COPILOT_ACCESS_TOKEN_FILE", "access-token"),
            "url": Fact(
                "github_token_url",
                "GITHUB_COPILOT_API_KEY_URL",
                "https://api.github.com/copilot_internal/v2/token",
            ),
        },
        holders=("file",),
        more=_copilot,
        form=None,
        headers=lambda facts: {
            "authorization": "token " + header_value(facts["key"], "GitHub Copilot's token"),
            "editor-version": "vscode/1.104.1",
            "editor-plugin-version": "copilot-chat/0.26.7",
            "user-agent": "GitHubCopilotChat/0.26.7",
        },
        answer=_CopilotToken,
        hint="; or sign in to Copilot in an editor on this machine, which keeps one in ~/.config/github-copilot",
    ),
    # https://docs.databricks.com/en/dev-tools/auth/oauth-m2m.html
    "databricks": Exchange(
        name="Databricks",
        facts={
            "client": Fact("client_id", "DATABRICKS_CLIENT_ID"),
            "secret": Fact("client_secret", "DATABRICKS_CLIENT_SECRET", secret=True),
            "host": Fact("api_base base_url", "DATABRICKS_HOST DATABRICKS_API_BASE"),
        },
        more=_host,
        place="host",
        url=lambda facts: _origin(facts["host"]) + "/oidc/v1/token",
        form=lambda facts: {"grant_type": "client_credentials", "scope": "all-apis"},
        keyed=True,
    ),
    # The row's own header says that the token is a KEYPAIR_JWT.
    "snowflake": Exchange(
        name="Snowflake",
        facts={
            "account": Fact("account_id", "SNOWFLAKE_ACCOUNT_ID SNOWFLAKE_ACCOUNT"),
            "user": Fact("snowflake_user", "SNOWFLAKE_USER"),
            "key": Fact("private_key", "SNOWFLAKE_PRIVATE_KEY", secret=True),
            "file": Fact("private_key_file", "SNOWFLAKE_PRIVATE_KEY_FILE SNOWFLAKE_PRIVATE_KEY_PATH"),
            "passphrase": Fact("private_key_passphrase", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", secret=True),
        },
        optional=("passphrase",),
        holders=("file",),
        more=_key_file,
        local=_account_jwt,
        keyed=True,
    ),
}
