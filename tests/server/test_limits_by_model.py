"""Limits by model: whoever has them, under whatever name, wherever a call comes to the model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways import CONFIG
from keepers import until
from server.test_governance import Api
from servers import RunningGateway, running

SETUP: dict[str, Any] = {
    **CONFIG,
    "model_list": [
        *CONFIG["model_list"],
        {"model_name": "n", "litellm_params": {"model": "mock/echo"}},
        {"model_name": "dear", "litellm_params": {"model": "mock/echo", "output_cost_per_token": 1}},
    ],
    "router_settings": {"model_group_alias": {"alias": "m"}},
}
ELSEWHERE = {"mock_testing_fallbacks": True, "max_tokens": 2}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running(SETUP, tmp_path_factory.mktemp("by_model")) as served:
        yield served


@pytest.fixture
def api(gateway: RunningGateway) -> Api:
    return Api(gateway)


def _limited(api: Api, kind: str, **limits: Any) -> dict[str, Any]:
    """What a call has to bring for its payer to have these limits: `key`, or fields of the body."""
    match kind:
        case "key":
            return {"key": api.key(**limits)}
        case "team":
            return {"key": api.key(team_id=api.made("/team/new", **limits)["team_id"])}
        case "user":
            user = api.made("/user/new", auto_create_key=False, **limits)["user_id"]
            return {"key": api.key(user_id=user)}
        case "organization":
            made = api.made("/organization/new", organization_alias="o", **limits)
            return {"key": api.key(organization_id=made["organization_id"])}
        case "customer":
            api.made("/customer/new", user_id=f"c-{sorted(limits)}", **limits)
            return {"key": api.key(), "user": f"c-{sorted(limits)}"}
        case "budget":
            return {"key": api.key(budget_id=api.made("/budget/new", **limits)["budget_id"])}
    api.made("/tag/new", name=f"t-{sorted(limits)}", **limits)
    return {"key": api.key(), "tags": [f"t-{sorted(limits)}"]}


@pytest.mark.parametrize("kind", ["key", "team", "user", "organization", "customer", "tag", "budget"])
def test_everybody_may_have_limits_by_model(api: Api, kind: str) -> None:
    rate = _limited(api, kind, model_rpm_limit={"m": 1})
    assert [api.call(model=name, **rate) for name in ("m", "m", "n")] == [200, 429, 200]
    budget = _limited(api, kind, model_max_budget={"dear": 3})
    assert [api.call(model=name, max_tokens=2, **budget) for name in ("dear", "dear", "m")] == [200, 422, 200]
    tokens = _limited(api, kind, model_tpm_limit={"m": 30})
    assert 429 in [api.call(model="m", max_tokens=2, **tokens) for _ in range(4)]
    assert api.call(model="n", **tokens) == 200


@pytest.mark.parametrize(("named", "asked"), [("alias", "m"), ("m", "alias"), ("own", "m"), ("own", "alias")])
def test_a_limit_holds_under_all_names_of_a_model(api: Api, named: str, asked: str) -> None:
    key = api.key(model_rpm_limit={named: 1}, aliases={"own": "alias"})
    assert [api.call(key, asked), api.call(key, "m"), api.call(key, "alias")] == [200, 429, 429]


def test_refusals_say_whose_limit_it_is(api: Api) -> None:
    team = api.made("/team/new", model_rpm_limit={"m": 0})["team_id"]
    status, body = api.post("/v1/chat/completions", api.key(team_id=team), model="m", messages=[])
    assert status == 429
    assert f"the team '{team}' may use 0 requests per minute for m" in body["error"]["message"]
    key = api.key(model_max_budget={"m": 0})
    status, body = api.post("/v1/chat/completions", key, model="m", messages=[], max_tokens=1)
    assert (status, "this key has $0 left of its budget of $0 for m" in body["error"]["message"]) == (
        422,
        True,
    )


def test_fallbacks_hold_and_pay_the_limits_of_where_they_come_to(api: Api) -> None:
    key = api.key(model_max_budget={"dear": 5, "m": 0.01}, model_rpm_limit={"n": 1})
    assert [api.call(key, fallbacks=["dear"], **ELSEWHERE) for _ in range(3)] == [200, 200, 500]
    assert [api.call(key, "dear", max_tokens=2), api.call(key, "dear", max_tokens=1)] == [422, 200]
    status, body = api.post(
        "/v1/chat/completions", key, model="m", messages=[], fallbacks=["dear"], **ELSEWHERE
    )
    assert status == 500
    assert "its fallback 'dear' was not asked: Budget has been exceeded" in body["error"]["message"]
    assert [api.call(key, fallbacks=["dear", "n"], **ELSEWHERE) for _ in range(2)] == [200, 500]
    assert [api.call(key), api.call(key, max_tokens=9)] == [200, 422]  # nothing was spent at m until now


def test_what_fallbacks_spent_is_the_same_after_a_restart(tmp_path: Path) -> None:
    with running(SETUP, tmp_path) as served:
        api = Api(served)
        key = api.key(model_max_budget={"dear": 5})
        assert [api.call(key, fallbacks=["dear"], **ELSEWHERE) for _ in range(2)] == [200, 200]
        assert [api.call(key, "dear", max_tokens=most) for most in (2, 1)] == [422, 200]
    with running(SETUP, tmp_path) as served:
        assert [Api(served).call(key, "dear", max_tokens=1), Api(served).call(key)] == [422, 200]


def test_a_limit_that_comes_back_knows_what_was_spent_without_it(api: Api) -> None:
    key = api.key(model_max_budget={"dear": 5})
    api.made("/key/update", key=key, model_max_budget={})
    assert [api.call(key, "dear", max_tokens=2) for _ in range(3)] == [200] * 3
    api.made("/key/update", key=key, model_max_budget={"dear": 7})
    assert [api.call(key, "dear", max_tokens=most) for most in (2, 1, 1)] == [422, 200, 422]


def test_what_is_spent_by_model_is_shown(api: Api) -> None:
    limits = {"dear": {"budget_limit": 9, "time_period": "1d"}}
    user = api.made("/user/new", user_id="by/model", auto_create_key=False, model_max_budget=limits)[
        "user_id"
    ]
    team = api.made("/team/new")["team_id"]
    key = api.key(user_id=user, team_id=team, model_max_budget=limits)
    assert [api.call(key, name, max_tokens=2) for name in ("dear", "m", "dear")] == [200] * 3
    spent = {"dear": 4.0, "m": 0.002}
    until(lambda: api.get(f"/key/info?key={key}")[1]["info"]["model_spend"] == spent)
    assert api.get(f"/team/info?team_id={team}")[1]["team_info"]["model_spend"] == spent
    assert api.get(f"/user/info?user_id={user}")[1]["user_info"]["model_spend"] == spent
