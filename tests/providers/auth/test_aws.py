"""AWS keys: where they are looked for and in which order, and what happens when they end or are refused."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from desk import NOW, REQUEST, Desk, around, hides, lines_of
from headgate.errors import APIConnectionError, AuthenticationError, HeadgateError, ServiceUnavailableError
from headgate.ports import Ask, Credential, Told
from headgate.providers.auth import aws, build
from headgate.providers.auth.aws_sources import signing_region
from headgate.providers.auth.base import Fixed
from headgate.providers.auth.sigv4 import Keys, sign

REGION = "eu-west-1"
LATER = "2023-11-14T23:13:20Z"
"""An hour after NOW."""
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJwb2QifQ.c2hoLXNlY3JldA"
ROLE = "arn:aws:iam::123456789012:role/reader"
PARAMS = {"aws_access_key_id": "AKIAPARAM", "aws_secret_access_key": "param-shh"}
ENV = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "env-shh"}
POD = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token"}
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}
SHARED = {
    "/home/me/.aws/credentials": "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = file-shh\n"
    "[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = dev-shh\naws_session_token = dev-session\n",
    "/home/me/.aws/config": "[default]\nregion = eu-north-1\n[profile dev]\nregion = ap-south-1\n[profile empty]\n",
    "/var/run/token": JWT + "\n",
}
IMDS = "/latest/meta-data/iam/security-credentials/"


def xml(
    access: str = "ASIASTS", session: str = "sts+session/==", end: str = LATER, action: str = "AssumeRole"
) -> str:
    return (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
        f"<AccessKeyId>{access}</AccessKeyId><SecretAccessKey>sts-shh</SecretAccessKey>"
        f"<SessionToken>{session}</SessionToken><Expiration>{end}</Expiration>"
        f"</Credentials></{action}Result></{action}Response>"
    )


def metadata(access: str, end: str = LATER) -> dict[str, str]:
    return {"AccessKeyId": access, "SecretAccessKey": "meta-shh", "Token": "meta-session", "Expiration": end}


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.stop()


@pytest.fixture
def sts(desk: Desk) -> Desk:
    desk.answer("/", xml())
    return desk


@pytest.fixture
def imds(desk: Desk) -> Desk:
    desk.answer("/latest/api/token", "imds-shh")
    desk.answer(IMDS, "node-role\n")
    desk.answer(IMDS + "node-role", metadata("ASIANODE"))
    return desk


def signer(
    params: Mapping[str, Any] = {}, env: Mapping[str, str] = {}, files: Mapping[str, str] = {}
) -> Credential:
    return aws.credential(around(params, env, files), "bedrock", REGION)


async def access(credential: Credential, desk: Desk, now: float = NOW) -> str:
    """The access key that signs."""
    lines = await lines_of(credential, desk, now)
    return lines["authorization"].partition("Credential=")[2].partition("/")[0]


async def problem(credential: Credential, desk: Desk, now: float = NOW) -> HeadgateError:
    with pytest.raises(HeadgateError) as caught:
        await credential.renew(desk.fetch, now)
    return caught.value


# Bearer keys


@pytest.mark.parametrize(
    ("params", "env", "key"),
    [
        ({"api_key": "own-shh"}, {}, "own-shh"),
        ({}, {"AWS_BEARER_TOKEN_BEDROCK": "env-bearer-shh"}, "env-bearer-shh"),
        ({"api_key": "own-shh", **PARAMS}, {"AWS_BEARER_TOKEN_BEDROCK": "other", **ENV}, "own-shh"),
    ],
)
async def test_bedrock_takes_an_api_key_before_all_else(desk: Desk, params: Any, env: Any, key: str) -> None:
    credential = signer(params, env)
    assert credential.ready(NOW)
    assert await lines_of(credential, desk) == {"authorization": f"Bearer {key}"}
    assert credential.secrets == (key,)


@pytest.mark.parametrize("service", ["sagemaker", "polly", "s3"])
async def test_other_services_have_no_api_keys(desk: Desk, service: str) -> None:
    given = around({"api_key": "own", **PARAMS}, {"AWS_BEARER_TOKEN_BEDROCK": "b"})
    lines = await lines_of(aws.credential(given, service, REGION), desk)
    assert f"Credential=AKIAPARAM/20231114/{REGION}/{service}/aws4_request" in lines["authorization"]


def test_a_row_names_the_scheme() -> None:
    credential = build("aws:bedrock", around(PARAMS, {"AWS_REGION": REGION}))
    assert isinstance(credential, aws.Signer)
    assert isinstance(build("aws:bedrock", around({"api_key": "k"})), Fixed)


# The order


@pytest.mark.parametrize(
    ("params", "env", "who"),
    [
        (PARAMS, ENV, "AKIAPARAM"),
        (PARAMS, {**ENV, "AWS_PROFILE": "dev"}, "AKIAPARAM"),
        (PARAMS, {"AWS_PROFILE_NAME": "dev"}, "AKIAPARAM"),
        ({**PARAMS, "aws_profile_name": "dev"}, ENV, "AKIADEV"),
        ({"aws_profile_name": "dev"}, {**ENV, **POD}, "AKIADEV"),
        ({}, {**ENV, "AWS_PROFILE_NAME": "dev"}, "AKIADEV"),
        ({}, {**ENV, **POD}, "AKIAENV"),
        ({}, {**ENV, "AWS_PROFILE": "dev"}, "AKIAENV"),
        ({}, {"AWS_PROFILE": "dev"}, "AKIADEV"),
        ({}, {"AWS_DEFAULT_PROFILE": "dev"}, "AKIADEV"),
        ({}, POD, "ASIASTS"),
        ({}, {}, "AKIAFILE"),
        ({}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}, "AKIAFILE"),
        ({"aws_profile_name": "empty"}, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}, "ASIATASK"),
        ({"aws_profile_name": "empty"}, {}, "ASIANODE"),
        ({"aws_role_name": ROLE}, {}, "ASIASTS"),
        ({"aws_role_name": ROLE, **PARAMS}, ENV, "ASIASTS"),
        ({}, {"AWS_ROLE_NAME": ROLE, **ENV}, "ASIASTS"),
        ({"aws_role_name": ROLE, "aws_web_identity_token": JWT, **PARAMS}, ENV, "ASIASTS"),
        (PARAMS, {"AWS_WEB_IDENTITY_TOKEN": JWT}, "AKIAPARAM"),
    ],
)
async def test_the_order_in_which_keys_are_found(
    sts: Desk, imds: Desk, params: Any, env: Any, who: str
) -> None:
    sts.answer("/v2/x", metadata("ASIATASK"))
    assert await access(signer(params, env, SHARED), sts) == who


@pytest.mark.parametrize(
    ("params", "env", "files", "found"),
    [
        ({"aws_region_name": "a"}, {"AWS_REGION_NAME": "b", "AWS_REGION": "c"}, SHARED, "a"),
        ({}, {"AWS_REGION_NAME": "b", "AWS_REGION": "c"}, SHARED, "b"),
        ({}, {"AWS_REGION": "c", "AWS_DEFAULT_REGION": "d"}, SHARED, "c"),
        ({}, {"AWS_DEFAULT_REGION": "d"}, SHARED, "d"),
        ({"aws_profile_name": "dev"}, {"AWS_PROFILE": "other"}, SHARED, "ap-south-1"),
        ({}, {"AWS_PROFILE": "dev"}, SHARED, "ap-south-1"),
        ({}, {}, SHARED, "eu-north-1"),
        ({"aws_profile_name": "empty"}, {}, SHARED, ""),
        ({}, {}, {}, ""),
    ],
)
def test_the_order_in_which_a_region_is_found(params: Any, env: Any, files: Any, found: str) -> None:
    assert aws.region(around(params, env, files)) == found


def test_a_region_of_a_profile_that_is_not_there() -> None:
    with pytest.raises(
        AuthenticationError, match=r"no AWS profile 'prod' in .*config or .*: there are default"
    ):
        aws.region(around({"aws_profile_name": "prod"}, {}, SHARED))


async def test_keys_of_parameters_sign_with_their_session(desk: Desk) -> None:
    credential = signer({**PARAMS, "aws_session_token": "session-shh"}, {"AWS_SESSION_TOKEN": "other"})
    lines = await lines_of(credential, desk)
    keys = Keys(access="AKIAPARAM", secret="param-shh", session="session-shh")
    assert lines == dict(sign(REQUEST, keys, region=REGION, service="bedrock", now=NOW))
    assert lines["x-amz-security-token"] == "session-shh"
    assert credential.ready(NOW + 1e9)
    assert not desk.requests


async def test_keys_of_parameters_do_not_take_the_session_of_the_environment(desk: Desk) -> None:
    lines = await lines_of(signer(PARAMS, {**ENV, "AWS_SESSION_TOKEN": "other"}), desk)
    assert "x-amz-security-token" not in lines


# STS


async def test_a_role_is_assumed_with_the_deployments_keys(sts: Desk) -> None:
    tags = [{"Key": "team", "Value": "genai"}, {"Key": "a", "Value": "b"}]
    params = {
        "aws_role_name": ROLE,
        "aws_session_name": "me",
        "aws_external_id": "ext",
        "aws_session_tags": tags,
    }
    lines = await lines_of(signer({**PARAMS, **params, "aws_session_token": "base-session"}), sts)
    (ask,), (got,) = sts.asks, sts.got
    assert (ask.method, ask.url) == ("POST", "https://sts.eu-west-1.amazonaws.com/")
    assert got.form == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "me",
        "ExternalId": "ext",
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "genai",
        "Tags.member.2.Key": "a",
        "Tags.member.2.Value": "b",
    }
    assert got.headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIAPARAM/20231114/eu-west-1/sts/aws4_request"
    )
    assert got.headers["x-amz-security-token"] == "base-session"
    keys = Keys(access="ASIASTS", secret="sts-shh", session="sts+session/==")
    assert lines == dict(sign(REQUEST, keys, region=REGION, service="bedrock", now=NOW))


@pytest.mark.parametrize(
    ("params", "env", "url", "region"),
    [
        ({}, {}, "https://sts.eu-west-1.amazonaws.com/", "eu-west-1"),
        (
            {"aws_sts_endpoint": "https://sts.us-east-2.amazonaws.com/"},
            {},
            "https://sts.us-east-2.amazonaws.com/",
            "us-east-2",
        ),
        ({"aws_sts_endpoint": "https://sts.amazonaws.com"}, {}, "https://sts.amazonaws.com/", "us-east-1"),
        ({}, {"AWS_STS_ENDPOINT": "http://sts.test"}, "http://sts.test/", "eu-west-1"),
        ({}, {"AWS_ENDPOINT_URL_STS": "http://sts.test"}, "http://sts.test/", "eu-west-1"),
    ],
)
async def test_the_address_of_sts(sts: Desk, params: Any, env: Any, url: str, region: str) -> None:
    await lines_of(signer({**PARAMS, "aws_role_name": ROLE, **params}, env), sts)
    assert sts.asks[0].url == url
    assert f"/{region}/sts/aws4_request" in sts.asks[0].headers["authorization"]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("vpce-0a.sts.eu-central-1.vpce.amazonaws.com", "eu-central-1"),
        ("sts-fips.us-west-2.amazonaws.com", "us-west-2"),
        ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("localhost:4566", "here"),
    ],
)
def test_the_region_of_an_address_of_sts(host: str, region: str) -> None:
    assert signing_region(f"https://{host}/", "here") == region


@pytest.mark.parametrize(
    ("given", "env"),
    [
        (JWT, {}),
        ("/var/run/token", {}),
        ("~/token", {}),
        ("os.environ/MINE", {"MINE": JWT}),
        ("os.environ/MINE", {"MINE": "/var/run/token"}),
        ("MINE", {"MINE": JWT}),
        ("oidc/env/MINE", {"MINE": JWT}),
        ("oidc/env_path/MINE", {"MINE": "/var/run/token"}),
        ("oidc/file//var/run/token", {}),
        ("oidc/file/var/run/token", {}),
    ],
)
async def test_a_web_identity_token_and_its_spellings(sts: Desk, given: str, env: Any) -> None:
    files = {"/var/run/token": JWT, "/home/me/token": JWT + "\n"}
    params = {"aws_role_name": ROLE, "aws_web_identity_token": given, "aws_session_name": "pod"}
    credential = signer(params, env, files)
    assert await access(credential, sts) == "ASIASTS"
    assert sts.got[0].form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "pod",
        "WebIdentityToken": JWT,
    }
    assert "authorization" not in sts.got[0].headers


async def test_a_web_identity_token_that_is_neither_token_nor_path_is_not_shown(sts: Desk) -> None:
    params = {"aws_role_name": ROLE, "aws_web_identity_token": "opaque-shh"}
    error = await problem(signer(params), sts)
    assert "aws_web_identity_token is no JSON Web Token and no path" in error.message
    assert hides(str(error), ["opaque-shh"])


async def test_the_pods_token_is_read_anew(sts: Desk) -> None:
    files = dict(SHARED)
    credential = signer({}, {**POD, "AWS_ROLE_SESSION_NAME": "pod"}, files)
    await credential.renew(sts.fetch, NOW)
    files["/var/run/token"] = "ey.second.token"
    await credential.renew(sts.fetch, NOW + 3590)
    assert [form["WebIdentityToken"] for form in sts.forms] == [JWT, "ey.second.token"]
    assert sts.forms[0]["RoleSessionName"] == "pod"


async def test_a_pod_that_has_the_role_does_not_assume_it_again(sts: Desk) -> None:
    assert await access(signer({"aws_role_name": ROLE}, POD, SHARED), sts) == "ASIASTS"
    assert [form["Action"] for form in sts.forms] == ["AssumeRoleWithWebIdentity"]


async def test_a_pod_assumes_another_role(sts: Desk) -> None:
    sts.answer("/", xml("ASIAPOD"), xml("ASIAOTHER"))
    assert await access(signer({"aws_role_name": ROLE + "2"}, POD, SHARED), sts) == "ASIAOTHER"
    assert [form["Action"] for form in sts.forms] == ["AssumeRoleWithWebIdentity", "AssumeRole"]
    assert "Credential=ASIAPOD/" in sts.got[1].headers["authorization"]


async def test_what_sts_refuses_is_told_without_secrets(desk: Desk) -> None:
    body = (
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User is not authorized to assume "
        f"{ROLE}; param-shh base-session</Message></Error></ErrorResponse>"
    )
    desk.answer("/", (403, body))
    credential = signer({**PARAMS, "aws_role_name": ROLE, "aws_session_token": "base-session"})
    error = await problem(credential, desk)
    assert isinstance(error, AuthenticationError)
    assert f"assuming the role {ROLE}: https://sts.eu-west-1.amazonaws.com/ answered with status 403" in str(
        error
    )
    assert "AccessDenied" in str(error)
    assert hides(str(error), ["param-shh", "base-session"])


async def test_a_web_identity_token_is_not_shown_when_sts_repeats_it(desk: Desk) -> None:
    desk.answer("/", (400, f"<Error><Code>InvalidIdentityToken</Code><Message>{JWT}</Message></Error>"))
    error = await problem(signer({}, POD, SHARED), desk)
    assert "InvalidIdentityToken" in str(error)
    assert hides(str(error), [JWT])


async def test_a_server_that_fails_is_no_refusal(desk: Desk) -> None:
    desk.answer("/", (503, "<Error><Code>ServiceUnavailable</Code></Error>"))
    assert isinstance(await problem(signer({}, POD, SHARED), desk), ServiceUnavailableError)
    del desk.answers["/"]
    assert isinstance(await problem(signer({}, POD, SHARED), desk), APIConnectionError)


@pytest.mark.parametrize(
    "body", ["", "<x/>", "no xml", xml(end="soon"), xml().replace("SecretAccessKey", "S")]
)
async def test_an_answer_of_sts_that_cannot_be_read(desk: Desk, body: str) -> None:
    desk.answer("/", body)
    error = await problem(signer({}, POD, SHARED), desk)
    assert isinstance(error, AuthenticationError)
    assert error.code == "unreadable_credentials"
    assert hides(str(error), ["sts-shh", "sts+session"])


async def test_a_clock_that_is_wrong_is_told(desk: Desk) -> None:
    body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error>"
    head = (
        f"HTTP/1.1 403 X\r\ndate: {formatdate(NOW + 900, usegmt=True)}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    desk.answer("/", "")
    desk.script = head.encode() + body
    error = await problem(signer({**PARAMS, "aws_role_name": ROLE}), desk)
    assert "this machine's clock is 900 s behind that server's: set it right" in str(error)


# Containers and instances


async def test_keys_of_an_ecs_task(desk: Desk) -> None:
    desk.answer("/v2/credentials/x", metadata("ASIATASK"))
    env = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
    assert await access(signer({}, env), desk) == "ASIATASK"
    assert (desk.asks[0].url, desk.asks[0].direct) == ("http://169.254.170.2/v2/credentials/x", True)
    assert "authorization" not in desk.got[0].headers


@pytest.mark.parametrize(
    ("env", "token"),
    [
        ({"AWS_CONTAINER_AUTHORIZATION_TOKEN": "pod-shh"}, "pod-shh"),
        (
            {
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/token",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": "x",
            },
            JWT,
        ),
    ],
)
async def test_keys_of_an_eks_pod(desk: Desk, env: Any, token: str) -> None:
    desk.answer("/v1/credentials", metadata("ASIAPOD"))
    env = {**env, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}
    assert await access(signer({}, env, {"/var/run/token": JWT}), desk) == "ASIAPOD"
    assert desk.got[0].headers["authorization"] == token


@pytest.mark.parametrize("url", ["http://evil.test/keys", "ftp://h/x", "http://u:p-shh@h.test/x"])
async def test_keys_are_not_asked_of_any_host(desk: Desk, url: str) -> None:
    error = await problem(signer({}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}), desk)
    assert "expected https, or a loopback or container address" in str(error)
    assert hides(str(error), ["p-shh"])
    assert not desk.asks


async def test_the_role_of_an_instance(imds: Desk) -> None:
    assert await access(signer(), imds) == "ASIANODE"
    assert [(ask.method, ask.url, ask.direct) for ask in imds.asks] == [
        ("PUT", "http://169.254.169.254/latest/api/token", True),
        ("GET", f"http://169.254.169.254{IMDS}", True),
        ("GET", f"http://169.254.169.254{IMDS}node-role", True),
    ]
    assert imds.got[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert {got.headers["x-aws-ec2-metadata-token"] for got in imds.got[1:]} == {"imds-shh"}


@pytest.mark.parametrize(
    ("env", "start", "seconds"),
    [
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds.test/"}, "http://imds.test/latest", 1.0),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "http://[fd00:ec2::254]/latest", 1.0),
        ({"AWS_METADATA_SERVICE_TIMEOUT": "2.5"}, "http://169.254.169.254/latest", 2.5),
    ],
)
async def test_where_instance_metadata_is(imds: Desk, env: Any, start: str, seconds: float) -> None:
    await lines_of(signer({}, env), imds)
    assert all(ask.url.startswith(start + "/") and ask.seconds == seconds for ask in imds.asks)


@pytest.mark.parametrize("text", ["x", "0", "-1", "nan", "inf"])
async def test_a_timeout_that_is_none(imds: Desk, text: str) -> None:
    error = await problem(signer({}, {"AWS_METADATA_SERVICE_TIMEOUT": text}), imds)
    assert f"AWS_METADATA_SERVICE_TIMEOUT is '{text}': expected seconds, over 0" in str(error)


# What is lacking


LOOKED = [
    "api_key (Bedrock)",
    "aws_access_key_id",
    "aws_profile_name",
    "aws_role_name",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "'default' in /home/me/.aws/config and /home/me/.aws/credentials",
]


@pytest.mark.parametrize(
    ("env", "end"),
    [
        (
            {},
            "instance metadata at http://169.254.169.254 (instance metadata: "
            "http://169.254.169.254/latest/api/token: nobody answers)",
        ),
        (OFF, "instance metadata at http://169.254.169.254 (AWS_EC2_METADATA_DISABLED is true)"),
    ],
)
async def test_no_keys_at_all(desk: Desk, env: Any, end: str) -> None:
    error = await problem(signer({}, env), desk)
    assert isinstance(error, AuthenticationError)
    assert error.code == "missing_credentials"
    assert [name for name in [*LOOKED, end] if name not in str(error)] == []
    assert not desk.requests


async def test_an_instance_without_a_role(imds: Desk) -> None:
    imds.answer(IMDS, (404, "not found"))
    error = await problem(signer(), imds)
    assert "answered with status 404" in str(error)
    assert "no AWS credentials" in str(error)


@pytest.mark.parametrize(
    ("params", "env", "text"),
    [
        (
            {"aws_access_key_id": "AKIA"},
            ENV,
            "aws_access_key_id is set, aws_secret_access_key is not: expected both",
        ),
        ({"aws_secret_access_key": "s-shh"}, ENV, "aws_secret_access_key is set, aws_access_key_id is not"),
        ({}, {"AWS_ACCESS_KEY_ID": "AKIA"}, "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"),
        (
            {"aws_web_identity_token": JWT},
            {},
            "aws_web_identity_token is set, aws_role_name is not: expected both",
        ),
        ({"aws_role_name": ROLE, "aws_session_tags": ["x"], **PARAMS}, {}, 'expected a list of {"Key": text'),
        (
            {"aws_role_name": ROLE, "aws_web_identity_token": "oidc/env/NO"},
            {},
            "names no variable that is set",
        ),
        ({"aws_role_name": ROLE, "aws_web_identity_token": "/no"}, {}, "the file /no can't be read"),
        ({}, POD, "AWS_WEB_IDENTITY_TOKEN_FILE: the file /var/run/token can't be read: No such file"),
    ],
)
async def test_half_of_what_is_needed(sts: Desk, params: Any, env: Any, text: str) -> None:
    error = await problem(signer(params, env), sts)
    assert isinstance(error, AuthenticationError)
    assert text in str(error)
    assert hides(str(error), ["s-shh", JWT])
    assert not sts.requests


async def test_no_region(desk: Desk) -> None:
    error = await problem(aws.credential(around(PARAMS), "bedrock", ""), desk)
    assert "no AWS region: set the parameter aws_region_name, one of AWS_REGION_NAME" in str(error)


# Renewal and refusal


async def test_keys_are_renewed_before_they_end(imds: Desk) -> None:
    imds.answer(IMDS + "node-role", metadata("ASIAONE"), metadata("ASIATWO", "2023-11-15T00:13:20Z"))
    credential = signer()
    assert await access(credential, imds) == "ASIAONE"
    assert credential.ready(NOW + 3300)
    assert not credential.ready(NOW + 3500)
    assert await access(credential, imds, NOW + 3590) == "ASIATWO"
    assert credential.ready(NOW + 6800)
    assert {"meta-shh", "meta-session"} <= set(credential.secrets)


async def test_many_callers_renew_once(sts: Desk) -> None:
    credential = signer({**PARAMS, "aws_role_name": ROLE})
    await asyncio.gather(*(credential.renew(sts.fetch, NOW) for _ in range(50)))
    assert len(sts.requests) == 1


async def test_a_caller_that_goes_away_does_not_take_the_renewal_along(sts: Desk) -> None:
    credential = signer({**PARAMS, "aws_role_name": ROLE})
    first, second = (asyncio.ensure_future(credential.renew(sts.fetch, NOW)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert credential.ready(NOW)
    assert first.cancelled()


async def test_keys_that_have_already_ended(sts: Desk) -> None:
    error = await problem(signer({**PARAMS, "aws_role_name": ROLE}), sts, NOW + 7200)
    assert "ended 3600 s ago by this machine's clock: is that right?" in str(error)


EXPIRED = Told(
    status=403, headers={}, body=b'{"message":"The security token included in the request is expired"}'
)


@pytest.mark.parametrize(
    "told",
    [
        EXPIRED,
        Told(status=403, headers={"x-amzn-errortype": "ExpiredTokenException:http://x"}, body=b"{}"),
        Told(status=403, headers={"x-amzn-errortype": "UnrecognizedClientException"}, body=b"{}"),
        Told(status=403, headers={}, body=b'{"__type":"InvalidClientTokenId"}'),
        Told(status=401, headers={}, body=b"<Code>ExpiredToken</Code>"),
    ],
)
async def test_refused_keys_are_taken_anew_once(sts: Desk, told: Told) -> None:
    sts.answer("/", xml("ASIAONE"), xml("ASIATWO"))
    credential = signer({**PARAMS, "aws_role_name": ROLE})
    lines = list((await lines_of(credential, sts)).items())
    assert credential.refused(told, lines, NOW + 60)
    assert not credential.ready(NOW + 60)
    again = await lines_of(credential, sts, NOW + 60)
    assert "Credential=ASIATWO/" in again["authorization"]
    assert not credential.refused(told, list(again.items()), NOW + 61)
    assert credential.ready(NOW + 61)
    assert credential.refused(told, lines, NOW + 62), (
        "an older request, for which there are newer keys by now"
    )
    assert credential.ready(NOW + 62)


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"You don\'t have access to the model with the specified model ID."}',
        b'{"message":"User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel"}',
        b"",
    ],
)
async def test_a_refusal_that_is_not_the_keys_fault(sts: Desk, body: bytes) -> None:
    credential = signer({**PARAMS, "aws_role_name": ROLE})
    lines = list((await lines_of(credential, sts)).items())
    assert not credential.refused(Told(status=403, headers={}, body=body), lines, NOW + 600)
    assert credential.ready(NOW + 600)


async def test_keys_that_another_program_writes_are_read_anew_when_refused(desk: Desk) -> None:
    files = dict(SHARED)
    credential = signer({}, {}, files)
    lines = list((await lines_of(credential, desk)).items())
    path = "/home/me/.aws/credentials"
    files[path] = files[path].replace("AKIAFILE", "AKIANEW")
    assert credential.refused(EXPIRED, lines, NOW + 60)
    assert await access(credential, desk, NOW + 60) == "AKIANEW"


@pytest.mark.parametrize("ahead", [-3600, 900])
async def test_a_wrong_clock_is_allowed_for_and_told(
    desk: Desk, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    credential = signer(PARAMS)
    lines = list((await lines_of(credential, desk)).items())
    headers = {"date": formatdate(NOW + ahead, usegmt=True), "x-amzn-errortype": "InvalidSignatureException"}
    told = Told(
        status=403, headers=headers, body=b'{"message":"Signature expired: 20231114T221320Z is now earlier"}'
    )
    with caplog.at_level(logging.WARNING, "headgate.auth"):
        assert credential.refused(told, lines, NOW)
    assert f"clock is {abs(ahead)} s {'behind' if ahead > 0 else 'ahead of'} AWS's" in caplog.text
    again = dict(credential.sign(REQUEST, NOW))
    keys = Keys(access="AKIAPARAM", secret="param-shh")
    assert again == dict(sign(REQUEST, keys, region=REGION, service="bedrock", now=NOW + ahead))
    assert not credential.refused(told, list(again.items()), NOW)
    assert credential.ready(NOW)


async def test_a_signature_that_expired_by_a_clock_that_is_right_is_final(desk: Desk) -> None:
    credential = signer(PARAMS)
    lines = list((await lines_of(credential, desk)).items())
    for headers in ({}, {"date": "nonsense"}, {"date": formatdate(NOW + 5, usegmt=True)}):
        told = Told(status=403, headers=headers, body=b"Signature expired")
        assert not credential.refused(told, lines, NOW)


async def test_no_secret_reaches_a_message(desk: Desk) -> None:
    """A proxy that repeats all it was sent."""
    params = {**PARAMS, "aws_role_name": ROLE, "aws_session_token": "base-session"}

    async def fetch(ask: Ask) -> Told:
        return Told(status=403, headers={}, body=msgspec.json.encode({"message": f"{ask} param-shh"}))

    credential = signer(params)
    with pytest.raises(AuthenticationError) as caught:
        await credential.renew(fetch, NOW)
    assert hides(str(caught.value) + repr(caught.value), ["param-shh", "base-session"])
