"""Fields as LiteLLM's clients send them: null where they say nothing, inside `metadata`, in all of their forms; and
values that can't be meant, named."""

from typing import Any

import pytest

from admin.conftest import NOBODY, Api

NOT_BUILT = {
    "/key/generate": ({}, "policies prompts object_permission project_id tpd_limit"),
    "/key/regenerate": ({"key": NOBODY}, "new_master_key budget_limits send_invite_email"),
    "/user/update": ({"user_id": NOBODY}, "key_alias duration team_id aliases password"),
    "/team/new": (
        {},
        """allowed_passthrough_routes denied_passthrough_routes default_estimated_output_tokens
        allowed_vector_store_indexes enforced_batch_output_expires_after enforced_file_expires_after""",
    ),
    "/team/member_update": (
        {"team_id": NOBODY, "user_id": NOBODY},
        "allowed_models temp_budget_increase temp_budget_expiry",
    ),
    "/organization/new": ({}, "allowed_models temp_budget_increase temp_budget_expiry tpd_limit"),
    "/customer/new": (
        {"user_id": "c of nulls"},
        "spend object_permission tpd_limit budget_reset_at default_model",
    ),
}
"""By page what it needs, and fields of LiteLLM's that it does not have."""


@pytest.mark.parametrize("path", NOT_BUILT)
def test_what_is_not_built_may_be_null_and_is_named_otherwise(api: Api, path: str) -> None:
    body, names = NOT_BUILT[path]
    for name in names.split():
        status, found = api.post(path, {**body, name: "5"})
        assert (status, found["error"]["param"]) == (400, name)
        assert "does not support yet" in found["error"]["message"]
    assert api.post(path, {**body, **dict.fromkeys(names.split())})[0] in (200, 404)


@pytest.mark.parametrize("duration", ["999999mo", "36501d"])
def test_what_ends_after_all_dates_is_refused(api: Api, duration: str) -> None:
    key = api.key()
    for path, body, name in (
        ("/key/generate", {}, "duration"),
        ("/key/update", {"key": key}, "duration"),
        ("/key/regenerate", {"key": key}, "duration"),
        ("/key/regenerate", {"key": key}, "grace_period"),
        ("/user/new", {"user_id": "of no date"}, "duration"),
        ("/budget/new", {}, "budget_duration"),
    ):
        status, found = api.post(path, {**body, name: duration})
        assert (status, found["error"]["param"]) == (400, name), path
        assert "a hundred years" in found["error"]["message"]
    assert api.look("/user/info", user_id="of no date")[0] == 404
    assert api.made("/key/generate", duration="36500d")["expires"] > "2120"


def test_a_key_may_be_made_to_last_for_ever(api: Api) -> None:
    made = api.made("/key/generate", duration="1h")
    assert api.made("/key/update", key=made["key"], duration="-1")["expires"] is None
    assert api.made("/key/generate", duration="-1")["expires"] is None
    assert api.post("/key/generate", {"budget_duration": "-1"})[0] == 400


@pytest.mark.parametrize(
    "budget",
    [
        {"rpm_limit": 5},
        {"budget_limit": 5, "tpm_limit": 10},
        {"budget_limit": 5, "budgetlimit": 5},
        {"budget_limit": 5, "max_budget": 5},
        {"max_budget": 1e300},
        {"budget_limit": "1e400"},
        {"budget_limit": "NaN"},
        {"budget_limit": True},
        {"budget_limit": 5, "time_period": "999999mo"},
        {"budget_limit": 5, "time_period": 7},
        {"time_period": "1d"},
        {},
        1e13,
        True,
        -1,
    ],
)
def test_a_budget_of_a_model_that_can_not_be_meant_is_refused(api: Api, budget: Any) -> None:
    for path in ("/key/generate", "/team/new", "/budget/new"):
        status, found = api.post(path, {"model_max_budget": {"m": budget}})
        assert (status, found["error"]["param"]) == (400, "model_max_budget")


@pytest.mark.parametrize(
    "budget",
    [
        0.002,
        {"budget_limit": 0.002},
        {"budget_limit": "0.002", "time_period": "1d"},
        {"max_budget": 0.002, "budget_duration": "30d", "tpm_limit": None, "rpm_limit": None},
    ],
)
def test_a_budget_of_a_model_has_several_forms(api: Api, budget: Any) -> None:
    key = api.key(model_max_budget={"m": budget})
    assert [api.call(key, "m", tokens=2) for _ in range(2)] == [200, 422]
    assert api.call(key, "n", tokens=2) == 200


def test_what_litellm_keeps_in_metadata_holds_there(api: Api) -> None:
    api.made("/tag/new", name="kept inside", max_budget=0.002)
    inside = {"tags": ["kept inside"], "model_rpm_limit": {"n": 0}, "owner": "anna"}
    of_team = api.key(team_id=api.made("/team/new", metadata=inside)["team_id"])
    own = api.key(metadata=inside)
    assert [api.call(key, "n", tokens=1) for key in (own, of_team)] == [429, 429]
    assert [api.call(key, tokens=2) for key in (own, of_team)] == [200, 422]
    assert api.info(api.key(metadata=inside))["metadata"] == inside
    beside = api.info(api.key(metadata=inside, tags=["beside"], model_rpm_limit={"m": 1}))
    assert (beside["tags"], beside["model_rpm_limit"]) == (["beside"], {"m": 1})
    key = api.key()
    api.made("/key/update", key=key, metadata={"model_tpm_limit": {"m": 0}})
    assert api.call(key) == 429
    status, found = api.post("/key/generate", {"metadata": {"tags": {"env": "prod"}}})
    assert (status, found["error"]["param"]) == (400, "metadata.tags")


def test_metadata_is_no_way_to_limits_that_others_set(api: Api) -> None:
    lead = api.user("lead of metadata")
    team = api.made("/team/new", members_with_roles=[{"user_id": "lead of metadata", "role": "admin"}])
    body = {"team_id": team["team_id"], "metadata": {"model_rpm_limit": {"m": 10**6}}}
    assert api.post("/team/update", body, lead)[0] == 403
    own = {"user_id": "lead of metadata", "metadata": {"model_tpm_limit": {"m": 10**6}}}
    assert api.post("/user/update", own, lead)[0] == 403
    assert api.post("/user/update", {**own, "metadata": {"shoe": 43}}, lead)[0] == 200


def test_a_user_is_made_with_a_role_and_a_budget_in_each_team(api: Api) -> None:
    teams = [api.made("/team/new")["team_id"] for _ in range(3)]
    given = [
        {"team_id": teams[0], "max_budget_in_team": 0.002, "user_role": "admin"},
        {"team_id": teams[1], "user_role": None},
        teams[2],
    ]
    made = api.made("/user/new", user_id="in several", teams=given, team_id=teams[0])
    assert made["teams"] == teams
    joined = [api.get("/team/info", team_id=team)["team_memberships"][0] for team in teams]
    assert [row["role"] for row in joined] == ["admin", "user", "user"]
    assert [row["max_budget_in_team"] for row in joined] == [0.002, None, None]
    assert [api.call(made["key"], tokens=2) for _ in range(2)] == [200, 422]
    for row, param in (({"team_id": teams[0], "role": "admin"}, "teams[0].role"), ({}, "team_id")):
        status, found = api.post("/user/new", {"teams": [row]})
        assert (status, found["error"]["param"]) == (400, param)
    assert api.post("/user/new", {"teams": [5]})[1]["error"]["param"] == "teams"
