"""Names as they are given: whose they are is asked in the same letters everywhere, and once however often they are
named."""

from typing import Any

import pytest

from admin.conftest import Api


@pytest.mark.parametrize("name", [" outside ", "line\nbreak", "a/b", "../..", "%2F", "💥", "ü" * 256])
def test_limits_hold_for_a_customer_and_a_tag_of_whatever_name(api: Api, name: str) -> None:
    key = api.key()
    assert api.call(key, user=name, tags=[name]) == 200
    assert api.get("/customer/info", end_user_id=name)["user_id"] == name
    api.made("/customer/block", user_ids=[name])
    assert [api.call(key, user=name), api.call(key, user="x" + name[1:])] == [403, 200]
    api.made("/customer/unblock", user_ids=[name])
    api.made("/tag/new", name=name, max_budget=0)
    assert [api.call(key, user=name), api.call(key, tags=[name])] == [200, 422]


@pytest.mark.parametrize("name", ["", " ", "\n", "x" * 257, "a\0b"])
def test_a_name_that_is_none_is_refused(api: Api, name: str) -> None:
    for path, field in (("/customer/new", "user_id"), ("/tag/new", "name"), ("/user/new", "user_id")):
        status, found = api.post(path, {field: name})
        assert (status, found["error"]["param"]) == (400, field)


@pytest.mark.parametrize("text", ["sk-with a space in it", "sk-ends-with-a-space ", "sk-line-\n-break-1234"])
def test_a_key_that_no_header_can_hold_is_refused(api: Api, text: str) -> None:
    status, found = api.post("/key/generate", {"key": text})
    assert (status, found["error"]["param"]) == (400, "key")
    status, found = api.post("/key/regenerate", {"key": api.key(), "new_key": text})
    assert (status, found["error"]["param"]) == (400, "new_key")


def test_an_address_is_the_same_in_whatever_case(api: Api) -> None:
    made = api.made("/user/new", user_id="anna", user_email="Anna@Example.com")
    assert api.post("/user/new", {"user_email": "anna@example.com"})[1]["error"]["param"] == "user_email"
    team, organization = api.made("/team/new")["team_id"], api.made("/organization/new")["organization_id"]
    given = {"user_email": "ANNA@example.com"}
    api.made("/team/member_add", team_id=team, member=given)
    api.made("/organization/member_add", organization_id=organization, member=given)
    members = [
        api.get("/team/info", team_id=team)["team_memberships"],
        api.get("/organization/info", organization_id=organization)["members"],
    ]
    assert [[row["user_id"] for row in rows] for rows in members] == [["anna"]] * 2
    assert api.made("/user/update", user_email="anna@example.com", user_alias="A")["user_id"] == "anna"
    assert api.call(made["key"]) == 200


def test_what_is_named_twice_is_deleted_once(api: Api) -> None:
    key = api.made("/key/generate", key_alias="named thrice")
    api.made("/key/delete", keys=[key["key"], key["token"]], key_aliases=["named thrice"])
    assert api.call(key["key"]) == 401
    for name in ("user", "team", "customer"):
        id_name = "team_id" if name == "team" else "user_id"
        api.made(f"/{name}/new", **{id_name: "twice"})
        api.made(f"/{name}/delete", **{f"{id_name}s": ["twice", "twice"]})
        assert api.post(f"/{name}/delete", {f"{id_name}s": ["twice"]})[0] == 404
    api.made("/organization/new", organization_id="twice")
    api.done("DELETE", "/organization/delete", {"organization_ids": ["twice", "twice"]})


@pytest.mark.parametrize("route", ["chat/completions", "llm_api_route", "mcp_routes"])
def test_a_route_that_is_none_is_refused(api: Api, route: str) -> None:
    status, found = api.post("/key/generate", {"allowed_routes": ["/v1/models", route]})
    assert (status, found["error"]["param"]) == (400, "allowed_routes")
    assert "llm_api_routes" in found["error"]["message"]


@pytest.mark.parametrize(
    ("routes", "passed", "counted"),
    [
        (["llm_api_routes"], 401, 200),
        (["mapped_pass_through_routes"], 401, 403),
        (["openai_routes"], 403, 200),
        (["/anthropic/*"], 401, 403),
    ],
)
def test_passing_through_and_counting_are_among_the_routes_of_models(
    api: Api, routes: list[str], passed: int, counted: int
) -> None:
    key = api.key(allowed_routes=routes)
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    assert api.post("/anthropic/v1/messages", body, key)[0] == passed  # the gateway has no key for it
    assert api.post("/utils/token_counter", body, key)[0] == counted


def test_a_key_is_of_one_organisation(api: Api) -> None:
    for name in ("one home", "other home"):
        api.made("/organization/new", organization_id=name)
    api.made("/team/new", team_id="at home", organization_id="one home")
    key = api.key(team_id="at home", organization_id="one home")
    free = api.key(organization_id="other home")
    for path, body in (
        ("/key/generate", {"team_id": "at home", "organization_id": "other home"}),
        ("/key/update", {"key": key, "organization_id": "other home"}),
        ("/key/update", {"key": free, "team_id": "at home"}),
        (f"/key/{free}/regenerate", {"team_id": "at home"}),
    ):
        status, found = api.post(path, body)
        assert (status, found["error"]["param"]) == (400, "organization_id")
    assert api.made("/key/update", key=free, team_id="at home", organization_id=None)["team_id"] == "at home"


def test_whoever_led_an_organisation_that_is_deleted_leads_nothing(api: Api) -> None:
    api.made("/organization/new", organization_id="ending")
    head = api.user("its head")
    api.made("/organization/member_add", organization_id="ending", user_id="its head", role="org_admin")
    assert api.look("/user/list", head)[0] == 200
    api.done("DELETE", "/organization/delete", {"organization_ids": ["ending"]})
    assert api.look("/user/list", head)[0] == 403
