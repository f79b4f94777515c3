"""Virtual keys: what each of their fields does to the next call, and how they are made, changed, replaced, listed."""

import asyncio
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from admin.conftest import NOBODY, Api
from headgate.server.callers import Callers, matches
from headgate.server.endpoints.paths import PATHS, REALTIME, SECRETS
from headgate.server.registry import Registry

SECRET = "sk-chosen-by-its-owner-1"


def test_what_clients_go_through_is_never_null(api: Api) -> None:
    lists, tables = ("models", "allowed_routes"), ("aliases", "metadata", "permissions")
    for row in (api.made("/key/generate"), api.info(api.key())):
        assert {name: row[name] for name in (*lists, *tables)} == {
            **{name: [] for name in lists},
            **{name: {} for name in tables},
        }
    team = api.made("/team/new")
    assert (team["models"], team["metadata"]) == ([], {})
    user = api.get("/user/info", user_id=api.made("/user/new")["user_id"])["user_info"]
    assert (user["models"], user["metadata"]) == ([], {})


@pytest.mark.parametrize(
    ("models", "m", "n", "big"),
    [
        (None, 200, 200, 200),
        ([], 200, 200, 200),
        (["*"], 200, 200, 200),
        (["all-proxy-models"], 200, 200, 200),
        (["m"], 200, 403, 403),
        (["m", "n"], 200, 200, 403),
        (["vendor/*"], 403, 403, 200),
        (["beta"], 403, 200, 403),
        (["nothing-here"], 403, 403, 403),
        (["no-default-models"], 403, 403, 403),
    ],
)
def test_a_key_is_for_its_models(api: Api, models: list[str] | None, m: int, n: int, big: int) -> None:
    key = api.key(models=models)
    assert [api.call(key, model) for model in ("m", "n", "vendor/big")] == [m, n, big]
    assert len(api.get("/v1/models", key)["data"]) == [m, n, big].count(200)
    status, body = api.talk(key, "n")
    assert status == 200 or body["error"]["type"] == "key_model_access_denied"


def test_access_groups_are_taken_by_name_and_by_id_and_follow_their_changes(api: Api) -> None:
    group = api.made("/access_group/new", access_group_name="small-ones", access_model_names=["m"])
    by_name = api.key(models=["small-ones"])
    by_id = api.key(access_group_ids=[group["access_group_id"]])
    for key in (by_name, by_id):
        assert [api.call(key, "m"), api.call(key, "n")] == [200, 403]
    api.made(
        "/access_group/update", access_group_id=group["access_group_id"], access_model_names=["n", "vendor/*"]
    )
    for key in (by_name, by_id):
        assert [api.call(key, "m"), api.call(key, "n"), api.call(key, "vendor/big")] == [403, 200, 200]
    api.made("/access_group/delete", access_group_id=group["access_group_id"])
    assert [api.call(by_name, "n"), api.call(by_id, "n")] == [403, 403]


def test_aliases_are_names_that_one_key_uses(api: Api) -> None:
    key = api.key(aliases={"fast": "m", "m": "n"}, models=["m", "n"])
    assert [api.call(key, "fast"), api.call(key, "m"), api.call(api.key(), "fast")] == [200, 200, 404]
    assert api.get("/spend/logs", key)[0]["model_group"] == "n"


def test_a_key_expires(api: Api) -> None:
    made = api.made("/key/generate", duration="30d")
    assert made["expires"] is not None
    assert api.call(made["key"]) == 200
    with api.later(29.9 * 86_400):
        assert api.call(made["key"]) == 200
    with api.later(30.1 * 86_400):
        status, body = api.talk(made["key"])
        assert (status, body["error"]["type"]) == (401, "expired_key")
        assert api.look("/key/info", made["key"])[0] == 401
        api.made("/key/update", key=made["key"], duration="1h")
        assert api.call(made["key"]) == 200
    api.made("/key/update", key=made["key"], duration=None)
    assert api.info(made["key"])["expires"] is None


def test_blocking_counts_from_the_next_call(api: Api) -> None:
    key = api.key()
    assert api.call(key) == 200
    assert api.made("/key/block", key=key)["blocked"] is True
    status, body = api.talk(key)
    assert (status, body["error"]["type"]) == (401, "auth_error")
    assert api.made("/key/unblock", key=key)["blocked"] is False
    assert api.call(key) == 200
    assert api.call(api.key(blocked=True)) == 401


@pytest.mark.parametrize(
    ("routes", "chat", "info"),
    [
        (["/v1/chat/completions"], 200, 403),
        (["/v1/*"], 200, 403),
        (["llm_api_routes"], 200, 403),
        (["openai_routes"], 200, 403),
        (["anthropic_routes"], 403, 403),
        (["/v1/embeddings"], 403, 403),
        (["info_routes"], 403, 200),
        (["management_routes"], 403, 200),
        (["/key/info", "/v1/chat/completions"], 200, 200),
        ([], 200, 200),
    ],
)
def test_a_key_is_for_its_routes(api: Api, routes: list[str], chat: int, info: int) -> None:
    key = api.key(allowed_routes=routes)
    assert (api.call(key), api.look("/key/info", key)[0]) == (chat, info)


@pytest.mark.parametrize(
    "path", [*PATHS, *sorted(REALTIME), *sorted(SECRETS), "/v1beta/models/g:generateContent"]
)
def test_every_model_call_is_in_the_groups_of_model_calls(path: str) -> None:
    assert matches(path, "llm_api_routes") and matches(path, "openai_routes")


@pytest.mark.parametrize(
    ("kind", "chat", "info", "listed"),
    [
        ("default", 200, 200, 200),
        ("llm_api", 200, 200, 403),
        ("management", 403, 200, 200),
        ("read_only", 403, 200, 200),
    ],
)
def test_a_key_is_of_a_type(api: Api, kind: str, chat: int, info: int, listed: int) -> None:
    key = api.key(key_type=kind)
    got = (api.call(key), api.look("/key/info", key)[0], api.look("/key/list", key)[0])
    assert got == (chat, info, listed)


@pytest.mark.parametrize(
    ("addresses", "status"),
    [(["127.0.0.1"], 200), (["127.0.0.0/8", "10.0.0.1"], 200), (["10.0.0.0/8"], 403), (["::1"], 403)],
)
def test_a_key_is_for_its_addresses(api: Api, addresses: list[str], status: int) -> None:
    key = api.key(allowed_ips=addresses)
    assert (api.call(key), api.look("/key/info", key)[0]) == (status, status)


def test_tags_and_metadata_of_a_key_are_on_its_calls(api: Api) -> None:
    key = api.key(tags=["nightly"], metadata={"owner": "anna"})
    assert api.call(key, tags=["now"]) == 200
    assert set(api.get("/spend/logs", key)[0]["request_tags"]) == {"nightly", "now"}
    assert api.info(key)["metadata"] == {"owner": "anna"}


def test_rates_of_a_key(api: Api) -> None:
    key = api.key(rpm_limit=2)
    assert [api.call(key) for _ in range(3)] == [200, 200, 429]
    status, body = api.talk(key)
    assert (status, body["error"]["type"]) == (429, "throttling_error")
    api.made("/key/update", key=key, rpm_limit=4)
    assert [api.call(key) for _ in range(3)] == [200, 200, 429]
    api.made("/key/update", key=key, rpm_limit=None)
    assert api.call(key) == 200
    assert [api.call(api.key(tpm_limit=tokens)) for tokens in (0, 10**6)] == [429, 200]


def test_calls_at_the_same_time(api: Api) -> None:
    assert [api.call(api.key(max_parallel_requests=calls)) for calls in (0, 1)] == [429, 200]


def test_limits_by_model(api: Api) -> None:
    key = api.key(
        model_rpm_limit={"m": 1},
        model_tpm_limit={"n": 0},
        model_max_budget={"vendor/big": {"budget_limit": 0.002, "time_period": "1d"}},
    )
    assert [api.call(key, "m"), api.call(key, "m"), api.call(key, "n")] == [200, 429, 429]
    assert [api.call(key, "vendor/big", tokens=2) for _ in range(2)] == [200, 422]
    api.made("/key/update", key=key, model_max_budget={}, model_rpm_limit={}, model_tpm_limit=None)
    assert [api.call(key, model) for model in ("m", "n", "vendor/big")] == [200, 200, 200]


def test_a_budget_is_spent_and_can_be_raised_and_lowered(api: Api) -> None:
    key = api.key(max_budget=0.004, budget_duration="30d")
    assert [api.call(key, tokens=2) for _ in range(3)] == [200, 200, 422]
    shown = api.info(key)
    assert (shown["spend"], shown["total_spend"], shown["max_budget"]) == (0.004, 0.004, 0.004)
    assert shown["budget_reset_at"] > shown["created_at"]
    api.made("/key/update", key=key, max_budget=0.006)
    assert [api.call(key, tokens=2) for _ in range(2)] == [200, 422]
    api.made("/key/update", key=key, max_budget=None)
    assert api.call(key) == 200
    api.made("/key/update", key=key, max_budget=0)
    assert api.call(key) == 422


def test_a_budget_object_binds_all_keys_that_name_it_and_can_change(api: Api) -> None:
    api.made("/budget/new", budget_id="small", max_budget=0.002, rpm_limit=100)
    one, two = api.key(budget_id="small"), api.key(budget_id="small")
    own = api.key(budget_id="small", max_budget=1)
    assert [api.call(key, tokens=2) for key in (one, one, two, own, own)] == [200, 422, 200, 200, 200]
    api.made("/budget/update", budget_id="small", max_budget=0.004)
    assert [api.call(key, tokens=2) for key in (one, one)] == [200, 422]
    api.made("/key/update", key=two, budget_id=None)
    assert api.call(two) == 200
    assert api.info(one)["litellm_budget_table"]["max_budget"] == 0.004
    api.made("/budget/delete", id="small")
    assert api.call(one) == 200


def test_what_is_made_has_the_fields_that_clients_read(api: Api) -> None:
    made = api.made("/key/generate", key_alias="shape", max_budget=1.5, models=["m"], duration="1h")
    token = hashlib.sha256(made["key"].encode()).hexdigest()
    assert made["key"].startswith("sk-")
    assert (made["token"], made["token_id"]) == (token, token)
    assert made["key_name"] == f"sk-...{made['key'][-4:]}"
    assert (made["max_budget"], made["models"], made["spend"]) == (1.5, ["m"], 0.0)
    wanted = """key_alias duration models spend max_budget user_id team_id max_parallel_requests metadata tpm_limit
    rpm_limit budget_duration aliases permissions model_max_budget budget_id tags allowed_routes key_name key_type
    expires token_id organization_id litellm_budget_table created_by updated_by created_at updated_at blocked"""
    assert set(wanted.split()) <= made.keys()


def test_of_a_key_only_its_hash_is_kept(api: Api) -> None:
    key = api.key(key_alias="kept-as-hash")
    new = api.made(f"/key/{key}/regenerate", grace_period="1h")["key"]
    assert api.call(new) == 200
    api.made("/key/update", key=new, max_budget=1)
    database = api.server.gateway.database
    assert database is not None
    folder = Path(database.name).parent
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert hashlib.sha256(new.encode()).hexdigest().encode() in kept
    assert key.encode() not in kept
    assert new.encode() not in kept
    assert b"Bearer" not in kept


def test_a_key_may_be_chosen(api: Api) -> None:
    assert api.call(SECRET) == 401
    assert api.key(key=SECRET) == SECRET
    assert api.call(SECRET) == 200
    status, body = api.post("/key/generate", {"key": SECRET})
    assert (status, body["error"]["param"]) == (400, "key")
    assert SECRET not in json.dumps(body)
    for key in ("sk-short", "pk-1234567890123456", "sk-ünicode-1234567890"):
        status, body = api.post("/key/generate", {"key": key})
        assert (status, body["error"]["param"]) == (400, "key")


def test_info_is_of_the_callers_own_key_unless_one_is_named(api: Api) -> None:
    made = api.made("/key/generate", key_alias="asked-for")
    for named in (made["key"], made["token"]):
        found = api.get("/key/info", key=named)
        assert (found["key"], found["info"]["key_alias"]) == (named, "asked-for")
        assert "token" not in found["info"]
    own = api.get("/key/info", made["key"])
    assert own["info"]["key_alias"] == "asked-for"
    assert made["key"] not in json.dumps(own)
    assert api.look("/key/info", key=NOBODY)[0] == 404
    assert api.post("/key/health", {}, made["key"])[1]["key"] == "healthy"


def test_update_changes_what_is_given_and_nothing_else(api: Api) -> None:
    made = api.made("/key/generate", max_budget=1, metadata={"a": 1}, models=["m"], tags=["x"])
    found = api.made("/key/update", key=made["token"], metadata={"b": 2}, key_alias="renamed")
    assert (found["key"], found["metadata"], found["key_alias"]) == (made["token"], {"b": 2}, "renamed")
    assert (found["max_budget"], found["models"], found["tags"]) == (1, ["m"], ["x"])
    assert api.post("/key/update", {"key": NOBODY})[0] == 404
    assert api.post("/key/update", {"max_budget": 1})[1]["error"]["param"] == "key"


def test_keys_are_deleted_by_key_by_hash_and_by_alias(api: Api) -> None:
    one, two, three = (api.made("/key/generate", key_alias=f"doomed-{number}") for number in range(3))
    assert [api.call(made["key"]) for made in (one, two, three)] == [200, 200, 200]
    assert api.made("/key/delete", keys=[one["key"], two["token"]])["deleted_keys"] == [
        one["key"],
        two["token"],
    ]
    assert api.made("/key/delete", key_aliases=["doomed-2"])["deleted_keys"] == ["doomed-2"]
    assert [api.call(made["key"]) for made in (one, two, three)] == [401, 401, 401]
    assert api.post("/key/delete", {"key_aliases": ["doomed-2"]})[0] == 404
    assert api.post("/key/delete", {"keys": [one["key"]]})[0] == 404
    assert api.post("/key/delete", {})[0] == 400


def test_of_several_keys_to_delete_all_go_or_none(api: Api) -> None:
    key = api.key()
    assert api.post("/key/delete", {"keys": [key, NOBODY]})[0] == 404
    assert api.call(key) == 200


def test_a_key_with_a_new_text_keeps_its_spend_and_the_old_text_stops(api: Api) -> None:
    old = api.key(key_alias="rotated", max_budget=0.006, models=["m"])
    assert api.call(old, tokens=2) == 200
    made = api.made(f"/key/{old}/regenerate")
    assert (made["key_alias"], made["spend"], made["models"]) == ("rotated", 0.002, ["m"])
    assert made["key"] != old
    assert [api.call(old), api.call(made["key"], tokens=2), api.call(made["key"], "n")] == [401, 200, 403]
    again = api.made("/key/regenerate", key=made["key"], new_key="sk-a-new-text-for-it", max_budget=0.008)
    assert (again["key"], again["max_budget"], again["spend"]) == ("sk-a-new-text-for-it", 0.008, 0.004)
    assert [api.call(again["key"], tokens=2) for _ in range(3)] == [200, 200, 422]
    assert [api.call(key) for key in (old, made["key"])] == [401, 401]


def test_the_old_text_is_good_for_the_grace_period_and_no_longer(api: Api) -> None:
    old = api.key(max_budget=0.006)
    new = api.made(f"/key/{old}/regenerate", grace_period="1h")["key"]
    assert [api.call(key, tokens=2) for key in (old, new, old, new)] == [200, 200, 200, 422]
    with api.later(3_601):
        status, body = api.talk(old)
        assert (status, body["error"]["type"]) == (401, "expired_key")
        assert api.call(new) == 422


def test_without_a_grace_period_all_former_texts_stop(api: Api) -> None:
    first = api.key()
    second = api.made(f"/key/{first}/regenerate", grace_period="1d")["key"]
    assert [api.call(first), api.call(second)] == [200, 200]
    third = api.made(f"/key/{second}/regenerate")["key"]
    assert [api.call(key) for key in (first, second, third)] == [401, 401, 200]


def test_a_text_can_come_back(api: Api) -> None:
    first, second = "sk-swings-to-and-fro-1", "sk-swings-to-and-fro-2"
    api.key(key=first)
    for old, new in ((first, second), (second, first), (first, second)):
        api.made(f"/key/{old}/regenerate", new_key=new, grace_period="1h")
        assert [api.call(old), api.call(new)] == [200, 200]


def test_a_new_text_that_another_key_has_is_refused(api: Api) -> None:
    taken, key = api.key(), api.key()
    status, body = api.post(f"/key/{key}/regenerate", {"new_key": taken})
    assert (status, body["error"]["param"]) == (400, "new_key")
    assert taken not in json.dumps(body)
    assert api.call(key) == 200


def test_a_deleted_keys_former_texts_are_gone_too(api: Api) -> None:
    old = api.key()
    new = api.made(f"/key/{old}/regenerate", grace_period="1h")["key"]
    assert api.call(old) == 200
    api.made("/key/delete", keys=[new])
    assert [api.call(old), api.call(new)] == [401, 401]


def test_many_keys_are_updated_each_by_itself(api: Api) -> None:
    one, two = api.key(), api.key()
    items: list[dict[str, Any]] = [
        {"key": one, "max_budget": 2},
        {"key": NOBODY, "max_budget": 2},
        {"key": two, "max_budgett": 2},
        {"key": two, "tags": ["bulk"]},
        {"max_budget": 1},
    ]
    found = api.made("/key/bulk_update", keys=items)
    assert found["total_requested"] == 5
    assert [row["key"] for row in found["successful_updates"]] == [one, two]
    assert found["successful_updates"][0]["key_info"]["max_budget"] == 2
    reasons = [row["failed_reason"] for row in found["failed_updates"]]
    assert ["no such key" in reasons[0], "max_budget" in reasons[1], "'key' is missing" in reasons[2]] == [
        True
    ] * 3
    assert (api.info(one)["max_budget"], api.info(two)["tags"]) == (2, ["bulk"])


def test_an_alias_belongs_to_one_key(api: Api) -> None:
    api.key(key_alias="mine")
    for path, body in (
        ("/key/generate", {"key_alias": "mine"}),
        ("/key/update", {"key": api.key(), "key_alias": "mine"}),
    ):
        status, found = api.post(path, body)
        assert (status, found["error"]["param"]) == (400, "key_alias")
    api.made("/key/delete", key_aliases=["mine"])
    assert api.key(key_alias="mine")


def test_of_two_who_take_an_alias_at_once_one_gets_it(api: Api) -> None:
    for number in range(10):
        statuses: list[int] = []

        def make(alias: str = f"race-{number}", seen: list[int] = statuses) -> None:
            seen.append(api.post("/key/generate", {"key_alias": alias})[0])

        threads = [threading.Thread(target=make) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200, 400]


def test_keys_are_listed_with_filters_by_pages_in_order(api: Api) -> None:
    api.made("/user/new", user_id="lister", auto_create_key=False)
    team = api.made("/team/new", team_alias="listed")["team_id"]
    made = [
        api.made(
            "/key/generate", key_alias=f"listed-{number}", user_id="lister", team_id=team, max_budget=number
        )
        for number in range(5)
    ]
    tokens = [row["token"] for row in made]

    def found(**asked: Any) -> list[str]:
        keys: list[str] = api.get("/key/list", **asked)["keys"]
        return keys

    first = api.get("/key/list", user_id="lister", size=2)
    assert (first["total_count"], first["current_page"], first["total_pages"]) == (5, 1, 3)
    pages = [found(user_id="lister", size=2, page=page, sort_by="created_at") for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert [token for page in pages for token in page] == tokens[::-1]
    assert found(user_id="lister", sort_by="max_budget", sort_order="asc") == tokens
    assert found(team_id=team, key_alias="listed-3") == [tokens[3]]
    assert found(key_hash=tokens[2]) == [tokens[2]]
    assert found(user_id=NOBODY) == []
    (whole,) = api.get("/key/list", key_hash=tokens[1], return_full_object="true")["keys"]
    assert (whole["key_alias"], whole["token"], whole["team_id"]) == ("listed-1", tokens[1], team)
    aliases = api.get("/key/aliases")["aliases"]
    assert {f"listed-{number}" for number in range(5)} <= set(aliases)
    assert api.look("/key/list", sort_by="token")[0] == 400


def test_keys_of_services_belong_to_a_team_and_to_nobody(api: Api) -> None:
    team = api.made("/team/new")["team_id"]
    made = api.made("/key/service-account/generate", team_id=team, key_alias="service", user_id="anna")
    assert (made["team_id"], made["user_id"]) == (team, None)
    assert api.call(made["key"]) == 200
    assert api.post("/key/service-account/generate", {})[1]["error"]["param"] == "team_id"


def test_what_a_key_names_must_exist(api: Api) -> None:
    for name in ("team_id", "organization_id", "budget_id"):
        for path, body in (("/key/generate", {}), ("/key/update", {"key": api.key()})):
            status, found = api.post(path, {**body, name: NOBODY})
            assert (status, found["error"]["param"]) == (404, name)


async def test_a_change_that_comes_while_a_key_is_read_is_not_missed(api: Api) -> None:
    made = api.made("/key/generate", models=["m"])
    gateway = api.server.gateway
    database = gateway.database
    assert database is not None
    callers = Callers(Interrupted(database), Registry(lambda scope, since: None), gateway.clock.time)
    Interrupted.between = lambda: (
        api.made("/key/update", key=made["key"], models=["n"]),
        callers.forget("key", made["id"]),
    )
    caller = await callers.load(made["token"])
    assert caller is not None
    assert [allow.shown() for _, allow in caller.allows] == ["n"]
    assert callers.known(made["token"]) is caller


class Interrupted:
    """A database in which `between` happens once, after a read and before its answer."""

    between: Any = None

    def __init__(self, database: Any) -> None:
        self._database = database

    async def ask(self, job: Any) -> Any:
        found = await self._database.ask(job)
        between, Interrupted.between = Interrupted.between, None
        if between is not None:
            await asyncio.to_thread(between)
        return found


def test_several_keys_are_shown_at_once(api: Api) -> None:
    keys = [api.key(key_alias="several 1"), api.key(key_alias="several 2")]
    found = api.made("/v2/key/info", keys=[*keys, "sk-nobody-has-this-key"])
    assert [row["key_alias"] for row in found["info"]] == ["several 1", "several 2"]
    mine = api.user("who-has-one")
    assert len(api.done("POST", "/v2/key/info", {}, mine)["info"]) == 1


def test_keys_are_found_by_a_part_of_their_alias(api: Api) -> None:
    api.key(key_alias="found%me")
    for asked in ({"search": "d%m"}, {"key_alias": "found", "substring_matching": "true"}):
        rows = api.get("/key/list", return_full_object="true", **asked)["keys"]
        assert [row["key_alias"] for row in rows] == ["found%me"]
    assert api.get("/key/list", key_alias="found")["keys"] == []
    assert api.look("/key/list", status="deleted")[1]["error"]["param"] == "status"


def test_the_master_key_has_no_row(api: Api) -> None:
    status, found = api.look("/key/info")
    assert (status, found["error"]["param"]) == (400, "key")
