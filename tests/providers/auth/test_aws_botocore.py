"""botocore as the oracle of profiles with roles: it must ask STS for the same, signed by the same keys."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from botocore.exceptions import BotoCoreError
from botocore.session import Session
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from test_aws import REGION, xml

from desk import NOW, Desk, Got
from headgate.errors import AuthenticationError
from headgate.providers.auth import aws
from headgate.providers.auth.base import Surroundings

NAMES = ("default", "dev", "ops")
LONG = "2099-01-01T00:00:00Z"


class Outcome(NamedTuple):
    """What STS was asked, as (action, role, external id, token, who signed), and who signs at the end."""

    asked: list[tuple[str, ...]]
    access: str


_role = st.fixed_dictionaries(
    {"role_arn": st.sampled_from([f"arn:aws:iam::123456789012:role/{name}" for name in "abc"])},
    optional={
        "external_id": st.just("ext"),
        "role_session_name": st.just("me"),
    },
)
_source = st.one_of(
    st.sampled_from(NAMES).map(lambda name: {"source_profile": name}),
    st.just({"credential_source": "Environment"}),
    st.just({"web_identity_token_file": "TOKEN"}),
)
_keys = st.sampled_from(NAMES).map(
    lambda name: {"aws_access_key_id": f"AKIA{name}", "aws_secret_access_key": "s"}
)
_profile = st.one_of(
    st.just({}),
    _keys,
    st.builds(lambda *parts: {key: value for part in parts for key, value in part.items()}, _role, _source),
    st.builds(
        lambda *parts: {key: value for part in parts for key, value in part.items()}, _role, _source, _keys
    ),
)
_profiles = st.fixed_dictionaries(dict.fromkeys(NAMES, _profile))
_env = st.fixed_dictionaries(
    {},
    optional={
        "keys": st.just({"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "e"}),
        "pod": st.just(
            {
                "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/pod",
                "AWS_WEB_IDENTITY_TOKEN_FILE": "TOKEN",
                "AWS_ROLE_SESSION_NAME": "pod",
            }
        ),
        "profile": st.sampled_from(NAMES).map(lambda name: {"AWS_PROFILE": name}),
    },
)


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.answer("/", answer)
    yield desk
    desk.stop()


def answer(got: Got) -> str:
    role = got.form["RoleArn"].rpartition("/")[2]
    return xml("ASIA" + role, end=LONG, action=got.form["Action"])


def outcome(desk: Desk, access: str) -> Outcome:
    names = ("Action", "RoleArn", "ExternalId", "WebIdentityToken")
    asked = []
    for got in desk.got:
        signed = re.search(r"Credential=(\w+)/", got.headers.get("authorization", ""))
        asked.append((*(got.form.get(name, "") for name in names), signed[1] if signed else ""))
    desk.requests.clear()
    return Outcome(asked, access)


def theirs(desk: Desk, env: dict[str, str], named: str | None) -> Outcome | None:
    with patch.dict(os.environ, env, clear=True):
        try:
            found = Session(profile=named).get_credentials()
            access = found.get_frozen_credentials().access_key if found else ""
        except BotoCoreError as error:
            event(type(error).__name__)
            access = ""
    result = outcome(desk, access)
    return result if access else None


def ours(desk: Desk, env: dict[str, str], named: str | None) -> Outcome | None:
    around = Surroundings(
        params={"aws_profile_name": named} if named else {},
        env=env,
        read=lambda path: Path(path).read_bytes(),
    )
    credential = aws.credential(around, "polly", REGION)
    assert isinstance(credential, aws.Signer)
    try:
        asyncio.run(credential.renew(desk.fetch, NOW))
        access = credential.value.access
    except AuthenticationError as error:
        assert error.code == "missing_credentials"
        access = ""
    result = outcome(desk, access)
    return result if access else None


@settings(
    max_examples=60,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(profiles=_profiles, parts=_env, named=st.one_of(st.none(), st.sampled_from(NAMES)))
def test_roles_are_assumed_as_botocore_assumes_them(
    profiles: dict[str, dict[str, str]],
    parts: dict[str, Any],
    named: str | None,
    desk: Desk,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    token = home / "token"
    token.write_text("ey.one.two")
    sections = [
        "\n".join(
            [
                f"[{name}]" if name == "default" else f"[profile {name}]",
                *(f"{key} = {value.replace('TOKEN', str(token))}" for key, value in profile.items()),
            ]
        )
        for name, profile in profiles.items()
    ]
    (home / "config").write_text("\n".join(sections))
    env = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_STS": desk.base,
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        "HOME": str(home),
        **{key: value.replace("TOKEN", str(token)) for part in parts.values() for key, value in part.items()},
    }
    expected = theirs(desk, env, named)
    event("found" if expected else "nothing")
    assert ours(desk, env, named) == expected
