"""Token exchanges: what each row sends, what counts first, and what is said where something is lacking."""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from desk import NOW, Desk, around, hides, lines_of
from headgate.errors import AuthenticationError, BadRequestError, HeadgateError
from headgate.ports import Told
from headgate.providers.auth import build, oauth

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SEALED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"phrase-shh")).decode()
SERVICE_KEY = {
    "clientid": "sb-client",
    "clientsecret": "sap-shh",
    "url": "https://acme.authentication.eu10.hana.ondemand.com",
    "serviceurls": {"AI_API_URL": "https://api.ai.eu10.hana.ondemand.com"},
}
SNOWFLAKE = {"account_id": "org-acct", "snowflake_user": "svc"}


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    for path in ("/identity/token", "/oauth/token", "/oidc/v1/token"):
        desk.answer(path, {"access_token": "tok.one", "expires_in": 3600, "expiration": 1})
    desk.answer("/api/v2/oauth", {"access_token": "tok.one", "expires_at": (NOW + 1800) * 1000})
    yield desk
    desk.stop()


async def problem(credential: Any, desk: Desk) -> HeadgateError:
    with pytest.raises(HeadgateError) as caught:
        await credential.renew(desk.fetch, NOW)
    return caught.value


def told_basic(desk: Desk) -> str:
    return base64.b64decode(desk.got[0].headers["authorization"].removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("params", "env"),
    [
        ({"api_key": "ibm-shh"}, {"WATSONX_TOKEN": "t"}),
        ({"apikey": "ibm-shh"}, {}),
        ({}, {"WATSONX_APIKEY": "ibm-shh"}),
        ({}, {"WATSONX_API_KEY": "ibm-shh"}),
        ({}, {"WX_API_KEY": "ibm-shh"}),
    ],
)
async def test_an_api_key_of_ibm(desk: Desk, params: Any, env: Any) -> None:
    credential = build("oauth:watsonx", around(params, env))
    assert await lines_of(credential, desk) == {"authorization": "Bearer tok.one"}
    (ask,), (got,) = desk.asks, desk.got
    assert (ask.method, ask.url) == ("POST", "https://iam.cloud.ibm.com/identity/token")
    assert got.form == {"grant_type": "urn:ibm:params:oauth:grant-type:apikey", "apikey": "ibm-shh"}
    assert got.headers["content-type"] == "application/x-www-form-urlencoded"
    assert got.headers["accept"] == "application/json"
    assert "authorization" not in got.headers
    assert credential is not None
    assert set(credential.secrets) == {"ibm-shh", "tok.one"}
    assert credential.ready(NOW + 3300)
    assert not credential.ready(NOW + 3500)


async def test_another_address_of_ibms_token_server(desk: Desk) -> None:
    place = around({"api_key": "k"}, {"WATSONX_IAM_URL": "https://iam.test.cloud.ibm.com/identity/token"})
    await lines_of(oauth.credential("watsonx", place), desk)
    assert desk.asks[0].url == "https://iam.test.cloud.ibm.com/identity/token"


@pytest.mark.parametrize(
    ("name", "params", "env", "line"),
    [
        ("watsonx", {"token": "t.1", "api_key": "k"}, {}, "Bearer t.1"),
        ("watsonx", {}, {"WATSONX_TOKEN": "t.2", "WATSONX_APIKEY": "k"}, "Bearer t.2"),
        ("watsonx", {"zen_api_key": "dTpr"}, {"WATSONX_TOKEN": "t"}, "ZenApiKey dTpr"),
        ("watsonx", {}, {"WATSONX_ZENAPIKEY": "dTpr"}, "ZenApiKey dTpr"),
        ("gigachat", {}, {"GIGACHAT_ACCESS_TOKEN": "t.3"}, "Bearer t.3"),
    ],
)
async def test_given_tokens(desk: Desk, name: str, params: Any, env: Any, line: str) -> None:
    credential = oauth.credential(name, around(params, env))
    assert await lines_of(credential, desk) == {"authorization": line}
    assert credential is not None
    assert credential.secrets == (line.split(" ")[1],)
    assert desk.asks == []


@pytest.mark.parametrize(
    ("params", "env", "scope", "url"),
    [
        (
            {"api_key": "Z2lnYQ=="},
            {},
            "GIGACHAT_API_PERS",
            "https://ngw.devices.sberbank.ru:9443/api/v2/oauth",
        ),
        (
            {},
            {
                "GIGACHAT_CREDENTIALS": "Basic Z2lnYQ==",
                "GIGACHAT_SCOPE": "GIGACHAT_API_CORP",
                "GIGACHAT_AUTH_URL": "https://giga.test/api/v2/oauth",
            },
            "GIGACHAT_API_CORP",
            "https://giga.test/api/v2/oauth",
        ),
    ],
)
async def test_credentials_of_gigachat(desk: Desk, params: Any, env: Any, scope: str, url: str) -> None:
    credential = oauth.credential("gigachat", around(params, env))
    assert await lines_of(credential, desk) == {"authorization": "Bearer tok.one"}
    (ask,), (got,) = desk.asks, desk.got
    assert (ask.method, ask.url) == ("POST", url)
    assert got.form == {"scope": scope}
    assert got.headers["authorization"] == "Basic Z2lnYQ=="
    assert uuid.UUID(got.headers["rquid"]).version == 4
    assert credential is not None
    assert credential.ready(NOW + 1500)
    assert not credential.ready(NOW + 1700)


async def test_each_question_to_gigachat_has_a_number_of_its_own(desk: Desk) -> None:
    credential = oauth.credential("gigachat", around({"api_key": "Z2lnYQ=="}))
    await lines_of(credential, desk)
    desk.answer("/api/v2/oauth", {"access_token": "tok.two", "expires_at": (NOW + 3600) * 1000})
    await lines_of(credential, desk, NOW + 1900)
    assert len({got.headers["rquid"] for got in desk.got}) == 2


@pytest.mark.parametrize(
    ("params", "env", "group"),
    [
        ({"api_key": json.dumps(SERVICE_KEY)}, {}, "default"),
        ({}, {"AICORE_SERVICE_KEY": json.dumps({"credentials": SERVICE_KEY})}, "default"),
        ({"service_key": "/key.json", "resource_group": "mine"}, {}, "mine"),
        (
            {},
            {
                "AICORE_CLIENT_ID": "sb-client",
                "AICORE_CLIENT_SECRET": "sap-shh",
                "AICORE_AUTH_URL": SERVICE_KEY["url"] + "/oauth/token",
                "AICORE_RESOURCE_GROUP": "theirs",
            },
            "theirs",
        ),
    ],
)
async def test_a_service_key_of_sap(desk: Desk, params: Any, env: Any, group: str) -> None:
    place = around(params, env, {"/key.json": json.dumps(SERVICE_KEY)})
    credential = oauth.credential("sap", place)
    lines = await lines_of(credential, desk)
    assert lines == {"authorization": "Bearer tok.one", "ai-resource-group": group}
    assert desk.asks[0].url == "https://acme.authentication.eu10.hana.ondemand.com/oauth/token"
    assert desk.forms == [{"grant_type": "client_credentials"}]
    assert told_basic(desk) == "sb-client:sap-shh"
    assert credential is not None
    assert {"sap-shh", "tok.one"} <= set(credential.secrets)


VARIABLES = {
    "AICORE_CLIENT_ID": "sb-client",
    "AICORE_CLIENT_SECRET": "sap-shh",
    "AICORE_AUTH_URL": SERVICE_KEY["url"],
    "AICORE_RESOURCE_GROUP": "filed",
}


@pytest.mark.parametrize(
    ("env", "file", "group"),
    [
        ({}, "/home/me/.aicore/config.json", "filed"),
        ({"AICORE_PROFILE": "default"}, "/home/me/.aicore/config.json", "filed"),
        ({"AICORE_HOME": "/etc/ai", "AICORE_PROFILE": "prod"}, "/etc/ai/config_prod.json", "filed"),
        ({"AICORE_CONFIG": "/any.json", "AICORE_RESOURCE_GROUP": "nearer"}, "/any.json", "nearer"),
        (
            {"VCAP_SERVICES": json.dumps({"xsuaa": [{}], "aicore": [{"credentials": SERVICE_KEY}]})},
            "",
            "default",
        ),
    ],
)
async def test_what_saps_own_tools_know(desk: Desk, env: Any, file: str, group: str) -> None:
    place = around({}, env, {file: json.dumps(VARIABLES)})
    lines = await lines_of(oauth.credential("sap", place), desk)
    assert lines == {"authorization": "Bearer tok.one", "ai-resource-group": group}
    assert told_basic(desk) == "sb-client:sap-shh"


def test_a_profile_of_saps_tools_that_is_not_there() -> None:
    with pytest.raises(AuthenticationError, match=r"/home/me/.aicore/config_prod.json"):
        oauth.credential("sap", around({}, {"AICORE_PROFILE": "prod"}))


def test_a_service_key_says_where_the_api_is() -> None:
    held = around({}, {"AICORE_SERVICE_KEY": json.dumps(SERVICE_KEY)})
    assert oauth.found("sap", held)["base"] == "https://api.ai.eu10.hana.ondemand.com"
    nearer = around({"base_url": "https://other"}, {"AICORE_SERVICE_KEY": json.dumps(SERVICE_KEY)})
    assert oauth.found("sap", nearer)["base"] == "https://other"


@pytest.mark.parametrize(
    ("params", "env", "base"),
    [
        (
            {"client_id": "me", "client_secret": "dbx-shh"},
            {},
            "https://dbc-1.cloud.databricks.com/serving-endpoints",
        ),
        ({"api_base": "https://dbc-1.cloud.databricks.com/serving-endpoints"}, "own", ""),
        ({}, {"DATABRICKS_HOST": "dbc-1.cloud.databricks.com"}, ""),
    ],
)
async def test_a_service_principal_of_databricks(desk: Desk, params: Any, env: Any, base: str) -> None:
    more = {"DATABRICKS_CLIENT_ID": "me", "DATABRICKS_CLIENT_SECRET": "dbx-shh"}
    place = around(params, {**more, **(env if isinstance(env, dict) else {})}, base=base)
    credential = oauth.credential("databricks", place)
    assert await lines_of(credential, desk) == {"authorization": "Bearer tok.one"}
    assert desk.asks[0].url == "https://dbc-1.cloud.databricks.com/oidc/v1/token"
    assert desk.forms == [{"grant_type": "client_credentials", "scope": "all-apis"}]
    assert told_basic(desk) == "me:dbx-shh"


@pytest.mark.parametrize(
    "key", [{"private_key": PEM}, {"private_key_file": "~/key.pem"}, {"private_key": SEALED}]
)
async def test_a_key_pair_of_snowflake(desk: Desk, key: Any) -> None:
    env = {"SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "phrase-shh"} if "ENCRYPTED" in str(key) else {}
    place = around({**SNOWFLAKE, **key}, env, {"/home/me/key.pem": PEM})
    credential = oauth.credential("snowflake", place)
    lines = await lines_of(credential, desk)
    token = lines["authorization"].removeprefix("Bearer ")
    public = KEY.public_key()
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, public, algorithms=["RS256"], options=options)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = base64.b64encode(hashlib.sha256(der).digest()).decode()
    assert claims == {
        "iss": f"ORG-ACCT.SVC.SHA256:{digest}",
        "sub": "ORG-ACCT.SVC",
        "iat": NOW,
        "exp": NOW + oauth.JWT_SECONDS,
    }
    assert desk.asks == []
    assert credential is not None
    assert not credential.ready(NOW + 3400)


@pytest.mark.parametrize(
    ("account", "expected"),
    [("xy12345.us-east-1", "XY12345"), ("acct-id.global", "ACCT"), ("Org-Acct", "ORG-ACCT")],
)
async def test_an_account_of_snowflake_is_named_without_its_region(
    desk: Desk, account: str, expected: str
) -> None:
    place = around({**SNOWFLAKE, "private_key": PEM, "account_id": account})
    lines = await lines_of(oauth.credential("snowflake", place), desk)
    claims = jwt.decode(lines["authorization"][7:], options={"verify_signature": False})
    assert claims["sub"] == f"{expected}.SVC"


@pytest.mark.parametrize(
    ("name", "params", "env"),
    [
        ("databricks", {}, {}),
        ("databricks", {}, {"DATABRICKS_HOST": "h", "DATABRICKS_CLIENT_ID": "me"}),
        ("databricks", {"api_key": "dapi"}, {"DATABRICKS_CLIENT_ID": "i", "DATABRICKS_CLIENT_SECRET": "s"}),
        ("snowflake", {}, {"SNOWFLAKE_ACCOUNT_ID": "a"}),
        ("snowflake", {"api_key": "pat/x"}, {"SNOWFLAKE_PRIVATE_KEY": PEM, "SNOWFLAKE_USER": "me"}),
    ],
)
def test_a_key_counts_where_an_exchange_is_not_configured(name: str, params: Any, env: Any) -> None:
    assert build(f"oauth:{name}", around(params, env)) is None


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("watsonx", {}, ["api_key", "WATSONX_APIKEY", "WX_API_KEY", "WATSONX_TOKEN", "WATSONX_ZENAPIKEY"]),
        ("gigachat", {}, ["GIGACHAT_CREDENTIALS", "GIGACHAT_API_KEY", "GIGACHAT_ACCESS_TOKEN"]),
        ("sap", {}, ["AICORE_SERVICE_KEY", "AICORE_CLIENT_ID", "AICORE_CLIENT_SECRET", "AICORE_AUTH_URL"]),
        ("sap", {"client_secret": "x-shh", "client_id": "me"}, ["AICORE_AUTH_URL"]),
        ("sap", {"service_key": "{no json x-shh"}, ["service key", "no JSON"]),
        ("sap", {"service_key": '{"clientid": 7, "clientsecret": "x-shh"}'}, ["service key", "clientid"]),
        ("sap", {"service_key": "x-shh\nx-shh"}, ["service key", "neither the path"]),
        ("sap", {"service_key": "/none.json"}, ["service key", "/none.json"]),
        ("sap", {"service_key": '{"clientid": "me"}'}, ["AICORE_CLIENT_SECRET"]),
        ("snowflake", {"private_key_passphrase": "x-shh"}, ["SNOWFLAKE_PRIVATE_KEY_FILE"]),
        ("databricks", {"client_secret": "x-shh"}, ["DATABRICKS_CLIENT_ID", "DATABRICKS_HOST"]),
        ("snowflake", {"private_key": "x-shh"}, ["SNOWFLAKE_USER", "SNOWFLAKE_ACCOUNT_ID"]),
        ("snowflake", {"private_key_file": "/none.pem"}, ["private key", "/none.pem"]),
    ],
)
def test_what_is_lacking_is_named(name: str, params: Any, words: list[str]) -> None:
    with pytest.raises(AuthenticationError) as caught:
        oauth.credential(name, around(params))
    assert all(word in caught.value.message for word in words), caught.value.message
    assert hides(caught.value.message, ["x-shh"])


def test_what_is_there_is_not_called_lacking() -> None:
    with pytest.raises(AuthenticationError) as caught:
        oauth.credential("sap", around({"client_secret": "x", "client_id": "me"}))
    assert "AICORE_CLIENT_ID" not in caught.value.message


async def test_a_private_key_that_is_none(desk: Desk) -> None:
    place = around({**SNOWFLAKE, "private_key": "-----BEGIN x-shh"})
    error = await problem(oauth.credential("snowflake", place), desk)
    assert "Snowflake's private key" in error.message
    assert hides(error.message, ["x-shh"])


@pytest.mark.parametrize(
    ("name", "params", "path"),
    [
        ("watsonx", {"api_key": "k-shh"}, "/identity/token"),
        ("gigachat", {"api_key": "k-shh"}, "/api/v2/oauth"),
        (
            "sap",
            {"client_id": "me", "client_secret": "k-shh", "auth_url": "https://sap.test"},
            "/oauth/token",
        ),
        (
            "databricks",
            {"client_id": "me", "client_secret": "k-shh", "api_base": "https://d"},
            "/oidc/v1/token",
        ),
    ],
)
async def test_a_refusal_says_who_and_where_and_no_secret(
    desk: Desk, name: str, params: Any, path: str
) -> None:
    desk.answer(path, lambda got: (400, {"errorMessage": f"no k-shh {got.headers.get('authorization', '')}"}))
    error = await problem(oauth.credential(name, around(params)), desk)
    assert isinstance(error, AuthenticationError)
    assert all(word in error.message for word in (oauth.EXCHANGES[name].name, path, "no ***"))
    assert hides(error.message, ["k-shh", base64.b64encode(b"me:k-shh").decode()])


@pytest.mark.parametrize(
    "answer",
    [
        "<html>",
        "{}",
        {"access_token": None},
        {"access_token": 7},
        {"access_token": ""},
        {"access_token": "a\n"},
    ],
)
async def test_an_answer_that_is_no_token(desk: Desk, answer: Any) -> None:
    desk.answer("/identity/token", answer)
    error = await problem(oauth.credential("watsonx", around({"api_key": "ibm-shh"})), desk)
    assert error.code == "unreadable_credentials"
    assert "https://iam.cloud.ibm.com/identity/token" in error.message


async def test_an_expired_token_that_was_refused_is_renewed_once(desk: Desk) -> None:
    desk.answer("/identity/token", *({"access_token": f"tok.{n}", "expires_in": 3600} for n in range(3)))
    credential = oauth.credential("watsonx", around({"api_key": "k"}))
    assert credential is not None
    lines = list((await lines_of(credential, desk)).items())
    told = Told(status=401, headers={}, body=b'{"errors":[{"code":"authentication_token_expired"}]}')
    assert credential.refused(told, lines, NOW + 900)
    again = await lines_of(credential, desk, NOW + 900)
    assert again == {"authorization": "Bearer tok.1"}
    assert not credential.refused(told, list(again.items()), NOW + 901)
    assert len(desk.asks) == 2


def test_every_row_can_say_what_it_lacks() -> None:
    for name, row in oauth.EXCHANGES.items():
        assert {*row.optional, *row.holders} <= row.facts.keys()
        assert any(fact.secret for fact in row.facts.values())
        assert oauth.found(name, around()).keys() == row.facts.keys()


@pytest.mark.parametrize("scheme", ["", "kerberos", "Google"])
def test_a_scheme_that_there_is_not(scheme: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        build(scheme, around())
    assert all(word in caught.value.message for word in (repr(scheme), "google", "azure_ad", "oauth", "aws"))


@pytest.mark.parametrize("scheme", ["oauth", "oauth:nobody"])
def test_an_exchange_that_there_is_not(scheme: str) -> None:
    with pytest.raises(BadRequestError, match="watsonx"):
        build(scheme, around())


COPILOT = "/copilot_internal/v2/token"
KEPT = "/home/me/.config/litellm/github_copilot/access-token"
APPS = "/home/me/.config/github-copilot/apps.json"


@pytest.mark.parametrize(
    ("params", "env", "files"),
    [
        ({"api_key": "gho-shh"}, {}, {}),
        ({"github_token": "gho-shh"}, {"COPILOT_GITHUB_TOKEN": "x"}, {}),
        ({}, {"COPILOT_GITHUB_TOKEN": "gho-shh"}, {KEPT: "x"}),
        ({"github_token_file": "/t"}, {}, {"/t": "gho-shh\n"}),
        ({}, {"GITHUB_COPILOT_TOKEN_FILE": "/t"}, {"/t": "gho-shh\n", KEPT: "x"}),
        ({}, {}, {KEPT: "gho-shh\n"}),
        (
            {},
            {"GITHUB_COPILOT_TOKEN_DIR": "/d/", "GITHUB_COPILOT_ACCESS_TOKEN_FILE": "t"},
            {"/d/t": "gho-shh"},
        ),
        ({}, {}, {APPS: '{"github.com:Iv1": {"user": "me", "oauth_token": "gho-shh"}}'}),
    ],
)
async def test_a_token_of_github_is_exchanged(desk: Desk, params: Any, env: Any, files: Any) -> None:
    desk.answer(COPILOT, {"token": "tid=a;exp=1:mac", "expires_at": int(NOW) + 1800, "refresh_in": 1500})
    credential = build("oauth:github_copilot", around(params, env, files))
    assert await lines_of(credential, desk) == {"authorization": "Bearer tid=a;exp=1:mac"}
    (ask,), (got,) = desk.asks, desk.got
    assert (ask.method, ask.url) == ("GET", "https://api.github.com" + COPILOT)
    assert got.headers["authorization"] == "token gho-shh"
    assert got.headers["editor-version"]
    assert got.body == b""
    assert credential is not None
    assert credential.ready(NOW + 1500)
    assert not credential.ready(NOW + 1700)


@pytest.mark.parametrize("files", [{}, {APPS: "{}"}])
def test_who_has_not_signed_in_to_copilot_is_told_how(files: Any) -> None:
    with pytest.raises(AuthenticationError, match=r"COPILOT_GITHUB_TOKEN.*sign in to Copilot in an editor"):
        build("oauth:github_copilot", around(files=files))


async def test_a_token_that_copilot_refuses_is_hidden(desk: Desk) -> None:
    desk.answer(COPILOT, (404, {"message": "Not Found for gho-shh"}))
    error = await problem(build("oauth:github_copilot", around({"api_key": "gho-shh"})), desk)
    assert isinstance(error, AuthenticationError)
    assert "status 404" in error.message
    assert hides(error.message, ["gho-shh"])
