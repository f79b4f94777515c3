"""Google's own library as the oracle: for each kind of document it must ask for the same as Headgate does."""

import datetime
import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from google.auth import (
    _helpers,
    aws,
    external_account_authorized_user,
    identity_pool,
    impersonated_credentials,
)
from google.oauth2 import credentials, service_account
from test_google import ACCOUNT, AWS, EXTERNAL, IMPERSONATE, SCOPE, USER, opened

from desk import NOW, Desk, Got, around, lines_of
from headgate.providers.auth import google as ours

TIME = datetime.datetime.fromtimestamp(NOW, datetime.UTC).replace(tzinfo=None)
WITH_ACCOUNT = EXTERNAL | {"service_account_impersonation_url": IMPERSONATE}
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7",
    "AWS_SECRET_ACCESS_KEY": "wJalrX/shh",
    "AWS_SESSION_TOKEN": "se+s/==",
    "AWS_REGION": "eu-west-1",
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "service_account": ACCOUNT,
    "authorized_user": USER | {"token_uri": "https://oauth2.googleapis.com/token"},
    "external_file": EXTERNAL,
    "external_json": EXTERNAL
    | {
        "credential_source": {
            "file": "/var/run/json",
            "format": {"type": "json", "subject_token_field_name": "t"},
        }
    },
    "external_url": EXTERNAL
    | {"credential_source": {"url": "http://127.0.0.1/subject", "headers": {"X-A": "b"}}},
    "external_aws": EXTERNAL
    | {"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "credential_source": AWS},
    "external_client": EXTERNAL | {"client_id": "me", "client_secret": "s:h h"},
    "external_workforce": EXTERNAL
    | {
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/v",
        "workforce_pool_user_project": "acme-42",
    },
    "external_aws_lasting": EXTERNAL
    | {"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "credential_source": AWS},
    "external_impersonating": WITH_ACCOUNT,
    "external_impersonating_briefly": WITH_ACCOUNT
    | {"service_account_impersonation": {"token_lifetime_seconds": 1200}},
    "workforce_user": {
        "type": "external_account_authorized_user",
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/v",
        "client_id": "me",
        "client_secret": "shh",
        "refresh_token": "r",
        "token_url": "https://sts.googleapis.com/v1/oauthtoken",
        "token_info_url": "https://sts.googleapis.com/v1/introspect",
    },
    "impersonated_by_account": {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": IMPERSONATE,
        "source_credentials": ACCOUNT,
    },
    "impersonated": {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": IMPERSONATE,
        "source_credentials": USER | {"token_uri": "https://oauth2.googleapis.com/token"},
        "delegates": ["projects/-/serviceAccounts/between@acme.iam.gserviceaccount.com"],
    },
}
THEIRS: dict[str, Any] = {
    "service_account": service_account.Credentials.from_service_account_info,
    "authorized_user": credentials.Credentials.from_authorized_user_info,
    "external_account": identity_pool.Credentials.from_info,
    "aws": aws.Credentials.from_info,
    "external_account_authorized_user": external_account_authorized_user.Credentials.from_info,
    "impersonated_service_account": (
        impersonated_credentials.Credentials.from_impersonated_service_account_info
    ),
}

SCOPED: dict[str, Any] = {
    name: {"scopes": [SCOPE]}
    for name in ("service_account", "external_account", "impersonated_service_account")
}
"""A user's token has what the user agreed to at the login."""


@pytest.fixture
def desk(tmp_path: Any) -> Iterator[Desk]:
    desk = Desk()
    for path in ("/token", "/v1/token", "/v1/oauthtoken"):
        desk.answer(path, {"access_token": "ya29.one", "expires_in": 3599, "token_type": "Bearer"})
    desk.answer("/subject", "subject-jwt")
    path = urlsplit(IMPERSONATE).path
    desk.answer(path, {"accessToken": "ya29.sa", "expireTime": "2030-01-01T00:00:00Z"})
    yield desk
    desk.stop()


class Answer:
    def __init__(self, told: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.data = told.status, dict(told.getheaders()), told.read()


def transport(desk: Desk) -> Any:
    """A transport of google-auth that goes to the desk, whatever the host."""

    def request(url: str, method: str = "GET", body: Any = None, headers: Any = None, **rest: Any) -> Answer:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=10)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body, dict(headers or {}))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return request


def seen(desk: Desk) -> list[Any]:
    """What the requests said, without what a library may choose: orders, blanks, what is empty."""
    return [(got.method, got.path, got.headers.get("authorization"), said(got)) for got in desk.got]


def said(got: Got) -> Any:
    if "json" in got.headers.get("content-type", ""):
        return {name: value for name, value in json.loads(got.body).items() if value}
    found: dict[str, Any] = got.form if got.body else {}
    if "assertion" in found:
        found["assertion"] = opened(found["assertion"])
    if "options" in found:
        found["options"] = json.loads(unquote(found["options"]))
    if found.get("subject_token", "").startswith("%7B"):
        found["subject_token"] = signed_question(found["subject_token"])
    return found


def signed_question(token: str) -> Any:
    """Google advises to sign x-goog-cloud-target-resource, too: its own library does not."""
    told = json.loads(unquote(token))
    headers = {pair["key"].lower(): pair["value"] for pair in told.pop("headers")}
    credential, names, _ = (part.partition("=")[2] for part in headers.pop("authorization").split(", "))
    return told, headers, credential, set(names.split(";")) - {"x-goog-cloud-target-resource"}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_same_is_asked(
    name: str, desk: Desk, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, as_json = tmp_path / "token", tmp_path / "json"
    subject.write_text("subject-jwt")
    as_json.write_text('{"t": "subject-jwt"}')
    text = json.dumps(DOCUMENTS[name])
    text = text.replace("/var/run/token", str(subject)).replace("/var/run/json", str(as_json))
    env = {key: value for key, value in KEYS.items() if "lasting" not in name or "SESSION" not in key}

    place = around(
        {"vertex_credentials": text},
        env,
        lambda path: (tmp_path / path).read_bytes(),
    )
    await lines_of(ours.credential(place), desk)
    own = seen(desk)
    desk.requests.clear()

    monkeypatch.setattr(_helpers, "utcnow", lambda: TIME)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    document = json.loads(text)
    theirs = THEIRS["aws" if "aws" in name else document["type"]](
        document, **SCOPED.get(document["type"], {})
    )
    theirs.refresh(transport(desk))
    assert own == seen(desk)
