"""Where AWS keys come from over the network: what STS, containers and instances are asked and what they answer."""

from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
from test_aws import (
    ENV,
    IMDS,
    JWT,
    PARAMS,
    POD,
    REGION,
    ROLE,
    SHARED,
    access,
    metadata,
    problem,
    signer,
    xml,
)

from desk import NOW, REQUEST, Desk, hides, lines_of
from headgate.errors import APIConnectionError, AuthenticationError, ServiceUnavailableError
from headgate.providers.auth.aws_sources import signing_region
from headgate.providers.auth.sigv4 import Keys, sign


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.answer("/latest/api/token", "imds-shh")
    desk.answer(IMDS, "node-role\n")
    desk.answer(IMDS + "node-role", metadata("ASIANODE"))
    desk.answer("/", xml())
    yield desk
    desk.stop()


# STS


async def test_a_role_is_assumed_with_the_deployments_keys(desk: Desk) -> None:
    tags = [{"Key": "team", "Value": "genai"}, {"Key": "a", "Value": "b"}]
    params = {
        "aws_role_name": ROLE,
        "aws_session_name": "me",
        "aws_external_id": "ext",
        "aws_session_tags": tags,
    }
    lines = await lines_of(signer({**PARAMS, **params, "aws_session_token": "base-session"}), desk)
    (ask,), (got,) = desk.asks, desk.got
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
async def test_the_address_of_sts(desk: Desk, params: Any, env: Any, url: str, region: str) -> None:
    await lines_of(signer({**PARAMS, "aws_role_name": ROLE, **params}, env), desk)
    assert desk.asks[0].url == url
    assert f"/{region}/sts/aws4_request" in desk.asks[0].headers["authorization"]


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
async def test_a_web_identity_token_and_its_spellings(desk: Desk, given: str, env: Any) -> None:
    files = {"/var/run/token": JWT, "/home/me/token": JWT + "\n"}
    params = {"aws_role_name": ROLE, "aws_web_identity_token": given, "aws_session_name": "pod"}
    credential = signer(params, env, files)
    assert await access(credential, desk) == "ASIASTS"
    assert desk.got[0].form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "pod",
        "WebIdentityToken": JWT,
    }
    assert "authorization" not in desk.got[0].headers


async def test_a_web_identity_token_that_is_neither_token_nor_path_is_not_shown(desk: Desk) -> None:
    params = {"aws_role_name": ROLE, "aws_web_identity_token": "opaque-shh"}
    error = await problem(signer(params), desk)
    assert "aws_web_identity_token is no JSON Web Token and no path" in error.message
    assert hides(str(error), ["opaque-shh"])


async def test_the_pods_token_is_read_anew(desk: Desk) -> None:
    files = dict(SHARED)
    credential = signer({}, {**POD, "AWS_ROLE_SESSION_NAME": "pod"}, files)
    await credential.renew(desk.fetch, NOW)
    files["/var/run/token"] = "ey.second.token"
    await credential.renew(desk.fetch, NOW + 3590)
    assert [form["WebIdentityToken"] for form in desk.forms] == [JWT, "ey.second.token"]
    assert desk.forms[0]["RoleSessionName"] == "pod"


async def test_a_pod_that_has_the_role_does_not_assume_it_again(desk: Desk) -> None:
    assert await access(signer({"aws_role_name": ROLE}, POD, SHARED), desk) == "ASIASTS"
    assert [form["Action"] for form in desk.forms] == ["AssumeRoleWithWebIdentity"]


@pytest.mark.parametrize(
    ("params", "env", "signs"),
    [(PARAMS, {}, "AKIAPARAM"), ({}, ENV, "AKIAENV"), ({"aws_profile_name": "dev"}, {}, "AKIADEV")],
)
async def test_keys_that_are_not_the_pods_assume_the_pods_role(
    desk: Desk, params: Any, env: Any, signs: str
) -> None:
    assert await access(signer({"aws_role_name": ROLE, **params}, {**POD, **env}, SHARED), desk) == "ASIASTS"
    assert [form["Action"] for form in desk.forms] == ["AssumeRole"]
    assert f"Credential={signs}/" in desk.got[0].headers["authorization"]


async def test_a_pod_assumes_another_role(desk: Desk) -> None:
    desk.answer("/", xml("ASIAPOD"), xml("ASIAOTHER"))
    assert await access(signer({"aws_role_name": ROLE + "2"}, POD, SHARED), desk) == "ASIAOTHER"
    assert [form["Action"] for form in desk.forms] == ["AssumeRoleWithWebIdentity", "AssumeRole"]
    assert "Credential=ASIAPOD/" in desk.got[1].headers["authorization"]


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


async def test_the_role_of_an_instance(desk: Desk) -> None:
    assert await access(signer(), desk) == "ASIANODE"
    assert [(ask.method, ask.url, ask.direct) for ask in desk.asks] == [
        ("PUT", "http://169.254.169.254/latest/api/token", True),
        ("GET", f"http://169.254.169.254{IMDS}", True),
        ("GET", f"http://169.254.169.254{IMDS}node-role", True),
    ]
    assert desk.got[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert {got.headers["x-aws-ec2-metadata-token"] for got in desk.got[1:]} == {"imds-shh"}


@pytest.mark.parametrize(
    ("env", "start", "seconds"),
    [
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds.test/"}, "http://imds.test/latest", 1.0),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "http://[fd00:ec2::254]/latest", 1.0),
        ({"AWS_METADATA_SERVICE_TIMEOUT": "2.5"}, "http://169.254.169.254/latest", 2.5),
    ],
)
async def test_where_instance_metadata_is(desk: Desk, env: Any, start: str, seconds: float) -> None:
    await lines_of(signer({}, env), desk)
    assert all(ask.url.startswith(start + "/") and ask.seconds == seconds for ask in desk.asks)


@pytest.mark.parametrize("text", ["x", "0", "-1", "nan", "inf"])
async def test_a_timeout_that_is_none(desk: Desk, text: str) -> None:
    error = await problem(signer({}, {"AWS_METADATA_SERVICE_TIMEOUT": text}), desk)
    assert f"AWS_METADATA_SERVICE_TIMEOUT is '{text}': expected seconds, over 0" in str(error)
