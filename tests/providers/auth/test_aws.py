"""AWS keys: where they are looked for and in which order, and what happens when they end or are refused."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Any

import msgspec
import pytest

from desk import NOW, REQUEST, Desk, around, hides, lines_of
from headgate.errors import AuthenticationError, HeadgateError, Timeout
from headgate.ports import Ask, Credential, Told
from headgate.providers.auth import aws, build
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


async def test_instance_metadata_that_is_silent() -> None:
    """As in a container with a hop limit of 1."""

    async def fetch(ask: Ask) -> Told:
        raise Timeout(f"no answer within {ask.seconds:.0f} s")

    with pytest.raises(
        AuthenticationError, match=r"no AWS credentials.*no answer within 1 s\)\. Set one of them"
    ):
        await signer().renew(fetch, NOW)


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
