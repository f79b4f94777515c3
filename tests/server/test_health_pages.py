"""What health checks have found, a connection to try, readiness in detail."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from servers import KEY, RunningGateway, Upstream, an_upstream, running

SECRET = "sk-upstream-0a1b2c3d4e5f"
upstream = an_upstream("module")


@pytest.fixture(scope="module", name="gateway")
def fixture_gateway(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    refused = {"model": "openai/gpt-x", "api_key": SECRET, "api_base": upstream.base}
    config = {
        "model_list": [
            {
                "model_name": "good",
                "litellm_params": {"model": "mock/echo"},
                "model_info": {"id": "id-good"},
            },
            {"model_name": "bad", "litellm_params": refused, "model_info": {"id": "id-bad"}},
        ],
        "general_settings": {"master_key": KEY},
    }
    upstream.reply(401, {"content-type": "application/json"}, b'{"error": {"message": "bad key"}}')
    with running(config, tmp_path_factory.mktemp("health")) as served:
        yield served


def ask(gateway: RunningGateway, path: str, body: Any = None) -> tuple[int, Any]:
    status, _, data = gateway.request(path, body, None, "GET" if body is None else "POST")
    assert SECRET.encode() not in data
    return status, json.loads(data)


def test_what_checks_have_found_is_kept(gateway: RunningGateway) -> None:
    assert ask(gateway, "/health/latest") == (200, {"latest_health_checks": {}, "total_models": 0})
    assert ask(gateway, "/health/history")[1]["health_checks"] == []
    for _ in range(2):
        ask(gateway, "/health")
    found = ask(gateway, "/health/latest")[1]
    assert found["total_models"] == 2
    good, bad = (found["latest_health_checks"][name] for name in ("id-good", "id-bad"))
    assert (good["model_name"], good["model"], good["status"]) == ("good", "mock/echo", "healthy")
    assert (good["healthy_count"], good["unhealthy_count"], good["error_message"]) == (1, 0, None)
    assert (bad["status"], "bad key" in bad["error_message"]) == ("unhealthy", True)
    assert good["response_time_ms"] >= 0
    rows = ask(gateway, "/health/history")[1]
    assert (rows["total_records"], len(rows["health_checks"])) == (4, 4)
    rows = ask(gateway, "/health/history?model=bad&status_filter=unhealthy&limit=1&offset=1")[1]
    assert (rows["total_records"], [row["model_id"] for row in rows["health_checks"]]) == (2, ["id-bad"])
    assert ask(gateway, "/health/history?status_filter=healthy&model=bad")[1]["total_records"] == 0


def test_a_connection_is_tried_once_and_forgotten(gateway: RunningGateway, upstream: Upstream) -> None:
    before = ask(gateway, "/health/history")[1]["total_records"]
    params = {"model": "openai/gpt-y", "api_key": SECRET, "api_base": upstream.base}
    asked = {"litellm_params": params, "model_info": {"id": "id-good"}}
    count = len(upstream.requests)
    status, found = ask(gateway, "/health/test_connection", asked)
    assert (status, found["status"], found["result"]["model"]) == (200, "error", "openai/gpt-y")
    assert "bad key" in found["result"]["error"]
    assert len(upstream.requests) == count + 1
    ask(gateway, "/health/test_connection", {**asked, "mode": "embedding"})
    assert upstream.requests[-1][0].startswith("POST /embeddings")
    status, found = ask(gateway, "/health/test_connection", {"litellm_params": {"model": "mock/echo"}})
    assert (status, found["status"]) == (200, "success")
    assert ask(gateway, "/health/history")[1]["total_records"] == before
    body = {"model": "good", "messages": [{"role": "user", "content": "Hi"}]}
    assert ask(gateway, "/v1/chat/completions", body)[0] == 200


def test_readiness_in_detail(gateway: RunningGateway) -> None:
    status, found = ask(gateway, "/health/readiness/details")
    assert (status, found["status"], found["db"], found["cache"]) == (200, "healthy", "connected", None)
    assert found["models"] == 2
    assert found["services"] == {"database": "healthy", "journal": "healthy"}
    assert gateway.request("/health/readiness/details", None, {"authorization": ""}, "GET")[0] == 401


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/health/history?limit=0", None, "limit"),
        ("/health/history?offset=x", None, "offset"),
        ("/health/history?status_filter=ill", None, "status_filter"),
        ("/health/history?modl=x", None, "modl"),
        ("/health/test_connection", {}, "litellm_params"),
        ("/health/test_connection", {"litellm_params": {"model": "openai/*"}}, "litellm_params.model"),
        (
            "/health/test_connection",
            {"litellm_params": {"model": "opnai/gpt-x"}},
            "litellm_params.model",
        ),
        (
            "/health/test_connection",
            {"litellm_params": {"model": "mock/echo"}, "mode": "batch"},
            "mode",
        ),
    ],
)
def test_what_can_not_be_meant_is_named(gateway: RunningGateway, path: str, body: Any, param: str) -> None:
    status, found = ask(gateway, path, body)
    assert (status, found["error"]["param"]) == (400, param), found
