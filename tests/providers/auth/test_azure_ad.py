"""Tokens of Microsoft Entra ID: which way is taken, what is sent, and what is said where something is lacking."""

import base64
import datetime
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from desk import NOW, Desk, around, hides, lines_of
from headgate.errors import AuthenticationError, HeadgateError, ServiceUnavailableError
from headgate.ports import Told
from headgate.providers.auth import azure_ad, build

SCOPE = "https://cognitiveservices.azure.com/.default"
CLIENT = {"tenant_id": "tenant-1", "client_id": "client-1", "client_secret": "s3cret-shh"}
CLIENT_ENV = {
    "AZURE_TENANT_ID": "tenant-2",
    "AZURE_CLIENT_ID": "client-2",
    "AZURE_CLIENT_SECRET": "env-shh",
}
FEDERATED = {
    "AZURE_TENANT_ID": "tenant-2",
    "AZURE_CLIENT_ID": "client-2",
    "AZURE_FEDERATED_TOKEN_FILE": "/var/run/azure/token",
}
APP_SERVICE = {"IDENTITY_ENDPOINT": "http://127.0.0.1:41/msi/token", "IDENTITY_HEADER": "header-shh"}
IMDS = "/metadata/identity/oauth2/token"


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    for tenant in ("tenant-1", "tenant-2"):
        desk.answer(f"/{tenant}/oauth2/v2.0/token", {"access_token": "eyJ.aad", "expires_in": 3599})
    machine = {"access_token": "eyJ.vm", "expires_in": "86399", "expires_on": f"{NOW + 86399:.0f}"}
    desk.answer(IMDS, machine)
    yield desk
    desk.stop()


async def problem(credential: Any, desk: Desk) -> HeadgateError:
    with pytest.raises(HeadgateError) as caught:
        await credential.renew(desk.fetch, NOW)
    return caught.value


@pytest.mark.parametrize(
    ("params", "env"),
    [
        ({}, {}),
        ({}, {"AZURE_TENANT_ID": "t"}),
        ({}, {"AZURE_SCOPE": "s", "AZURE_AUTHORITY_HOST": "h"}),
        ({"api_key": "k"}, CLIENT_ENV),
        ({"api_key": "k"}, {"AZURE_AD_TOKEN": "t"}),
        ({"api_key": "k", "azure_scope": "s"}, CLIENT_ENV),
        ({}, {**CLIENT_ENV, "AZURE_API_KEY": "k"}),
        ({}, {**APP_SERVICE, "AZURE_OPENAI_API_KEY": "k"}),
    ],
)
def test_a_key_counts_where_nothing_else_is_nearer(params: Any, env: Any) -> None:
    assert build("azure_ad", around(params, env)) is None


@pytest.mark.parametrize(
    ("params", "env"),
    [
        ({"azure_ad_token": "eyJ.given"}, {}),
        ({"azure_ad_token": "eyJ.given", "api_key": "k"}, CLIENT_ENV),
        ({}, {"AZURE_AD_TOKEN": "eyJ.given", **CLIENT_ENV}),
    ],
)
async def test_a_given_token(desk: Desk, params: Any, env: Any) -> None:
    credential = azure_ad.credential(around(params, env))
    assert await lines_of(credential, desk) == {"authorization": "Bearer eyJ.given"}
    assert credential is not None
    assert credential.secrets == ("eyJ.given",)
    assert desk.asks == []


async def test_a_client_secret(desk: Desk) -> None:
    credential = azure_ad.credential(around({**CLIENT, "api_key": "k"}, {"AZURE_AD_TOKEN": "t"}))
    assert await lines_of(credential, desk) == {"authorization": "Bearer eyJ.aad"}
    (ask,), (got,) = desk.asks, desk.got
    assert (ask.method, ask.direct) == ("POST", False)
    assert ask.url == "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token"
    assert got.headers["content-type"] == "application/x-www-form-urlencoded"
    assert got.form == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": "s3cret-shh",
        "scope": SCOPE,
    }
    assert credential is not None
    assert set(credential.secrets) == {"s3cret-shh", "eyJ.aad"}


async def test_the_environment_fills_what_parameters_leave_open(desk: Desk) -> None:
    place = around({"client_secret": "s3cret-shh"}, CLIENT_ENV)
    await lines_of(azure_ad.credential(place), desk)
    await lines_of(azure_ad.credential(around({}, CLIENT_ENV)), desk)
    assert [form["client_secret"] for form in desk.forms] == ["s3cret-shh", "env-shh"]
    assert {form["client_id"] for form in desk.forms} == {"client-2"}


@pytest.mark.parametrize(
    ("params", "env", "host", "scope"),
    [
        (
            {"azure_scope": "https://ai.azure.com/.default"},
            {"AZURE_SCOPE": "x"},
            "login.microsoftonline.com",
            "https://ai.azure.com/.default",
        ),
        (
            {},
            {
                "AZURE_SCOPE": "https://ai.azure.com/.default",
                "AZURE_AUTHORITY_HOST": "login.microsoftonline.us",
            },
            "login.microsoftonline.us",
            "https://ai.azure.com/.default",
        ),
        (
            {},
            {"AZURE_AUTHORITY_HOST": "https://login.chinacloudapi.cn/"},
            "login.chinacloudapi.cn",
            SCOPE,
        ),
    ],
)
async def test_scopes_and_clouds(desk: Desk, params: Any, env: Any, host: str, scope: str) -> None:
    await lines_of(azure_ad.credential(around({**CLIENT, **params}, env)), desk)
    assert desk.asks[0].url == f"https://{host}/tenant-1/oauth2/v2.0/token"
    assert desk.forms[0]["scope"] == scope


async def test_a_federated_token_is_read_anew_each_time(desk: Desk) -> None:
    files = {"/var/run/azure/token": "jwt-one\n"}
    credential = azure_ad.credential(around({}, FEDERATED, files))
    await lines_of(credential, desk)
    files["/var/run/azure/token"] = "jwt-two\n"
    await lines_of(credential, desk, NOW + 4000)
    assert desk.forms[0] == {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "jwt-one",
        "client_id": "client-2",
        "scope": SCOPE,
    }
    assert desk.forms[1]["client_assertion"] == "jwt-two"


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "headgate")])
    made = x509.CertificateBuilder(name, name, KEY.public_key(), 7)
    start = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    made = made.not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9))
    return made.sign(KEY, SHA256())


@pytest.mark.parametrize("passphrase", ["", "phrase-shh"])
async def test_a_certificate(desk: Desk, passphrase: str) -> None:
    sealed = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed)
    own = certificate()
    env = {
        "AZURE_TENANT_ID": "tenant-2",
        "AZURE_CLIENT_ID": "client-2",
        "AZURE_CLIENT_CERTIFICATE_PATH": "/me.pem",
    }
    env |= {"AZURE_CLIENT_CERTIFICATE_PASSWORD": passphrase}
    place = around({}, env, {"/me.pem": (pem + own.public_bytes(Encoding.PEM)).decode()})
    assert await lines_of(azure_ad.credential(place), desk) == {"authorization": "Bearer eyJ.aad"}
    (form,) = desk.forms
    token = form.pop("client_assertion")
    assert form == {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_id": "client-2",
        "scope": SCOPE,
    }
    url = "https://login.microsoftonline.com/tenant-2/oauth2/v2.0/token"
    options = {"verify_exp": False, "verify_nbf": False}
    claims = jwt.decode(token, KEY.public_key(), ["RS256"], options=options, audience=url)
    assert uuid.UUID(claims.pop("jti"))
    assert claims == {"aud": url, "iss": "client-2", "sub": "client-2", "nbf": NOW, "exp": NOW + 600}
    print_ = base64.urlsafe_b64encode(own.fingerprint(SHA1())).decode().rstrip("=")
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "x5t": print_}


async def test_a_file_without_a_certificate(desk: Desk) -> None:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = {"tenant_id": "t", "client_id": "c", "azure_certificate_path": "/me.pem"}
    for text, word in ((pem, "no certificate in PEM"), ("x-shh", "private key in PEM")):
        error = await problem(azure_ad.credential(around(own, files={"/me.pem": text})), desk)
        assert word in error.message
        assert "/me.pem" in error.message
        assert hides(error.message, ["x-shh", "BEGIN"])


async def test_a_users_password(desk: Desk) -> None:
    own = {"tenant_id": "tenant-1", "client_id": "client-1", "azure_username": "me@acme"}
    await lines_of(azure_ad.credential(around({**own, "azure_password": "pw-shh"})), desk)
    assert desk.forms == [
        {
            "grant_type": "password",
            "username": "me@acme",
            "password": "pw-shh",
            "client_id": "client-1",
            "scope": SCOPE,
        }
    ]


@pytest.mark.parametrize(
    ("params", "env", "client"),
    [
        ({}, {"AZURE_CREDENTIAL": "ManagedIdentityCredential"}, {}),
        ({"enable_azure_ad_token_refresh": True}, {}, {}),
        ({"client_id": "mine"}, {}, {"client_id": "mine"}),
        ({}, {"AZURE_CLIENT_ID": "mine", "AZURE_TENANT_ID": "t"}, {"client_id": "mine"}),
    ],
)
async def test_the_identity_of_a_virtual_machine(desk: Desk, params: Any, env: Any, client: Any) -> None:
    credential = azure_ad.credential(around(params, env))
    assert await lines_of(credential, desk) == {"authorization": "Bearer eyJ.vm"}
    (ask,), (got,) = desk.asks, desk.got
    assert ask.url.startswith(f"http://169.254.169.254{IMDS}?")
    assert ask.direct
    assert got.method == "GET"
    assert got.query == {
        "api-version": "2018-02-01",
        "resource": "https://cognitiveservices.azure.com",
        **client,
    }
    assert got.headers["metadata"] == "true"


async def test_the_identity_of_an_app(desk: Desk) -> None:
    desk.answer("/msi/token", {"access_token": "eyJ.app", "expires_on": f"{NOW + 7200:.0f}"})
    credential = azure_ad.credential(around({}, APP_SERVICE))
    assert await lines_of(credential, desk) == {"authorization": "Bearer eyJ.app"}
    (ask,), (got,) = desk.asks, desk.got
    assert ask.url.startswith("http://127.0.0.1:41/msi/token?")
    assert ask.direct
    assert got.query == {"api-version": "2019-08-01", "resource": "https://cognitiveservices.azure.com"}
    assert got.headers["x-identity-header"] == "header-shh"
    assert credential is not None
    assert credential.ready(NOW + 6900)
    assert not credential.ready(NOW + 7100)


@pytest.mark.parametrize(
    ("params", "env", "words"),
    [
        ({"client_secret": "s3cret-shh"}, {}, ["tenant_id or AZURE_TENANT_ID", "AZURE_CLIENT_ID"]),
        ({}, {"AZURE_CLIENT_SECRET": "s3cret-shh"}, ["AZURE_TENANT_ID", "client_id"]),
        ({}, {"AZURE_FEDERATED_TOKEN_FILE": "/x"}, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"]),
        ({"azure_username": "me"}, {}, ["azure_password or AZURE_PASSWORD", "tenant_id"]),
        ({"azure_ad_token_provider": "s3cret-shh"}, {}, ["azure_ad_token_provider", "function"]),
    ],
)
def test_what_is_given_by_half(params: Any, env: Any, words: list[str]) -> None:
    with pytest.raises(AuthenticationError) as caught:
        azure_ad.credential(around(params, env))
    assert caught.value.code == "missing_credentials"
    assert all(word in caught.value.message for word in words), caught.value.message
    assert hides(caught.value.message, ["s3cret-shh"])


async def test_a_federated_token_file_that_is_not_there(desk: Desk) -> None:
    error = await problem(azure_ad.credential(around({}, FEDERATED)), desk)
    assert "AZURE_FEDERATED_TOKEN_FILE" in error.message
    assert "/var/run/azure/token" in error.message


async def test_a_machine_without_identity_names_what_else_there_is(desk: Desk) -> None:
    del desk.answers[IMDS]
    error = await problem(azure_ad.credential(around({}, {"AZURE_CLIENT_ID": "mine"})), desk)
    words = ["169.254.169.254", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "azure_ad_token", "mine"]
    assert all(word in error.message for word in words), error.message
    assert str(error).endswith(error.message)


async def test_a_refusal_is_told_without_the_secret(desk: Desk) -> None:
    text = "AADSTS7000215: Invalid client secret s3cret-shh"
    refusal = {"error": "invalid_client", "error_description": text}
    desk.answer("/tenant-1/oauth2/v2.0/token", (401, refusal))
    error = await problem(azure_ad.credential(around(CLIENT)), desk)
    assert isinstance(error, AuthenticationError)
    assert all(word in error.message for word in ("AADSTS7000215", "client-1", "tenant-1"))
    assert hides(error.message, ["s3cret-shh"])


async def test_the_header_of_an_app_is_never_shown(desk: Desk) -> None:
    desk.answer("/msi/token", (400, {"message": "bad header header-shh"}))
    error = await problem(azure_ad.credential(around({}, APP_SERVICE)), desk)
    assert "bad header ***" in error.message
    assert hides(error.message, ["header-shh"])


async def test_while_the_old_token_is_good_a_failed_renewal_harms_nobody(desk: Desk) -> None:
    path = "/tenant-1/oauth2/v2.0/token"
    desk.answer(path, {"access_token": "eyJ.1", "expires_in": 3600}, (503, "later"))
    credential = azure_ad.credential(around(CLIENT))
    await lines_of(credential, desk)
    assert (await lines_of(credential, desk, NOW + 3450))["authorization"] == "Bearer eyJ.1"
    assert credential is not None
    with pytest.raises(ServiceUnavailableError):
        await credential.renew(desk.fetch, NOW + 3595)


async def test_an_expired_token_that_was_refused_is_renewed_once(desk: Desk) -> None:
    answers = [{"access_token": f"eyJ.{n}", "expires_in": 3600} for n in range(3)]
    desk.answer("/tenant-1/oauth2/v2.0/token", *answers)
    credential = azure_ad.credential(around(CLIENT))
    assert credential is not None
    lines = list((await lines_of(credential, desk)).items())
    told = Told(status=401, headers={}, body=b'{"error":{"code":"401","message":"token has expired"}}')
    assert credential.refused(told, lines, NOW + 900)
    again = await lines_of(credential, desk, NOW + 900)
    assert again == {"authorization": "Bearer eyJ.1"}
    assert not credential.refused(told, list(again.items()), NOW + 901)
    assert credential.refused(told, lines, NOW + 901)  # who is late with the old one takes the new one
    assert len(desk.asks) == 2


def provider(tokens: list[str]) -> Any:
    return lambda: tokens.pop(0)


async def test_a_function_that_gives_tokens_is_asked_again(desk: Desk) -> None:
    credential = azure_ad.credential(around({"azure_ad_token_provider": provider(["eyJ.a", "eyJ.b"])}))
    assert await lines_of(credential, desk) == {"authorization": "Bearer eyJ.a"}
    assert await lines_of(credential, desk, NOW + 59) == {"authorization": "Bearer eyJ.b"}


async def test_a_coroutine_function_that_gives_tokens(desk: Desk) -> None:
    async def give() -> str:
        return "eyJ.c"

    credential = azure_ad.credential(around({"azure_ad_token_provider": give, "api_key": "k"}))
    assert await lines_of(credential, desk) == {"authorization": "Bearer eyJ.c"}


@pytest.mark.parametrize("given", [None, "", b"eyJ"])
async def test_a_function_that_gives_no_token(desk: Desk, given: Any) -> None:
    error = await problem(azure_ad.credential(around({"azure_ad_token_provider": lambda: given})), desk)
    assert "expected a token" in error.message


def broken() -> str:
    raise RuntimeError("no login")


async def test_a_function_that_raises(desk: Desk) -> None:
    error = await problem(azure_ad.credential(around({"azure_ad_token_provider": broken})), desk)
    assert isinstance(error, AuthenticationError)
    assert "azure_ad_token_provider" in error.message
    assert "RuntimeError: no login" in error.message
