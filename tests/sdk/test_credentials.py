"""Calls of deployments that get a token first: who they are stands in the arguments, the token in the request."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import headgate
from desk import Desk
from headgate.providers.auth import base
from servers import Upstream

PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
ASKED: list[Any] = [{"role": "user", "content": "hi"}]
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}
OPENAI = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.stop()


def account(desk: Desk, email: str) -> dict[str, str]:
    return {
        "type": "service_account",
        "client_email": email,
        "private_key": PEM,
        "token_uri": f"{desk.base}/token",
        "project_id": "acme",
    }


def test_a_service_account_at_vertex(desk: Desk) -> None:
    path = "/v1/projects/acme/locations/eu/publishers/google/models/gemini-2.5-flash:generateContent"
    desk.answer("/token", {"access_token": "ya29.one", "expires_in": 3599})
    desk.answer(path, GEMINI)
    told = headgate.completion(
        "vertex_ai/gemini-2.5-flash",
        ASKED,
        vertex_credentials=account(desk, "one@acme.test"),
        vertex_project="acme",
        vertex_location="eu",
        api_base=f"{desk.base}/v1/projects/acme/locations/eu",
    )
    assert told.choices[0].message.content == "hello"
    assert [got.path for got in desk.got] == ["/token", path]
    assert desk.got[1].headers["authorization"] == "Bearer ya29.one"
    assert json.loads(desk.got[1].body).keys() == {"contents"}


def test_a_token_is_got_once_for_many_calls(desk: Desk) -> None:
    desk.answer("/openai/deployments/m/chat/completions", OPENAI)
    given: list[str] = []

    def provider() -> str:
        given.append("eyJ.x")
        return given[-1]

    for _ in range(3):
        headgate.completion(
            "azure/m", ASKED, api_base=f"{desk.base}/openai/deployments/m", azure_ad_token_provider=provider
        )
    assert given == ["eyJ.x"]


def test_an_exchange_of_databricks(desk: Desk) -> None:
    desk.answer("/oidc/v1/token", {"access_token": "dbx.1", "expires_in": 3600})
    desk.answer("/serving-endpoints/chat/completions", OPENAI)
    headgate.completion(
        "databricks/m",
        ASKED,
        client_id="me",
        client_secret="dbx-shh",
        api_base=f"{desk.base}/serving-endpoints",
    )
    assert [got.path for got in desk.got] == ["/oidc/v1/token", "/serving-endpoints/chat/completions"]
    assert desk.got[1].headers["authorization"] == "Bearer dbx.1"
    assert b"shh" not in desk.got[1].body


def test_a_refusal_names_no_secret(desk: Desk) -> None:
    desk.answer("/token", (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}))
    with pytest.raises(headgate.AuthenticationError, match="invalid_grant: Invalid JWT Signature") as caught:
        headgate.completion(
            "vertex_ai/gemini-2.5-flash",
            ASKED,
            vertex_credentials=account(desk, "two@acme.test"),
            vertex_project="acme",
            vertex_location="eu",
            num_retries=0,
        )
    assert "BEGIN" not in str(caught.value)
    assert "two@acme.test" in str(caught.value)


def test_a_token_that_has_expired_is_renewed_and_the_call_sent_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/projects/acme/locations/eu/publishers/google/models/gemini-2.5-flash:generateContent"
    desk.answer("/token", *({"access_token": f"ya29.{n}", "expires_in": 3599} for n in range(3)))
    desk.answer(path, GEMINI, (401, {"error": {"code": 401, "message": "expired"}}), GEMINI)
    monkeypatch.setattr(base, "YOUNG", -1.0)  # a token of any age may have expired
    for _ in range(2):
        told = headgate.completion(
            "vertex_ai/gemini-2.5-flash",
            ASKED,
            vertex_credentials=account(desk, "three@acme.test"),
            vertex_project="acme",
            vertex_location="eu",
            api_base=f"{desk.base}/v1/projects/acme/locations/eu",
        )
        assert told.choices[0].message.content == "hello"
    assert [got.headers.get("authorization") for got in desk.got] == [
        None,
        "Bearer ya29.0",
        "Bearer ya29.0",
        None,
        "Bearer ya29.1",
    ]


def test_a_token_of_its_own_is_no_part_of_the_body(upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(OPENAI).encode())
    own = {"token": "sk-own-token", "project_id": "p1", "api_base": upstream.base}
    assert headgate.completion("watsonx/ibm/granite", ASKED, **own).choices[0].message.content == "hello"
    _, headers, body = upstream.requests[-1]
    assert headers["authorization"] == "Bearer sk-own-token"
    assert json.loads(body) == {"model_id": "ibm/granite", "messages": ASKED, "project_id": "p1"}


def test_what_is_no_credential_of_this_provider_is_a_parameter(upstream: Upstream) -> None:
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(OPENAI).encode())
    headgate.completion("openai/m", ASKED, project_id="p1", api_base=upstream.base, api_key="sk")
    assert json.loads(upstream.requests[-1][2])["project_id"] == "p1"
