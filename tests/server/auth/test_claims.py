"""What tokens claim: users, teams, organisations, roles, scopes; and what the settings say of it."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.errors import AuthenticationError, BadRequestError, PermissionDeniedError
from headgate.server.app import build
from headgate.server.auth.claims import NOWHERE, Principal, both_routes, principal
from headgate.server.auth.settings import TEAM_ROUTES, settings_of
from headgate.server.config.load import check, load
from headgate.server.lines import Lines
from servers import RunningGateway, Upstream
from tokens import Start, call, config_of, made, manage, token
from tokens import fixture_gateway as gateway
from tokens import fixture_provider as provider
from tokens import fixture_start as start

__all__ = ["gateway", "provider", "start"]


# Users, teams and organisations


def test_a_known_token_costs_no_query_and_no_fetch(gateway: RunningGateway, provider: Upstream) -> None:
    text = token(sub="bert")
    assert call(gateway, text)[0] == 200
    fetched, asked, database = len(provider.requests), [], gateway.gateway.database
    assert database is not None
    ask, run = database.ask, database.run
    database.ask = lambda work: asked.append(work) or ask(work)  # type: ignore[method-assign, func-returns-value]
    database.run = lambda work: asked.append(work) or run(work)  # type: ignore[method-assign, func-returns-value]
    try:
        assert [call(gateway, text)[0] for _ in range(3)] == [200] * 3
    finally:
        database.ask, database.run = ask, run  # type: ignore[method-assign]
    assert (len(provider.requests) - fetched, asked) == (0, [])


def test_limits_and_blocks_of_the_team_hold_at_once(gateway: RunningGateway) -> None:
    made(gateway, "/team/new", {"team_id": "search", "models": ["m"], "max_budget": 0.003})
    text = token(sub="carl", app={"team": "search"}, customer="acme")
    assert call(gateway, text)[0] == 200
    (row,) = made(gateway, "/spend/logs?user_id=carl", None)
    assert (row["team_id"], row["end_user"], row["api_key"][:4]) == ("search", "acme", "jwt:")
    assert call(gateway, text)[0] == 422  # the budget
    made(gateway, "/team/update", {"team_id": "search", "max_budget": 1, "models": ["other"]})
    assert call(gateway, text)[0] == 403
    made(gateway, "/team/update", {"team_id": "search", "models": []})
    assert call(gateway, text)[0] == 200
    made(gateway, "/team/block", {"team_id": "search"})
    assert call(gateway, text)[0] == 401
    made(gateway, "/team/unblock", {"team_id": "search"})
    assert call(gateway, text)[0] == 200
    made(gateway, "/team/delete", {"team_ids": ["search"]})
    assert call(gateway, text)[0] == 403


def test_the_first_team_that_exists_and_is_not_blocked_counts(gateway: RunningGateway) -> None:
    for name in ("t1", "t2", "t3"):
        made(gateway, "/team/new", {"team_id": name})
    made(gateway, "/team/block", {"team_id": "t1"})
    assert call(gateway, token(sub="many", groups=["nowhere", "t1", "t2", "t3"]))[0] == 200
    (row,) = made(gateway, "/spend/logs?user_id=many", None)
    assert row["team_id"] == "t2"
    assert call(gateway, token(sub="many", groups=["t1"]))[0] == 401
    assert call(gateway, token(sub="many", groups=["nowhere"]))[0] == 403
    assert call(gateway, token(sub="many", groups=["t2"], app={"team": "nowhere"}))[0] == 403


def test_users_are_known_by_their_id_or_by_that_of_the_provider(gateway: RunningGateway) -> None:
    made(gateway, "/user/new", {"user_id": "u1", "sso_user_id": "sso-1", "models": ["other"]})
    assert call(gateway, token(sub="sso-1"))[0] == 403
    assert call(gateway, token(sub="u1"))[0] == 403
    made(gateway, "/user/update", {"user_id": "u1", "models": ["m"]})
    assert call(gateway, token(sub="sso-1"))[0] == 200
    assert manage(gateway, "/key/generate", {}, token(sub="sso-1"))[0] == 200
    made(gateway, "/user/update", {"user_id": "u1", "blocked": True})
    assert call(gateway, token(sub="sso-1"))[0] == 401


def test_who_is_not_known_here_calls_models_and_makes_no_keys(gateway: RunningGateway) -> None:
    text = token(sub="nobody")
    assert call(gateway, text)[0] == 200
    assert manage(gateway, "/models", None, text)[0] == 200
    assert manage(gateway, "/key/generate", {}, text)[0] == 403


def test_tokens_of_teams_are_for_calls_and_information(gateway: RunningGateway) -> None:
    made(gateway, "/team/new", {"team_id": "routes"})
    made(gateway, "/user/new", {"user_id": "maker"})
    text = token(sub="maker", app={"team": "routes"})
    assert call(gateway, text)[0] == 200
    assert manage(gateway, "/team/info?team_id=routes", None, text)[0] == 200
    assert manage(gateway, "/key/generate", {}, text)[0] == 403
    assert manage(gateway, "/key/generate", {}, token(sub="maker"))[0] == 200


def test_an_organisation_must_exist_and_be_that_of_the_team(gateway: RunningGateway) -> None:
    ours = made(gateway, "/organization/new", {"organization_alias": "ours", "max_budget": 0.003})
    theirs = made(gateway, "/organization/new", {"organization_alias": "theirs"})
    made(gateway, "/team/new", {"team_id": "inside", "organization_id": ours["organization_id"]})
    assert call(gateway, token(org="nowhere"))[0] == 403
    assert call(gateway, token(org=theirs["organization_id"], groups=["inside"]))[0] == 403
    assert call(gateway, token(sub="o", org=ours["organization_id"], groups=["inside"]))[0] == 200
    assert call(gateway, token(sub="p", groups=["inside"]))[0] == 422  # the organisation's budget
    assert call(gateway, token(sub="q", org=ours["organization_id"]))[0] == 422


def test_roles_and_the_administrators_scope(gateway: RunningGateway) -> None:
    watcher = token(sub="dora", realm_access={"roles": ["watchers"]})
    assert manage(gateway, "/global/spend", None, watcher)[0] == 200
    assert manage(gateway, "/key/generate", {}, watcher)[0] == 403
    for scope in ("openid litellm_proxy_admin", ["litellm_proxy_admin"]):
        admin = token(sub="emil", scope=scope, groups=["nowhere"])
        assert manage(gateway, "/key/generate", {}, admin)[0] == 200
    assert manage(gateway, "/global/spend", None, token(sub="fritz", scope="litellm_proxy"))[0] == 403


def test_users_and_teams_are_made_once_and_audited(start: Start) -> None:
    fields = {"user_id_upsert": True, "team_id_upsert": True, "user_email_jwt_field": "email"}
    with start(**fields, team_ids_jwt_field="groups", team_alias_jwt_field="name") as gateway:
        made(gateway, "/user/new", {"user_id": "u0", "user_email": "taken@b.example"})
        bearers = [
            token(sub="new", email="a@b.example", groups=["made"], name="Made", n=at, scope="x")
            for at in range(8)
        ]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda bearer: call(gateway, bearer)[0], bearers)) == [200] * 8
        user = made(gateway, "/user/info?user_id=new", None)["user_info"]
        assert (user["user_role"], user["user_email"]) == ("internal_user", "a@b.example")
        assert made(gateway, "/team/info?team_id=made", None)["team_info"]["team_alias"] == "Made"
        logged = made(gateway, "/audit", None)["audit_logs"]
        rows = [(row["object_id"], row["action"], row["changed_by"]) for row in logged]
        assert rows.count(("new", "created", "new")) == 1
        assert rows.count(("made", "created", "new")) == 1
        assert call(gateway, token(sub="other", email="taken@b.example"))[0] == 200
        assert made(gateway, "/user/info?user_id=other", None)["user_info"]["user_email"] is None
        admin = token(sub="boss", scope="litellm_proxy_admin")
        assert manage(gateway, "/global/spend", None, admin)[0] == 200
        assert made(gateway, "/user/info?user_id=boss", None)["user_info"]["user_role"] == "internal_user"
        assert manage(gateway, "/global/spend", None, token(sub="boss"))[0] == 403


def test_an_alias_names_a_team_where_it_is_the_only_one(start: Start) -> None:
    with start(team_alias_jwt_field="team", org_alias_jwt_field="org") as gateway:
        made(gateway, "/team/new", {"team_id": "a1", "team_alias": "one"})
        made(gateway, "/organization/new", {"organization_alias": "o"})
        assert call(gateway, token(team="one", org="o"))[0] == 200
        assert call(gateway, token(team="none"))[0] == 403
        made(gateway, "/team/new", {"team_id": "a2", "team_alias": "one"})
        assert call(gateway, token(team="one", n=2))[0] == 403


def test_scopes_bound_models_and_routes(start: Start) -> None:
    rows = [{"scope": "chat", "models": ["m"], "routes": ["/v1/chat/completions"]}, {"scope": "x"}]
    with start(scope_mappings=rows, enforce_scope_based_access=True) as gateway:
        assert call(gateway, token(scope="chat"))[0] == 200
        assert call(gateway, token(scope="chat"), "/v1/completions")[0] == 403
        assert call(gateway, token(scope="x"))[0] == 403
        assert call(gateway, token())[0] == 403


def test_only_mapped_roles_teams_and_known_users_come_where_that_is_enforced(start: Start) -> None:
    rows = [{"role": "app", "internal_role": "team"}, {"role": "root", "internal_role": "proxy_admin"}]
    more = {"role_permissions": [{"role": "team", "models": ["other"]}]}
    fields = {"roles_jwt_field": "roles", "object_id_jwt_field": "oid", "enforce_rbac": True}
    with start(general=more, role_mappings=rows, **fields) as gateway:
        made(gateway, "/team/new", {"team_id": "unit"})
        made(gateway, "/user/new", {"user_id": "known"})
        assert call(gateway, token(sub="stranger"))[0] == 403
        assert call(gateway, token(sub="known"))[0] == 200
        status, body = call(gateway, token(roles=["app"], oid="unit"))
        assert (status, "other" in body["error"]["message"]) == (403, True)  # role_permissions
        assert call(gateway, token(roles="app none", oid="nowhere"))[0] == 403
        assert manage(gateway, "/global/spend", None, token(roles="root"))[0] == 200


def test_only_tokens_with_a_team_come_where_that_is_enforced(start: Start) -> None:
    with start(enforce_team_based_model_access=True, team_ids_jwt_field="groups") as gateway:
        assert call(gateway, token())[0] == 403
        made(gateway, "/team/new", {"team_id": "t"})
        assert call(gateway, token(groups=["t"]))[0] == 200


def come(claims: dict[str, Any], **fields: Any) -> Principal:
    (found,) = settings_of({"jwks_url": "http://h", **fields}, [], {}).providers
    return principal({"iss": "i", "sub": "s", **claims}, found.fields)


@pytest.mark.parametrize(
    ("claims", "fields", "expected"),
    [
        ({}, {}, {"user": "s", "routes": (), "role": ""}),
        ({"https://x.y/u": "z"}, {"user_id_jwt_field": "https://x.y/u"}, {"user": "z"}),
        ({"a": {"b.c": {"d": 7}}}, {"user_id_jwt_field": r"a.b\.c.d"}, {"user": "7"}),
        ({"a": "text"}, {"user_id_jwt_field": "a.b"}, {"user": None}),
        ({}, {"team_id_default": "d"}, {"teams": ("d",), "routes": TEAM_ROUTES}),
        ({"t": "x"}, {"team_id_jwt_field": "t", "team_id_default": "d"}, {"teams": ("x",)}),
        (
            {"t": ["x", "y", "x"]},
            {"team_ids_jwt_field": "t", "team_allowed_routes": ["/a"]},
            {"teams": ("x", "y")},
        ),
        (
            {"scp": "boss"},
            {"admin_jwt_scope": "boss", "admin_allowed_routes": ["/a"]},
            {"role": "proxy_admin"},
        ),
        ({"scope": ""}, {"admin_jwt_scope": ""}, {"role": ""}),
        ({"e": "A@B.Example"}, {"user_email_jwt_field": "e", "user_allowed_email_domain": "b.example"}, {}),
        ({"r": "x y"}, {"user_roles_jwt_field": "r", "user_allowed_roles": ["y"]}, {"granted": False}),
    ],
)
def test_claims_are_read_as_the_fields_say(
    claims: dict[str, Any], fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = come(claims, **fields)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("claims", "fields", "words"),
    [
        (
            {"e": "a@evil-b.example"},
            {"user_email_jwt_field": "e", "user_allowed_email_domain": "b.example"},
            "mail",
        ),
        ({}, {"user_email_jwt_field": "e", "user_allowed_email_domain": "b.example"}, "mail"),
        ({"r": ["x"]}, {"user_roles_jwt_field": "r", "user_allowed_roles": ["y"]}, "roles"),
        ({"sub": ["a", "b"]}, {}, "list"),
        ({"sub": {"a": 1}}, {}, "no id"),
        ({"sub": "x" * 300}, {}, "no id"),
        ({"sub": "a\0b"}, {}, "no id"),
    ],
)
def test_who_may_not_come_is_told_why(claims: dict[str, Any], fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PermissionDeniedError, match=words):
        come(claims, **fields)


def test_subjects_of_different_issuers_are_different() -> None:
    found = {
        come(claims).id for claims in ({"iss": "a", "sub": "b c"}, {"iss": "a b", "sub": "c"}, {"sub": 1})
    }
    assert len(found) == 3
    assert all(name.startswith("jwt:") for name in found)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ((), ("/a",), ("/a",)),
        (("/a",), (), ("/a",)),
        (("/a", "/b"), ("/b", "/c"), ("/b",)),
        (("/v1/*",), ("/v1/models", "/x"), ("/v1/models",)),
        (("/v1/*",), ("/v1/chat/*", "/v2/*"), ("/v1/chat/*",)),
        (("spend_tracking_routes",), ("/spend/logs", "/key/info"), ("/spend/logs",)),
        (("spend_tracking_routes",), ("global_spend_tracking_routes",), ("/global/spend*",)),
        (("/a",), ("/b",), NOWHERE),
    ],
)
def test_routes_of_two_lists(one: tuple[str, ...], other: tuple[str, ...], both: tuple[str, ...]) -> None:
    assert both_routes(one, other) == both


# Settings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "JWT_PUBLIC_KEY_URL"),
        ({"issuers": [{"audience": "a"}]}, r"issuers\[0\]: issuer is missing"),
        ({"issuers": [{"issuer": "i"}]}, r"issuers\[0\]: give either audience"),
        ({"jwks_url": "u", "role_mappings": [{"role": "r", "internal_role": "king"}]}, "role_mappings.*king"),
        (
            {"jwks_url": "u", "jwt_litellm_role_map": [{"jwt_role": "r"}]},
            "jwt_litellm_role_map.*litellm_role",
        ),
        ({"jwks_url": "u", "scope_mappings": [{"scope": "s", "model": "m"}]}, "scope_mappings.*model"),
    ],
)
def test_settings_that_can_not_be_meant_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        settings_of(given, [], {})


def test_variables_name_the_provider() -> None:
    env = {"JWT_PUBLIC_KEY_URL": "https://a/k, https://b/k", "JWT_AUDIENCE": "x", "JWT_ISSUER": "i,j"}
    (found,) = settings_of({}, [], env).providers
    assert (found.urls, found.audiences, found.issuers) == (
        ("https://a/k", "https://b/k"),
        ("x",),
        ("i", "j"),
    )
    (found,) = settings_of({}, [], {"JWT_ISSUER": "https://i/"}).providers
    assert (found.urls, found.careless) == (("https://i/.well-known/openid-configuration",), True)
    assert settings_of({"public_key_ttl": 0, "public_key_stale_ttl": 0}, [], env).stale == 0


def test_of_the_configuration_every_key_is_read_or_named(tmp_path: Path) -> None:
    fields = {
        "audience": "a",
        "issuers": [{"issuer": "os.environ/NAMED", "audience": ["b"], "team_id_upsert": "yes"}, "no"],
        "public_key_ttl": "60",
        "oidc_userinfo_enabled": True,
        "custom_validate": "my.check",
        "user_id_jwt_feld": "sub",
    }
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config_of("http://h", fields, {})))
    found = {
        problem.path.rpartition("litellm_jwtauth.")[2]: problem for problem in check(file, {"NAMED": "i"})
    }
    assert {(path, problem.severity) for path, problem in found.items()} == {
        ("issuers[1]", "error"),
        ("oidc_userinfo_enabled", "warning"),
        ("custom_validate", "error"),
        ("user_id_jwt_feld", "error"),
    }
    assert found["user_id_jwt_feld"].near == "user_id_jwt_field"
    for name in ("custom_validate", "user_id_jwt_feld"):
        del fields[name]
    fields["issuers"] = fields["issuers"][:1]  # type: ignore[index]
    file.write_text(yaml.safe_dump(config_of("http://h", fields, {})))
    read = load(file, {"NAMED": "i"}).general.litellm_jwtauth
    assert read["issuers"] == [{"issuer": "i", "audience": ("b",), "team_id_upsert": True}]
    assert (read["public_key_ttl"], read["audience"]) == (60.0, ("a",))


def written(tmp_path: Path, base: str, **general: Any) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config_of(base, {}, general)))
    return file


def test_the_extra_and_a_database_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(written(tmp_path, "http://h"), {})
    with pytest.raises(BadRequestError, match="needs a database"):
        build(config, {})
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(BadRequestError, match=r"pip install 'headgate\[crypto\]'"):
        build(config, {}, tmp_path / "data")


async def test_a_reload_that_takes_no_more_tokens_holds_for_known_ones(
    tmp_path: Path, provider: Upstream
) -> None:
    file = written(tmp_path, provider.base, master_key=None)
    gateway = build(load(file, {}), {}, tmp_path / "data", read=lambda: load(file, {}))
    headers = Lines({b"authorization": b"Bearer " + token().encode()})
    assert gateway.reloader is not None
    assert gateway.ledger is not None
    assert gateway.database is not None
    try:
        first = await gateway.snapshot.access.find(headers)
        assert gateway.snapshot.access.identify(headers) is first
        for stranger in (
            Lines(),
            Lines({b"x-api-key": b"sk-x"}),
        ):  # with tokens nobody comes without, master key or not
            with pytest.raises(AuthenticationError):
                await gateway.snapshot.access.find(stranger)
        written(tmp_path, provider.base, enable_jwt_auth=False)
        await gateway.reloader.reload()
        with pytest.raises(AuthenticationError):
            await gateway.snapshot.access.find(headers)
    finally:
        await gateway.snapshot.engine.close()
        await asyncio.to_thread(gateway.ledger.close)
        gateway.database.close()


def test_a_key_of_ours_in_the_shape_of_a_token_is_a_key(gateway: RunningGateway) -> None:
    own = made(gateway, "/key/generate", {"key": "sk-own-key.of-the.operator"})["key"]
    assert call(gateway, own)[0] == 200


def test_tokens_come_by_other_headers_too(gateway: RunningGateway) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    status, _, body = gateway.request("/v1/chat/completions", asked, {"x-litellm-api-key": token()})
    assert status == 200, body
