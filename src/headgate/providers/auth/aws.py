"""Credentials of AWS: who is asked for keys, in which order, and the signer that uses them.

The order is LiteLLM's for a deployment's parameters and botocore's for the surroundings:
https://docs.litellm.ai/docs/providers/bedrock#authentication and
https://docs.aws.amazon.com/boto3/latest/guide/credentials.html. Knows no model and no address of a service.
"""

import logging
import math
import re
from calendar import timegm
from collections.abc import Callable
from time import strptime
from typing import Any, Final

from headgate.errors import APIConnectionError, AuthenticationError, Timeout
from headgate.ports import Credential, Fetch, Signing, Told
from headgate.providers.auth import aws_sources as sources
from headgate.providers.auth.aws_files import Files, profile_source, role_form, token_file
from headgate.providers.auth.aws_sources import Source
from headgate.providers.auth.base import SKEW, YOUNG, Fixed, Renewing, Surroundings, date, missing, shown
from headgate.providers.auth.sigv4 import STAMP, Keys, sign

_BEARERS: Final = frozenset({"AWS_BEARER_TOKEN_BEDROCK"})
"""Services that take an API key: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html."""
_REGIONS: Final = ("AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION")
_PROFILES: Final = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
_SESSIONS: Final = ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
_IMDS_IPV6: Final = "http://[fd00:ec2::254]"
_STALE: Final = re.compile(
    rb"ExpiredToken|InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId|InvalidToken"
    rb"|security token included in the request is (?:invalid|expired)",
    re.IGNORECASE,
)
"""https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html; the last is Bedrock's sentence."""
_SKEWED: Final = re.compile(
    rb"Signature (?:expired|not yet current)|RequestTimeTooSkewed|RequestExpired", re.IGNORECASE
)
_PATH: Final = re.compile(r"~|\.{0,2}[/\\]|[A-Za-z]:[/\\]")
_TOKEN: Final = re.compile(r"ey[\w-]*\.[\w-]*\.[\w-]*")
"""A JSON Web Token: three parts of base64url, the first of them a JSON object."""

_log = logging.getLogger("headgate.auth")


def credential(around: Surroundings, service: str, region: str) -> Credential:
    """What signs for `service` (the name in the signature's scope: bedrock, sagemaker, polly, s3) in `region`.

    An API key where the service takes one and there is one, as Authorization: Bearer; else Signature Version 4.
    Never raises: what is wrong or missing is told by `renew`.
    """
    name = f"AWS_BEARER_TOKEN_{service.upper()}"
    if name in _BEARERS and (key := around.param("api_key") or around.variable(name)):
        return Fixed([("authorization", f"Bearer {key}")], [key])
    return Signer(around, service, region)


def region(around: Surroundings) -> str:
    """The deployment's, the environment's or the profile's region, "" where none is named.

    Raises AuthenticationError for a profile that is named and is not there, and for unreadable files.
    """
    if named := around.param("aws_region_name") or around.variable(*_REGIONS):
        return named
    files, profile = Files(around), _profile_name(around)
    if not profile and "default" not in files.names:
        return ""
    return files.profile(profile or "default").get("region", "")


class Signer(Renewing[Keys]):
    """Signature Version 4 with keys from wherever there are some. See ports.Credential."""

    def __init__(self, around: Surroundings, service: str, region: str) -> None:
        super().__init__(self._found, _given(around))
        self._around = around
        self._service = service
        self._region = region
        self._ahead = 0.0

    def sign(self, request: Signing, now: float) -> list[tuple[str, str]]:
        return sign(request, self.value, region=self._region, service=self._service, now=now + self._ahead)

    def refused(self, told: Told, lines: list[tuple[str, str]], now: float) -> bool:
        """True when the keys had expired and are forgotten, or the clock was wrong and is now allowed for."""
        said = told.headers.get("x-amzn-errortype", "").encode() + b" " + told.body
        if _SKEWED.search(said):
            return self._set_right(told, dict(lines), now)
        if not _STALE.search(said):
            return False
        if self._signed(dict(lines)):
            if now - self._since < YOUNG:
                return False
            self.forget()
        return True

    def _signed(self, lines: dict[str, str]) -> bool:
        """Whether it was the keys of now, not those before."""
        named = f"Credential={self.value.access}/" in lines.get("authorization", "")
        return named and lines.get("x-amz-security-token", "") == self.value.session

    def _set_right(self, told: Told, lines: dict[str, str], now: float) -> bool:
        theirs, stamp = date(told.headers), lines.get("x-amz-date", "")
        if theirs is None or not stamp or abs(theirs - timegm(strptime(stamp, STAMP))) < SKEW:
            return False
        self._ahead = theirs - now
        word = "behind" if self._ahead > 0 else "ahead of"
        _log.warning("this machine's clock is %.0f s %s AWS's: set it right", abs(self._ahead), word)
        return True

    async def _found(self, fetch: Fetch, now: float) -> Keys:
        """Looks anew each time: other programs write the files."""
        source = source_of(self._around, self._region)
        if not self._region:
            raise missing(
                f"no AWS region: set the parameter aws_region_name, one of {', '.join(_REGIONS)}, "
                "or region in the AWS profile"
            )
        return await source(fetch, now)


def source_of(around: Surroundings, region: str) -> Source:
    """Who is to be asked for keys. Raises AuthenticationError where half of something is given."""
    role, own_token = _either(around, "aws_role_name"), around.param("aws_web_identity_token")
    if own_token and not (role := role or around.variable("AWS_ROLE_ARN")):
        raise missing("aws_web_identity_token is set, aws_role_name is not: expected both")
    if role and (token := own_token or around.variable("AWS_WEB_IDENTITY_TOKEN")):
        return _by_token(around, region, role, _web_token(around, token))
    pod = _pod(around, region)
    base = _base(around, region, pod)
    if not role or (base is pod and role == _pod_role(around)):  # a role may not assume itself
        return base
    external, tags = _either(around, "aws_external_id"), _tags(around.params.get("aws_session_tags"))
    form = role_form(role, _session(around), external=external) | tags
    return sources.assume_role(base, form, url=_sts(around, region), region=region)


def _base(around: Surroundings, region: str, pod: Source | None) -> Source:
    """Keys before any role that the deployment names."""
    own = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    if not around.param("aws_profile_name") and (found := _pair(around.param, *own)):
        return found
    if _either(around, "aws_profile_name"):
        return _profile(around, region) or _machine(around)
    return _environment(around) or pod or _profile(around, region) or _machine(around)


def _pair(get: Callable[..., str], access: str, secret: str, *session: str) -> Source | None:
    """Raises AuthenticationError for one without the other."""
    keys = Keys(access=get(access), secret=get(secret), session=get(*session))
    if bool(keys.access) != bool(keys.secret):
        there, lacking = (access, secret) if keys.access else (secret, access)
        raise missing(f"{there} is set, {lacking} is not: expected both")
    return sources.static(keys) if keys.access else None


def _environment(around: Surroundings) -> Source | None:
    return _pair(around.variable, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", *_SESSIONS)


def _pod(around: Surroundings, region: str) -> Source | None:
    """The service account of a pod, unless the profile has a source for its role: botocore asks that before,
    and all else of a profile after."""
    role = _pod_role(around)
    if not role:
        return None
    files, name = Files(around), _profile_name(around) or "default"
    if name in files.names and {"source_profile", "credential_source"} & files.profile(name).keys():
        return None
    path = around.variable("AWS_WEB_IDENTITY_TOKEN_FILE")
    return _by_token(around, region, role, token_file(around, path, "AWS_WEB_IDENTITY_TOKEN_FILE"))


def _pod_role(around: Surroundings) -> str:
    return around.variable("AWS_ROLE_ARN") if around.variable("AWS_WEB_IDENTITY_TOKEN_FILE") else ""


def _by_token(around: Surroundings, region: str, role: str, token: Callable[[], str]) -> Source:
    return sources.web_identity(token, role_form(role, _session(around)), url=_sts(around, region))


def _profile(around: Surroundings, region: str) -> Source | None:
    files, name = Files(around), _profile_name(around)
    if not name and "default" not in files.names:
        return None
    return profile_source(files, name or "default", region, lambda wanted: _by_name(around, wanted))


def _profile_name(around: Surroundings) -> str:
    return _either(around, "aws_profile_name") or around.variable(*_PROFILES)


def _by_name(around: Surroundings, name: str) -> Source:
    """A profile's credential_source."""
    known: dict[str, Callable[[Surroundings], Source | None]] = {
        "Environment": _environment,
        "EcsContainer": _container,
        "Ec2InstanceMetadata": _instance,
    }
    if name not in known:
        raise missing(f"an AWS profile has credential_source = {name}: expected one of {', '.join(known)}")
    found = known[name](around)
    if found is None:
        raise missing(f"an AWS profile has credential_source = {name}, which the environment does not offer")
    return found


def _machine(around: Surroundings) -> Source:
    """The container's keys, else the instance's, else an error that names all that was looked for."""
    if found := _container(around):
        return found
    instance = _instance(around)

    async def source(fetch: Fetch, now: float) -> Keys:
        if instance is None:
            raise missing(_looked(around, "AWS_EC2_METADATA_DISABLED is true"))
        try:
            return await instance(fetch, now)
        except (APIConnectionError, Timeout, AuthenticationError) as error:
            raise missing(_looked(around, error.message)) from None

    return source


def _container(around: Surroundings) -> Source | None:
    relative = around.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = sources.ECS + relative if relative else around.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        return None
    if path := around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        return sources.container(url, token_file(around, path, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    return sources.container(url, lambda: around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"))


def _instance(around: Surroundings) -> Source | None:
    if around.variable("AWS_EC2_METADATA_DISABLED").lower() == "true":
        return None
    return sources.instance(_imds(around), _seconds(around.variable("AWS_METADATA_SERVICE_TIMEOUT")))


def _imds(around: Surroundings) -> str:
    wide = around.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").lower() == "ipv6"
    return around.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") or (_IMDS_IPV6 if wide else sources.IMDS)


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text else sources.METADATA_SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise missing(f"AWS_METADATA_SERVICE_TIMEOUT is {text[:40]!r}: expected seconds, over 0")
    return seconds


def _looked(around: Surroundings, last: str) -> str:
    files, name = Files(around), _profile_name(around) or "default"
    return (
        "no AWS credentials. Looked for the parameters api_key (Bedrock), aws_access_key_id with "
        "aws_secret_access_key, aws_profile_name, aws_role_name with aws_web_identity_token; the variables "
        "AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, AWS_ROLE_ARN with "
        "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI; the profile "
        f"{name!r} in {files.config_path} and {files.credentials_path}; instance metadata at "
        f"{shown(_imds(around))} ({last}). Set one of them"
    )


def _either(around: Surroundings, name: str) -> str:
    """A parameter, or the variable of the same name in capitals, as LiteLLM has it."""
    return around.param(name) or around.variable(name.upper())


def _sts(around: Surroundings, region: str) -> str:
    endpoint = _either(around, "aws_sts_endpoint") or around.variable("AWS_ENDPOINT_URL_STS")
    return sources.sts_url(region, endpoint)


def _session(around: Surroundings) -> str:
    return _either(around, "aws_session_name") or around.variable("AWS_ROLE_SESSION_NAME")


def _tags(given: Any) -> dict[str, str]:
    """A list of `{"Key": "team", "Value": "x"}` as AssumeRole takes it."""
    fields: dict[str, str] = {}
    for number, tag in enumerate(given if isinstance(given, list) else [given] if given else [], 1):
        match tag:
            case {"Key": str(key), "Value": str(value)}:
                fields |= {f"Tags.member.{number}.Key": key, f"Tags.member.{number}.Value": value}
            case _:
                raise missing('aws_session_tags: expected a list of {"Key": text, "Value": text}')
    return fields


def _given(around: Surroundings) -> list[str]:
    """The secrets among the parameters and variables."""
    token = _plain(around, _either(around, "aws_web_identity_token"))
    return [
        around.param("aws_secret_access_key"),
        around.param("aws_session_token"),
        around.variable("AWS_SECRET_ACCESS_KEY"),
        *map(around.variable, _SESSIONS),
        around.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        "" if _PATH.match(token) else token,
    ]


def _web_token(around: Surroundings, text: str) -> Callable[[], str]:
    """`text` is a token, a path, or names the variable that holds either: as NAME, `os.environ/NAME`,
    `oidc/env/NAME`; `oidc/file/PATH` and `oidc/env_path/NAME` are LiteLLM's for a path:
    https://docs.litellm.ai/docs/oidc."""
    found = _plain(around, text)
    if _TOKEN.fullmatch(found):
        return lambda: found
    if _PATH.match(found):
        return token_file(around, found, "aws_web_identity_token")
    raise missing(
        "aws_web_identity_token is no JSON Web Token and no path (/…, ~/…, ./…), and names no variable that is "
        "set to either: expected one of them, os.environ/NAME, oidc/env/NAME, oidc/env_path/NAME or oidc/file/PATH"
    )


def _plain(around: Surroundings, text: str) -> str:
    for prefix in ("os.environ/", "oidc/env/", "oidc/env_path/"):
        if text.startswith(prefix):
            return around.variable(text.removeprefix(prefix))
    if text.startswith("oidc/file/"):
        return "/" + text.removeprefix("oidc/file/").lstrip("/")
    return around.env.get(text) or text
