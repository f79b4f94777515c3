"""Profiles of AWS's shared files: keys, roles, sources of roles, SSO; botocore as the oracle of what they mean."""

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ProfileNotFound
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st
from test_aws import LATER, REGION, ROLE, access, metadata, problem, signer, xml

from desk import NOW, Desk, hides
from headgate.errors import AuthenticationError
from headgate.ports import Ask, Told
from headgate.providers.auth import aws
from headgate.providers.auth.base import Surroundings

CONFIG, CREDENTIALS = "/home/me/.aws/config", "/home/me/.aws/credentials"
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}
USER = "[user]\naws_access_key_id = AKIAUSER\naws_secret_access_key = user-shh\n"
START = "https://acme.awsapps.com/start"
SSO = (
    "[profile dev]\nsso_session = acme\nsso_account_id = 123456789012\nsso_role_name = Reader\n"
    f"[sso-session acme]\nsso_region = us-east-2\nsso_start_url = {START}\n"
)
OLD_SSO = (
    f"[profile dev]\nsso_start_url = {START}\nsso_region = us-east-2\nsso_account_id = 123456789012\n"
    "sso_role_name = Reader\n"
)
PORTAL = {
    "roleCredentials": {
        "accessKeyId": "ASIASSO",
        "secretAccessKey": "sso-secret-shh",
        "sessionToken": "sso-session",
        "expiration": int((NOW + 3600) * 1000),
    }
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.answer("/", xml())
    desk.answer("/federation/credentials", PORTAL)
    desk.answer("/v2/x", metadata("ASIATASK"))
    yield desk
    desk.stop()


def profile(config: str, credentials: str = USER, name: str = "dev", **env: str) -> Any:
    return signer({"aws_profile_name": name}, {**OFF, **env}, {CONFIG: config, CREDENTIALS: credentials})


def login(name: str, end: str = LATER) -> dict[str, str]:
    """The file that `aws sso login` leaves."""
    digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    text = json.dumps(
        {"accessToken": "login-shh", "expiresAt": end, "region": "us-east-2", "startUrl": START}
    )
    return {f"/home/me/.aws/sso/cache/{digest}.json": text}


# Keys

_names = st.sampled_from(["default", "dev", "ops"])
_profiles = st.dictionaries(_names, st.sampled_from(["keys", "session", "region", "both"]), max_size=3)
_env = st.fixed_dictionaries(
    {},
    optional={
        "keys": st.booleans(),
        "AWS_PROFILE": _names,
        "AWS_DEFAULT_PROFILE": _names,
        "AWS_SESSION_TOKEN": st.just("env-session"),
        "AWS_SECURITY_TOKEN": st.just("env-security"),
    },
)


def ini(profiles: dict[str, str], prefix: str, mark: str) -> str:
    text = "# a comment\n"
    for name, kind in profiles.items():
        text += f"[{name if name == 'default' else prefix + name}]\n"
        if kind != "region":
            text += f"aws_access_key_id = AKIA{mark}{name.upper()}\n  \naws_secret_access_key=s/{name}+=\n"
        if kind == "session":
            text += f"aws_session_token = t={name}==\n"
        if kind in ("region", "both"):
            text += "region = eu-central-1\ns3 =\n  max_concurrent_requests = 20\n  path = x\n"
    return text


@settings(max_examples=150, deadline=None)
@given(config=_profiles, credentials=_profiles, env=_env, named=st.one_of(st.none(), _names))
def test_the_keys_are_those_that_botocore_finds(
    config: dict[str, str],
    credentials: dict[str, str],
    env: dict[str, Any],
    named: str | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / "config").write_text(ini(config, "profile ", "CFG"))
    (home / "credentials").write_text(ini(credentials, "", "CRD"))
    env = {
        **OFF,
        "HOME": str(home),
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        **({"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "e"} if env.pop("keys", False) else {}),
        **env,
    }
    with patch.dict(os.environ, env, clear=True):
        theirs = botocore_keys(named)
    params = {"aws_profile_name": named} if named else {}
    around = Surroundings(params=params, env=env, read=lambda path: Path(path).read_bytes())
    assert our_keys(around) == theirs


def botocore_keys(named: str | None) -> tuple[str, str, str] | None:
    """botocore stops at AWS_PROFILE with a profile that is not there even where it would not look at it, because
    the variables have keys: this is the one case in which Headgate goes on."""
    try:
        found = Session(profile=named).get_credentials()
    except ProfileNotFound:
        if named or "AWS_ACCESS_KEY_ID" not in os.environ:
            return None
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            os.environ.pop(name, None)
        found = Session().get_credentials()
    return None if found is None else (found.access_key, found.secret_key, found.token or "")


def our_keys(around: Surroundings) -> tuple[str, str, str] | None:
    async def fetch(ask: Ask) -> Told:
        raise AssertionError(f"{ask.url} was asked")

    credential = aws.credential(around, "polly", REGION)
    assert isinstance(credential, aws.Signer)
    try:
        asyncio.run(credential.renew(fetch, NOW))
    except AuthenticationError as error:
        assert error.code == "missing_credentials"
        return None
    return credential.value.access, credential.value.secret, credential.value.session


async def test_a_profile_with_half_of_the_keys(desk: Desk) -> None:
    error = await problem(profile("", "[dev]\naws_access_key_id = AKIA\n"), desk)
    assert "the AWS profile 'dev' lacks aws_secret_access_key" in str(error)


async def test_a_profile_that_is_not_there(desk: Desk) -> None:
    error = await problem(profile("[profile ops]\n", name="prod"), desk)
    assert f"no AWS profile 'prod' in {CONFIG} or {CREDENTIALS}: there are ops, user" in str(error)


@pytest.mark.parametrize(
    "text", ["aws_secret_access_key = s-shh\n", "[dev]\n[dev\nkey-shh", "\x00[", "[dev]\n= s-shh\n"]
)
async def test_a_file_that_cannot_be_read_is_not_shown(desk: Desk, text: str) -> None:
    error = await problem(profile("", text), desk)
    assert isinstance(error, AuthenticationError)
    assert hides(str(error), ["s-shh", "key-shh"])


async def test_a_file_that_is_no_text(desk: Desk) -> None:
    def read(path: str) -> bytes:
        return b"\xff\xfe[dev]"

    around = Surroundings(params={}, env={"HOME": "/home/me"}, read=read)
    error = await problem(aws.credential(around, "polly", REGION), desk)
    assert f"{CONFIG} can't be read: UnicodeDecodeError" in str(error)


# Roles


async def test_a_role_with_the_keys_of_another_profile(desk: Desk) -> None:
    config = f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = user\nexternal_id = ext\nrole_session_name = me\n"
    assert await access(profile(config + "duration_seconds = 900\n"), desk) == "ASIASTS"
    assert desk.forms == [
        {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": ROLE,
            "RoleSessionName": "me",
            "ExternalId": "ext",
            "DurationSeconds": "900",
        }
    ]
    assert "Credential=AKIAUSER/" in desk.got[0].headers["authorization"]


async def test_roles_in_a_row(desk: Desk) -> None:
    desk.answer("/", xml("ASIAONE"), xml("ASIATWO"))
    config = (
        f"[profile dev]\nrole_arn = {ROLE}2\nsource_profile = hop\n"
        f"[profile hop]\nrole_arn = {ROLE}1\nsource_profile = user\n"
    )
    assert await access(profile(config), desk) == "ASIATWO"
    assert [form["RoleArn"] for form in desk.forms] == [f"{ROLE}1", f"{ROLE}2"]
    assert "Credential=ASIAONE/" in desk.got[1].headers["authorization"]


async def test_a_profile_that_is_its_own_source(desk: Desk) -> None:
    """Documented: its keys assume its role."""
    config = f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = dev\n"
    keys = "[dev]\naws_access_key_id = AKIADEV\naws_secret_access_key = s\n"
    assert await access(profile(config, keys), desk) == "ASIASTS"
    assert "Credential=AKIADEV/" in desk.got[0].headers["authorization"]


@pytest.mark.parametrize(
    ("config", "way"),
    [
        (f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = dev\n", "dev → dev"),
        (
            f"[profile dev]\nrole_arn = {ROLE}\nsource_profile = hop\n"
            f"[profile hop]\nrole_arn = {ROLE}\nsource_profile = dev\n",
            "dev → hop → dev",
        ),
    ],
)
async def test_profiles_in_a_circle(desk: Desk, config: str, way: str) -> None:
    error = await problem(profile(config), desk)
    assert f"the AWS profiles {way} go round in circles by source_profile" in str(error)
    assert not desk.requests


@pytest.mark.parametrize(
    ("source", "env", "signs"),
    [
        ("Environment", {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s"}, "AKIAENV"),
        ("EcsContainer", {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}, "ASIATASK"),
        ("Ec2InstanceMetadata", {"AWS_EC2_METADATA_DISABLED": "false"}, "ASIANODE"),
    ],
)
async def test_a_role_with_the_keys_of_the_machine(desk: Desk, source: str, env: Any, signs: str) -> None:
    desk.answer("/latest/api/token", "imds-shh")
    desk.answer("/latest/meta-data/iam/security-credentials/", "node")
    desk.answer("/latest/meta-data/iam/security-credentials/node", metadata("ASIANODE"))
    config = f"[profile dev]\nrole_arn = {ROLE}\ncredential_source = {source}\n"
    assert await access(profile(config, **env), desk) == "ASIASTS"
    assert f"Credential={signs}/" in desk.got[-1].headers["authorization"]


async def test_a_role_with_a_web_identity_token(desk: Desk) -> None:
    config = f"[profile dev]\nrole_arn = {ROLE}\nweb_identity_token_file = /var/run/token\n"
    files = {CONFIG: config, "/var/run/token": "ey.one.two\n"}
    assert await access(signer({"aws_profile_name": "dev"}, OFF, files), desk) == "ASIASTS"
    assert desk.forms[0]["WebIdentityToken"] == "ey.one.two"


@pytest.mark.parametrize("own", ["source_profile = user", "credential_source = Environment"])
async def test_a_profile_with_a_source_goes_before_the_pod(desk: Desk, own: str) -> None:
    """As in botocore; a profile's plain keys go after."""
    env = {**OFF, "AWS_ROLE_ARN": ROLE + "pod", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ACCESS_KEY_ID": ""}
    config = f"[default]\nrole_arn = {ROLE}\n{own}\n"
    credential = signer({}, env, {CONFIG: config, CREDENTIALS: USER, "/t": "ey.one.two"})
    if "Environment" in own:
        assert "credential_source = Environment, which the environment does not offer" in str(
            await problem(credential, desk)
        )
    else:
        assert await access(credential, desk) == "ASIASTS"
        assert [form["RoleArn"] for form in desk.forms] == [ROLE]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("credential_process = /bin/touch /tmp/x", "has a credential_process: Headgate starts no programs"),
        (f"role_arn = {ROLE}", "has a role_arn, but no source_profile or credential_source"),
        (f"role_arn = {ROLE}\nsource_profile = no", "no AWS profile 'no'"),
        (f"role_arn = {ROLE}\nsource_profile = user\nmfa_serial = m", "has an mfa_serial: nobody is here"),
        (f"role_arn = {ROLE}\nsource_profile = empty", "'empty', source_profile of 'dev', has no keys"),
        (
            f"role_arn = {ROLE}\ncredential_source = Moon",
            "expected one of Environment, EcsContainer, Ec2Inst",
        ),
        (f"role_arn = {ROLE}\ncredential_source = EcsContainer", "which the environment does not offer"),
        ("sso_session = no", "no [sso-session no]"),
        ("sso_start_url = u", "lacks sso_region, sso_account_id, sso_role_name"),
    ],
)
async def test_a_profile_that_cannot_be_used(desk: Desk, config: str, text: str) -> None:
    error = await problem(profile(f"[profile dev]\n{config}\n[profile empty]\n"), desk)
    assert isinstance(error, AuthenticationError)
    assert text in str(error)
    assert not desk.requests


# SSO


@pytest.mark.parametrize(("config", "key"), [(SSO, "acme"), (OLD_SSO, START)])
async def test_a_login_by_sso(desk: Desk, config: str, key: str) -> None:
    credential = signer({"aws_profile_name": "dev"}, OFF, {CONFIG: config, **login(key)})
    assert await access(credential, desk) == "ASIASSO"
    (ask,), (got,) = desk.asks, desk.got
    assert ask.url.startswith("https://portal.sso.us-east-2.amazonaws.com/federation/credentials?")
    assert got.query == {"role_name": "Reader", "account_id": "123456789012"}
    assert got.headers["x-amz-sso_bearer_token"] == "login-shh"
    assert credential.ready(NOW + 3300)
    assert not credential.ready(NOW + 3500)
    assert {"sso-secret-shh", "sso-session"} <= set(credential.secrets)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "run `aws sso login --profile dev`: the file /home/me/.aws/sso/cache/"),
        (login("acme", "2020-01-01T00:00:00Z"), "has expired: run `aws sso login --profile dev`"),
        (login("acme", "soon"), "'soon' is no time"),
        (dict.fromkeys(login("acme"), "{"), "the cached token of aws sso login is no JSON"),
        (dict.fromkeys(login("acme"), '{"accessToken": "login-shh"}'), "expiresAt"),
    ],
)
async def test_no_login_by_sso(desk: Desk, files: Any, text: str) -> None:
    error = await problem(signer({"aws_profile_name": "dev"}, OFF, {CONFIG: SSO, **files}), desk)
    assert text in str(error)
    assert hides(str(error), ["login-shh"])
    assert not desk.requests


async def test_the_portal_refuses_and_repeats_the_login(desk: Desk) -> None:
    desk.answer("/federation/credentials", (401, {"message": "Session token not found: login-shh"}))
    error = await problem(signer({"aws_profile_name": "dev"}, OFF, {CONFIG: SSO, **login("acme")}), desk)
    assert "AWS SSO, profile dev: https://portal.sso.us-east-2.amazonaws.com/federation/credentials" in str(
        error
    )
    assert "Session token not found" in str(error)
    assert hides(str(error), ["login-shh"])
