"""Where SAP's and Oracle's deployments are, and what GitHub Copilot is told of who asks."""

import json
from typing import Any

import msgspec
import pytest

from headgate.catalog.lookup import Catalog
from headgate.core.deployment import Deployment
from headgate.errors import BadRequestError

CATALOG = Catalog()
SAP = {"access_token": "t", "base_url": None}
API = "https://api.ai.eu10.hana.ondemand.com"
SERVICE_KEY = json.dumps(
    {
        "clientid": "c",
        "clientsecret": "s",
        "url": "https://acme.authentication.eu10.hana.ondemand.com",
        "serviceurls": {"AI_API_URL": API},
    }
)


def deployment(model: str, env: dict[str, str] | None = None, **params: Any) -> Deployment:
    home = {"HOME": "/nowhere"}
    return Deployment("group", {"model": model, **params}, catalog=CATALOG, env={**home, **(env or {})})


@pytest.mark.parametrize(
    ("env", "params"),
    [
        ({}, {"service_key": SERVICE_KEY, "sap_deployment_id": "d1"}),
        ({"AICORE_SERVICE_KEY": SERVICE_KEY, "AICORE_DEPLOYMENT_ID": "d1"}, {}),
        ({"AICORE_BASE_URL": API + "/v2", "AICORE_DEPLOYMENT_ID": "d1"}, {"access_token": "t"}),
        ({}, {"access_token": "t", "api_base": API + "/v2/inference/deployments/d1"}),
    ],
)
def test_the_documented_addresses_of_orchestration(env: dict[str, str], params: Any) -> None:
    made = deployment("sap/gpt-4o", env, **params)
    root = API + "/v2/inference/deployments/d1/v2/"
    assert made.route("chat", False).url == made.route("chat", True).url == root + "completion"
    assert made.route("embeddings", False).url == root + "embeddings"
    assert made.route("chat", False).dialect.name == "sap_orchestration"


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("sap/deployment/d2", {"service_key": SERVICE_KEY}),
        ("sap/deployment/d2", {"access_token": "t", "api_base": API}),
        ("sap/deployment/any", {"access_token": "t", "api_base": API + "/v2/inference/deployments/d2"}),
    ],
)
def test_a_deployment_of_a_model_of_its_own(model: str, params: Any) -> None:
    made = deployment(model, **params)
    route = made.route("chat", False)
    assert route.url == API + "/v2/inference/deployments/d2/chat/completions?api-version=2024-10-21"
    assert route.dialect.name == "openai_chat"
    assert not made.provider.body_model


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"access_token": "t"}, "AICORE_SERVICE_KEY"),
        ({"access_token": "t", "api_base": API}, "not the URL of a deployment"),
    ],
)
def test_what_an_address_of_sap_lacks_is_named(params: Any, message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        deployment("sap/gpt-4o", **params).route("chat", False)


def test_the_documented_address_of_oracle() -> None:
    made = deployment("oci/xai.grok-4", {"OCI_COMPARTMENT_ID": "ocid1.c"}, oci_region="us-chicago-1")
    url = "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com/20231130/actions/chat"
    assert made.route("chat", True).url == url
    assert made.route("chat", True).dialect.name == "oci_generic"
    assert made.fixed == {"compartmentId": msgspec.Raw(b'"ocid1.c"')}
    own = deployment("oci/m", oci_region="x", oci_compartment_id="ocid1.own")
    assert own.fixed == {"compartmentId": msgspec.Raw(b'"ocid1.own"')}
    assert own.defaults == {}


@pytest.mark.parametrize("region", [None, "evil.test/x"])
def test_oracle_without_a_region(region: str | None) -> None:
    with pytest.raises(BadRequestError, match="oci_region"):
        deployment("oci/m", oci_region=region).route("chat", False)


def test_a_key_of_oracles_generative_ai_is_a_bearer() -> None:
    head = deployment("oci/m", api_key="k", oci_region="r").route("chat", False).head
    assert b"authorization: Bearer k\r\n" in head


def test_copilot_is_told_which_editor_asks() -> None:
    head = deployment("github_copilot/gpt-4o", api_key="k").route("chat", False).head
    for name in (
        b"editor-version",
        b"editor-plugin-version",
        b"copilot-integration-id",
        b"copilot-vision-request",
    ):
        assert b"\r\n" + name + b": " in head
    own = deployment("github_copilot/gpt-4o", api_key="k", extra_headers={"Editor-Version": "mine/1"})
    assert b"editor-version: mine/1\r\n" in own.route("chat", False).head
