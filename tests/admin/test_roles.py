"""Who may do what: every page by every role, and within the pages what is whose. No way leads upwards."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from admin.conftest import CONFIG, NOBODY, Api
from headgate.server.routes import OPEN, PAGES, Page
from servers import running

ROLES = ("proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer")


class World(NamedTuple):
    """An organisation `ours` with a team `mine` and another, `theirs` with `other`. `keys` are by whose they are."""

    api: Api
    keys: dict[str, str]

    def audited(self) -> int:
        return int(self.api.get("/audit", page_size=1)["total"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    models = [{**row, "model_info": {}} for row in CONFIG["model_list"]]
    with running({**CONFIG, "model_list": models}, tmp_path_factory.mktemp("roles")) as server:
        api = Api(server)
        yield World(api, _settled(api))


def _settled(api: Api) -> dict[str, str]:
    for name in ("ours", "theirs"):
        api.made("/organization/new", organization_id=name, organization_alias=name)
    keys = {role: api.user(f"some {role}", user_role=role) for role in ROLES}
    keys |= {
        name: api.user(name, user_email=f"{name}@example.com")
        for name in ("lead", "bob", "carl", "head", "away")
    }
    keys["root"] = api.user("root", user_email="root@example.com", user_role="proxy_admin")
    api.made("/team/new", team_id="mine", organization_id="ours", max_budget=1)
    api.made("/team/new", team_id="other", organization_id="theirs", max_budget=1)
    for team, user, role in (("mine", "lead", "admin"), ("mine", "bob", "user"), ("mine", "root", "user")):
        api.made("/team/member_add", team_id=team, member={"user_id": user, "role": role})
    api.made("/team/member_add", team_id="other", member={"user_id": "carl", "role": "admin"})
    for name, user, role in (
        ("ours", "head", "org_admin"),
        ("ours", "bob", "internal_user"),
        ("theirs", "carl", "internal_user"),
        ("theirs", "away", "org_admin"),
    ):
        api.made("/organization/member_add", organization_id=name, user_id=user, role=role)
    keys["nobody's"] = api.key(key_alias="of nobody")
    keys["mine"] = api.key(team_id="mine", key_alias="of mine")
    keys["other"] = api.key(team_id="other", key_alias="of other")
    for user in ("bob", "root"):
        keys[f"{user} in mine"] = api.key(team_id="mine", user_id=user, max_budget=0.5)
    keys["bob's calls"] = api.key(user_id="bob", key_type="llm_api")
    return keys


def _asked(api: Api, page: Page, key: str | None) -> tuple[int, str]:
    path = re.sub(r"\{[^}]*\}", NOBODY, page.path)
    status, body = api.ask(page.method, path, None if page.method == "GET" else {}, key)
    return status, str(body.get("error", {}).get("message", "")) if isinstance(body, dict) else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_every_page_is_for_the_roles_of_its_row(world: World, page: Page) -> None:
    for role in ROLES:
        status, message = _asked(world.api, page, world.keys[role])
        by_role = status == 403 and "is not enough" in message
        assert by_role == (page.roles is not OPEN and role not in page.roles), (role, status, message)
        assert status not in (401, 500), (role, message)
    for key in (None, "sk-a-key-that-nobody-has"):
        assert (_asked(world.api, page, key)[0] == 401) == (page.roles is not OPEN)
    if page.manages:
        assert _asked(world.api, page, world.keys["bob's calls"])[0] == 403


Attack = tuple[str, str, dict[str, Any] | None]
KEY_ATTACKS: tuple[Attack, ...] = (
    ("GET", "/key/info?key=IT", None),
    ("POST", "/key/update", {"key": "IT", "max_budget": 9}),
    ("POST", "/key/update", {"key": "IT", "blocked": True}),
    ("POST", "/key/delete", {"keys": ["IT"]}),
    ("POST", "/key/regenerate", {"key": "IT"}),
    ("POST", "/key/regenerate", {"key": "IT", "new_key": "sk-chosen-by-somebody"}),
    ("POST", "/key/IT/regenerate", {}),
    ("POST", "/key/block", {"key": "IT"}),
    ("POST", "/key/unblock", {"key": "IT"}),
    ("POST", "/key/IT/reset_spend", {"reset_to": 0}),
    ("POST", "/key/update", {"key": "IT", "spend": 0}),
    ("POST", "/v2/key/info", {"keys": ["IT"]}),
)
ALIAS_ATTACKS: tuple[Attack, ...] = (("POST", "/key/delete", {"key_aliases": ["IT"]}),)
TEAM_ATTACKS: tuple[Attack, ...] = (
    ("GET", "/team/info?team_id=IT", None),
    ("POST", "/team/update", {"team_id": "IT", "team_alias": "taken"}),
    ("PATCH", "/team/IT", {"metadata": {}}),
    ("POST", "/team/member_add", {"team_id": "IT", "member": {"user_id": "bob", "role": "admin"}}),
    ("POST", "/team/member_update", {"team_id": "IT", "user_id": "carl", "role": "user"}),
    ("POST", "/team/member_delete", {"team_id": "IT", "user_id": "carl"}),
    ("POST", "/key/generate", {"team_id": "IT"}),
    ("POST", "/key/service-account/generate", {"team_id": "IT"}),
    ("GET", "/spend/logs?team_id=IT", None),
    ("GET", "/team/daily/activity?team_ids=IT", None),
    ("GET", "/team/daily/activity/aggregated?team_ids=IT", None),
    ("GET", "/team/spend/report?team_id=IT", None),
    ("GET", "/team/permissions_list?team_id=IT", None),
    ("POST", "/team/permissions_update", {"team_id": "IT", "team_member_permissions": []}),
    ("POST", "/team/bulk_member_add", {"team_id": "IT", "members": [{"user_id": "bob", "role": "admin"}]}),
    ("POST", "/team/IT/member/carl/reset_spend", {"reset_to": 0}),
    ("GET", "/team/IT/members/me", None),
)
USER_ATTACKS: tuple[Attack, ...] = (
    ("GET", "/user/info?user_id=IT", None),
    ("GET", "/v2/user/info?user_id=IT", None),
    ("GET", "/user/spend/report?internal_user_id=IT", None),
    ("POST", "/user/update", {"user_id": "IT", "max_budget": 5}),
    ("POST", "/user/update", {"user_id": "IT", "metadata": {}}),
    ("POST", "/key/generate", {"user_id": "IT"}),
    ("GET", "/spend/logs?user_id=IT", None),
    ("GET", "/user/daily/activity?user_id=IT", None),
)
EMAIL_ATTACKS: tuple[Attack, ...] = (("POST", "/user/update", {"user_email": "IT", "user_alias": "x"}),)
ORG_ATTACKS: tuple[Attack, ...] = (("GET", "/organization/info?organization_id=IT", None),)
HEAD_ATTACKS: tuple[Attack, ...] = (
    ("POST", "/team/new", {"organization_id": "IT"}),
    ("POST", "/user/new", {"organizations": ["IT"]}),
    ("POST", "/user/new", {"organizations": ["ours", "IT"]}),
    (
        "POST",
        "/organization/member_add",
        {"organization_id": "IT", "user_id": "head", "role": "internal_user"},
    ),
    ("PATCH", "/organization/member_update", {"organization_id": "IT", "user_id": "carl"}),
    ("DELETE", "/organization/member_delete", {"organization_id": "IT", "user_id": "carl"}),
    ("POST", "/team/update", {"team_id": "mine", "organization_id": "IT"}),
)
HEAD_TEAM_ATTACKS: tuple[Attack, ...] = (
    ("POST", "/team/delete", {"team_ids": ["IT"]}),
    ("POST", "/user/new", {"organizations": ["ours"], "teams": ["IT"]}),
    ("POST", "/user/new", {"organizations": ["ours"], "team_id": "IT"}),
)
HEAD_USER_ATTACKS: tuple[Attack, ...] = (
    ("POST", "/user/delete", {"user_ids": ["IT"]}),
    ("POST", "/user/update", {"user_id": "IT", "user_role": "internal_user"}),
    ("POST", "/user/update", {"user_id": "IT", "blocked": True}),
)
MISSING = "sk-that-does-not-exist-1234"
FOREIGN: tuple[tuple[str, str, str, tuple[Attack, ...]], ...] = (
    *(
        (who, whose, MISSING, KEY_ATTACKS)
        for who in ("bob", "lead")
        for whose in ("carl", "root", "other", "nobody's")
    ),
    *(("head", whose, MISSING, KEY_ATTACKS) for whose in ("carl", "root", "other", "away", "lead")),
    *(("bob", whose, MISSING, KEY_ATTACKS[1:]) for whose in ("mine", "root in mine")),
    ("nobody's", "carl", MISSING, KEY_ATTACKS),
    *((who, "of other", NOBODY, ALIAS_ATTACKS) for who in ("bob", "lead", "head")),
    *((who, "other", NOBODY, TEAM_ATTACKS) for who in ("bob", "lead", "head")),
    *((who, whose, NOBODY, USER_ATTACKS) for who in ("bob", "lead") for whose in ("carl", "root")),
    *(("head", whose, NOBODY, USER_ATTACKS) for whose in ("carl", "root", "away", "lead")),
    *((who, "carl@example.com", "x@example.com", EMAIL_ATTACKS) for who in ("bob", "lead", "head")),
    *((who, "theirs", NOBODY, ORG_ATTACKS) for who in ("bob", "lead", "head")),
    ("head", "theirs", NOBODY, HEAD_ATTACKS),
    ("head", "other", NOBODY, HEAD_TEAM_ATTACKS),
    *(("head", whose, NOBODY, HEAD_USER_ATTACKS) for whose in ("carl", "root", "away", "lead")),
)


def _with(attack: Attack, name: str) -> tuple[str, str, Any]:
    method, path, body = attack
    return method, path.replace("IT", name), json.loads(json.dumps(body).replace('"IT"', json.dumps(name)))


@pytest.mark.parametrize(("who", "whose", "missing", "attacks"), FOREIGN)
def test_what_is_somebody_elses_is_as_if_it_were_not_there(
    world: World, who: str, whose: str, missing: str, attacks: tuple[Attack, ...]
) -> None:
    thing = world.keys[whose] if missing == MISSING else whose
    for attack in attacks:
        before = world.audited()
        status, body = world.api.ask(*_with(attack, thing), world.keys[who])
        assert status == 403, (attack, status, body)
        assert body["error"]["type"] == "auth_error"
        other = world.api.ask(*_with(attack, missing), world.keys[who])
        told = (
            json.loads(json.dumps(body).replace(thing, "IT")),
            json.loads(json.dumps(other[1]).replace(missing, "IT")),
        )
        assert (status, told[0]) == (other[0], told[1]), attack
        assert world.audited() == before


OURS = {"organization_id": "ours"}
UPWARDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    *(
        ("bob", "POST", "/key/generate", body)
        for body in (
            {"user_id": "root"},
            {"organization_id": "ours"},
            {"permissions": {"get_spend_routes": True}},
            {"budget_id": "b"},
            {"guardrails": ["x"]},
            {"team_id": "mine"},
            {"team_id": "mine", "user_id": "root"},
        )
    ),
    ("bob", "POST", "/key/service-account/generate", {"team_id": "mine"}),
    *(
        ("bob", "POST", "/key/update", {"key": "BOB", **body})
        for body in (
            {"user_id": "root"},
            {"team_id": "mine"},
            {"organization_id": "ours"},
            {"permissions": {"x": True}},
            {"budget_id": "b"},
        )
    ),
    *(
        ("bob", "POST", "/user/update", {"user_id": "bob", **body})
        for body in (
            {"user_role": "proxy_admin"},
            {"user_role": "org_admin"},
            {"max_budget": 1000},
            {"max_budget": None},
            {"models": ["*"]},
            {"rpm_limit": None},
            {"sso_user_id": "root"},
            {"user_email": "root@example.com"},
            {"budget_id": None},
            {"blocked": False},
        )
    ),
    *(
        ("bob", "POST", path, {"key": "TEAM-KEY"})
        for path in ("/key/regenerate", "/key/block", "/key/unblock")
    ),
    ("bob", "POST", "/key/update", {"key": "TEAM-KEY", "max_budget": None}),
    ("bob", "POST", "/key/delete", {"keys": ["TEAM-KEY"]}),
    ("bob", "POST", "/team/update", {"team_id": "mine", "team_alias": "x"}),
    ("bob", "POST", "/team/member_update", {"team_id": "mine", "user_id": "bob", "role": "admin"}),
    ("bob", "POST", "/user/new", {"user_role": "proxy_admin"}),
    (
        "bob",
        "POST",
        "/organization/member_add",
        {"organization_id": "ours", "user_id": "bob", "role": "org_admin"},
    ),
    ("nobody's", "POST", "/key/generate", {}),
    ("nobody's", "POST", "/key/update", {"key": "ITSELF", "max_budget": None}),
    ("mine", "POST", "/key/generate", {"team_id": "mine"}),
    ("mine", "POST", "/key/generate", {}),
    ("bob's calls", "POST", "/key/generate", {}),
    ("bob's calls", "POST", "/key/update", {"key": "ITSELF", "key_type": "default"}),
    *(
        ("lead", "POST", "/team/update", {"team_id": "mine", **body})
        for body in (
            {"max_budget": 1000},
            {"max_budget": None},
            {"soft_budget": 1},
            {"budget_duration": "1h"},
            {"models": []},
            {"rpm_limit": None},
            {"tpm_limit": None},
            {"max_parallel_requests": None},
            {"model_max_budget": {}},
            {"access_group_ids": ["x"]},
            {"organization_id": None},
            {"organization_id": "theirs"},
            {"budget_id": "b"},
            {"blocked": False},
            {"tags": []},
            {"guardrails": []},
        )
    ),
    *(
        ("lead", "POST", "/key/generate", {"team_id": "mine", **body})
        for body in (
            {"organization_id": "theirs"},
            {"permissions": {"x": True}},
            {"budget_id": "b"},
            {"guardrails": ["x"]},
            {"user_id": "carl"},
            {"user_id": NOBODY},
            {"user_id": "root", "key_type": "default"},
            {"user_id": "root", "key_type": "management"},
        )
    ),
    ("lead", "POST", "/key/generate", {"user_id": "bob"}),
    ("lead", "POST", "/key/update", {"key": "ROOT-IN-MINE", "key_type": "default"}),
    ("lead", "POST", "/key/update", {"key": "ROOT-IN-MINE", "key_type": None}),
    ("lead", "POST", "/key/update", {"key": "ROOT-IN-MINE", "team_id": None}),
    ("lead", "POST", "/key/update", {"key": "ROOT-IN-MINE", "team_id": "other"}),
    ("lead", "POST", "/key/update", {"key": "ROOT-IN-MINE", "user_id": "carl"}),
    ("lead", "POST", "/key/regenerate", {"key": "ROOT-IN-MINE", "key_type": "management"}),
    ("lead", "POST", "/team/member_update", {"team_id": "mine", "user_id": "lead", "budget_id": "b"}),
    ("lead", "POST", "/team/delete", {"team_ids": ["mine"]}),
    ("lead", "POST", "/team/block", {"team_id": "mine"}),
    ("lead", "POST", "/team/model/add", {"team_id": "mine", "models": ["n"]}),
    ("head", "POST", "/organization/member_add", {"organization_id": "ours", "user_id": "root"}),
    ("head", "POST", "/organization/member_add", {"organization_id": "ours", "user_id": "carl"}),
    (
        "head",
        "POST",
        "/organization/member_add",
        {"organization_id": "ours", "user_email": "root@example.com"},
    ),
    (
        "head",
        "POST",
        "/organization/member_add",
        {"organization_id": "ours", "user_id": "new", "role": "org_admin"},
    ),
    (
        "head",
        "PATCH",
        "/organization/member_update",
        {"organization_id": "ours", "user_id": "bob", "role": "org_admin"},
    ),
    ("head", "PATCH", "/organization/update", {"organization_id": "ours", "max_budget": None}),
    ("head", "POST", "/organization/new", {}),
    *(
        ("head", "POST", "/user/new", {"organizations": ["ours"], **body})
        for body in (
            {"user_role": "proxy_admin"},
            {"user_role": "proxy_admin_viewer"},
            {"user_role": "org_admin"},
            {"sso_user_id": "root"},
            {"budget_id": "b"},
            {"organizations": []},
        )
    ),
    *(
        ("head", "POST", "/user/update", {"user_id": "bob", **body})
        for body in ({"user_role": "proxy_admin"}, {"user_role": "org_admin"}, {"sso_user_id": "x"})
    ),
    ("head", "POST", "/user/update", {"user_id": "head", "user_role": "proxy_admin"}),
    ("head", "POST", "/user/update", {"user_id": "head", "max_budget": 1}),
    ("head", "POST", "/team/new", {}),
    ("head", "POST", "/team/new", {"organization_id": "ours", "budget_id": "b"}),
    ("head", "POST", "/team/update", {"team_id": "mine", "organization_id": None}),
    ("head", "POST", "/key/generate", {"team_id": "mine", "organization_id": "theirs"}),
    ("head", "POST", "/key/generate", {"team_id": "mine", "user_id": "root", "key_type": "management"}),
    ("internal_user_viewer", "POST", "/key/generate", {}),
    ("proxy_admin_viewer", "POST", "/key/generate", {}),
    (
        "proxy_admin_viewer",
        "POST",
        "/user/update",
        {"user_id": "some proxy_admin_viewer", "user_role": "proxy_admin"},
    ),
)


@pytest.mark.parametrize(("who", "method", "path", "body"), UPWARDS)
def test_nobody_gets_more_than_it_was_given(
    world: World, who: str, method: str, path: str, body: dict[str, Any]
) -> None:
    names = {"BOB": "bob", "TEAM-KEY": "bob in mine", "ROOT-IN-MINE": "root in mine", "ITSELF": who}
    text = json.dumps(body)
    for placeholder, name in names.items():
        text = text.replace(f'"{placeholder}"', json.dumps(world.keys[name]))
    before = world.audited()
    status, found = world.api.ask(method, path, json.loads(text), world.keys[who])
    assert status == 403, (status, found)
    assert world.audited() == before


def test_a_leaders_key_for_another_can_not_act_in_the_others_name(world: World) -> None:
    api, lead = world.api, world.keys["lead"]
    made = api.done("POST", "/key/generate", {"team_id": "mine", "user_id": "root"}, lead)
    own = api.done("POST", "/key/generate", {"team_id": "mine"}, lead)
    assert own["key_type"] is None
    given = api.done("POST", "/key/update", {"key": own["key"], "user_id": "root"}, lead)
    spare = api.key(team_id="mine", user_id="root")
    assert api.look("/user/list", spare)[0] == 200
    renewed = api.done("POST", f"/key/{spare}/regenerate", {}, lead)
    assert {row["key_type"] for row in (made, given, renewed)} == {"llm_api"}
    for key in (made["key"], own["key"], renewed["key"]):
        assert api.call(key) == 200
        for path in ("/user/list", "/key/list", "/user/info", "/audit", "/health", "/metrics", "/spend/keys"):
            assert api.look(path, key)[0] == 403, path
        assert api.post("/key/generate", {}, key)[0] == 403
        assert {row["api_key"] for row in api.get("/spend/logs", key)} == {api.info(key)["id"]}
        assert api.look("/key/info", key, key=world.keys["root"])[0] == 403
        body = {"key": key, "key_type": "default"}
        assert api.post("/key/update", body, lead)[0] == 403


def test_what_an_internal_user_does_with_what_is_its_own(world: World) -> None:
    api, bob = world.api, world.keys["bob"]
    made = api.done("POST", "/key/generate", {"key_alias": "bob's second", "max_budget": 1}, bob)
    assert made["user_id"] == "bob"
    assert api.get("/key/info", bob, key=made["key"])["info"]["key_alias"] == "bob's second"
    api.done("POST", "/key/update", {"key": made["key"], "models": ["m"]}, bob)
    assert [api.call(made["key"], model) for model in ("m", "n")] == [200, 403]
    renewed = api.done("POST", f"/key/{made['key']}/regenerate", {}, bob)
    assert [api.call(key, "m") for key in (made["key"], renewed["key"])] == [401, 200]
    mine = api.get("/key/list", bob, return_full_object="true")["keys"]
    assert {row["user_id"] for row in mine} == {"bob"}
    assert "of nobody" not in api.get("/key/aliases", bob)["aliases"]
    api.done("POST", "/key/delete", {"keys": [renewed["key"]]}, bob)
    api.done("POST", "/user/update", {"user_id": "bob", "user_alias": "Bob", "metadata": {"a": 1}}, bob)
    assert api.get("/user/info", bob)["user_info"]["user_alias"] == "Bob"
    assert [row["team_id"] for row in api.get("/team/list", bob)] == ["mine"]
    shown = api.get("/team/info", bob, team_id="mine")
    assert {row["user_id"] for row in shown["keys"]} == {"bob"}
    ours = api.get("/organization/info", bob, organization_id="ours")
    assert ([row["user_id"] for row in ours["members"]], len(ours["teams"])) == (["bob"], 1)
    assert api.get("/organization/list", bob) == []


def test_members_do_with_keys_of_the_team_what_the_team_permits(world: World) -> None:
    api, bob, lead = world.api, world.keys["bob"], world.keys["lead"]
    permitted = ["/key/generate", "/key/update", "/key/delete", "/key/regenerate"]
    api.done("POST", "/team/update", {"team_id": "mine", "team_member_permissions": permitted}, lead)
    made = api.done("POST", "/key/generate", {"team_id": "mine"}, bob)
    assert (made["team_id"], made["user_id"]) == ("mine", "bob")
    api.done("POST", "/key/update", {"key": made["key"], "max_budget": 0.1}, bob)
    renewed = api.done("POST", "/key/regenerate", {"key": made["key"]}, bob)
    assert renewed["key_type"] is None
    api.done("POST", "/key/delete", {"keys": [renewed["key"]]}, bob)
    assert api.post("/key/delete", {"keys": [world.keys["mine"]]}, bob)[0] == 403
    body = {"team_id": "mine", "team_member_permissions": ["/key/nonsense"]}
    assert api.post("/team/update", body, lead)[1]["error"]["param"] == "team_member_permissions"
    api.done("POST", "/team/update", {"team_id": "mine", "team_member_permissions": []}, lead)
    assert api.post("/key/generate", {"team_id": "mine"}, bob)[0] == 403


def test_what_the_administrator_of_a_team_does_there(world: World) -> None:
    api, lead = world.api, world.keys["lead"]
    api.done(
        "POST", "/team/update", {"team_id": "mine", "team_alias": "Mine", "team_member_budget": 0.5}, lead
    )
    added = api.done("POST", "/team/member_add", {"team_id": "mine", "member": {"user_id": "dora"}}, lead)
    assert added["updated_users"] == [
        {"user_id": "dora", "user_email": None, "user_alias": None, "user_role": "internal_user"}
    ]
    made = api.done("POST", "/key/generate", {"team_id": "mine", "user_id": "dora"}, lead)
    assert api.call(made["key"]) == 200
    for path, status in (("/key/block", 401), ("/key/unblock", 200)):
        api.done("POST", path, {"key": made["key"]}, lead)
        assert api.call(made["key"]) == status
    renewed = api.done("POST", "/key/regenerate", {"key": made["key"]}, lead)["key"]
    api.done("POST", "/key/update", {"key": renewed, "models": ["n"]}, lead)
    assert api.call(renewed, "m") == 403
    listed = api.get("/key/list", lead, return_full_object="true")["keys"]
    assert {row["team_id"] for row in listed} == {"mine", None}
    assert {row["user_id"] for row in listed if row["team_id"] is None} == {"lead"}
    service = api.done("POST", "/key/service-account/generate", {"team_id": "mine"}, lead)
    assert service["user_id"] is None
    api.done("POST", "/key/delete", {"keys": [renewed, service["key"]]}, lead)
    api.done(
        "POST", "/team/member_update", {"team_id": "mine", "user_id": "dora", "max_budget_in_team": 0.1}, lead
    )
    api.done("POST", "/team/member_delete", {"team_id": "mine", "user_id": "dora"}, lead)


def test_what_the_administrator_of_an_organisation_does_there(world: World) -> None:
    api, head = world.api, world.keys["head"]
    team = api.done("POST", "/team/new", {"organization_id": "ours", "team_alias": "new"}, head)["team_id"]
    api.done("POST", "/team/update", {"team_id": team, "max_budget": 3, "models": ["m"]}, head)
    body = {"user_id": "emil", "organizations": ["ours"], "teams": [team], "user_email": "emil@example.com"}
    made = api.done("POST", "/user/new", body, head)
    assert [api.call(made["key"]), api.look("/key/list", made["key"])[0]] == [200, 200]
    api.done("POST", "/user/update", {"user_id": "emil", "max_budget": 2}, head)
    assert api.get("/user/info", head, user_id="emil")["user_info"]["max_budget"] == 2
    assert {row["user_id"] for row in api.get("/user/list", head)["users"]} == {"head", "bob", "emil"}
    assert {row["team_id"] for row in api.get("/team/list", head)} == {"mine", team}
    assert (
        api.done("POST", "/key/generate", {"team_id": team, "user_id": "emil"}, head)["key_type"] == "llm_api"
    )
    assert [row["organization_id"] for row in api.get("/organization/list", head)] == ["ours"]
    assert {
        row["user_id"] for row in api.get("/organization/info", head, organization_id="ours")["members"]
    } == {
        "head",
        "bob",
        "emil",
    }
    member = {"organization_id": "ours", "user_id": "fritz"}
    api.done("POST", "/organization/member_add", member, head)
    api.done("PATCH", "/organization/member_update", {**member, "role": "internal_user_viewer"}, head)
    api.done("DELETE", "/organization/member_delete", member, head)
    assert api.get("/team/daily/activity", head, team_ids=team)["results"] == []
    assert api.done("POST", "/user/delete", {"user_ids": ["emil"]}, head) == 1
    api.done("POST", "/team/delete", {"team_ids": [team]}, head)


def test_who_only_watches_sees_all_and_changes_nothing(world: World) -> None:
    api, watcher = world.api, world.keys["proxy_admin_viewer"]
    assert api.get("/key/info", watcher, key=world.keys["root"])["info"]["user_id"] == "root"
    assert api.get("/user/list", watcher)["total"] == api.get("/user/list")["total"]
    assert api.get("/team/info", watcher, team_id="other")["team_id"] == "other"
    before = world.audited()
    for page in PAGES:
        if page.method != "GET" and "proxy_admin_viewer" not in page.roles:
            assert _asked(api, page, watcher)[0] == 403
    assert world.audited() == before


def test_an_answer_never_holds_the_hash_of_somebody_elses_key(world: World) -> None:
    """It is no secret, and it is nobody's business."""
    others = [
        world.api.get("/key/info", key=world.keys[name])["info"]["id"] for name in ("carl", "root", "other")
    ]
    for page in PAGES:
        if page.method == "GET":
            path = re.sub(r"\{[^}]*\}", NOBODY, page.path)
            text = str(world.api.look(path, world.keys["bob"])[1])
            assert not [name for name in others if name in text], page.path
