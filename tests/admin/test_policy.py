"""What the configuration says of new keys and users: defaults, upper bounds, and the status of a refused call."""

from collections.abc import Iterator
from typing import Any

import pytest

from admin.conftest import CONFIG, Api
from headgate.server.config.load import ConfigError
from servers import running

SETTINGS = {
    "default_key_generate_params": {
        "max_budget": 0.005,
        "models": ["m"],
        "duration": "7d",
        "metadata": {"a": 1},
    },
    "upperbound_key_generate_params": {"max_budget": 100, "duration": "30d", "tpm_limit": 1000},
    "default_internal_user_params": {"user_role": "internal_user_viewer", "models": ["m"]},
    "max_internal_user_budget": 5,
    "internal_user_budget_duration": "1d",
    "budget_exceeded_status_code": 400,
}


@pytest.fixture(scope="module", name="bound")
def fixture_bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    general = {**CONFIG["general_settings"], "enforce_user_param": True}
    config = {**CONFIG, "litellm_settings": SETTINGS, "general_settings": general}
    with running(config, tmp_path_factory.mktemp("policy")) as server:
        yield Api(server)


def test_a_key_gets_what_nobody_said(bound: Api) -> None:
    made = bound.made("/key/generate")
    assert (made["max_budget"], made["models"], made["metadata"]) == (0.005, ["m"], {"a": 1})
    assert (made["duration"], made["tpm_limit"], made["rpm_limit"]) == ("7d", 1000, None)
    assert made["expires"] is not None
    own = {"max_budget": 50, "models": ["n"], "duration": "1d", "metadata": {"b": 2}, "tpm_limit": 10}
    made = bound.made("/key/generate", **own)
    assert {name: made[name] for name in own} == own


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"max_budget": 100.01}, "max_budget"),
        ({"duration": "31d"}, "duration"),
        ({"tpm_limit": 1001}, "tpm_limit"),
    ],
)
def test_no_key_gets_more_than_the_bound(bound: Api, asked: dict[str, Any], name: str) -> None:
    key = bound.key()
    for path, body in (
        ("/key/generate", asked),
        ("/key/service-account/generate", {**asked, "team_id": bound.made("/team/new")["team_id"]}),
        ("/key/update", {**asked, "key": key}),
        ("/key/update", {"key": key, name: None}),
        (f"/key/{key}/regenerate", asked),
    ):
        status, found = bound.post(path, body)
        assert (status, found["error"]["param"]) == (400, name), path
        assert "upperbound_key_generate_params" in found["error"]["message"]


def test_a_user_gets_what_nobody_said(bound: Api) -> None:
    made = bound.made("/user/new", user_id="plain")
    assert (made["user_role"], made["max_budget"], made["budget_duration"]) == (
        "internal_user_viewer",
        5,
        "1d",
    )
    assert made["models"] == ["m"]
    own = bound.made("/user/new", user_id="own", user_role="internal_user", max_budget=7, models=["n"])
    assert (own["user_role"], own["max_budget"], own["models"]) == ("internal_user", 7, ["n"])
    admin = bound.made("/user/new", user_id="boss", user_role="proxy_admin")
    assert (admin["max_budget"], admin["models"]) == (None, [])
    team = bound.made("/team/new")["team_id"]
    bound.made("/team/member_add", team_id=team, member={"user_id": "joined", "role": "user"})
    assert bound.get("/v2/user/info", user_id="joined")["max_budget"] == 5


def test_calls_name_their_customer_and_refusals_have_the_status(bound: Api) -> None:
    key = bound.key()
    status, found = bound.talk(key)
    assert (status, found["error"]["param"]) == (400, "user")
    assert bound.call(key, user="buyer") == 200
    status, found = bound.talk(key, user="buyer")
    assert (status, found["error"]["type"]) == (400, "budget_exceeded")


def test_customers_without_a_budget_get_the_usual_one(tmp_path: Any) -> None:
    with running({**CONFIG, "litellm_settings": {"max_end_user_budget": 0.005}}, tmp_path) as server:
        api = Api(server)
        key = api.key()
        api.made("/customer/new", user_id="rich", max_budget=1)
        api.made("/customer/new", user_id="plain", alias="nobody's")
        for name, statuses in (
            ("rich", [200, 200]),
            ("plain", [200, 422]),
            ("unknown", [200, 422]),
            ("else", [200, 422]),
        ):
            assert [api.call(key, user=name) for _ in range(2)] == statuses, name
        assert [api.call(key) for _ in range(3)] == [200] * 3
        api.made("/customer/update", user_id="unknown", max_budget=1)
        assert api.call(key, user="unknown") == 200


def test_the_usual_budget_may_be_one_that_is_named(tmp_path: Any) -> None:
    settings = {"max_end_user_budget_id": "free"}
    with running({**CONFIG, "litellm_settings": settings}, tmp_path) as server:
        api = Api(server)
        key = api.key()
        assert api.call(key, user="early") == 200  # there is no such budget yet
        api.made("/budget/new", budget_id="free", rpm_limit=2, max_budget=1)
        api.made("/customer/new", user_id="own", rpm_limit=3)
        assert [api.call(key, user="late") for _ in range(3)] == [200, 200, 429]
        assert [api.call(key, user="own") for _ in range(4)] == [200, 200, 200, 429]
        assert [api.call(key, user="early") for _ in range(3)][-1] == 429


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("default_key_generate_params", {"max_bugdet": 1}),
        ("default_key_generate_params", {"max_budget": "lots"}),
        ("upperbound_key_generate_params", {"models": ["m"]}),
        ("upperbound_key_generate_params", {"duration": "soon"}),
        ("default_internal_user_params", {"user_role": "king"}),
        ("budget_exceeded_status_code", 500),
        ("max_internal_user_budget", -1),
    ],
)
def test_what_can_not_be_meant_is_refused_at_the_start(tmp_path: Any, name: str, value: Any) -> None:
    with (
        pytest.raises(ConfigError, match=name),
        running({**CONFIG, "litellm_settings": {name: value}}, tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ("general_settings", "allowed_ips"),
        ("general_settings", "allowed_routes"),
        ("litellm_settings", "key_generation_settings"),
    ],
)
def test_a_setting_that_keeps_callers_out_is_not_left_out(tmp_path: Any, block: str, name: str) -> None:
    config = {**CONFIG, block: {**CONFIG.get(block, {}), name: ["x"]}}
    with pytest.raises(ConfigError, match=f"{name}: .*more would be allowed"), running(config, tmp_path):
        pass
