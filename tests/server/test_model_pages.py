"""LiteLLM's further pages of models, as its clients ask for them."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from servers import KEY, RunningGateway, running

SECRET = "sk-upstream-0a1b2c3d4e5f"


def _row(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, "api_key": SECRET, **params}}


CONFIG = {
    "model_list": [
        _row("gpt", "openai/gpt-4o", rpm=10, input_cost_per_token=1e-5),
        _row("gpt", "azure/gpt-4o", rpm=5, api_base="https://x.openai.azure.com"),
        _row("claude", "anthropic/claude-sonnet-4-5"),
        _row("any/*", "openai/*"),
    ],
    "general_settings": {"master_key": KEY},
}
CONFIG["model_list"][2]["model_info"] = {"access_groups": ["thinkers"]}


@pytest.fixture(scope="module", name="gateway")
def fixture_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running(CONFIG, tmp_path_factory.mktemp("model_pages")) as served:
        yield served


def ask(
    gateway: RunningGateway, path: str, body: Any = None, key: str = KEY, **query: Any
) -> tuple[int, Any]:
    path = f"{path}?{urlencode(query)}" if query else path
    headers = {"authorization": f"Bearer {key}"}
    status, _, data = gateway.request(path, body, headers, "GET" if body is None else "POST")
    assert SECRET.encode() not in data
    return status, json.loads(data)


def test_rows_by_pages(gateway: RunningGateway) -> None:
    _, first = ask(gateway, "/v2/model/info", page=1, size=3)
    _, second = ask(gateway, "/v2/model/info", page=2, size=3)
    names = [row["model_name"] for row in (*first["data"], *second["data"])]
    assert names == ["gpt", "gpt", "claude", "any/*"]
    assert (first["total_count"], first["current_page"], first["total_pages"]) == (4, 1, 2)
    _, found = ask(gateway, "/v2/model/info", search="CLA")
    assert [row["model_name"] for row in found["data"]] == ["claude"]
    _, found = ask(gateway, "/v2/model/info", sortBy="model_name", sortOrder="desc")
    assert [row["model_name"] for row in found["data"]] == ["gpt", "gpt", "claude", "any/*"]
    name = found["data"][0]["model_info"]["id"]
    assert len(ask(gateway, "/v2/model/info", modelId=name)[1]["data"]) == 1


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"size": 0}, "size"),
        ({"sortBy": "colour"}, "sortBy"),
        ({"page": "x"}, "page"),
        ({"serch": "a"}, "serch"),
    ],
)
def test_a_query_that_can_not_be_meant(gateway: RunningGateway, query: dict[str, Any], param: str) -> None:
    status, found = ask(gateway, "/v2/model/info", **query)
    assert (status, found["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("flag", "more", "whole"),
    [
        ("return_wildcard_routes", {"any/*"}, False),
        ("include_model_access_groups", {"thinkers"}, False),
        ("only_model_access_groups", {"thinkers"}, True),
    ],
)
def test_names_that_keys_may_be_given_are_listed(
    gateway: RunningGateway, flag: str, more: set[str], whole: bool
) -> None:
    plain = {row["id"] for row in ask(gateway, "/v1/models")[1]["data"]}
    found = {row["id"] for row in ask(gateway, "/v1/models", **{flag: "true"})[1]["data"]}
    assert found == (more if whole else plain | more)
    assert not plain & more
    key = ask(gateway, "/key/generate", {"models": ["gpt"]})[1]["key"]
    assert {row["id"] for row in ask(gateway, "/v1/models", key=key, **{flag: "true"})[1]["data"]} <= {"gpt"}


def test_a_group_is_what_its_deployments_are_together(gateway: RunningGateway) -> None:
    _, found = ask(gateway, "/model_group/info")
    by_name = {row["model_group"]: row for row in found["data"]}
    assert by_name.keys() == {"gpt", "claude", "any/*"}
    group = by_name["gpt"]
    assert (group["providers"], group["rpm"], group["tpm"]) == (["openai", "azure"], 15, None)
    assert (group["input_cost_per_token"], group["mode"]) == (1e-5, "chat")
    assert group["supports_vision"] is True
    assert "temperature" in group["supported_openai_params"]
    assert "thinking" in by_name["claude"]["supported_openai_params"]
    assert len(ask(gateway, "/model_group/info", model_group="gpt")[1]["data"]) == 1
    assert ask(gateway, "/model_group/info", model_group="gpd")[0] == 404


def test_a_key_sees_its_models_alone(gateway: RunningGateway) -> None:
    key = ask(gateway, "/key/generate", {"models": ["claude"]})[1]["key"]
    for path in ("/v2/model/info", "/model/info", "/model_group/info"):
        names = {
            row.get("model_name") or row["model_group"] for row in ask(gateway, path, key=key)[1]["data"]
        }
        assert names == {"claude"}
    for name in ("gpt", "nothing"):
        assert ask(gateway, "/model_group/info", key=key, model_group=name)[0] == 403
        assert ask(gateway, "/utils/token_counter", {"model": name, "prompt": "a"}, key)[0] == 403
        assert ask(gateway, "/utils/supported_openai_params", key=key, model=name)[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "Hello there"},
        {"messages": [{"role": "user", "content": "Hello there"}]},
        {"messages": [{"role": "user", "content": "Hello there"}], "system": "Be brief"},
        {"contents": [{"role": "user", "parts": [{"text": "Hello there"}]}]},
    ],
)
def test_tokens_are_counted_in_every_format(gateway: RunningGateway, body: dict[str, Any]) -> None:
    status, found = ask(gateway, "/utils/token_counter", {"model": "claude", **body})
    assert (status, found["request_model"], found["model_used"]) == (200, "claude", "claude-sonnet-4-5")
    assert 2 <= found["total_tokens"] <= 20


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a"},
        {"model": "claude"},
        {"model": "claude", "messages": "Hello"},
        {"model": "claude", "messages": [5]},
        {"model": "claude", "contents": [{"parts": 5}]},
        {"model": "claude", "prompt": 5},
        {"model": "claude", "promt": "a"},
    ],
)
def test_what_can_not_be_counted_is_a_bad_request(gateway: RunningGateway, body: dict[str, Any]) -> None:
    assert ask(gateway, "/utils/token_counter", body)[0] == 400


def test_parameters_and_facts_of_a_model(gateway: RunningGateway) -> None:
    for model in ("claude", "anthropic/claude-sonnet-4-5"):
        _, found = ask(gateway, "/utils/supported_openai_params", model=model)
        assert "thinking" in found["supported_openai_params"]
        assert "seed" not in found["supported_openai_params"]
    assert ask(gateway, "/utils/supported_openai_params", model="no-such-model")[0] == 400
    assert ask(gateway, "/utils/supported_openai_params")[0] == 400
    assert ask(gateway, "/utils/model_info", model="gpt-4o")[1]["input_cost_per_token"] == 2.5e-6
    assert ask(gateway, "/utils/model_info", model="no-such-model")[0] == 404
