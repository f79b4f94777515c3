"""Budgets, customers, tags, access groups and models: made, changed, shown, listed, deleted, and what they do."""

from typing import Any

import pytest

from admin.conftest import NOBODY, Api


def test_a_budget_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made("/budget/new", budget_id="b", max_budget=1.25, budget_duration="7d", tpm_limit=10)
    assert (made["budget_id"], made["max_budget"], made["tpm_limit"]) == ("b", 1.25, 10)
    assert api.made("/budget/new", max_budget=1)["budget_id"]
    assert api.made("/budget/update", budget_id="b", max_budget=2)["budget_duration"] == "7d"
    assert [row["max_budget"] for row in api.made("/budget/info", budgets=["b"])] == [2]
    assert api.get("/budget/info", budget_id="b")["max_budget"] == 2
    assert "b" in [row["budget_id"] for row in api.get("/budget/list")]
    api.made("/budget/delete", id="b")
    assert api.post("/budget/info", {"budgets": ["b"]})[0] == 404


def test_a_customer_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made("/customer/new", user_id="acme", alias="Acme", max_budget=3)
    assert (made["user_id"], made["blocked"], made["spend"], made["alias"]) == ("acme", False, 0.0, "Acme")
    assert made["litellm_budget_table"]["max_budget"] == 3
    assert api.made("/customer/update", user_id="acme", max_budget=4)["alias"] == "Acme"
    assert api.get("/customer/info", end_user_id="acme")["max_budget"] == 4
    assert api.get("/end_user/info", end_user_id="acme")["max_budget"] == 4
    assert "acme" in [row["user_id"] for row in api.get("/customer/list")]
    assert api.made("/customer/delete", user_ids=["acme"])["deleted_customers"] == 1
    assert api.look("/customer/info", end_user_id="acme")[0] == 404


@pytest.mark.parametrize("way", ["user", "header", "metadata"])
def test_a_customer_is_who_the_request_says(api: Api, way: str) -> None:
    name = f"said-by-{way}"
    api.made("/customer/new", user_id=name, max_budget=0.002)
    key = api.key()
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a b"}], "max_tokens": 2}
    headers = {"authorization": f"Bearer {key}"}
    if way == "header":
        headers["x-litellm-end-user-id"] = name
    else:
        body |= {"user": name} if way == "user" else {"metadata": {"user_id": name}}
    calls = [api.server.request("/v1/chat/completions", body, headers)[0] for _ in range(2)]
    assert calls == [200, 422]
    assert api.call(key) == 200
    assert api.get("/customer/info", end_user_id=name)["spend"] == 0.002
    api.made("/customer/update", user_id=name, max_budget=None)
    assert api.server.request("/v1/chat/completions", body, headers)[0] == 200


def test_customers_are_known_from_their_first_call(api: Api) -> None:
    assert api.call(api.key(), user="walk-in") == 200
    assert api.get("/customer/info", end_user_id="walk-in")["spend"] == 0.002
    api.made("/customer/update", user_id="walk-in", max_budget=0.003)
    assert api.call(api.key(), tokens=2, user="walk-in") == 422


def test_customers_are_blocked_and_unblocked_even_before_their_first_call(api: Api) -> None:
    key = api.key()
    found = api.made("/customer/block", user_ids=["pest"])
    assert [row["blocked"] for row in found["blocked_users"]] == [True]
    assert [api.call(key, user="pest"), api.call(key, user="other")] == [403, 200]
    api.made("/customer/unblock", user_ids=["pest"])
    assert api.call(key, user="pest") == 200
    assert api.post("/customer/unblock", {"user_ids": [NOBODY]})[0] == 404


def test_rates_models_and_budget_objects_of_customers(api: Api) -> None:
    api.made("/customer/new", user_id="slow", rpm_limit=1)
    api.made("/customer/new", user_id="narrow", models=["n"])
    api.made("/budget/new", budget_id="of-customers", max_budget=0.002)
    api.made("/customer/new", user_id="bounded", budget_id="of-customers")
    key = api.key()
    assert [api.call(key, user="slow") for _ in range(2)] == [200, 429]
    assert [api.call(key, model, user="narrow") for model in ("m", "n")] == [403, 200]
    assert [api.call(key, tokens=2, user="bounded") for _ in range(2)] == [200, 422]
    api.made("/budget/update", budget_id="of-customers", max_budget=1)
    assert api.call(key, tokens=2, user="bounded") == 200
    shown = api.get("/customer/info", end_user_id="bounded")
    assert (shown["budget_id"], shown["litellm_budget_table"]["max_budget"]) == ("of-customers", 1)


def test_a_tag_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made("/tag/new", name="batch", description="at night", max_budget=1)
    assert (made["tag"]["name"], made["message"]) == ("batch", "Tag batch created successfully")
    assert api.made("/tag/update", name="batch", description="by day")["tag"]["max_budget"] == 1
    found = api.made("/tag/info", names=["batch"])
    assert (found["batch"]["description"], found["batch"]["litellm_budget_table"]["max_budget"]) == (
        "by day",
        1,
    )
    assert "batch" in [row["name"] for row in api.get("/tag/list")]
    api.made("/tag/delete", name="batch")
    assert api.post("/tag/info", {"names": ["batch"]})[0] == 404


@pytest.mark.parametrize("way", ["key", "team", "body", "metadata", "header"])
def test_a_tag_pays_wherever_it_comes_from(api: Api, way: str) -> None:
    name = f"tag-of-{way}"
    api.made("/tag/new", name=name, max_budget=0.002)
    team = api.made("/team/new", tags=[name])["team_id"] if way == "team" else None
    key = api.key(team_id=team, tags=[name] if way == "key" else None)
    more = {"body": {"tags": [name]}, "metadata": {"metadata": {"tags": [name]}}}.get(way, {})
    body = {"model": "m", "messages": [{"role": "user", "content": "a b"}], "max_tokens": 2, **more}
    headers = {"authorization": f"Bearer {key}"} | (
        {"x-litellm-tags": f"x, {name}"} if way == "header" else {}
    )
    assert [api.server.request("/v1/chat/completions", body, headers)[0] for _ in range(2)] == [200, 422]
    api.made("/tag/update", name=name, max_budget=0.004)
    assert [api.server.request("/v1/chat/completions", body, headers)[0] for _ in range(2)] == [200, 422]
    assert api.made("/tag/info", names=[name])[name]["spend"] == 0.004
    assert api.call(api.key()) == 200


def test_an_access_group_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made("/access_group/new", access_group_name="g", access_model_names=["m"], description="small")
    name = made["access_group_id"]
    changed = api.made("/access_group/update", access_group_id=name, access_model_names=["n"])
    assert (changed["access_model_names"], changed["description"]) == (["n"], "small")
    assert api.get("/access_group/info", access_group_id=name)["access_group_name"] == "g"
    assert name in [row.get("access_group_id") for row in api.get("/access_group/list")["access_groups"]]
    status, body = api.post("/access_group/new", {"access_group_name": "g"})
    assert (status, body["error"]["param"]) == (400, "access_group_name")
    for path, body in (
        ("/access_group/new", {}),
        ("/access_group/update", {"access_group_id": name, "access_group_name": None}),
    ):
        status, found = api.post(path, body)
        assert (status, found["error"]["message"]) == (400, "'access_group_name' is missing")
    api.made("/access_group/delete", access_group_id=name)
    assert api.look("/access_group/info", access_group_id=name)[0] == 404


@pytest.mark.parametrize(
    ("name", "id_name", "more"),
    [
        ("budget", "budget_id", {}),
        ("customer", "user_id", {}),
        ("tag", "name", {}),
        ("access_group", "access_group_id", {"access_group_name": "only"}),
    ],
)
def test_ids_are_given_once_and_unknown_ones_are_not_found(
    api: Api, name: str, id_name: str, more: dict[str, str]
) -> None:
    body = {id_name: "only-one", **more}
    assert [api.post(f"/{name}/new", body)[0] for _ in range(2)] == [200, 400]
    assert api.post(f"/{name}/update", {id_name: NOBODY})[0] == 404
    assert api.post(f"/{name}/update", {})[1]["error"]["param"] == id_name
    if name != "budget" and name != "access_group":
        assert api.post(f"/{name}/update", {id_name: "only-one", "budget_id": NOBODY})[0] == 404
    if name != "access_group":
        assert len(api.get(f"/{name}/list", page=1, size=1)) == 1
        assert api.get(f"/{name}/list", page=99, size=100) == []


def test_the_settings_of_a_budget(api: Api) -> None:
    api.made("/budget/new", budget_id="set", max_budget=2.5, budget_duration="1d", rpm_limit=0)
    found = {row["field_name"]: row for row in api.get("/budget/settings", budget_id="set")}
    values = {name: row["field_value"] for name, row in found.items() if row["stored_in_db"]}
    assert values == {"max_budget": 2.5, "budget_duration": "1d", "rpm_limit": 0}
    assert (found["tpm_limit"]["field_type"], found["tpm_limit"]["field_value"]) == ("Integer", None)
    assert api.look("/budget/settings", budget_id=NOBODY)[0] == 404
    assert api.look("/budget/settings")[1]["error"]["param"] == "budget_id"
    assert api.look("/budget/settings", budget="set")[0] == 400


def test_models_are_added_changed_and_taken_away_while_the_gateway_runs(api: Api) -> None:
    secret = {"api_key": "hush-hush", "extra_headers": {"x-auth": "hush-hush"}}
    params = {"model": "mock/echo", "output_cost_per_token": 0.5, **secret}
    made = api.made("/model/new", model_name="late", litellm_params=params)
    assert (made["model_name"], made["litellm_params"]["api_key"]) == ("late", "***")
    assert "hush-hush" not in str(made)
    name, key = made["model_info"]["id"], api.key(models=["late", "later"])
    assert api.call(key, "late") == 200
    assert api.get("/spend/logs", key)[0]["spend"] == 1.0
    api.made(
        "/model/update",
        model_info={"id": name},
        model_name="later",
        litellm_params={"output_cost_per_token": 2},
    )
    assert [api.call(key, "late"), api.call(key, "later")] == [404, 200]
    assert api.get("/spend/logs", key)[0]["spend"] == 4.0
    api.done("PATCH", f"/model/{name}/update", {"model_name": "late"})
    assert api.call(key, "late") == 200
    api.made("/model/delete", id=name)
    assert api.call(key, "late") == 404
    for path, body in (("/model/delete", {"id": NOBODY}), ("/model/update", {"model_info": {"id": NOBODY}})):
        assert api.post(path, body)[0] == 404


def test_a_model_is_blocked_and_let_go(api: Api) -> None:
    made = api.made("/model/new", model_name="stopped", litellm_params={"model": "mock/echo"})
    name, key = made["model_info"]["id"], api.key()
    assert api.call(key, "stopped") == 200
    assert api.made("/model/block", model_id=name)["blocked"] is True
    assert api.call(key, "stopped") != 200
    assert api.made("/model/unblock", model_id=name)["blocked"] is False
    assert api.call(key, "stopped") == 200
    assert api.post("/model/block", {"model_id": NOBODY})[0] == 404
    api.made("/model/delete", id=name)
