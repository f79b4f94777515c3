"""Keys, teams, customers, tags and budgets as their effect on calls, over HTTP."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateways import CONFIG, KEY
from servers import RunningGateway, running

ADMIN = {"authorization": f"Bearer {KEY}"}
MODELS = [
    *CONFIG["model_list"],
    {"model_name": "n", "litellm_params": {"model": "mock/echo"}, "model_info": {"access_groups": ["beta"]}},
    {"model_name": "dear", "litellm_params": {"model": "mock/echo", "output_cost_per_token": 1}},
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running({**CONFIG, "model_list": MODELS}, tmp_path_factory.mktemp("governance")) as served:
        yield served


class Api:
    """Management requests with the master key, calls with any."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway

    def post(self, path: str, bearer: str = KEY, /, **body: Any) -> tuple[int, Any]:
        status, _, data = self._gateway.request(path, body, {"authorization": f"Bearer {bearer}"})
        return status, json.loads(data)

    def get(self, path: str, key: str = KEY) -> tuple[int, Any]:
        status, _, data = self._gateway.request(path, None, {"authorization": f"Bearer {key}"})
        return status, json.loads(data)

    def made(self, path: str, **body: Any) -> Any:
        status, found = self.post(path, **body)
        assert status == 200, found
        return found

    def key(self, **fields: Any) -> str:
        return str(self.made("/key/generate", **fields)["key"])

    def call(self, key: str, model: str = "m", text: str = "one two", **more: Any) -> int:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 5, **more}
        return self.post("/v1/chat/completions", key, **body)[0]


@pytest.fixture
def api(gateway: RunningGateway) -> Api:
    return Api(gateway)


def test_a_key_is_shown_once_and_kept_as_its_hash(api: Api, gateway: RunningGateway) -> None:
    key = api.key(key_alias="shown-once")
    assert gateway.gateway.database is not None
    folder = Path(gateway.gateway.database.name).parent
    kept = b"".join(path.read_bytes() for path in folder.glob("headgate.db*"))
    assert key.encode() not in kept
    assert key not in json.dumps(api.get(f"/key/info?key={key}")[1]["info"])


@pytest.mark.parametrize(
    ("models", "m", "n"),
    [([], 200, 200), (["m"], 200, 403), (["*"], 200, 200), (["m*"], 200, 403), (["beta"], 403, 200)],
)
def test_a_key_is_for_its_models(api: Api, models: list[str], m: int, n: int) -> None:
    key = api.key(models=models)
    assert (api.call(key, "m"), api.call(key, "n")) == (m, n)
    shown = {row["id"] for row in api.get("/v1/models", key)[1]["data"]}
    assert ("m" in shown, "n" in shown) == (m == 200, n == 200)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/utils/token_counter"])
def test_an_unknown_model_names_only_those_that_the_key_may_use(api: Api, path: str) -> None:
    key = api.key(models=["m*", "nothing-like-it"])
    status, body = api.post(path, key, model="m-unknown", messages=[])
    message = body["error"]["message"]
    assert (status, "nearest first: m." in message) == (404, True), message
    assert "dear" in api.post(path, api.key(), model="m-unknown", messages=[])[1]["error"]["message"]


def test_a_key_of_a_team_has_the_teams_models(api: Api) -> None:
    team = api.made("/team/new", team_alias="t", models=["n"])["team_id"]
    key = api.key(team_id=team, models=["all-team-models"])
    assert (api.call(key, "m"), api.call(key, "n")) == (403, 200)
    api.made("/team/model/add", team_id=team, models=["m"])
    assert api.call(key, "m") == 200
    api.made("/team/block", team_id=team)
    assert api.call(key, "m") == 401


def test_changes_take_effect_at_the_next_call(api: Api) -> None:
    key = api.key()
    assert api.call(key) == 200
    api.made("/key/block", key=key)
    assert api.call(key) == 401
    api.made("/key/unblock", key=key)
    assert api.call(key) == 200
    api.made("/key/update", key=key, models=["n"])
    assert api.call(key) == 403
    api.made("/key/delete", keys=[key])
    assert api.call(key, "n") == 401


def test_aliases_expiry_routes_and_addresses(api: Api) -> None:
    assert api.call(api.key(aliases={"fast": "m"}), "fast") == 200
    assert api.call(api.key(allowed_routes=["/v1/embeddings"])) == 403
    assert api.call(api.key(allowed_ips=["10.0.0.0/8"])) == 403
    assert api.call(api.key(allowed_ips=["127.0.0.1"])) == 200
    assert api.call(api.key(duration="30d")) == 200


def test_a_new_text_for_a_key_keeps_what_it_spent(api: Api) -> None:
    key = api.key(max_budget=1)
    assert api.call(key) == 200
    renewed = api.made(f"/key/{key}/regenerate")
    assert api.call(key) == 401
    assert api.call(renewed["key"]) == 200
    assert api.get(f"/key/info?key={renewed['key']}")[1]["info"]["spend"] == 0.004
    again = api.made(f"/key/{renewed['key']}/regenerate", grace_period="1h")["key"]
    assert [api.call(renewed["key"]), api.call(again)] == [200, 200]


def test_budgets_hold_the_most_that_a_call_can_cost(api: Api) -> None:
    key = api.key(max_budget=0.01)
    assert api.call(key, text="a b c d e") == 200
    status, body = api.post(
        "/v1/chat/completions", key, model="m", messages=[{"role": "user", "content": "x"}], max_tokens=6
    )
    assert (status, body["error"]["type"]) == (422, "budget_exceeded")
    assert "$0.005 left" in body["error"]["message"]
    assert api.call(key, text="a b c d e") == 200
    assert api.call(key) == 422


@pytest.mark.parametrize(
    "fallback",
    ["dear", {"model": "dear"}, {"model": "dear", "max_tokens": 2}, {"model": "m", "max_tokens": 99}],
)
def test_budgets_hold_what_a_fallback_can_cost(api: Api, fallback: Any) -> None:
    key = api.key(max_budget=0.01)
    messages = [{"role": "user", "content": "x"}]
    asked = {"model": "m", "messages": messages, "max_tokens": 2}
    status, body = api.post("/v1/chat/completions", key, **asked, fallbacks=[fallback])
    assert (status, body["error"]["type"]) == (422, "budget_exceeded")
    assert api.post("/v1/chat/completions", key, **asked, fallbacks=["n", "nobody-knows"])[0] == 200


@pytest.mark.parametrize("calls", [1, 4])
def test_concurrent_calls_never_overspend(api: Api, calls: int) -> None:
    key = api.key(max_budget=0.02)
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(api.call(key, text="a b c d e")))
        for _ in range(20 * calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) <= 4
    assert api.get(f"/key/info?key={key}")[1]["info"]["spend"] <= 0.02


def test_rates_are_refused_with_a_time_to_come_back(api: Api, gateway: RunningGateway) -> None:
    key = api.key(rpm_limit=2)
    assert [api.call(key) for _ in range(3)] == [200, 200, 429]
    body = {"model": "m", "messages": []}
    _, headers, _ = gateway.request("/v1/chat/completions", body, {"authorization": f"Bearer {key}"})
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-remaining-requests"] == "0"
    tokens = api.key(tpm_limit=30)
    assert [api.call(tokens, max_tokens=2) for _ in range(4)].count(429) >= 1


def test_a_budget_object_binds_all_keys_that_name_it(api: Api) -> None:
    budget = api.made("/budget/new", max_budget=0.004)["budget_id"]
    keys = [api.key(budget_id=budget), api.key(budget_id=budget)]
    assert [api.call(key, max_tokens=4) for key in keys] == [200, 200]
    assert api.call(keys[0], max_tokens=4) == 422
    api.made("/budget/update", budget_id=budget, max_budget=1)
    assert api.call(keys[0]) == 200


def test_customers_and_tags_have_budgets_of_their_own(api: Api) -> None:
    api.made("/customer/new", user_id="acme", max_budget=0.002)
    api.made("/tag/new", name="batch", max_budget=0.002)
    key = api.key()
    assert [api.call(key, user="acme", max_tokens=2) for _ in range(2)] == [200, 422]
    assert [api.call(key, tags=["batch"], max_tokens=2) for _ in range(2)] == [200, 422]
    assert api.call(key) == 200
    api.made("/customer/block", user_ids=["acme", "new-one"])
    assert [api.call(key, user="acme"), api.call(key, user="new-one")] == [403, 403]


def test_models_of_customers_and_tags_hold_for_fallbacks(api: Api) -> None:
    api.made("/customer/new", user_id="narrow", models=["m"])
    api.made("/tag/new", name="narrow", models=["m"])
    key = api.key()
    elsewhere = {"fallbacks": ["n"], "mock_testing_fallbacks": True}
    assert api.call(key, **elsewhere) == 200
    assert [api.call(key, user="narrow"), api.call(key, "n", user="narrow")] == [200, 403]
    for whose in ({"user": "narrow"}, {"tags": ["narrow"]}):
        asked = {"model": "m", "messages": [], **whose, **elsewhere}
        status, body = api.post("/v1/chat/completions", key, **asked)
        assert (status, "'n' was not asked" in body["error"]["message"]) == (500, True)


def test_the_headers_of_a_key_without_a_budget_say_nothing_of_its_teams(
    api: Api, gateway: RunningGateway
) -> None:
    team = api.made("/team/new", max_budget=5)["team_id"]
    assert api.call(api.key(team_id=team)) == 200
    body = {"model": "m", "messages": [{"role": "user", "content": "one"}], "max_tokens": 5}
    bearer = {"authorization": f"Bearer {api.key(team_id=team)}"}
    _, headers, _ = gateway.request("/v1/chat/completions", body, bearer)
    assert headers["x-litellm-key-spend"] == headers["x-litellm-response-cost"]
    assert "x-litellm-key-max-budget" not in headers


def test_members_of_a_team_share_its_budget_and_have_their_own(api: Api) -> None:
    team = api.made("/team/new", max_budget=0.01, team_member_budget=0.002)["team_id"]
    api.made("/team/member_add", team_id=team, member={"user_id": "anna", "role": "user"})
    key = api.key(team_id=team, user_id="anna")
    assert [api.call(key, max_tokens=2) for _ in range(2)] == [200, 422]
    assert api.call(api.key(team_id=team), max_tokens=2) == 200


def test_what_a_user_may_do_for_itself(api: Api) -> None:
    mine = api.made("/user/new", user_id="bob")["key"]
    other = api.key()
    status, made = api.post("/key/generate", mine)
    assert (status, made["user_id"]) == (200, "bob")
    for path, body in (
        ("/key/update", {"key": other, "max_budget": 1}),
        ("/key/delete", {"keys": [other]}),
        ("/key/update", {"key": "sk-that-does-not-exist-1", "max_budget": 1}),
        ("/key/generate", {"user_id": "somebody"}),
        ("/key/generate", {"organization_id": "x"}),
        ("/user/update", {"user_id": "bob", "user_role": "proxy_admin"}),
        ("/user/update", {"user_id": "bob", "max_budget": 10}),
        ("/team/update", {"team_id": "x", "team_alias": "y"}),
    ):
        assert api.post(path, mine, **body)[0] == 403, path
    assert api.get(f"/key/info?key={other}", mine)[0] == 403
    seen = {row["user"] for row in api.get("/spend/logs", mine)[1]}
    assert seen <= {"bob"}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/key/generate", {"max_budgett": 1}, "max_budgett"),
        ("/key/generate", {"max_budget": -1}, "max_budget"),
        ("/key/generate", {"max_budget": 1e30}, "max_budget"),
        ("/key/generate", {"budget_duration": "soon"}, "budget_duration"),
        ("/key/generate", {"duration": "0d"}, "duration"),
        ("/key/generate", {"models": "m"}, "models"),
        ("/key/generate", {"key": "short"}, "key"),
        ("/key/generate", {"team_id": "nobody"}, "team_id"),
        ("/user/new", {"user_role": "king"}, "user_role"),
        ("/team/member_add", {"team_id": "x"}, "member"),
        ("/model/new", {"model_name": "x", "litellm_params": {}}, "litellm_params"),
    ],
)
def test_bad_management_requests_name_the_field(
    api: Api, path: str, body: dict[str, Any], param: str
) -> None:
    status, found = api.post(path, **body)
    assert (status in (400, 404), found["error"]["param"]) == (True, param), found


def test_one_alias_is_given_once(api: Api) -> None:
    statuses: list[int] = []
    make = threading.Thread
    threads = [
        make(target=lambda: statuses.append(api.post("/key/generate", key_alias="twice")[0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[400] * 7]


def test_every_change_is_in_the_audit_log(api: Api) -> None:
    key = api.made("/key/generate", max_budget=1)
    api.made("/key/update", key=key["key"], max_budget=2)
    rows = api.get(f"/audit?object_id={key['id']}")[1]["audit_logs"]
    assert [row["action"] for row in rows] == ["updated", "created"]
    assert (rows[0]["before_value"]["max_budget"], rows[0]["updated_values"]["max_budget"]) == (1, 2)
    assert rows[0]["before_value"]["updated_at"] == rows[1]["updated_values"]["updated_at"]
    assert str(rows[0]["before_value"]["updated_at"]).endswith("Z")
    assert key["key"] not in json.dumps(rows)


def test_reports_add_up(api: Api) -> None:
    team = api.made("/team/new", team_alias="reported")["team_id"]
    key = api.key(team_id=team)
    assert [api.call(key, text="a b c") for _ in range(3)] == [200, 200, 200]
    assert api.call(key, "unknown") == 404
    rows = api.get(f"/spend/logs?team_id={team}")[1]
    assert [row["spend"] for row in rows] == [0, 0.003, 0.003, 0.003]
    report = api.get("/global/spend/report?group_by=team")[1]
    (found,) = [row for row in report if row["team"] == team]
    assert (found["spend"], found["calls"], found["failed"], found["team_name"]) == (0.009, 4, 1, "reported")
    assert api.post("/spend/calculate", model="m", messages=[])[1] == {"cost": 0.0}


def test_sums_are_not_kept_by_what_callers_think_up(api: Api) -> None:
    key = api.key()
    assert {api.call(key, f"made up {number}") for number in range(3)} == {404}
    rows = api.get("/global/spend/report?group_by=model")[1]
    assert not [row for row in rows if "made up" in row["model"]]


def test_the_name_of_a_session_is_kept_as_far_as_indexes_take_it(api: Api) -> None:
    assert api.call(KEY, litellm_session_id="s" * 1_000) == 200
    (row,) = api.get(f"/spend/logs?session_id={'s' * 256}")[1]
    assert row["session_id"] == "s" * 256


def test_models_are_added_and_changed_while_it_runs(api: Api) -> None:
    status, body = api.post(
        "/model/new", model_name="late", litellm_params={"model": "mock/echo", "api_key": "hush"}
    )
    assert (status, body["litellm_params"]["api_key"]) == (200, "***")
    name = body["model_info"]["id"]
    key = api.key()
    assert api.call(key, "late") == 200
    api.made("/model/update", model_info={"id": name}, model_name="later")
    assert [api.call(key, "late"), api.call(key, "later")] == [404, 200]
    api.made("/model/delete", id=name)
    assert api.call(key, "later") == 404


def test_a_new_file_is_taken_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    from gateways import Process

    gateway = Process(tmp_path).start()
    body = {"model": "two", "messages": [{"role": "user", "content": "Hi"}]}
    more = [*CONFIG["model_list"], {"model_name": "two", "litellm_params": {"model": "mock/echo"}}]
    gateway.config.write_text(yaml.safe_dump({**CONFIG, "model_list": more}))
    gateway.hang_up()
    gateway.until(lambda: gateway.ask("/v1/chat/completions", body)[0] == 200)
    gateway.config.write_text("model_list: [{model_name: x, litellm_params: {modl: y}}]")
    gateway.hang_up()
    gateway.until(lambda: "refused" in gateway.log)
    assert gateway.ask("/v1/chat/completions", body)[0] == 200
    assert gateway.stop() == 0
    assert "config.yaml:1" in gateway.log


def test_who_is_made_after_its_keys_binds_them(api: Api) -> None:
    key = api.key(user_id="later-made")
    assert api.call(key) == 200
    api.made("/user/new", user_id="later-made", models=["n"], auto_create_key=False)
    assert [api.call(key, "m"), api.call(key, "n")] == [403, 200]
    team = api.made("/team/new", team_member_budget=1)["team_id"]
    other = api.key(team_id=team, user_id="hugo")
    assert api.call(other) == 200
    api.made("/team/member_add", team_id=team, member={"user_id": "hugo"}, max_budget_in_team=0.001)
    assert api.call(other, max_tokens=2) == 422


def test_workers_share_a_budget_and_hear_of_a_new_file(tmp_path: Path) -> None:
    from gateways import Process

    gateway = Process(tmp_path, options=("--workers", "2")).start()
    _, made = gateway.ask("/key/generate", {"max_budget": 0.02})
    body = {"model": "m", "messages": [{"role": "user", "content": "one two"}], "max_tokens": 2}
    statuses = [gateway.ask("/v1/chat/completions", body, made["key"])[0] for _ in range(30)]
    assert set(statuses) <= {200, 422}
    assert 1 <= statuses.count(200) <= 10
    more = [*CONFIG["model_list"], {"model_name": "two", "litellm_params": {"model": "mock/echo"}}]
    gateway.config.write_text(yaml.safe_dump({**CONFIG, "model_list": more}))
    gateway.hang_up()
    asked = {**body, "model": "two"}
    gateway.until(lambda: [gateway.ask("/v1/chat/completions", asked)[0] for _ in range(8)] == [200] * 8)
    assert gateway.stop() == 0
