"""Pages of teams beside the team itself."""

from typing import Any

import pytest

from admin.conftest import Api


def test_what_members_may_do_is_listed_and_set(api: Api) -> None:
    team = api.made("/team/new")["team_id"]
    found = api.get("/team/permissions_list", team_id=team)
    assert found["team_member_permissions"] == []
    assert "/key/generate" in found["all_available_permissions"]
    given = ["/key/generate", "/key/info"]
    assert (
        api.made("/team/permissions_update", team_id=team, team_member_permissions=given)[
            "team_member_permissions"
        ]
        == given
    )
    assert api.get("/team/permissions_list", team_id=team)["team_member_permissions"] == given
    for body in ({"team_id": team}, {"team_id": team, "team_member_permissions": ["/key/nothing"]}):
        status, found = api.post("/team/permissions_update", body)
        assert (status, found["error"]["param"]) == (400, "team_member_permissions")


def test_one_sees_ones_own_membership(api: Api) -> None:
    team = api.made("/team/new", team_alias="ours")["team_id"]
    key = api.user("who-is-in", user_email="in@example.com")
    api.made("/team/member_add", team_id=team, member={"user_id": "who-is-in"}, max_budget_in_team=2)
    found = api.get(f"/team/{team}/members/me", key)
    assert (found["user_id"], found["role"], found["spend"], found["max_budget_in_team"]) == (
        "who-is-in",
        "user",
        0.0,
        2.0,
    )
    assert (found["user_email"], found["team_alias"]) == ("in@example.com", "ours")
    assert api.look(f"/team/{team}/members/me", api.user("who-is-out"))[0] == 403


def test_many_are_added_and_the_others_named(api: Api) -> None:
    team = api.made("/team/new", members_with_roles=[{"user_id": "first", "role": "user"}])["team_id"]
    members = [{"user_id": "first"}, {"user_id": "second", "role": "admin"}, {"user_email": "x@example.com"}]
    found = api.made("/team/bulk_member_add", team_id=team, members=members, max_budget_in_team=1)
    assert [row["success"] for row in found["results"]] == [False, True, True]
    assert "in the team already" in found["results"][0]["error"]
    assert (found["total_requested"], found["successful_additions"], found["failed_additions"]) == (3, 2, 1)
    roles = {row["user_id"]: row["role"] for row in found["updated_team"]["members_with_roles"]}
    assert roles == {"first": "user", "second": "admin", found["results"][2]["user_id"]: "user"}


@pytest.mark.parametrize("members", [None, [], "x", [{}], [{"role": "user"}], [{"user_id": 5}], [None]])
def test_members_that_are_none(api: Api, members: Any) -> None:
    team = api.made("/team/new")["team_id"]
    assert api.post("/team/bulk_member_add", {"team_id": team, "members": members})[0] == 400
