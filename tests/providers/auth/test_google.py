"""Google's credentials: what is looked for, what is sent, and what is said where something is lacking."""

import asyncio
import base64
import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from desk import NOW, REQUEST, Desk, around, hides, lines_of
from headgate.errors import (
    APIConnectionError,
    AuthenticationError,
    HeadgateError,
    RateLimitError,
    ServiceUnavailableError,
)
from headgate.ports import Signing, Told
from headgate.providers.auth import aws_sources, build, google
from headgate.providers.auth.sigv4 import Keys, sign

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ACCOUNT = {
    "type": "service_account",
    "project_id": "acme-prod",
    "private_key_id": "kid-7",
    "private_key": PEM,
    "client_email": "llm@acme-prod.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
USER = {
    "type": "authorized_user",
    "client_id": "id.apps",
    "client_secret": "GOCSPX-shh",
    "refresh_token": "1//refresh-shh",
    "quota_project_id": "acme-quota",
}
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/v"
EXTERNAL: dict[str, Any] = {
    "type": "external_account",
    "audience": AUDIENCE,
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/var/run/token"},
}
IMPERSONATE = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "sa@acme.iam.gserviceaccount.com:generateAccessToken"
)
LOGIN = "/home/me/.config/gcloud/application_default_credentials.json"
METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.answer("/token", {"access_token": "ya29.one", "expires_in": 3599, "token_type": "Bearer"})
    desk.answer("/v1/token", {"access_token": "ya29.sts", "expires_in": 3599, "token_type": "Bearer"})
    yield desk
    desk.stop()


def of(document: dict[str, Any] | str, **files: str) -> Any:
    return google.credential(around({"vertex_credentials": document}, files=files))


async def problem(credential: Any, desk: Desk) -> HeadgateError:
    with pytest.raises(HeadgateError) as caught:
        await credential.renew(desk.fetch, NOW)
    return caught.value


def opened(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a JWT whose signature is KEY's."""
    text, _, signature = token.rpartition(".")
    padded = [part + "=" * (-len(part) % 4) for part in (*text.split("."), signature)]
    header, claims, seal = [base64.urlsafe_b64decode(part) for part in padded]
    KEY.public_key().verify(seal, text.encode(), PKCS1v15(), SHA256())
    return json.loads(header), json.loads(claims)


async def test_a_service_account_sends_a_signed_assertion(desk: Desk) -> None:
    lines = await lines_of(of(json.dumps(ACCOUNT)), desk)
    assert lines == {"authorization": "Bearer ya29.one"}
    (ask,) = desk.asks
    assert (ask.method, ask.url, ask.direct) == ("POST", "https://oauth2.googleapis.com/token", False)
    assert desk.got[0].headers["content-type"] == "application/x-www-form-urlencoded"
    (form,) = desk.forms
    assert form.keys() == {"grant_type", "assertion"}
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert opened(form["assertion"]) == (
        {"alg": "RS256", "typ": "JWT", "kid": "kid-7"},
        {
            "iss": ACCOUNT["client_email"],
            "scope": SCOPE,
            "aud": "https://oauth2.googleapis.com/token",
            "iat": NOW,
            "exp": NOW + 3600,
        },
    )


@pytest.mark.parametrize(
    ("params", "env"),
    [
        ({"vertex_credentials": "~/key.json"}, {}),
        ({"vertex_credentials": ACCOUNT}, {}),
        ({"vertex_ai_credentials": json.dumps(ACCOUNT, indent=1)}, {}),
        ({"vertex_credentials": "~/key.json"}, {"GOOGLE_APPLICATION_CREDENTIALS": "/none"}),
        ({}, {"VERTEXAI_CREDENTIALS": json.dumps(ACCOUNT), "GOOGLE_APPLICATION_CREDENTIALS": "/none"}),
        ({}, {"VERTEX_CREDENTIALS": "/home/me/key.json"}),
        ({}, {"GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json"}),
        ({"vertex_credentials": ACCOUNT | {"private_key": PEM.replace("\n", "\\n")}}, {}),
    ],
)
async def test_where_a_document_may_stand(desk: Desk, params: Any, env: Any) -> None:
    place = around(params, env, {"/home/me/key.json": json.dumps(ACCOUNT), LOGIN: json.dumps(USER)})
    assert await lines_of(build("google", place), desk) == {"authorization": "Bearer ya29.one"}
    assert opened(desk.forms[0]["assertion"])[1]["iss"] == ACCOUNT["client_email"]


def test_a_key_counts_where_nothing_else_is_nearer() -> None:
    env = {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"}
    assert build("google", around({"api_key": "AIza"}, env)) is None
    assert build("google", around({"api_key": "AIza", "vertex_credentials": ACCOUNT})) is not None
    assert build("google", around({}, env)) is not None


async def test_another_scope(desk: Desk) -> None:
    place = around({"vertex_credentials": ACCOUNT})
    await lines_of(google.credential(place, "https://www.googleapis.com/auth/other"), desk)
    await lines_of(build("google:https://www.googleapis.com/auth/other", place), desk)
    scopes = [opened(form["assertion"])[1]["scope"] for form in desk.forms]
    assert scopes == ["https://www.googleapis.com/auth/other"] * 2


@pytest.mark.parametrize(
    ("env", "file"),
    [
        ({}, LOGIN),
        ({"CLOUDSDK_CONFIG": "/etc/gcloud"}, "/etc/gcloud/application_default_credentials.json"),
        ({"APPDATA": "C:/Users/me"}, "C:/Users/me/gcloud/application_default_credentials.json"),
    ],
)
async def test_the_login_of_gcloud(desk: Desk, env: Any, file: str) -> None:
    lines = await lines_of(google.credential(around({}, env, {file: json.dumps(USER)})), desk)
    assert lines == {"authorization": "Bearer ya29.one", "x-goog-user-project": "acme-quota"}
    assert desk.asks[0].url == "https://oauth2.googleapis.com/token"
    assert desk.forms == [
        {
            "grant_type": "refresh_token",
            "client_id": "id.apps",
            "client_secret": "GOCSPX-shh",
            "refresh_token": "1//refresh-shh",
        }
    ]


async def test_a_variable_names_the_project_that_pays(desk: Desk) -> None:
    place = around({"vertex_credentials": USER}, {"GOOGLE_CLOUD_QUOTA_PROJECT": "other"})
    assert (await lines_of(google.credential(place), desk))["x-goog-user-project"] == "other"


async def test_a_workforce_user(desk: Desk) -> None:
    desk.answer("/v1/oauthtoken", {"access_token": "ya29.work", "expires_in": 3600})
    document = {**USER, "type": "external_account_authorized_user"}
    document |= {"token_url": "https://sts.googleapis.com/v1/oauthtoken"}
    assert (await lines_of(of(document), desk))["authorization"] == "Bearer ya29.work"
    assert desk.forms == [{"grant_type": "refresh_token", "refresh_token": "1//refresh-shh"}]
    sent = desk.got[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent) == b"id.apps:GOCSPX-shh"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({}, "  subject-jwt\n"),
        ({"type": "text"}, "subject-jwt"),
        ({"type": "json", "subject_token_field_name": "access_token"}, '{"access_token": "subject-jwt"}'),
    ],
)
@pytest.mark.parametrize("place", ["file", "url"])
async def test_an_external_account(desk: Desk, place: str, form: Any, text: str) -> None:
    desk.answer("/subject", text)
    where: dict[str, Any] = {"file": "/var/run/token"}
    if place == "url":
        where = {"url": "http://127.0.0.1/subject?audience=x", "headers": {"Authorization": "Bearer shh"}}
    document = EXTERNAL | {"credential_source": {**where, "format": form}}
    lines = await lines_of(of(document, **{"/var/run/token": text}), desk)
    assert lines == {"authorization": "Bearer ya29.sts"}
    if place == "url":
        assert desk.got[0].headers["authorization"] == "Bearer shh"
        assert (desk.got[0].method, desk.got[0].query) == ("GET", {"audience": "x"})
    assert desk.asks[-1].url == "https://sts.googleapis.com/v1/token"
    assert desk.got[-1].form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": AUDIENCE,
        "scope": SCOPE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": "subject-jwt",
    }


async def test_an_external_account_of_a_workforce_pool_says_who_pays(desk: Desk) -> None:
    document = EXTERNAL | {"workforce_pool_user_project": "42"}
    await lines_of(of(document, **{"/var/run/token": "x"}), desk)
    assert json.loads(unquote(desk.forms[0]["options"])) == {"userProject": "42"}


async def test_an_external_account_with_a_client_of_its_own(desk: Desk) -> None:
    document = EXTERNAL | {"client_id": "me", "client_secret": "shh"}
    await lines_of(of(document, **{"/var/run/token": "x"}), desk)
    assert base64.b64decode(desk.got[0].headers["authorization"][6:]) == b"me:shh"


async def test_an_external_account_that_impersonates(desk: Desk) -> None:
    path = IMPERSONATE.removeprefix("https://iamcredentials.googleapis.com")
    desk.answer(path, {"accessToken": "ya29.sa", "expireTime": "2023-11-14T23:13:20Z"})
    document = EXTERNAL | {
        "service_account_impersonation_url": IMPERSONATE,
        "service_account_impersonation": {"token_lifetime_seconds": 2800},
    }
    credential = of(document, **{"/var/run/token": "subject-jwt"})
    assert await lines_of(credential, desk) == {"authorization": "Bearer ya29.sa"}
    assert desk.asks[1].url == IMPERSONATE
    assert desk.got[1].headers["authorization"] == "Bearer ya29.sts"
    assert json.loads(desk.got[1].body) == {"scope": [SCOPE], "lifetime": "2800s", "delegates": []}
    assert credential.value.expires == NOW + 3600


async def test_a_login_that_impersonates(desk: Desk) -> None:
    path = IMPERSONATE.removeprefix("https://iamcredentials.googleapis.com")
    desk.answer(path, {"accessToken": "ya29.sa", "expireTime": "2023-11-14T23:13:20Z"})
    document = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": IMPERSONATE,
        "source_credentials": USER,
        "delegates": ["projects/-/serviceAccounts/between"],
    }
    assert await lines_of(of(document), desk) == {"authorization": "Bearer ya29.sa"}
    assert desk.got[0].form["refresh_token"] == "1//refresh-shh"
    assert json.loads(desk.got[1].body) == {
        "scope": [SCOPE],
        "lifetime": "3600s",
        "delegates": ["projects/-/serviceAccounts/between"],
    }


AWS = {
    "environment_id": "aws1",
    "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
    "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
    "regional_cred_verification_url": (
        "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    ),
    "imdsv2_session_token_url": "http://169.254.169.254/latest/api/token",
}


def asks_aws(subject: str, keys: Keys, region: str) -> None:
    """The subject token is a question to STS that these keys have signed."""
    told = json.loads(unquote(subject))
    url = f"https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    assert (told["url"], told["method"]) == (url, "POST")
    headers = {pair["key"]: pair["value"] for pair in told["headers"]}
    assert headers["host"] == f"sts.{region}.amazonaws.com"
    assert headers["x-goog-cloud-target-resource"] == AUDIENCE
    first = tuple((name, headers[name]) for name in ("host", "x-goog-cloud-target-resource"))
    again = Signing(method="POST", url=url, headers=first, body=b"")
    signed = dict(sign(again, keys, region=region, service="sts", now=NOW))
    assert headers == dict(first) | signed


async def test_an_external_account_of_aws_by_variables(desk: Desk) -> None:
    env = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "shh", "AWS_SESSION_TOKEN": "ses"}
    place = around(
        {"vertex_credentials": EXTERNAL | {"credential_source": AWS}}, env | {"AWS_REGION": "eu-west-1"}
    )
    assert await lines_of(google.credential(place), desk) == {"authorization": "Bearer ya29.sts"}
    asks_aws(desk.forms[0]["subject_token"], Keys(access="AKIA1", secret="shh", session="ses"), "eu-west-1")


async def test_an_external_account_of_aws_by_the_metadata_service(desk: Desk) -> None:
    desk.answer("/latest/api/token", "imds-shh")
    desk.answer("/latest/meta-data/placement/availability-zone", "us-east-2b")
    desk.answer("/latest/meta-data/iam/security-credentials/", "my-role")
    keys = {"AccessKeyId": "ASIA1", "SecretAccessKey": "shh", "Token": "ses"}
    desk.answer(
        "/latest/meta-data/iam/security-credentials/my-role", keys | {"Expiration": "2030-01-01T00:00:00Z"}
    )
    assert await lines_of(of(EXTERNAL | {"credential_source": AWS}), desk)
    asks_aws(
        desk.got[-1].form["subject_token"], Keys(access="ASIA1", secret="shh", session="ses"), "us-east-2"
    )
    assert all(ask.direct and ask.seconds <= aws_sources.METADATA_SECONDS for ask in desk.asks[:-1])
    questions = [one for one in desk.got[:-1] if one.method == "GET"]
    assert {one.headers["x-aws-ec2-metadata-token"] for one in questions} == {"imds-shh"}


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ({"executable": {"command": "/bin/x"}}, "starts no programs"),
        ({"environment_id": "aws2"}, "expected 'aws1'"),
        ({"environment_id": "aws1"}, "AWS_REGION"),
        ({"environment_id": "aws1", "region_url": AWS["region_url"]}, "AWS_SECRET_ACCESS_KEY"),
        ({"file": "/nowhere"}, "/nowhere"),
        ({"file": "/empty"}, "no subject token in /empty"),
        ({"file": "/odd", "format": {"type": "json", "subject_token_field_name": "tok"}}, "'tok'"),
    ],
)
async def test_what_an_external_account_lacks(desk: Desk, source: Any, word: str) -> None:
    desk.answer("/latest/api/token", "imds-shh")
    desk.answer("/latest/meta-data/placement/availability-zone", "us-east-2b")
    files = {"/empty": "\n", "/odd": '{"token": "shh"}'}
    error = await problem(of(EXTERNAL | {"credential_source": source}, **files), desk)
    assert isinstance(error, AuthenticationError)
    assert word in error.message


@pytest.mark.parametrize(
    ("env", "host"),
    [({}, "metadata.google.internal"), ({"GCE_METADATA_HOST": "10.0.0.1:8080"}, "10.0.0.1:8080")],
)
async def test_the_metadata_server(desk: Desk, env: dict[str, str], host: str) -> None:
    desk.answer(METADATA, {"access_token": "ya29.vm", "expires_in": 300, "token_type": "Bearer"})
    assert await lines_of(google.credential(around({}, env)), desk) == {"authorization": "Bearer ya29.vm"}
    (ask,), (got,) = desk.asks, desk.got
    assert ask.url.startswith(f"http://{host}{METADATA}?")
    assert ask.direct
    assert (got.method, got.query) == ("GET", {"scopes": SCOPE})
    assert got.headers["metadata-flavor"] == "Google"


async def test_nothing_at_all_names_everything(desk: Desk) -> None:
    error = await problem(google.credential(around()), desk)
    assert isinstance(error, AuthenticationError)
    assert error.code == "missing_credentials"
    words = ["vertex_credentials", "GOOGLE_APPLICATION_CREDENTIALS", "VERTEXAI_CREDENTIALS", LOGIN]
    assert all(word in error.message for word in [*words, "metadata.google.internal", "gcloud auth"])


async def test_a_machine_of_googles_is_asked_again(desk: Desk) -> None:
    files = {"/sys/class/dmi/id/product_name": "Google Compute Engine\n"}
    error = await problem(google.credential(around(files=files)), desk)
    assert isinstance(error, APIConnectionError)
    desk.answer(METADATA, {"access_token": "ya29.vm", "expires_in": 300})
    assert await lines_of(google.credential(around(files=files)), desk)


async def test_nobody_is_asked_where_that_is_forbidden(desk: Desk) -> None:
    error = await problem(google.credential(around({}, {"NO_GCE_CHECK": "true"})), desk)
    assert "NO_GCE_CHECK" in error.message
    assert desk.asks == []


EC = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
SEALED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"shh")).decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("/none.json", ["vertex_credentials", "/none.json", "No such file"]),
        (["a"], ["vertex_credentials is a list"]),
        (PEM, ["vertex_credentials is neither the path of a file nor"]),
        ("{no json", ["vertex_credentials", "no JSON"]),
        ("~/list", ["/home/me", "No such file"]),
        ({"type": "gdch_service_account"}, ["'gdch_service_account'", "service_account", "authorized_user"]),
        ({"client_email": "x"}, ["type is ''", "external_account"]),
        ({"type": "service_account", "client_email": "x"}, ["private_key"]),
        (ACCOUNT | {"client_email": 7}, ["vertex_credentials", "client_email"]),
        (ACCOUNT | {"private_key": PEM[:200]}, ["private_key of the service account llm@", "PEM"]),
        (ACCOUNT | {"private_key": EC}, ["no RSA key"]),
        (ACCOUNT | {"private_key": SEALED}, ["passphrase"]),
        (EXTERNAL | {"credential_source": 7}, ["credential_source"]),
    ],
)
async def test_a_document_that_is_no_good(desk: Desk, given: Any, words: list[str]) -> None:
    error = await problem(of(given), desk)
    assert isinstance(error, AuthenticationError)
    assert all(word in error.message for word in words), error.message
    assert hides(error.message, [PEM[30:80], "shh", "BEGIN"])
    assert desk.asks == []


async def test_without_cryptography_the_extra_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    error = await problem(of(ACCOUNT), desk)
    assert "pip install 'headgate[crypto]'" in error.message


async def test_an_unreadable_login_is_no_missing_login(desk: Desk) -> None:
    def read(path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    error = await problem(google.credential(around(files=read)), desk)
    assert LOGIN in error.message
    assert "Permission denied" in error.message


@pytest.mark.parametrize(
    ("document", "secrets"),
    [
        (USER, ["1//refresh-shh", "GOCSPX-shh"]),
        (EXTERNAL, ["subject-jwt"]),
    ],
)
async def test_a_refusal_is_told_without_what_was_sent(desk: Desk, document: Any, secrets: list[str]) -> None:
    refusal = {"error": "invalid_grant", "error_description": f"Bad {' '.join(secrets)}"}
    desk.answer("/token", (400, refusal))
    desk.answer("/v1/token", (400, refusal))
    error = await problem(of(document, **{"/var/run/token": "subject-jwt"}), desk)
    assert isinstance(error, AuthenticationError)
    assert error.code == "token_refused"
    assert "invalid_grant: Bad ***" in error.message
    assert hides(error.message, secrets)


async def test_what_a_server_repeats_as_it_came_is_not_shown(desk: Desk) -> None:
    desk.answer("/token", lambda got: (400, f"bad request: {got.body.decode()}"))
    error = await problem(of(USER), desk)
    assert "client_secret=***" in error.message
    assert hides(error.message, ["refresh-shh", "GOCSPX-shh"])


@pytest.mark.parametrize("before", [0, 200, 480])
async def test_an_assertion_is_never_shown(desk: Desk, before: int) -> None:
    desk.answer("/token", lambda got: (401, "x" * before + " no: " + got.form["assertion"]))
    error = await problem(of(ACCOUNT), desk)
    assert hides(error.message, desk.forms[0]["assertion"].split("."))
    assert hides(error.message, [desk.forms[0]["assertion"][:12]])


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (503, ServiceUnavailableError)])
async def test_a_server_in_trouble_is_no_wrong_credential(desk: Desk, status: int, kind: type) -> None:
    desk.answer("/token", (status, "later"))
    assert isinstance(await problem(of(ACCOUNT), desk), kind)


async def test_a_token_is_kept_and_renewed_before_its_end(desk: Desk) -> None:
    desk.answer("/token", *({"access_token": f"ya29.{n}", "expires_in": 3599} for n in range(3)))
    credential = of(ACCOUNT)
    for now in (NOW, NOW + 60, NOW + 3300):
        assert (await lines_of(credential, desk, now))["authorization"] == "Bearer ya29.0"
    assert len(desk.asks) == 1
    assert not credential.ready(NOW + 3500)
    await asyncio.gather(*(credential.renew(desk.fetch, NOW + 3590) for _ in range(20)))
    assert len(desk.asks) == 2
    assert credential.sign(REQUEST, NOW + 3590) == [("authorization", "Bearer ya29.1")]
    assert credential.secrets == ("ya29.1", "ya29.0")


async def test_a_key_file_that_was_exchanged_is_read_anew(desk: Desk) -> None:
    files = {"/key.json": json.dumps(ACCOUNT)}
    credential = google.credential(around({"vertex_credentials": "/key.json"}, files=files))
    await lines_of(credential, desk)
    files["/key.json"] = json.dumps(ACCOUNT | {"client_email": "new@acme.iam.gserviceaccount.com"})
    await lines_of(credential, desk, NOW + 4000)
    issuers = [opened(form["assertion"])[1]["iss"] for form in desk.forms]
    assert issuers == [ACCOUNT["client_email"], "new@acme.iam.gserviceaccount.com"]


async def test_a_refused_token_is_renewed_once(desk: Desk) -> None:
    desk.answer("/token", *({"access_token": f"ya29.{n}", "expires_in": 3599} for n in range(3)))
    credential = of(USER)
    lines = list((await lines_of(credential, desk)).items())
    told = Told(status=401, headers={}, body=b'{"error": {"status": "UNAUTHENTICATED"}}')
    assert not credential.refused(Told(status=403, headers={}, body=b"no"), lines, NOW + 600)
    assert credential.refused(told, lines, NOW + 600)
    assert not credential.ready(NOW + 600)
    again = list((await lines_of(credential, desk, NOW + 600)).items())
    assert again[0] == ("authorization", "Bearer ya29.1")
    assert not credential.refused(told, again, NOW + 601)
    assert len(desk.asks) == 2


@pytest.mark.parametrize(
    ("params", "env", "expected"),
    [
        ({"vertex_project": "a"}, {"VERTEXAI_PROJECT": "b"}, "a"),
        ({"vertex_ai_project": "a", "vertex_credentials": "/none"}, {}, "a"),
        ({}, {"VERTEXAI_PROJECT": "b", "GOOGLE_CLOUD_PROJECT": "c"}, "b"),
        ({}, {"GOOGLE_CLOUD_PROJECT": "c"}, "c"),
        ({"vertex_credentials": ACCOUNT}, {}, "acme-prod"),
        ({}, {"GOOGLE_APPLICATION_CREDENTIALS": "/user"}, "acme-quota"),
        ({"vertex_credentials": "/external"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_the_project(params: Any, env: Any, expected: str) -> None:
    files = {"/user": json.dumps(USER), "/external": json.dumps(EXTERNAL)}
    assert google.project(around(params, env, files)) == expected
