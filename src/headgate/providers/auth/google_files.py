"""Google's credential documents: what each type holds and how an access token is made of it.

https://google.aip.dev/auth/4110 and the pages that it links to. Knows nothing of the order in which documents are
looked for.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from headgate.errors import AuthenticationError
from headgate.ports import Ask, Fetch
from headgate.providers.auth import aws_sources as aws
from headgate.providers.auth.base import (
    Surroundings,
    Token,
    asked,
    asked_json,
    basic,
    decoded,
    granted,
    missing,
    moment,
)
from headgate.providers.auth.rs256 import private_key, signed
from headgate.providers.auth.sigv4 import Keys
from headgate.providers.auth.values import address, file_text, header_value

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 -- an address
CLOUD: Final = "https://www.googleapis.com/auth/cloud-platform"
IAM: Final = "https://www.googleapis.com/auth/iam"
"""Enough for who only impersonates."""
LIFETIME: Final = 3600
"""Seconds that an assertion and an impersonated account's token are good for: the most that is allowed."""
_GRANTS: Final = "urn:ietf:params:oauth:"


class Asking(Struct, frozen=True, kw_only=True):
    """What a document needs to become a token. `now` is Unix seconds."""

    around: Surroundings
    fetch: Fetch
    now: float
    scope: str


class ServiceAccount(Struct, frozen=True, kw_only=True, tag_field="type", tag="service_account"):
    """A key file. https://developers.google.com/identity/protocols/oauth2/service-account#httprest"""

    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = TOKEN_URL
    project_id: str = ""
    quota_project_id: str = ""

    async def token(self, asking: Asking) -> Token:
        iat = int(asking.now)
        claims = {
            "iss": self.client_email,
            "scope": asking.scope,
            "aud": self.token_uri,
            "iat": iat,
            "exp": iat + LIFETIME,
        }
        key = private_key(self.private_key, f"private_key of the service account {self.client_email}")
        header = {"kid": self.private_key_id} if self.private_key_id else {}
        form = {"grant_type": _GRANTS + "grant-type:jwt-bearer", "assertion": signed(key, claims, header)}
        what = f"a token for the service account {self.client_email}"
        return await granted(asking.fetch, address(self.token_uri, "token_uri"), form, what, asking.now)


class User(Struct, frozen=True, kw_only=True, tag_field="type", tag="authorized_user"):
    """What `gcloud auth application-default login` leaves behind.
    https://developers.google.com/identity/protocols/oauth2/web-server#offline"""

    client_id: str
    client_secret: str
    refresh_token: str
    token_uri: str = TOKEN_URL
    project_id: str = ""
    quota_project_id: str = ""

    async def token(self, asking: Asking) -> Token:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }
        what = (
            "a token for the user of gcloud's login (if it has ended: gcloud auth application-default login)"
        )
        return await granted(asking.fetch, address(self.token_uri, "token_uri"), form, what, asking.now)


class Workforce(Struct, frozen=True, kw_only=True, tag_field="type", tag="external_account_authorized_user"):
    """A user of a workforce pool, logged in by gcloud.
    https://cloud.google.com/iam/docs/workforce-obtaining-short-lived-credentials"""

    client_id: str
    client_secret: str
    refresh_token: str
    token_url: str
    project_id: str = ""
    quota_project_id: str = ""

    async def token(self, asking: Asking) -> Token:
        form = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        headers = {"authorization": basic(self.client_id, self.client_secret)}
        what = (
            "a token for the workforce user (if the login has ended: gcloud auth application-default login)"
        )
        return await granted(
            asking.fetch, address(self.token_url, "token_url"), form, what, asking.now, headers
        )


class _Format(Struct, frozen=True):
    type: str = "text"
    subject_token_field_name: str = ""


class _Source(Struct, frozen=True, kw_only=True):
    """Where the subject token of an external account comes from: a file, a URL, or AWS's metadata service."""

    file: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    format: _Format = _Format()
    environment_id: str = ""
    region_url: str = ""
    regional_cred_verification_url: str = ""
    imdsv2_session_token_url: str = ""


class ExternalAccount(Struct, frozen=True, kw_only=True, tag_field="type", tag="external_account"):
    """Workload identity federation. https://google.aip.dev/auth/4117 and
    https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token"""

    audience: str
    subject_token_type: str
    credential_source: _Source
    token_url: str = "https://sts.googleapis.com/v1/token"  # noqa: S105 -- an address
    client_id: str = ""
    client_secret: str = ""
    workforce_pool_user_project: str = ""
    service_account_impersonation_url: str = ""
    service_account_impersonation: dict[str, Any] = {}
    project_id: str = ""
    quota_project_id: str = ""

    async def token(self, asking: Asking) -> Token:
        target = self.service_account_impersonation_url
        form = {
            "grant_type": _GRANTS + "grant-type:token-exchange",
            "requested_token_type": _GRANTS + "token-type:access_token",
            "audience": self.audience,
            "scope": IAM if target else asking.scope,
            "subject_token_type": self.subject_token_type,
            "subject_token": await _subject_token(self.credential_source, self.audience, asking),
        }
        if self.workforce_pool_user_project and not self.client_id:
            options = msgspec.json.encode({"userProject": self.workforce_pool_user_project})
            form["options"] = quote(options.decode())
        headers = {"authorization": basic(self.client_id, self.client_secret)} if self.client_id else {}
        what = f"a token for the external account of {self.audience}"
        url = address(self.token_url, "token_url")
        token = await granted(asking.fetch, url, form, what, asking.now, headers)
        if not target:
            return token
        seconds = self.service_account_impersonation.get("token_lifetime_seconds", LIFETIME)
        return await _impersonated(target, token, asking, lifetime=seconds)


class Impersonated(Struct, frozen=True, kw_only=True, tag_field="type", tag="impersonated_service_account"):
    """What `gcloud auth application-default login --impersonate-service-account` leaves behind.
    https://cloud.google.com/docs/authentication/use-service-account-impersonation"""

    service_account_impersonation_url: str
    source_credentials: "Document"
    delegates: list[str] = []
    project_id: str = ""
    quota_project_id: str = ""

    async def token(self, asking: Asking) -> Token:
        first = await self.source_credentials.token(msgspec.structs.replace(asking, scope=IAM))
        return await _impersonated(
            self.service_account_impersonation_url, first, asking, delegates=self.delegates
        )


Document: TypeAlias = ServiceAccount | User | Workforce | ExternalAccount | Impersonated
TYPES: Final = {
    str(one.__struct_config__.tag): one
    for one in (ServiceAccount, User, Workforce, ExternalAccount, Impersonated)
}


class _Type(Struct):
    type: str = ""


def document(text: str, what: str) -> Document:
    """Raises AuthenticationError, which shows nothing of the text but its type."""
    kind = decoded(text, _Type, what).type
    if kind not in TYPES:
        raise AuthenticationError(
            f"{what}: type is {kind[:60]!r}: expected {', '.join(TYPES)}", code="unreadable_credentials"
        )
    found: Document = decoded(text, Document, what)  # type: ignore[arg-type]  # a union is a type to msgspec
    return found


class _Impersonation(Struct, rename="camel"):
    access_token: str
    expire_time: str


async def _impersonated(
    url: str, token: Token, asking: Asking, *, lifetime: float = LIFETIME, delegates: Sequence[str] = ()
) -> Token:
    """https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken"""
    address(url, "service_account_impersonation_url")
    account = urlsplit(url).path.rpartition("/")[2].partition(":")[0]
    body = {"scope": [asking.scope], "lifetime": f"{lifetime:.0f}s", "delegates": delegates}
    headers = {"authorization": f"Bearer {token.text}", "content-type": "application/json"}
    ask = Ask(method="POST", url=url, headers=headers, body=msgspec.json.encode(body))
    what = f"impersonating the service account {account}"
    got = await asked_json(asking.fetch, ask, _Impersonation, what, asking.now)
    return Token(got.access_token, moment(got.expire_time, f"expireTime in the answer of {url}"))


async def _subject_token(source: _Source, audience: str, asking: Asking) -> str:
    if source.environment_id:
        return await _aws_token(source, audience, asking)
    if source.file:
        what = "the subject token of an external account"
        return _in_format(file_text(asking.around, source.file, what), source.format, source.file)
    if source.url:
        ask = Ask(url=address(source.url, "credential_source.url"), headers=_headers(source))
        told = await asked(asking.fetch, ask, "the subject token of an external account", asking.now)
        return _in_format(told.body.decode("utf-8", "replace"), source.format, source.url.partition("?")[0])
    raise missing(
        "credential_source of the external account has no file, url or environment_id: Headgate starts no "
        "programs and uses no client certificates for it. Let the program write a file, and name the file"
    )


def _headers(source: _Source) -> dict[str, str]:
    what = "credential_source.headers"
    return {
        header_value(name, what).lower(): header_value(value, what) for name, value in source.headers.items()
    }


def _in_format(text: str, form: _Format, where: str) -> str:
    name = form.subject_token_field_name
    if form.type != "json":
        token: Any = text.strip()
    else:
        token = decoded(text, dict[str, Any], f"the subject token in {where}").get(name)
    if not isinstance(token, str) or not token:
        raise missing(f"no subject token in {where}" + (f": expected JSON with {name!r}" if name else ""))
    return token


async def _aws_token(source: _Source, audience: str, asking: Asking) -> str:
    """A signed question to AWS, which Google asks in its turn."""
    if source.environment_id != "aws1":
        raise missing(f"environment_id of the external account is {source.environment_id!r}: expected 'aws1'")
    region = await _aws_region(source, asking)
    template = source.regional_cred_verification_url or (
        f"https://sts.{{region}}.{aws.domain(region)}?Action=GetCallerIdentity&Version=2011-06-15"
    )
    url = address(template.replace("{region}", region), "credential_source.regional_cred_verification_url")
    keys = await _aws_keys(source, asking)
    return quote(aws.caller_identity(url, keys, region=region, audience=audience, now=asking.now))


async def _aws_keys(source: _Source, asking: Asking) -> Keys:
    variable = asking.around.variable
    access, secret = variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")
    if access and secret:
        return Keys(access=access, secret=secret, session=variable("AWS_SESSION_TOKEN"))
    if not source.url:
        raise missing(
            "the external account wants AWS keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
            "credential_source.url, AWS's metadata service"
        )
    url = address(source.url, "credential_source.url")
    return await aws.imds_keys(asking.fetch, url, _service(source), aws.METADATA_SECONDS, asking.now)


async def _aws_region(source: _Source, asking: Asking) -> str:
    if region := asking.around.variable("AWS_REGION", "AWS_DEFAULT_REGION"):
        return region
    if not source.region_url:
        raise missing(
            "the external account wants AWS's region: set AWS_REGION, or give credential_source.region_url"
        )
    headers = await aws.imds_token(asking.fetch, _service(source), aws.METADATA_SECONDS, asking.now)
    url = address(source.region_url, "credential_source.region_url")
    ask = Ask(url=url, headers=headers, seconds=aws.METADATA_SECONDS, direct=True)
    zone = (await asked(asking.fetch, ask, "AWS's region", asking.now)).body.decode("latin-1").strip()
    return zone[:-1]  # us-east-1b lies in us-east-1


def _service(source: _Source) -> str:
    """The metadata service's address, without a path."""
    url = source.imdsv2_session_token_url or source.url or source.region_url
    parts = urlsplit(address(url, "credential_source"))
    return f"{parts.scheme}://{parts.netloc}"
