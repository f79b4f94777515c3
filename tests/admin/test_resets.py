"""What counts as spent, set back: the next call counts from there, in memory and in the database."""

from pathlib import Path
from typing import Any

import pytest

from admin.conftest import CONFIG, NOBODY, Api
from servers import running

PATHS = ("/key/{}/reset_spend", "/key/update")


def _spent(api: Api, key: str) -> tuple[float, float]:
    info = api.info(key)
    return info["spend"], info["total_spend"]


@pytest.mark.parametrize("by_update", [False, True])
def test_a_key_goes_on_with_what_was_set(api: Api, by_update: bool) -> None:
    key = api.key(max_budget=0.005)
    assert [api.call(key, text="one two") for _ in range(2)] == [200, 422]
    if by_update:
        assert api.made("/key/update", key=key, spend=0)["spend"] == 0
    else:
        found = api.made(f"/key/{key}/reset_spend", reset_to=0)
        assert (found["spend"], found["previous_spend"], found["max_budget"]) == (0.0, 0.002, 0.005)
    assert _spent(api, key) == (0.0, 0.002)
    assert [api.call(key, text="one two") for _ in range(2)] == [200, 422]
    assert _spent(api, key) == (0.002, 0.004)


def test_a_user_goes_on_with_what_was_set(api: Api) -> None:
    key = api.user("spender", max_budget=0.005)
    assert [api.call(key) for _ in range(2)] == [200, 422]
    assert api.made("/user/update", user_id="spender", spend=0.001)["data"]["spend"] == 0.001
    assert api.get("/user/info", user_id="spender")["user_info"]["spend"] == 0.001
    api.made("/user/update", user_id="spender", spend=0)
    assert api.call(key) == 200


def test_a_member_goes_on_with_what_was_set(api: Api) -> None:
    team = api.made("/team/new")["team_id"]
    api.user("member-who-spends")
    api.made(
        "/team/member_add", team_id=team, member={"user_id": "member-who-spends"}, max_budget_in_team=0.005
    )
    key = api.key(team_id=team, user_id="member-who-spends")
    assert [api.call(key) for _ in range(2)] == [200, 422]
    found = api.made(f"/team/{team}/member/member-who-spends/reset_spend", reset_to=0)
    assert (found["spend"], found["previous_spend"]) == (0.0, 0.002)
    assert api.call(key) == 200
    assert api.post(f"/team/{team}/member/{NOBODY}/reset_spend", {"reset_to": 0})[0] == 404


def test_all_keys_and_teams_begin_anew(tmp_path: Path) -> None:
    with running(CONFIG, tmp_path) as server:
        api = Api(server)
        team = api.made("/team/new", max_budget=0.005)["team_id"]
        of_team, own, unused = (
            api.key(team_id=team),
            api.key(max_budget=0.005, budget_duration="1d"),
            api.key(),
        )
        for key in (of_team, own):
            assert [api.call(key) for _ in range(2)] == [200, 422]
        assert api.made("/global/spend/reset")["status"] == "success"
        for key in (of_team, own):
            assert _spent(api, key) == (0.0, 0.002)
            assert [api.call(key) for _ in range(2)] == [200, 422]
        assert _spent(api, unused) == (0.0, 0.0)
        assert api.get("/global/spend")["spend"] == 0.008
        status, _ = api.post("/global/spend/reset", {}, own)
        assert status == 403


def test_a_period_stays_what_it_was(api: Api) -> None:
    key = api.key(max_budget=0.005, budget_duration="1d")
    assert [api.call(key) for _ in range(2)] == [200, 422]
    api.made(f"/key/{key}/reset_spend", reset_to=0.001)
    assert _spent(api, key) == (0.001, 0.002)


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "reset_to"), ({"reset_to": None}, "reset_to"), ({"reset_to": -1}, "reset_to"), ({"to": 1}, "to")],
)
def test_what_can_not_be_set(api: Api, body: dict[str, Any], param: str) -> None:
    status, found = api.post(f"/key/{api.key()}/reset_spend", body)
    assert (status, found["error"]["param"]) == (400, param)


def test_more_than_was_spent_is_not_set(api: Api) -> None:
    key = api.key()
    api.call(key)
    status, found = api.post(f"/key/{key}/reset_spend", {"reset_to": 1})
    assert (status, "at most what is spent, 0.002" in found["error"]["message"]) == (400, True)
    assert _spent(api, key) == (0.002, 0.002)


def test_it_is_audited_and_outlives_a_restart(tmp_path: Path) -> None:
    with running(CONFIG, tmp_path) as server:
        api = Api(server)
        key = api.key(max_budget=0.005)
        api.call(key)
        api.made(f"/key/{key}/reset_spend", reset_to=0)
        row = api.get("/audit")["audit_logs"][0]
        assert (row["table_name"], row["before_value"], row["updated_values"]) == (
            "key",
            {"spend": 0.002},
            {"spend": 0.0},
        )
    with running(CONFIG, tmp_path) as server:
        api = Api(server)
        assert _spent(api, key) == (0.0, 0.002)
        assert [api.call(key) for _ in range(2)] == [200, 422]


def test_what_is_deleted_keeps_its_name_in_the_audit_log(tmp_path: Path) -> None:
    with running(CONFIG, tmp_path) as server:
        api = Api(server)
        api.made("/team/new", team_id="gone")
        assert api.call(api.key(team_id="gone")) == 200
        api.made("/team/delete", team_ids=["gone"])
        api.made("/global/spend/reset")
        rows = [row for row in api.get("/audit")["audit_logs"] if row["table_name"] == "team"]
        assert [(row["object_id"], row["action"]) for row in rows] == [
            ("gone", "deleted"),
            ("gone", "created"),
        ]
