"""Reports: whatever is asked for, the numbers are the sums of the calls that were made, to the last digit."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from admin.conftest import CONFIG, NOBODY, Api
from servers import KEY, running

ODD = {"input_cost_per_token": 0.000000000001, "output_cost_per_token": 0.000000333333}
MODELS = [
    *CONFIG["model_list"],
    {"model_name": "odd", "litellm_params": {"model": "mock/echo", **ODD}},
    {"model_name": "broken", "litellm_params": {"model": "mock/error-503", **ODD}},
]
PRICES = {"m": Decimal("0.001"), "odd": Decimal("0.000000333334")}
"""Of a word that goes in and comes out again."""


class Made(NamedTuple):
    """A call: whose, what, and what came of it."""

    key: str
    model: str
    words: int
    customer: str = ""
    tags: tuple[str, ...] = ()
    status: int = 200

    @property
    def cost(self) -> Decimal:
        return PRICES[self.model] * self.words if self.status == 200 else Decimal(0)


CALLS = (
    Made("k1", "m", 3),
    Made("k1", "odd", 7, "acme"),
    Made("k1", "m", 2, tags=("x", "y")),
    Made("k2", "odd", 1, tags=("x",)),
    Made("k2", "m", 5, "beta"),
    Made("k3", "odd", 11, "acme", ("y",)),
    Made("k3", "broken", 2, status=503),
    Made("k2", "nothing", 1, status=404),
    Made("k4", "m", 1, status=422),
)
USERS = {"k1": "anna", "k2": "bert", "k4": "anna"}
TEAMS = {"k1": "red", "k3": "blue"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    config = {**CONFIG, "model_list": MODELS, "router_settings": {"num_retries": 0}}
    with running(config, tmp_path_factory.mktemp("spend")) as server:
        yield Api(server)


@pytest.fixture(scope="module")
def keys(api: Api) -> dict[str, str]:
    """All calls are made; the keys by their names."""
    api.made("/organization/new", organization_id="org", organization_alias="The Org")
    for user in ("anna", "bert"):
        api.made("/user/new", user_id=user, auto_create_key=False)
    api.made("/team/new", team_id="red", team_alias="Red", organization_id="org")
    api.made("/team/new", team_id="blue", team_alias="Blue")
    api.made("/team/member_add", team_id="red", member={"user_id": "anna", "role": "admin"})
    found = {
        name: api.key(
            key_alias=name,
            user_id=USERS.get(name),
            team_id=TEAMS.get(name),
            max_budget=0 if name == "k4" else None,
        )
        for name in ("k1", "k2", "k3", "k4")
    }
    for call in CALLS:
        more = {"user": call.customer} if call.customer else {}
        more |= {"tags": list(call.tags)} if call.tags else {}
        text = " ".join(["word"] * call.words)
        assert api.call(found[call.key], call.model, text, tokens=20, **more) == call.status, call
    return found


def exact(value: Any) -> Decimal:
    return Decimal(str(value))


def spent(of: Callable[[Made], Any]) -> dict[str, Decimal]:
    """What calls cost, by what `of` says of them: a name or several."""
    found: dict[str, Decimal] = {}
    for call in CALLS:
        names = of(call)
        for name in names if isinstance(names, tuple) else (names,):
            found[name] = found.get(name, Decimal(0)) + call.cost
    return found


def user_of(call: Made) -> str:
    return USERS.get(call.key, "")


def team_of(call: Made) -> str:
    return TEAMS.get(call.key, "")


def without_nobody(found: dict[str, Decimal]) -> dict[str, Decimal]:
    return {name: cost for name, cost in found.items() if name and cost}


TOTAL = sum((call.cost for call in CALLS), Decimal(0))
TODAY = datetime.now(UTC).strftime("%Y-%m-%d")


def ids(api: Api, keys: dict[str, str]) -> dict[str, str]:
    """Names of keys by the ids that reports have."""
    return {api.info(key)["id"]: name for name, key in keys.items()}


def test_single_calls_add_up(api: Api, keys: dict[str, str]) -> None:
    rows = api.get("/spend/logs")
    assert len(rows) == len(CALLS)
    assert sum((exact(row["spend"]) for row in rows), Decimal(0)) == TOTAL
    assert [exact(row["spend"]) for row in reversed(rows)] == [call.cost for call in CALLS]


def test_a_record_has_what_clients_read(api: Api, keys: dict[str, str]) -> None:
    (row,) = api.get("/spend/logs", end_user="beta")
    wanted = """request_id call_type api_key spend total_tokens prompt_tokens completion_tokens startTime endTime
    completionStartTime request_duration_ms model model_id model_group custom_llm_provider user metadata cache_hit
    request_tags team_id organization_id end_user requester_ip_address messages response session_id status
    proxy_server_request litellm_call_id"""
    assert set(wanted.split()) <= row.keys()
    assert (row["model_group"], row["model"], row["custom_llm_provider"]) == ("m", "echo", "mock")
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (5, 5, 10)
    assert (row["user"], row["end_user"], row["team_id"], row["status"]) == ("bert", "beta", None, "success")
    assert row["api_key"] == api.info(keys["k2"])["id"]
    assert row["startTime"] <= row["endTime"]
    assert row["requester_ip_address"] == "127.0.0.1"
    assert api.get("/spend/logs", request_id=row["request_id"])[0] == row


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"user_id": "anna"}, 4),
        ({"team_id": "red"}, 3),
        ({"organization_id": "org"}, 3),
        ({"end_user": "acme"}, 2),
        ({"model": "m"}, 4),
        ({"model_group": "odd"}, 3),
        ({"user_id": "anna", "model": "odd"}, 1),
        ({"user_id": NOBODY}, 0),
        ({"start_date": "2100-01-01"}, 0),
        ({"start_date": TODAY, "end_date": TODAY}, len(CALLS)),
        ({"status_filter": "failure"}, 3),
        ({"status_filter": "success"}, 6),
    ],
)
def test_single_calls_are_filtered(api: Api, keys: dict[str, str], asked: dict[str, str], count: int) -> None:
    found = api.get("/spend/logs/v2", **asked)
    assert (found["total"], len(found["data"])) == (count, count)
    if "status_filter" not in asked:
        assert len(api.get("/spend/logs", **asked, summarize="false")) == count


def test_single_calls_of_a_key_by_its_text_and_by_its_hash(api: Api, keys: dict[str, str]) -> None:
    for key in (keys["k3"], api.info(keys["k3"])["id"]):
        assert len(api.get("/spend/logs", api_key=key)) == 2


def test_single_calls_come_by_pages_in_order(api: Api, keys: dict[str, str]) -> None:
    asked = {"page_size": 4, "sort_by": "spend", "sort_order": "asc"}
    pages = [api.get("/spend/logs/v2", page=page, **asked) for page in (1, 2, 3, 4)]
    assert [len(page["data"]) for page in pages] == [4, 4, 1, 0]
    assert [pages[0][name] for name in ("total", "page", "page_size", "total_pages")] == [len(CALLS), 1, 4, 3]
    found = [exact(row["spend"]) for page in pages for row in page["data"]]
    assert found == sorted(call.cost for call in CALLS)
    assert len(api.get("/spend/logs", page_size=2)) == 2
    for wrong in ({"sort_by": "request"}, {"sort_order": "up"}, {"status_filter": "fine"}, {"page_size": 0}):
        assert api.look("/spend/logs/v2", **wrong)[0] == 400


def test_days_are_summarised(api: Api, keys: dict[str, str]) -> None:
    (row,) = api.get("/spend/logs", start_date=TODAY, end_date=TODAY)
    assert (row["startTime"], exact(row["spend"])) == (TODAY, TOTAL)
    assert {name: exact(cost) for name, cost in row["users"].items()} == spent(user_of)
    by_model = {name: exact(cost) for name, cost in row["models"].items()}
    assert without_nobody(by_model) == without_nobody(spent(lambda call: call.model))
    (row,) = api.get("/spend/logs", start_date=TODAY, user_id="bert")
    assert exact(row["spend"]) == spent(user_of)["bert"]
    (row,) = api.get("/spend/logs", start_date=TODAY, organization_id="org", model_group="odd")
    assert (row["models"].keys(), row["users"].keys()) == ({"odd"}, {"anna"})


@pytest.mark.parametrize("name", ["end_user", "model", "model_id", "session_id"])
def test_days_are_not_summarised_by_what_they_are_not_kept_by(
    api: Api, keys: dict[str, str], name: str
) -> None:
    status, found = api.look("/spend/logs", start_date=TODAY, **{name: "acme"})
    assert (status, found["error"]["param"]) == (400, name)
    assert "summarize=false" in found["error"]["message"]


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y%m%d", "%G-W%V-%u"])
def test_the_last_day_is_in_it_however_it_is_written(api: Api, keys: dict[str, str], form: str) -> None:
    today = datetime.now(UTC).strftime(form)
    assert api.get("/spend/logs/v2", start_date=today, end_date=today)["total"] == len(CALLS)
    assert api.get("/spend/logs/v2", end_date=today + "T00:00")["total"] == 0


@pytest.mark.parametrize(
    ("path", "name", "of"),
    [
        ("/spend/users", "user_id", user_of),
        ("/spend/teams", "team_id", team_of),
        ("/spend/keys", "key_alias", lambda call: call.key),
        ("/spend/tags", "individual_request_tag", lambda call: call.tags),
        ("/global/spend/teams", "team_id", team_of),
        ("/global/spend/models", "model", lambda call: call.model),
        ("/global/spend/tags", "tag", lambda call: call.tags),
        ("/global/spend/provider", "provider", lambda call: "mock"),
    ],
)
def test_who_has_spent_what(
    api: Api, keys: dict[str, str], path: str, name: str, of: Callable[[Made], Any]
) -> None:
    found = {row[name]: exact(row["total_spend"]) for row in api.get(path)}
    assert without_nobody(found) == without_nobody(spent(of))
    costs = [exact(row["total_spend"]) for row in api.get(path)]
    assert costs == sorted(costs, reverse=True)
    assert len(api.get(path, limit=1)) == 1


def test_the_dearest_keys(api: Api, keys: dict[str, str]) -> None:
    names = ids(api, keys)
    rows = api.get("/global/spend/keys")
    assert {names[row["api_key"]]: exact(row["spend"]) for row in rows} == spent(lambda call: call.key)
    assert {row["key_name"] for row in rows} == {"k1", "k2", "k3", "k4"}
    assert {row["log_count"] for row in rows if row["key_name"] == "k2"} == {3}
    assert [row["key_alias"] for row in api.get("/spend/keys", user_id="bert")] == ["k2"]
    assert exact(api.get("/global/spend")["spend"]) == TOTAL


GROUPS: dict[str, tuple[str, Callable[[Made], Any]]] = {
    "team": ("team", team_of),
    "customer": ("customer", lambda call: call.customer or ()),
    "api_key": ("key", lambda call: call.key),
    "user": ("user", user_of),
    "internal_user": ("user", user_of),
    "organization": ("organization", lambda call: "org" if call.key == "k1" else ""),
    "model": ("model", lambda call: call.model),
    "provider": ("provider", lambda call: "mock"),
    "tag": ("tag", lambda call: call.tags),
    "day": ("date", lambda call: TODAY),
}


@pytest.mark.parametrize("group", GROUPS)
def test_reports_add_up_by_whatever_they_are_grouped(api: Api, keys: dict[str, str], group: str) -> None:
    name, of = GROUPS[group]
    names = ids(api, keys)
    rows = api.get("/global/spend/report", group_by=group, start_date=TODAY, end_date=TODAY)
    assert {row["date"] for row in rows} == {TODAY}
    found = {names.get(row[name], row[name]): exact(row["spend"]) for row in rows}
    assert without_nobody(found) == without_nobody(spent(of))
    if group == "api_key":
        assert all(exact(row["total_cost"]) == exact(row["spend"]) for row in rows)
    for row in rows:
        for part in row.get(f"{group}s", ()):
            assert exact(part["total_spend"]) == exact(row["spend"])
            assert sum((exact(cost["spend"]) for cost in part["metadata"]), Decimal(0)) == exact(row["spend"])


def test_reports_are_narrowed(api: Api, keys: dict[str, str]) -> None:
    def whole(**asked: str) -> Decimal:
        rows = api.get("/global/spend/report", **asked)
        return sum((exact(row["spend"]) for row in rows), Decimal(0))

    assert whole(group_by="model", team_id="red") == spent(team_of)["red"]
    assert whole(group_by="model", internal_user_id="bert") == spent(user_of)["bert"]
    assert whole(group_by="model", api_key=keys["k3"]) == spent(lambda call: call.key)["k3"]
    assert whole(group_by="model", customer_id="acme") == spent(lambda call: call.customer)["acme"]
    assert whole(group_by="customer", api_key=keys["k3"]) == spent(lambda call: call.key)["k3"]
    assert whole(group_by="day", start_date="2020-01-01", end_date="2020-12-31") == 0
    assert api.look("/global/spend/report", group_by="customer", team_id="red")[0] == 400
    assert api.look("/global/spend/report", group_by="colour")[0] == 400
    assert api.look("/global/spend/report", start_date="2021-01-01", end_date="2020-01-01")[0] == 400


ACTIVITY: dict[str, tuple[str, str, Callable[[Made], Any]]] = {
    "user": ("user_id", "bert", user_of),
    "team": ("team_ids", "red", team_of),
    "tag": ("tags", "y", lambda call: call.tags),
    "customer": ("end_user_ids", "acme", lambda call: call.customer or ()),
    "organization": ("organization_ids", "org", lambda call: "org" if call.key == "k1" else ""),
}


@pytest.mark.parametrize("kind", ACTIVITY)
def test_daily_activity_adds_up(api: Api, keys: dict[str, str], kind: str) -> None:
    parameter, name, of = ACTIVITY[kind]
    wanted = spent(of)
    found = api.get(f"/{kind}/daily/activity", start_date=TODAY, end_date=TODAY)
    (day,) = found["results"]
    assert day["date"] == TODAY
    entities = {who: exact(row["metrics"]["spend"]) for who, row in day["breakdown"]["entities"].items()}
    assert without_nobody(entities) == without_nobody(wanted)
    whole = sum(wanted.values(), Decimal(0))
    assert exact(found["metadata"]["total_spend"]) == exact(day["metrics"]["spend"]) == whole
    for part in ("models", "model_groups", "providers", "api_keys"):
        rows = day["breakdown"][part].values()
        assert sum((exact(row["metrics"]["spend"]) for row in rows), Decimal(0)) == whole
    assert {"endpoints", "mcp_servers"} <= day["breakdown"].keys()
    one = api.get(f"/{kind}/daily/activity", **{parameter: name})
    assert exact(one["metadata"]["total_spend"]) == wanted[name]
    rest = api.get(f"/{kind}/daily/activity", **{f"exclude_{parameter}": name})
    assert exact(rest["metadata"]["total_spend"]) == whole - wanted[name]
    none = api.get(f"/{kind}/daily/activity", **{parameter: NOBODY})
    assert (none["results"], none["metadata"]["total_pages"], none["metadata"]["has_more"]) == ([], 0, False)


def test_daily_activity_counts_calls_and_tokens(api: Api, keys: dict[str, str]) -> None:
    found = api.get("/user/daily/activity", user_id="bert")
    calls = [call for call in CALLS if call.key == "k2"]
    words = sum(call.words for call in calls if call.status == 200)
    wanted = {
        "total_api_requests": 3,
        "total_successful_requests": 2,
        "total_failed_requests": 1,
        "total_prompt_tokens": words,
        "total_completion_tokens": words,
        "total_tokens": 2 * words,
    }
    assert {name: found["metadata"][name] for name in wanted} == wanted
    (key,) = found["results"][0]["breakdown"]["api_keys"].values()
    assert (key["metadata"]["key_alias"], key["metadata"]["team_id"]) == ("k2", None)
    assert (
        api.get("/user/daily/activity", api_key=keys["k3"], model="odd")["metadata"]["total_api_requests"]
        == 1
    )


def test_what_is_shown_with_a_thing_is_what_it_has_spent(api: Api, keys: dict[str, str]) -> None:
    for name, key in keys.items():
        assert exact(api.info(key)["spend"]) == spent(lambda call: call.key)[name]
    for team in ("red", "blue"):
        assert exact(api.get("/team/info", team_id=team)["team_info"]["spend"]) == spent(team_of)[team]
    for user in ("anna", "bert"):
        assert exact(api.get("/user/info", user_id=user)["user_info"]["spend"]) == spent(user_of)[user]
    for customer in ("acme", "beta"):
        cost = spent(lambda call: call.customer)[customer]
        assert exact(api.get("/customer/info", end_user_id=customer)["spend"]) == cost
    assert exact(api.get("/organization/info", organization_id="org")["spend"]) == spent(team_of)["red"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/spend/logs", {}),
        ("/spend/logs", {"start_date": TODAY}),
        ("/spend/logs/v2", {}),
        ("/global/spend/report", {"group_by": "model"}),
        ("/global/spend/report", {"group_by": "team"}),
        ("/global/spend/report", {"group_by": "key"}),
        ("/team/spend/report", {}),
        ("/global/spend/keys", {}),
        ("/spend/keys", {}),
    ],
)
def test_a_table_for_a_spreadsheet_has_the_same_numbers(
    api: Api, keys: dict[str, str], path: str, asked: dict[str, str]
) -> None:
    text = api.get(path, **asked, format="csv").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sum((Decimal(row["spend"]) for row in rows), Decimal(0)) == TOTAL
    assert "report" not in path or not set("{[") & set(text), "no cell is a document"
    assert api.look(path, **asked, format="xml")[0] == 400


def test_a_table_runs_no_formula(api: Api, keys: dict[str, str]) -> None:
    api.made("/team/new", team_id="=cmd", team_alias="=1+2")
    assert api.call(api.key(team_id="=cmd"), "odd", "a") == 200
    text = api.get("/global/spend/report", group_by="team", team_id="=cmd", format="csv").decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["team"], row["team_name"]) == ("'=cmd", "'=1+2")


ODDLY = "0.000001000001"


@pytest.mark.parametrize(
    ("body", "cost"),
    [
        (
            {"model": "m", "completion_response": {"usage": {"prompt_tokens": 9, "completion_tokens": 4}}},
            "0.004",
        ),
        (
            {"completion_response": {"model": "odd", "usage": {"prompt_tokens": 2, "completion_tokens": 3}}},
            "0.000001000001",
        ),
        ({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, "0"),
    ],
)
def test_what_a_call_would_cost(api: Api, body: dict[str, Any], cost: str) -> None:
    assert exact(api.made("/spend/calculate", **body)["cost"]) == Decimal(cost)


def test_what_a_call_would_cost_must_be_known(api: Api) -> None:
    assert api.post("/spend/calculate", {"model": NOBODY, "messages": []})[0] == 404
    assert api.post("/spend/calculate", {"model": "m"})[1]["error"]["param"] == "messages"
    assert api.post("/spend/calculate", {})[1]["error"]["param"] == "model"


@pytest.mark.parametrize(
    ("name", "model", "status", "error", "provider"),
    [
        ("k3", "broken", 503, "ServiceUnavailableError", "mock"),
        ("k2", "nothing", 404, "NotFoundError", None),
        ("k4", "m", 422, "BudgetExceededError", None),
    ],
)
def test_what_failed_and_what_was_refused_is_in_the_ledger(
    api: Api, keys: dict[str, str], name: str, model: str, status: int, error: str, provider: str | None
) -> None:
    (row,) = api.get("/spend/logs/v2", api_key=keys[name], status_filter="failure")["data"]
    assert (row["model_group"], row["status"], row["status_code"], row["error"]) == (
        model,
        "failure",
        status,
        error,
    )
    assert (row["spend"], row["total_tokens"], row["custom_llm_provider"]) == (0, 0, provider)
    assert row["metadata"]["error_information"] == {"error_class": error, "error_code": str(status)}


def test_who_comes_without_a_key_is_in_nobodys_ledger(api: Api, keys: dict[str, str]) -> None:
    before = len(api.get("/spend/logs"))
    assert api.call("sk-nobody-has-this-key") == 401
    rows = api.get("/spend/logs")[: len(api.get("/spend/logs")) - before]
    assert {(row["api_key"], row["status_code"], row["spend"]) for row in rows} <= {("", 401, 0)}


def test_everybody_sees_its_own_calls(api: Api, keys: dict[str, str]) -> None:
    def seen(key: str, **asked: str) -> set[str]:
        return {row["api_key"] for row in api.get("/spend/logs", key, **asked)}

    names = {name: api.info(key)["id"] for name, key in keys.items()}
    assert seen(keys["k3"]) == {names["k3"]}, "a key of nobody: its own"
    assert seen(keys["k2"]) == {names["k2"]}
    assert seen(keys["k1"]) == {names["k1"], names["k4"]}, "a user: those of all its keys"
    assert seen(keys["k1"], team_id="red") == {names["k1"]}
    restricted = api.key(user_id="anna", key_type="llm_api")
    assert seen(restricted) == set()
    for path in ("/spend/logs", "/spend/logs/v2"):
        for asked in ({"user_id": "bert"}, {"team_id": "blue"}, {"team_id": NOBODY}):
            assert api.look(path, keys["k1"], **asked)[0] == 403
        assert api.look(path, keys["k3"], api_key=keys["k1"])[0] == 403
        assert api.look(path, restricted, team_id="red")[0] == 403
    other = api.get("/spend/logs", api_key=keys["k2"])[0]["request_id"]
    assert api.get("/spend/logs", keys["k1"], request_id=other) == []
    mine = api.get("/user/daily/activity", keys["k1"])
    assert exact(mine["metadata"]["total_spend"]) == spent(user_of)["anna"]
    assert api.look("/user/daily/activity", keys["k1"], user_id="bert")[0] == 403
    assert api.look("/team/daily/activity", keys["k1"], team_ids="blue")[0] == 403
    ours = api.get("/team/daily/activity", keys["k1"], team_ids="red")
    assert exact(ours["metadata"]["total_spend"]) == spent(team_of)["red"]


def test_bodies_are_not_kept_unless_that_is_asked_for(api: Api, keys: dict[str, str]) -> None:
    for row in api.get("/spend/logs"):
        (one,) = api.get("/spend/logs", request_id=row["request_id"])
        assert [one[name] for name in ("messages", "response", "proxy_server_request")] == [None] * 3


def test_bodies_are_kept_where_that_is_asked_for(tmp_path_factory: pytest.TempPathFactory) -> None:
    general = {"master_key": KEY, "store_prompts_in_spend_logs": True}
    with running({**CONFIG, "general_settings": general}, tmp_path_factory.mktemp("bodies")) as server:
        api = Api(server)
        key = api.key()
        assert api.call(key, text="remember me") == 200
        assert api.call(key, text="and me", stream=True) == 200
        assert [row["messages"] for row in api.get("/spend/logs")] == [None, None], (
            "only of one call at a time"
        )
        streamed, whole = (
            api.get("/spend/logs", request_id=row["request_id"])[0] for row in api.get("/spend/logs")
        )
        assert whole["messages"] == [{"role": "user", "content": "remember me"}]
        assert whole["response"]["choices"][0]["message"]["content"] == "remember me"
        assert whole["proxy_server_request"]["model"] == "m"
        assert "and me" in json.dumps(streamed["messages"])
        events = [
            json.loads(line[6:]) for line in streamed["response"].split("\n") if line.startswith("data: {")
        ]
        deltas = [choice["delta"] for event in events for choice in event["choices"]]
        assert "".join(delta.get("content", "") for delta in deltas) == "and me"
