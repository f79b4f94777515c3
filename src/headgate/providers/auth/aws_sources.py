"""Where AWS keys come from over the network: STS, the container services of ECS and EKS, instance metadata, SSO.

Each function takes what it needs and gives a source: who asks it gets new keys. Knows no files and no variables.
"""

import html
import json
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from headgate.errors import AuthenticationError
from headgate.ports import Ask, Fetch, Signing
from headgate.providers.auth.base import asked, asked_json, decoded, missing, moment, posted, shown
from headgate.providers.auth.sigv4 import Keys, sign

Source: TypeAlias = Callable[[Fetch, float], Awaitable[Keys]]

ECS: Final = "http://169.254.170.2"
IMDS: Final = "http://169.254.169.254"
METADATA_SECONDS: Final = 1.0
"""A machine that is no instance has nobody there: it should not wait for long."""
_CONTAINER_HOSTS: Final = ("localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23")


def static(keys: Keys) -> Source:
    async def source(fetch: Fetch, now: float) -> Keys:
        return keys

    return source


def domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def sts_url(region: str, endpoint: str = "") -> str:
    return endpoint.rstrip("/") or f"https://sts.{region}.{domain(region)}"


def signing_region(url: str, region: str) -> str:
    """STS is signed for the region in its address; sts.amazonaws.com is in us-east-1.
    https://docs.aws.amazon.com/general/latest/gr/sts.html"""
    host = urlsplit(url).hostname or ""
    named = re.search(r"(?:^|\.)sts(?:-fips)?(?:\.([a-z0-9-]+))?(?:\.vpce)?\.amazonaws\.com", host)
    return (named[1] or "us-east-1") if named else region


def assume_role(base: Source, form: dict[str, str], *, url: str, region: str) -> Source:
    """`form` has RoleArn, RoleSessionName and what else AssumeRole takes; `base` gives the keys that sign it.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""

    async def source(fetch: Fetch, now: float) -> Keys:
        keys = await base(fetch, now)
        asking = posted(url + "/", {"Action": "AssumeRole", "Version": "2011-06-15", **form})
        given = tuple(asking.headers.items())
        signing = Signing(method="POST", url=asking.url, headers=given, body=asking.body)
        lines = sign(signing, keys, region=signing_region(url, region), service="sts", now=now)
        ask = Ask(method="POST", url=asking.url, headers={**asking.headers, **dict(lines)}, body=asking.body)
        told = await asked(fetch, ask, f"assuming the role {form['RoleArn']}", now)
        return _from_xml(told.body, ask.url)

    return source


def web_identity(token: Callable[[], str], form: dict[str, str], *, url: str) -> Source:
    """`token` gives an OpenID token, anew each time.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html"""

    async def source(fetch: Fetch, now: float) -> Keys:
        action = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15"}
        ask = posted(url + "/", {**action, **form, "WebIdentityToken": token()})
        told = await asked(fetch, ask, f"assuming the role {form['RoleArn']} with a web identity token", now)
        return _from_xml(told.body, ask.url)

    return source


def _from_xml(body: bytes, url: str) -> Keys:
    text = body.decode("utf-8", "replace")
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    found = {name: re.search(rf"<{name}>([^<]*)</{name}>", text) for name in names}
    lacking = [name for name, match in found.items() if match is None]
    if lacking:
        raise AuthenticationError(
            f"{url} answered without {', '.join(lacking)}", code="unreadable_credentials"
        )
    access, secret, session, end = (html.unescape(match[1]) for match in found.values() if match)
    return Keys(access=access, secret=secret, session=session, expires=moment(end, url))


class _Metadata(Struct, rename="pascal"):
    access_key_id: str
    secret_access_key: str
    token: str
    expiration: str

    def keys(self, url: str) -> Keys:
        end = moment(self.expiration, url)
        return Keys(access=self.access_key_id, secret=self.secret_access_key, session=self.token, expires=end)


def container(url: str, token: Callable[[], str]) -> Source:
    """ECS, and Pod Identity of EKS. `token` gives the authorization header's value, "" for none.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _CONTAINER_HOSTS:
        raise missing(
            f"AWS_CONTAINER_CREDENTIALS_FULL_URI is {shown(url)}: expected https, or a loopback or container address"
        )

    async def source(fetch: Fetch, now: float) -> Keys:
        value = token()
        headers = {"accept": "application/json", **({"authorization": value} if value else {})}
        ask = Ask(url=url, headers=headers, seconds=5.0, direct=True)
        return (await asked_json(fetch, ask, _Metadata, "credentials of the container", now)).keys(url)

    return source


def instance(endpoint: str = IMDS, seconds: float = METADATA_SECONDS) -> Source:
    """The role of an EC2 instance, by IMDSv2.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html"""
    endpoint = endpoint.rstrip("/")

    async def source(fetch: Fetch, now: float) -> Keys:
        return await imds_keys(
            fetch, f"{endpoint}/latest/meta-data/iam/security-credentials/", endpoint, seconds, now
        )

    return source


async def imds_token(fetch: Fetch, endpoint: str, seconds: float, now: float) -> dict[str, str]:
    """The header that IMDSv2 wants."""
    told = await asked(
        fetch,
        Ask(
            method="PUT",
            url=f"{endpoint}/latest/api/token",
            headers={"x-aws-ec2-metadata-token-ttl-seconds": "21600"},
            seconds=seconds,
            direct=True,
        ),
        "instance metadata",
        now,
    )
    return {"x-aws-ec2-metadata-token": told.body.decode("latin-1").strip()}


async def imds_keys(fetch: Fetch, url: str, endpoint: str, seconds: float, now: float) -> Keys:
    """`url` lists the instance's role; below it are its keys."""
    headers = await imds_token(fetch, endpoint, seconds, now)
    url = url if url.endswith("/") else url + "/"
    listed = Ask(url=url, headers=headers, seconds=seconds, direct=True)
    roles = (await asked(fetch, listed, "instance metadata", now)).body.decode("utf-8", "replace").split()
    if not roles:
        raise missing(f"{url} names no role: the instance has no instance profile")
    ask = Ask(url=url + roles[0], headers=headers, seconds=seconds, direct=True)
    return (await asked_json(fetch, ask, _Metadata, "instance metadata", now)).keys(ask.url)


class _RoleCredentials(Struct, rename="camel"):
    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: float


class _Portal(Struct, rename="camel"):
    role_credentials: _RoleCredentials


class _Login(Struct, rename="camel"):
    access_token: str
    expires_at: str


def sso(
    login: Callable[[], str], *, profile: str, region: str, account: str, role: str, endpoint: str = ""
) -> Source:
    """`login` gives the JSON text of the token that `aws sso login` left behind.
    https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html"""
    base = endpoint.rstrip("/") or f"https://portal.sso.{region}.{domain(region)}"

    async def source(fetch: Fetch, now: float) -> Keys:
        found = decoded(login(), _Login, "the cached token of aws sso login")
        if moment(found.expires_at, "expiresAt of the cached token of aws sso login") <= now:
            raise missing(f"the login of AWS SSO has expired: run `aws sso login --profile {profile}`")
        query = urlencode({"role_name": role, "account_id": account})
        ask = Ask(
            url=f"{base}/federation/credentials?{query}",
            headers={"x-amz-sso_bearer_token": found.access_token, "accept": "application/json"},
        )
        got = (await asked_json(fetch, ask, _Portal, f"AWS SSO, profile {profile}", now)).role_credentials
        return Keys(
            access=got.access_key_id,
            secret=got.secret_access_key,
            session=got.session_token,
            expires=got.expiration / 1000,
        )

    return source


def caller_identity(url: str, keys: Keys, *, region: str, audience: str, now: float) -> str:
    """A signed GetCallerIdentity as JSON text: how other clouds learn who an AWS workload is.
    https://cloud.google.com/iam/docs/workload-identity-federation-with-other-clouds"""
    host = urlsplit(url).netloc
    headers = (("host", host), ("x-goog-cloud-target-resource", audience))
    lines = sign(
        Signing(method="POST", url=url, headers=headers, body=b""),
        keys,
        region=region,
        service="sts",
        now=now,
    )
    pairs = [{"key": name, "value": value} for name, value in (*headers, *lines)]
    return json.dumps({"url": url, "method": "POST", "headers": pairs})
