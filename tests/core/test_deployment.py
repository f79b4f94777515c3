"""A deployment made of LiteLLM's parameters: addresses, credentials, prices, limits, ids."""

from decimal import Decimal

import pytest

from core.played import CATALOG, deployment
from headgate import errors
from headgate.core.deployment import Deployment
from headgate.wire.ir import Usage


def made(env: dict[str, str] | None = None, **params: object) -> Deployment:
    return Deployment("group", params, params.pop("info", None), catalog=CATALOG, env=env or {})


def test_the_key_comes_from_the_parameters_else_the_environment() -> None:
    env = {"OPENAI_API_KEY": "sk-env"}
    assert b"Bearer sk-env" in made(env, model="openai/gpt-4o").route("chat", False).head
    assert b"Bearer sk-own" in made(env, model="openai/gpt-4o", api_key="sk-own").route("chat", False).head


def test_the_address_comes_from_the_parameters_else_the_environment_else_the_row() -> None:
    env = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://env/v1"}
    assert made(env, model="openai/gpt-4o").route("chat", False).url == "http://env/v1/chat/completions"
    own = made(env, model="openai/gpt-4o", api_base="http://own:81/v1/")
    assert own.route("chat", False).origin.port == 81
    assert "api.openai.com" in deployment().route("chat", False).url


@pytest.mark.parametrize("base", ["nonsense", "ftp://host/v1", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused_with_its_parameter(base: str) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        deployment(api_base=base).route("chat", False)
    assert caught.value.param == "api_base"


def test_an_operation_that_the_provider_lacks_is_named() -> None:
    with pytest.raises(errors.HeadgateError, match="embeddings"):
        deployment("anthropic/claude-sonnet-4-5").route("embeddings", False)


def test_model_info_goes_over_the_catalog() -> None:
    own = deployment(
        info={"input_cost_per_token": 1e-6, "output_cost_per_token": "0.000002", "max_tokens": 9}
    )
    assert own.sheet is not None
    assert own.sheet.total(Usage(input=10, output=10)) == Decimal("0.00003")
    assert own.facts["max_tokens"] == 9


def test_base_model_gives_the_price() -> None:
    named = deployment(
        "azure/my-deployment", api_base="https://x.openai.azure.com", info={"base_model": "gpt-4o"}
    )
    assert named.sheet is not None
    assert deployment("openai/never-heard-of").sheet is None


def test_the_id_stays_as_long_as_the_entry_does() -> None:
    assert deployment().id == deployment().id != deployment(temperature=1).id
    assert deployment(info={"id": "mine"}).id == "mine"


def test_secrets_are_taken_out_of_texts() -> None:
    assert deployment().scrubbed("key sk-secret-upstream-1!") == "key ***!"
