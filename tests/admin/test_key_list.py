"""/key/list: its filters and what of a key it shows."""

from typing import Any

import pytest

from admin.conftest import Api


@pytest.fixture(scope="module")
def listed(api: Api) -> Api:
    """A leader with a key of its own, a key of its team, and one that it made for nobody."""
    own = api.user("chief", user_email="chief@example.com", key_alias="Chief's own")
    members = [{"user_id": "chief", "role": "admin"}]
    api.made("/team/new", team_id="chiefs", members_with_roles=members)
    api.key(team_id="chiefs", key_alias="of chiefs")
    other = api.made("/team/new", team_id="others", members_with_roles=members)["team_id"]
    api.done("POST", "/key/service-account/generate", {"team_id": other, "key_alias": "made"}, own)
    api.made("/team/member_update", team_id=other, user_id="chief", role="user")
    return api


def aliases(api: Api, **asked: Any) -> set[str]:
    rows = api.get("/key/list", return_full_object=True, **asked)["keys"]
    return {row["key_alias"] for row in rows}


def test_of_a_user_its_own_and_what_is_asked_for_beside(listed: Api) -> None:
    own = {"Chief's own"}
    assert aliases(listed, user_id="chief") == own
    assert aliases(listed, user_id="chief", include_team_keys=True) == own | {"of chiefs"}
    assert aliases(listed, user_id="chief", include_created_by_keys="true") == own | {"made"}
    both = {"include_team_keys": 1, "include_created_by_keys": "yes"}
    assert aliases(listed, user_id="chief", **both) == own | {"of chiefs", "made"}
    assert aliases(listed, user_id="chief", include_team_keys=False) == own
    assert aliases(listed, team_id="others", user_id="chief", **both) == {"made"}


def test_of_whoever_owns_it_something_is_shown(listed: Api) -> None:
    (row,) = listed.get("/key/list", user_id="chief", expand="user")["keys"]
    wanted = {"user_email": "chief@example.com", "user_alias": None, "user_role": "internal_user"}
    assert row["user"] == {"user_id": "chief", **wanted}
    (row,) = listed.get("/key/list", team_id="chiefs", expand="user")["keys"]
    assert (row["key_alias"], row["user"]) == ("of chiefs", None)


def test_by_what_a_key_is_good_for(api: Api) -> None:
    team = api.made("/team/new")["team_id"]
    for alias, fields in (
        ("lasting", {}),
        ("long", {"duration": "2h"}),
        ("short", {"duration": "1h"}),
        ("stopped", {"blocked": True}),
    ):
        api.key(team_id=team, key_alias=alias, **fields)
    with api.later(3_601):
        found = {
            status: aliases(api, team_id=team, status=status) for status in ("active", "expired", "revoked")
        }
    assert found == {"active": {"lasting", "long"}, "expired": {"short"}, "revoked": {"stopped"}}


def test_by_a_part_of_an_alias_in_whatever_case_or_by_the_key(listed: Api) -> None:
    assert aliases(listed, search="CHIEF'S") == {"Chief's own"}
    assert aliases(listed, key_alias="chief's", substring_matching=True) == {"Chief's own"}
    made = listed.made("/key/generate", key_alias="searched by itself")
    for text in (made["token"], made["key"]):
        assert aliases(listed, search=text) == {"searched by itself"}


@pytest.mark.parametrize(
    "asked",
    [
        {"status": "deleted"},
        {"status": "asleep"},
        {"expand": "team"},
        {"return_full_object": "maybe"},
        {"include_team_keys": "2"},
        {"substring_matching": "x"},
    ],
)
def test_what_can_not_be_meant_is_refused(api: Api, asked: dict[str, str]) -> None:
    status, found = api.look("/key/list", **asked)
    assert (status, found["error"]["param"]) == (400, next(iter(asked)))
