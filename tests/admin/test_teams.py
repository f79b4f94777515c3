"""Teams and their members: models, budgets and limits that keys share, and who is in them."""

from collections.abc import Iterator

import pytest

from admin.conftest import NOBODY, Api


@pytest.fixture
def team(api: Api) -> str:
    return str(api.made("/team/new")["team_id"])


@pytest.fixture(scope="module", autouse=True)
def people(api: Api) -> Iterator[None]:
    for name in ("anna", "bert", "carl"):
        api.user(name, user_email=f"{name}@example.com")
    yield


def test_a_team_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made(
        "/team/new",
        team_id="t-1",
        team_alias="one",
        models=["m"],
        max_budget=2.5,
        metadata={"a": 1},
        tags=["x"],
    )
    wanted = """team_id team_alias organization_id admins members members_with_roles metadata tpm_limit rpm_limit
    max_budget soft_budget budget_duration models blocked spend max_parallel_requests budget_reset_at created_at
    updated_at team_member_permissions access_group_ids model_max_budget"""
    assert set(wanted.split()) <= made.keys()
    assert (made["team_id"], made["max_budget"], made["spend"]) == ("t-1", 2.5, 0.0)
    changed = api.made("/team/update", team_id="t-1", team_alias="uno", rpm_limit=5)
    assert (changed["team_id"], changed["data"]["team_alias"], changed["data"]["rpm_limit"]) == (
        "t-1",
        "uno",
        5,
    )
    assert (changed["data"]["models"], changed["data"]["max_budget"]) == (["m"], 2.5)
    patched = api.done("PATCH", "/team/t-1", {"max_budget": None})
    assert (patched["data"]["max_budget"], patched["data"]["rpm_limit"]) == (None, 5)
    key = api.key(team_id="t-1")
    found = api.get("/team/info", team_id="t-1")
    assert (found["team_id"], found["team_info"]["team_alias"]) == ("t-1", "uno")
    assert [row["team_id"] for row in found["keys"]] == ["t-1"]
    assert api.get("/team/info", key)["team_id"] == "t-1"
    assert api.made("/team/delete", team_ids=["t-1"])["deleted_teams"] == ["t-1"]
    assert api.call(key) == 401
    assert api.look("/team/info", team_id="t-1")[0] == 404
    assert api.look("/key/info", key=key)[0] == 404


def test_a_team_id_is_given_once(api: Api, team: str) -> None:
    status, body = api.post("/team/new", {"team_id": team})
    assert (status, body["error"]["param"]) == (400, "team_id")
    assert api.post("/team/new", {"team_id": "a/b"})[1]["error"]["param"] == "team_id"


@pytest.mark.parametrize(
    ("team_models", "key_models", "m", "n"),
    [
        ([], [], 200, 200),
        (["m"], [], 200, 403),
        (["m"], ["all-team-models"], 200, 403),
        (["m"], ["m", "n"], 200, 403),
        (["m", "n"], ["n"], 403, 200),
        (["beta"], ["all-team-models"], 403, 200),
        (["beta"], ["m"], 403, 403),
        (["all-proxy-models"], ["beta"], 403, 200),
    ],
)
def test_a_model_must_be_the_teams_and_the_keys(
    api: Api, team_models: list[str], key_models: list[str], m: int, n: int
) -> None:
    team = api.made("/team/new", models=team_models)["team_id"]
    key = api.key(team_id=team, models=key_models)
    assert [api.call(key, model) for model in ("m", "n")] == [m, n]


def test_models_are_added_to_a_team_and_taken_from_it(api: Api) -> None:
    team = api.made("/team/new", models=["m"])["team_id"]
    key = api.key(team_id=team)
    assert api.talk(key, "n")[1]["error"]["type"] == "team_model_access_denied"
    assert api.made("/team/model/add", team_id=team, models=["n", "m"])["data"]["models"] == ["m", "n"]
    assert [api.call(key, model) for model in ("m", "n")] == [200, 200]
    assert api.made("/team/model/delete", team_id=team, models=["m"])["data"]["models"] == ["n"]
    assert [api.call(key, model) for model in ("m", "n")] == [403, 200]
    assert api.post("/team/model/add", {"team_id": NOBODY, "models": ["m"]})[0] == 404


def test_access_groups_and_aliases_of_a_team(api: Api) -> None:
    group = api.made("/access_group/new", access_group_name="team-ones", access_model_names=["n"])
    team = api.made(
        "/team/new",
        models=["vendor/big"],
        access_group_ids=[group["access_group_id"]],
        model_aliases={"fast": "n"},
    )["team_id"]
    key = api.key(team_id=team)
    assert [api.call(key, model) for model in ("m", "n", "fast", "vendor/big")] == [403, 200, 200, 200]


def test_tags_of_a_team_are_on_its_calls(api: Api) -> None:
    key = api.key(team_id=api.made("/team/new", tags=["of-the-team"])["team_id"], tags=["of-the-key"])
    assert api.call(key) == 200
    assert set(api.get("/spend/logs", key)[0]["request_tags"]) == {"of-the-team", "of-the-key"}


def test_a_blocked_team_makes_no_calls(api: Api, team: str) -> None:
    key = api.key(team_id=team)
    assert api.call(key) == 200
    assert api.made("/team/block", team_id=team)["blocked"] is True
    assert api.call(key) == 401
    assert api.made("/team/unblock", team_id=team)["blocked"] is False
    assert api.call(key) == 200
    for page in ("block", "unblock", "update"):
        assert api.post(f"/team/{page}", {"team_id": NOBODY})[0] == 404


def test_the_keys_of_a_team_share_its_budget_and_its_rates(api: Api) -> None:
    team = api.made("/team/new", max_budget=0.004, rpm_limit=4)["team_id"]
    one, two = api.key(team_id=team), api.key(team_id=team, max_budget=1)
    assert [api.call(key, tokens=2) for key in (one, two, one, two)] == [200, 200, 422, 422]
    assert api.get("/team/info", team_id=team)["team_info"]["spend"] == 0.004
    api.made("/team/update", team_id=team, max_budget=1)
    assert [api.call(one, tokens=2) for _ in range(3)] == [200, 200, 429]
    api.made("/team/update", team_id=team, rpm_limit=None)
    assert api.call(one) == 200


def test_limits_by_model_are_shared_by_the_team(api: Api) -> None:
    team = api.made("/team/new", model_rpm_limit={"m": 1})["team_id"]
    one, two = api.key(team_id=team), api.key(team_id=team)
    assert [api.call(one, "m"), api.call(two, "m"), api.call(two, "n")] == [200, 429, 200]


def test_members_join_change_and_leave(api: Api, team: str) -> None:
    found = api.made(
        "/team/member_add",
        team_id=team,
        member=[{"user_id": "anna", "role": "admin"}, {"user_email": "bert@example.com", "role": "user"}],
        max_budget_in_team=0.5,
    )
    assert {row["user_id"] for row in found["updated_users"]} == {"anna", "bert"}
    assert [row["max_budget_in_team"] for row in found["updated_team_memberships"]] == [0.5, 0.5]
    shown = api.get("/team/info", team_id=team)
    assert shown["team_info"]["members_with_roles"] == [
        {"user_id": "anna", "user_email": "anna@example.com", "role": "admin"},
        {"user_id": "bert", "user_email": "bert@example.com", "role": "user"},
    ]
    (anna, _) = shown["team_memberships"]
    assert (anna["user_id"], anna["spend"], anna["litellm_budget_table"]["max_budget"]) == ("anna", 0.0, 0.5)
    changed = api.made(
        "/team/member_update", team_id=team, user_email="bert@example.com", role="admin", rpm_limit=3
    )
    assert (changed["user_id"], changed["role"], changed["rpm_limit"]) == ("bert", "admin", 3)
    assert changed["max_budget_in_team"] == 0.5
    left = api.made("/team/member_delete", team_id=team, user_id="anna")
    assert [row["user_id"] for row in left["members_with_roles"]] == ["bert"]
    assert api.get("/user/info", user_id="anna")["teams"] == []


def test_nobody_joins_twice(api: Api, team: str) -> None:
    body = {"team_id": team, "member": {"user_id": "anna", "role": "user"}}
    assert api.post("/team/member_add", body)[0] == 200
    status, found = api.post("/team/member_add", body)
    assert (status, found["error"]["type"]) == (400, "team_member_already_in_team")
    for page in ("member_update", "member_delete"):
        assert api.post(f"/team/{page}", {"team_id": team, "user_id": "carl"})[0] == 404
        assert api.post(f"/team/{page}", {"team_id": NOBODY, "user_id": "carl"})[0] == 404


def test_who_joins_and_is_unknown_is_made(api: Api, team: str) -> None:
    api.made("/team/member_add", team_id=team, member={"user_id": "newcomer", "role": "user"})
    assert api.get("/user/info", user_id="newcomer")["user_info"]["user_role"] == "internal_user"
    api.made("/team/member_add", team_id=team, member={"user_email": "first@example.com"})
    (row,) = api.get("/user/list", user_email="first@example.com")["users"]
    assert api.get("/user/info", user_id=row["user_id"])["user_info"]["teams"] == [team]


def test_each_member_has_a_budget_and_rates_in_the_team(api: Api) -> None:
    team = api.made("/team/new", team_member_budget=0.002, team_member_rpm_limit=3)["team_id"]
    for name in ("anna", "bert"):
        api.made("/team/member_add", team_id=team, member={"user_id": name, "role": "user"})
    anna, same, bert = (api.key(team_id=team, user_id=name) for name in ("anna", "anna", "bert"))
    assert [api.call(key, tokens=2) for key in (anna, same, bert)] == [200, 422, 200]
    assert api.call(api.key(user_id="anna"), tokens=2) == 200, "the team's budget is not the user's"
    api.made("/team/member_update", team_id=team, user_id="anna", max_budget_in_team=1)
    assert [api.call(anna, tokens=2) for _ in range(3)] == [200, 200, 429]
    (row, _) = api.get("/team/info", team_id=team)["team_memberships"]
    assert (row["user_id"], row["spend"], row["max_budget_in_team"]) == ("anna", 0.006, 1)
    api.made("/team/update", team_id=team, team_member_budget=0.004, team_member_rpm_limit=None)
    assert [api.call(bert, tokens=2) for _ in range(2)] == [200, 422]


def test_members_may_share_a_budget_object(api: Api, team: str) -> None:
    api.made("/budget/new", budget_id="for-members", max_budget=0.002)
    api.made("/team/member_add", team_id=team, member={"user_id": "anna"}, budget_id="for-members")
    key = api.key(team_id=team, user_id="anna")
    assert [api.call(key, tokens=2) for _ in range(2)] == [200, 422]
    api.made("/budget/update", budget_id="for-members", max_budget=1)
    assert api.call(key) == 200
    body = {"team_id": team, "member": {"user_id": "bert"}, "budget_id": NOBODY}
    assert api.post("/team/member_add", body)[0] == 404


def test_who_leaves_a_team_leaves_its_keys(api: Api, team: str) -> None:
    api.made("/team/member_add", team_id=team, member={"user_id": "anna"})
    inside, own = api.key(team_id=team, user_id="anna"), api.key(user_id="anna")
    assert [api.call(inside), api.call(own)] == [200, 200]
    api.made("/team/member_delete", team_id=team, user_id="anna")
    assert [api.call(inside), api.call(own)] == [401, 200]


def test_teams_are_listed_with_filters_by_pages_in_order(api: Api) -> None:
    api.made("/organization/new", organization_id="lister", organization_alias="lister")
    names = [
        api.made("/team/new", team_alias=f"listed {letter}", organization_id="lister")["team_id"]
        for letter in "cab"
    ]
    api.made("/team/member_add", team_id=names[0], member={"user_id": "carl"})
    assert {row["team_id"] for row in api.get("/team/list", organization_id="lister")} == set(names)
    assert [row["team_id"] for row in api.get("/team/list", user_id="carl")] == [names[0]]
    asked = {"team_alias": "listed", "sort_by": "team_alias", "sort_order": "asc", "page_size": 2}
    pages = [api.get("/v2/team/list", page=page, **asked) for page in (1, 2)]
    found = [row["team_alias"] for page in pages for row in page["teams"]]
    assert found == ["listed a", "listed b", "listed c"]
    assert [pages[0][name] for name in ("total", "page", "page_size", "total_pages")] == [3, 1, 2, 2]
    assert api.get("/v2/team/list", search="listed c")["total"] == 1
    assert api.get("/v2/team/list", team_id=names[1])["teams"][0]["team_alias"] == "listed a"
    assert api.look("/v2/team/list", sort_by="metadata")[0] == 400


def test_a_team_in_an_organisation_pays_from_its_budget(api: Api) -> None:
    api.made("/organization/new", organization_id="poor", max_budget=0.002, models=["m"])
    key = api.key(team_id=api.made("/team/new", organization_id="poor")["team_id"])
    assert api.call(key, "n") == 403
    assert [api.call(key, tokens=2) for _ in range(2)] == [200, 422]
    assert api.post("/team/new", {"organization_id": NOBODY})[0] == 404
    assert api.post("/team/new", {"budget_id": NOBODY})[0] == 404
