"""Credentials that are kept: named by rows of the file and of the database, sealed, and shown to nobody."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from admin.conftest import NOBODY, Api
from headgate.store import tables
from servers import KEY, Upstream, an_upstream, running

SECRET = "sk-upstream-9f8e7d6c5b4a"
upstream = an_upstream("module")


def _row(name: str, credential: str) -> dict[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {"model": "openai/gpt-x", "litellm_credential_name": credential},
        "model_info": {"id": f"id-{name}"},
    }


@pytest.fixture(scope="module")
def api(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One row of the file names a credential of the file, one another that is not there yet."""
    values = {"api_key": SECRET, "api_base": upstream.base, "organization": "acme"}
    config = {
        "model_list": [_row("of the file", "written"), _row("waiting", "late")],
        "credential_list": [
            {
                "credential_name": "written",
                "credential_values": values,
                "credential_info": {"description": "x"},
            }
        ],
        "general_settings": {"master_key": KEY, "store_model_in_db": True},
    }
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]}
    upstream.reply(200, {"content-type": "application/json"}, json.dumps(answer).encode())
    with running(config, tmp_path_factory.mktemp("credentials")) as server:
        yield Api(server)


@pytest.fixture
def made(api: Api, upstream: Upstream) -> Iterator[str]:
    """A credential, gone afterwards."""
    values = {"api_key": SECRET, "api_base": upstream.base}
    api.made("/credentials", credential_name="made", credential_values=values, credential_info={"a": 1})
    yield "made"
    api.ask("DELETE", "/credentials/made")


def _key_sent(upstream: Upstream) -> str:
    return upstream.requests[-1][1]["authorization"]


def test_a_row_of_the_file_is_served_as_soon_as_its_credential_is_there(api: Api, upstream: Upstream) -> None:
    assert [api.call(KEY, "of the file"), api.call(KEY, "waiting")] == [200, 404]
    values = {"api_key": "sk-late-1", "api_base": upstream.base}
    assert api.made("/credentials", credential_name="late", credential_values=values) == {
        "success": True,
        "message": "Credential created successfully",
    }
    assert api.call(KEY, "waiting") == 200
    assert _key_sent(upstream) == "Bearer sk-late-1"
    api.done("PATCH", "/credentials/late", {"credential_values": {"api_key": "sk-late-2"}})
    assert api.call(KEY, "waiting") == 200
    assert _key_sent(upstream) == "Bearer sk-late-2"
    status, body = api.ask("DELETE", "/credentials/late")
    assert (status, "named by waiting" in body["error"]["message"]) == (400, True)


def test_a_model_of_the_database_names_one(api: Api, upstream: Upstream, made: str) -> None:
    params = {"model": "openai/gpt-x", "litellm_credential_name": made}
    model = api.made("/model/new", model_name="kept", litellm_params=params)
    assert model["litellm_params"] == params
    assert api.call(KEY, "kept") == 200
    assert _key_sent(upstream) == f"Bearer {SECRET}"
    api.done("PATCH", f"/credentials/{made}", {"credential_values": {"api_key": "sk-other"}})
    assert api.call(KEY, "kept") == 200
    assert _key_sent(upstream) == "Bearer sk-other"
    name = model["model_info"]["id"]
    status, body = api.ask("DELETE", f"/credentials/{made}")
    assert (status, f"kept ({name})" in body["error"]["message"]) == (400, True)
    api.made("/model/block", model_id=name)
    assert api.ask("DELETE", f"/credentials/{made}")[0] == 400
    api.made("/model/delete", id=name)
    api.done("DELETE", f"/credentials/{made}", None)
    assert api.ask("DELETE", f"/credentials/{made}")[0] == 404
    status, body = api.post("/model/new", {"model_name": "kept", "litellm_params": params})
    assert (status, body["error"]["param"]) == (400, "litellm_params.litellm_credential_name")


def test_no_answer_and_no_table_has_a_secret(api: Api, made: str) -> None:
    secret = {"aws_secret_access_key": SECRET, "extra_headers": {"x-auth": SECRET}, "aws_region_name": "eu"}
    bases = {"base_url": f"https://u:{SECRET}@x.com", "vertex_credentials": {"private_key": SECRET}}
    api.done("PATCH", f"/credentials/{made}", {"credential_values": secret | bases})
    shown = api.get(f"/credentials/by_name/{made}")
    values = shown["credential_values"]
    assert {name for name, value in values.items() if value != "***"} == {"api_base", "aws_region_name"}
    assert (shown["credential_info"], shown["source"]) == ({"a": 1}, "db")
    found = [
        api.get("/credentials"),
        shown,
        api.get("/credentials/by_model/id-of the file".replace(" ", "%20")),
    ]
    audit = api.get("/audit", object_id=made)["audit_logs"]
    assert [row["action"] for row in audit[:2]] == ["updated", "created"]
    database = api.server.gateway.database
    assert database is not None
    kept = database.read(lambda c: [list(c.execute(select(t))) for t in (tables.credentials, tables.audit)])
    assert SECRET not in json.dumps([found, audit]) + str(kept)
    assert {row["updated_values"]["credential_values"] for row in audit[:2]} == {"***"}, "nor its seal"


def test_all_are_listed_with_where_they_are_from(api: Api, made: str) -> None:
    found = {row["credential_name"]: row for row in api.get("/credentials")["credentials"]}
    assert (found["written"]["source"], found[made]["source"]) == ("config", "db")
    assert found["written"]["credential_info"] == {"description": "x"}
    assert found["written"]["credential_values"]["organization"] == "acme"
    assert api.get("/credentials/by_name/written") == found["written"]
    assert api.look(f"/credentials/by_name/{NOBODY}")[0] == 404
    watcher = api.user("credentials watcher", user_role="proxy_admin_viewer")
    assert api.get("/credentials", watcher)["success"] is True


def test_one_is_made_of_a_models_own(api: Api, upstream: Upstream) -> None:
    shown = api.get("/credentials/by_model/id-of%20the%20file")
    assert shown["credential_values"] == {
        "api_key": "***",
        "api_base": upstream.base,
        "organization": "acme",
    }
    assert api.look(f"/credentials/by_model/{NOBODY}")[0] == 404
    params = {"model": "openai/gpt-x", "api_key": "sk-${not}-a-reference".replace("${", "$${"), "rpm": 5}
    api.made(
        "/model/new",
        model_name="own",
        litellm_params={**params, "api_base": upstream.base},
        model_info={"id": "own"},
    )
    api.made("/credentials", credential_name="taken", model_id="own")
    assert api.get("/credentials/by_name/taken")["credential_values"] == {
        "api_key": "***",
        "api_base": upstream.base,
    }
    named = {"model": "openai/gpt-x", "litellm_credential_name": "taken"}
    api.made("/model/new", model_name="by name", litellm_params=named)
    assert api.call(KEY, "by name") == 200
    assert _key_sent(upstream) == "Bearer sk-${not}-a-reference"
    for body in ({"model_id": NOBODY}, {"model_id": "own", "credential_values": {"api_key": "k-1"}}, {}):
        assert api.post("/credentials", {"credential_name": "x", **body})[0] in (400, 404)


def test_what_is_shown_may_be_given_back(api: Api, made: str) -> None:
    """A dashboard sends all that it was shown."""
    database, vault = api.server.gateway.database, api.server.gateway.reloader.vault  # type: ignore[union-attr]
    assert database is not None

    def kept() -> Any:
        row = database.read(lambda c: c.execute(select(tables.credentials)).mappings().all())
        return vault.open(next(one for one in row if one["credential_name"] == made)["credential_values"])

    before = kept()
    shown = api.get(f"/credentials/by_name/{made}")
    changed = {**shown["credential_values"], "api_version": "1", "organization": "o"}
    api.done("PATCH", f"/credentials/{made}", {"credential_values": changed, "credential_info": {"b": 2}})
    assert kept() == {**before, "api_version": "1", "organization": "o"}
    assert api.get(f"/credentials/by_name/{made}")["credential_info"] == {"a": 1, "b": 2}
    values = {"credential_values": {"organization": None}, "credential_values_to_delete": ["api_version"]}
    api.done("PATCH", f"/credentials/{made}", values)
    assert kept() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "param", "told"),
    [
        ("POST", "", {}, "credential_name", "missing"),
        ("POST", "", {"credential_name": "x"}, "credential_values", "model_id"),
        ("POST", "", {"credential_nam": "x"}, "credential_nam", "did you mean 'credential_name'"),
        ("POST", "", {"credential_name": "x", "credential_values": "k"}, "credential_values", "an object"),
        (
            "POST",
            "",
            {"credential_name": "x", "credential_values": {"api_base": 5}},
            "credential_values.api_base",
            "expected",
        ),
        (
            "POST",
            "",
            {"credential_name": "written", "credential_values": {"api_key": "k-1"}},
            "credential_name",
            "in the configuration file",
        ),
        (
            "POST",
            "",
            {"credential_name": "made", "credential_values": {"api_key": "k-1"}},
            "credential_name",
            "exists already",
        ),
        (
            "POST",
            "",
            {"credential_name": "x", "credential_values": {"api_key": "***"}},
            "credential_values.api_key",
            "there is none yet",
        ),
        (
            "PATCH",
            "/made",
            {"credential_values": {"token": "***"}},
            "credential_values.token",
            "there is none yet",
        ),
        ("PATCH", "/made", {"credential_name": "other"}, "credential_name", "keeps its name"),
        (
            "PATCH",
            "/made",
            {"credential_values_to_delete": ["api_kee"]},
            "credential_values_to_delete",
            "it has",
        ),
        (
            "PATCH",
            "/made",
            {"credential_values": {"api_key": None, "api_base": None}},
            None,
            "credential_values is missing",
        ),
        ("PATCH", "/written", {"credential_info": {}}, "credential_name", "in the configuration file"),
        ("DELETE", "/written", None, "credential_name", "in the configuration file"),
    ],
)
def test_what_can_not_be_meant_is_named(
    api: Api, made: str, method: str, path: str, body: Any, param: str | None, told: str
) -> None:
    before = api.get("/credentials")
    status, found = api.ask(method, f"/credentials{path}", body)
    assert (status, found["error"]["param"], told in found["error"]["message"]) == (400, param, True), found
    assert api.get("/credentials") == before


def test_a_change_that_would_take_a_model_away_is_refused(api: Api, upstream: Upstream, made: str) -> None:
    given = {"custom_llm_provider": "openai"}
    api.done("PATCH", f"/credentials/{made}", {"credential_values": given})
    params = {"model": "in-house-model", "litellm_credential_name": made}
    model = api.made("/model/new", model_name="in house", litellm_params=params)
    assert api.call(KEY, "in house") == 200
    for values in (
        {"custom_llm_provider": "opnai"},
        {"custom_llm_provider": None, "api_base": "https://x.io"},
    ):
        status, body = api.ask("PATCH", f"/credentials/{made}", {"credential_values": values})
        assert (status, "could not be served" in body["error"]["message"]) == (400, True), body
    assert api.call(KEY, "in house") == 200
    api.made("/model/delete", id=model["model_info"]["id"])
