"""Organisations: teams and users under one budget and one list of models, with administrators of their own."""

from admin.conftest import NOBODY, Api


def test_an_organisation_is_made_shown_changed_and_deleted(api: Api) -> None:
    made = api.made(
        "/organization/new",
        organization_alias="Acme",
        models=["m"],
        max_budget=2,
        metadata={"a": 1},
        rpm_limit=9,
    )
    name = made["organization_id"]
    wanted = """organization_id organization_alias budget_id spend metadata models created_by updated_by
    litellm_budget_table created_at updated_at"""
    assert set(wanted.split()) <= made.keys()
    assert (made["litellm_budget_table"]["max_budget"], made["litellm_budget_table"]["rpm_limit"]) == (2, 9)
    changed = api.done("PATCH", "/organization/update", {"organization_id": name, "models": ["n"]})
    assert (changed["models"], changed["max_budget"], changed["metadata"]) == (["n"], 2, {"a": 1})
    team = api.made("/team/new", organization_id=name, team_alias="inside")["team_id"]
    key = api.key(organization_id=name)
    assert [api.call(key, model) for model in ("m", "n")] == [403, 200]
    found = api.get("/organization/info", organization_id=name)
    assert (found["organization_alias"], [row["team_id"] for row in found["teams"]]) == ("Acme", [team])
    assert name in [row["organization_id"] for row in api.get("/organization/list")]
    gone = api.done("DELETE", "/organization/delete", {"organization_ids": [name]})
    assert [row["organization_id"] for row in gone] == [name]
    assert api.get("/team/info", team_id=team)["team_info"]["organization_id"] is None
    assert api.call(key, "m") == 200
    assert api.look("/organization/info", organization_id=name)[0] == 404


def test_organisations_are_found_by_id_and_alias(api: Api) -> None:
    api.made("/organization/new", organization_id="findable", organization_alias="The Findable Ones")
    assert [row["organization_id"] for row in api.get("/organization/list", org_id="findable")] == [
        "findable"
    ]
    assert [row["organization_id"] for row in api.get("/organization/list", org_alias="Findable")] == [
        "findable"
    ]
    assert api.get("/organization/list", org_id=NOBODY) == []


def test_all_that_is_in_an_organisation_shares_its_budget(api: Api) -> None:
    api.made("/organization/new", organization_id="sharing", max_budget=0.004, budget_duration="30d")
    team = api.made("/team/new", organization_id="sharing")["team_id"]
    keys = [api.key(team_id=team), api.key(organization_id="sharing"), api.key(team_id=team)]
    assert [api.call(key, tokens=2) for key in keys] == [200, 200, 422]
    shown = api.get("/organization/info", organization_id="sharing")
    assert (shown["spend"], shown["budget_reset_at"] is not None) == (0.004, True)
    api.done("PATCH", "/organization/update", {"organization_id": "sharing", "max_budget": 1})
    assert api.call(keys[2]) == 200


def test_a_blocked_organisation_makes_no_calls(api: Api) -> None:
    api.made("/organization/new", organization_id="halted")
    key = api.key(organization_id="halted")
    api.done("PATCH", "/organization/update", {"organization_id": "halted", "blocked": True})
    assert api.call(key) == 401
    api.done("PATCH", "/organization/update", {"organization_id": "halted", "blocked": None})
    assert api.call(key) == 200


def test_members_join_change_and_leave(api: Api) -> None:
    api.made("/organization/new", organization_id="club")
    api.user("anna", user_email="anna@example.com")
    added = api.made(
        "/organization/member_add",
        organization_id="club",
        member=[
            {"user_id": "anna", "role": "internal_user"},
            {"user_email": "bert@example.com", "role": "org_admin"},
        ],
    )
    assert [row["user_email"] for row in added["updated_users"]] == ["anna@example.com", "bert@example.com"]
    rows = added["updated_organization_memberships"]
    roles = {row["user_email"]: row["user_role"] for row in rows}
    assert roles == {"anna@example.com": "internal_user", "bert@example.com": "org_admin"}
    assert api.made("/organization/member_add", organization_id="club", user_id="carl")["user_id"] == "carl"
    changed = api.done(
        "PATCH",
        "/organization/member_update",
        {"organization_id": "club", "user_email": "anna@example.com", "role": "org_admin"},
    )
    assert (changed["user_id"], changed["user_role"]) == ("anna", "org_admin")
    assert len(api.get("/organization/info", organization_id="club")["members"]) == 3
    gone = {"organization_id": "club", "user_id": "anna"}
    assert api.done("DELETE", "/organization/member_delete", gone)["user_id"] == "anna"
    assert api.ask("DELETE", "/organization/member_delete", gone)[0] == 404
    assert len(api.get("/organization/info", organization_id="club")["members"]) == 2


def test_whoever_leads_an_organisation_may_do_so_from_the_next_request(api: Api) -> None:
    api.made("/organization/new", organization_id="led")
    key = api.user("leader")
    body = {"organization_id": "led"}
    assert api.post("/team/new", body, key)[0] == 403
    api.made("/organization/member_add", organization_id="led", user_id="leader", role="org_admin")
    assert api.post("/team/new", body, key)[0] == 200
    member = {**body, "user_id": "leader"}
    api.done("PATCH", "/organization/member_update", {**member, "role": "internal_user"})
    assert api.post("/team/new", body, key)[0] == 403
    api.done("PATCH", "/organization/member_update", {**member, "role": "org_admin"})
    assert api.post("/team/new", body, key)[0] == 200
    api.done("DELETE", "/organization/member_delete", member)
    assert api.post("/team/new", body, key)[0] == 403


def test_what_nobody_knows(api: Api) -> None:
    for method, path, body in (
        ("PATCH", "/organization/update", {"organization_id": NOBODY}),
        ("DELETE", "/organization/delete", {"organization_ids": [NOBODY]}),
        ("POST", "/organization/member_add", {"organization_id": NOBODY, "user_id": "x"}),
        ("POST", "/organization/new", {"budget_id": NOBODY}),
    ):
        assert api.ask(method, path, body)[0] == 404
    assert api.look("/organization/info")[1]["error"]["param"] == "organization_id"


def test_the_audit_log_has_the_role_of_a_member_before_and_after(api: Api) -> None:
    api.made("/organization/new", organization_id="watched")
    member = {"organization_id": "watched", "user_id": "moved"}
    api.made(
        "/organization/member_add",
        organization_id="watched",
        member={"user_id": "moved", "role": "internal_user"},
    )
    api.done("PATCH", "/organization/member_update", {**member, "role": "org_admin"})
    api.done("DELETE", "/organization/member_delete", member)
    rows = api.get("/audit", object_id="watched/moved")["audit_logs"]
    told = {
        row["action"]: [(row[name] or {}).get("user_role") for name in ("before_value", "updated_values")]
        for row in rows
    }
    assert told == {
        "created": [None, "internal_user"],
        "updated": ["internal_user", "org_admin"],
        "deleted": ["org_admin", None],
    }
