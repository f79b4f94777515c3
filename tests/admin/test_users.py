"""Users inside the company: who makes and owns keys, with a budget, models and limits of their own."""

from admin.conftest import NOBODY, Api


def test_a_user_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made(
        "/user/new",
        user_id="anna",
        user_email="anna@example.com",
        user_alias="Anna",
        max_budget=1.5,
        models=["m"],
        metadata={"desk": 4},
        key_alias="annas",
        duration="30d",
    )
    wanted = """key token key_name key_alias expires user_id user_email user_alias user_role teams models max_budget
    spend metadata budget_duration tpm_limit rpm_limit max_parallel_requests created_at updated_at"""
    assert set(wanted.split()) <= made.keys()
    assert (made["user_role"], made["max_budget"], made["teams"]) == ("internal_user", 1.5, [])
    found = api.get("/user/info", user_id="anna")
    assert (found["user_id"], found["user_info"]["user_email"]) == ("anna", "anna@example.com")
    assert [row["key_alias"] for row in found["keys"]] == ["annas"]
    assert found["teams"] == []
    changed = api.made("/user/update", user_id="anna", max_budget=3, user_role="internal_user_viewer")
    assert (changed["user_id"], changed["data"]["max_budget"]) == ("anna", 3)
    assert changed["data"]["user_role"] == "internal_user_viewer"
    assert changed["data"]["models"] == ["m"]
    by_email = api.made("/user/update", user_email="anna@example.com", user_alias="A.")
    assert (by_email["user_id"], by_email["data"]["user_alias"]) == ("anna", "A.")
    assert api.call(made["key"]) == 200
    assert api.made("/user/delete", user_ids=["anna"]) == 1
    assert api.call(made["key"]) == 401
    assert api.look("/user/info", user_id="anna")[0] == 404


def test_a_user_may_be_made_without_a_key(api: Api) -> None:
    made = api.made("/user/new", auto_create_key=False)
    assert made["user_id"]
    assert "key" not in made
    assert api.get("/user/info", user_id=made["user_id"])["keys"] == []


def test_ids_and_addresses_are_given_once(api: Api) -> None:
    api.user("unique", user_email="unique@example.com")
    api.user("other")
    for path, body, param in (
        ("/user/new", {"user_id": "unique"}, "user_id"),
        ("/user/new", {"user_email": "unique@example.com"}, "user_email"),
        ("/user/update", {"user_id": "other", "user_email": "unique@example.com"}, "user_email"),
    ):
        status, found = api.post(path, body)
        assert (status, found["error"]["param"]) == (400, param)
    assert api.post("/user/update", {"user_id": "unique", "user_email": "unique@example.com"})[0] == 200


def test_a_users_own_budget_models_and_rates_bind_its_own_keys(api: Api) -> None:
    first = api.user("thrifty", max_budget=0.004, models=["m"], rpm_limit=5)
    second = api.key(user_id="thrifty")
    assert [api.call(first, "n"), api.call(second, "n")] == [403, 403]
    assert api.talk(first, "n")[1]["error"]["type"] == "user_model_access_denied"
    assert [api.call(key, tokens=2) for key in (first, second, first)] == [200, 200, 422]
    assert api.get("/user/info", user_id="thrifty")["user_info"]["spend"] == 0.004
    api.made("/user/update", user_id="thrifty", max_budget=None)
    assert [api.call(first, tokens=2) for _ in range(4)] == [200, 200, 200, 429]


def test_a_users_own_budget_does_not_bind_keys_of_teams(api: Api) -> None:
    api.user("in-a-team", max_budget=0)
    team = api.made("/team/new", members_with_roles=[{"user_id": "in-a-team", "role": "user"}])["team_id"]
    assert [api.call(api.key(user_id="in-a-team")), api.call(api.key(user_id="in-a-team", team_id=team))] == [
        422,
        200,
    ]


def test_a_blocked_user_makes_no_calls(api: Api) -> None:
    key = api.user("blocked")
    api.made("/user/update", user_id="blocked", blocked=True)
    assert (api.call(key), api.look("/user/info", key)[0]) == (401, 401)
    api.made("/user/update", user_id="blocked", blocked=False)
    assert api.call(key) == 200


def test_a_user_may_be_made_inside_teams_and_organisations(api: Api) -> None:
    api.made("/organization/new", organization_id="home")
    teams = [api.made("/team/new")["team_id"] for _ in range(3)]
    made = api.made(
        "/user/new",
        user_id="placed",
        teams=[teams[0], {"team_id": teams[1]}],
        team_id=teams[2],
        organizations=["home"],
    )
    assert made["teams"] == teams
    assert {row["team_id"] for row in api.get("/user/info", user_id="placed")["teams"]} == set(teams)
    assert [row["user_id"] for row in api.get("/organization/info", organization_id="home")["members"]] == [
        "placed"
    ]
    for body in ({"teams": [NOBODY]}, {"organizations": [NOBODY]}, {"budget_id": NOBODY}):
        assert api.post("/user/new", {"user_id": "lost", **body})[0] == 404
        assert api.look("/user/info", user_id="lost")[0] == 404


def test_a_user_may_have_a_budget_object(api: Api) -> None:
    api.made("/budget/new", budget_id="for-users", max_budget=0.002)
    key = api.user("on-a-budget", budget_id="for-users")
    assert [api.call(key, tokens=2) for _ in range(2)] == [200, 422]
    api.made("/budget/update", budget_id="for-users", max_budget=1)
    assert api.call(key) == 200


def test_users_are_listed_with_filters_by_pages_in_order(api: Api) -> None:
    team = api.made("/team/new")["team_id"]
    for number in range(3):
        api.user(f"listed-{number}", user_email=f"l{number}@listed.example", teams=[team] if number else [])
    api.key(user_id="listed-1")

    def found(**asked: object) -> list[str]:
        return [row["user_id"] for row in api.get("/user/list", **asked)["users"]]

    assert found(user_email="listed.example", sort_by="user_id", sort_order="asc") == [
        "listed-0",
        "listed-1",
        "listed-2",
    ]
    assert sorted(found(team=team)) == ["listed-1", "listed-2"]
    assert sorted(found(user_ids="listed-0,listed-2")) == ["listed-0", "listed-2"]
    assert found(search="listed-1") == ["listed-1"]
    assert found(role="proxy_admin") == []
    assert found(user_email="%") == []
    pages = [api.get("/user/list", user_email="listed.example", page_size=2, page=page) for page in (1, 2)]
    assert [len(page["users"]) for page in pages] == [2, 1]
    assert [pages[0][name] for name in ("total", "page", "page_size", "total_pages")] == [3, 1, 2, 2]
    (row,) = api.get("/user/list", user_ids="listed-1")["users"]
    assert row["key_count"] == 2


def test_users_that_nobody_knows(api: Api) -> None:
    assert api.look("/user/info", user_id=NOBODY)[0] == 404
    assert api.post("/user/update", {"user_id": NOBODY, "max_budget": 1})[0] == 404
    assert api.post("/user/update", {"user_email": "nobody@example.com", "max_budget": 1})[0] == 404
    assert api.post("/user/delete", {"user_ids": [NOBODY]})[0] == 404
    assert api.post("/user/update", {"max_budget": 1})[1]["error"]["param"] == "user_email"
    assert api.get("/user/info")["user_id"] is None


def test_many_users_are_changed_and_the_others_named(api: Api) -> None:
    for name in ("many-1", "many-2"):
        api.user(name)
    users = [
        {"user_id": "many-1", "max_budget": 5},
        {"user_id": NOBODY, "max_budget": 5},
        {"user_id": "many-2", "max_bugdet": 5},
    ]
    found = api.made("/user/bulk_update", users=users)
    assert [row["success"] for row in found["results"]] == [True, False, False]
    assert (found["total_requested"], found["successful_updates"], found["failed_updates"]) == (3, 1, 2)
    assert "did you mean 'max_budget'" in found["results"][2]["error"]
    assert api.get("/v2/user/info", user_id="many-1")["max_budget"] == 5
    for body in ({}, {"users": "many-1"}, {"users": [5]}, {"users": []}, {"all_users": True}):
        assert api.post("/user/bulk_update", body)[0] == 400


def test_a_user_alone_and_the_roles(api: Api) -> None:
    key = api.user("alone", teams=[api.made("/team/new", team_id="of-alone")["team_id"]])
    assert api.get("/v2/user/info", key)["teams"] == ["of-alone"]
    assert "keys" not in api.get("/v2/user/info", key)
    assert api.look("/v2/user/info", user_id=NOBODY)[0] == 404
    assert "internal_user" in api.get("/user/available_roles")
