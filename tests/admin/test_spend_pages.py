"""LiteLLM's further pages of spend: reports of one payer, and the sums of its dashboard."""

from datetime import UTC, datetime
from typing import Any

import pytest

from admin.conftest import Api

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")
DAYS = {"start_date": "2026-01-01", "end_date": "2999-01-01"}


@pytest.fixture(name="key")
def fixture_key(api: Api) -> str:
    """Of a user in a team, with two calls of two tenths of a cent."""
    api.user("payer") if api.look("/user/info", user_id="payer")[0] == 404 else None
    team = api.made("/team/new", team_alias="payers")["team_id"]
    key = api.key(user_id="payer", team_id=team)
    for text in ("one two", "three four"):
        assert api.call(key, text=text, user="buyer", metadata={"tags": ["shop"]}) == 200
    return key


def test_reports_of_one(api: Api, key: str) -> None:
    info = api.info(key)
    for path, asked in (
        ("/key/spend/report", {"api_key": key}),
        ("/team/spend/report", {"team_id": info["team_id"]}),
    ):
        found = api.get(path, **DAYS, **asked)
        assert sum(row["spend"] for row in found) == pytest.approx(0.004)
    mine = api.key(user_id="payer")
    assert {row["user"] for row in api.get("/user/spend/report", mine, **DAYS)} == {"payer"}
    assert api.get("/key/spend/report", mine, **DAYS, api_key=api.key(user_id="another")) == []
    assert api.look("/organization/spend/report", mine)[0] == 403


def test_days_customers_and_tags(api: Api, key: str) -> None:
    days = api.get("/global/spend/logs", **DAYS)
    assert days and all(set(row) == {"date", "spend"} for row in days)
    (own,) = api.get("/global/spend/logs", **DAYS, api_key=key)
    assert own["spend"] == pytest.approx(0.004)
    (buyer,) = api.made("/global/spend/end_users", api_key=key, startTime="2026-01-01", endTime="2999-01-01")
    assert (buyer["end_user"], buyer["total_count"]) == ("buyer", 2)
    assert "shop" in api.get("/global/spend/all_tag_names")["tag_names"]


def test_calls_and_tokens_by_day_and_model(api: Api, key: str) -> None:
    whole = api.get("/global/activity", **DAYS)
    assert whole["sum_api_requests"] == sum(row["api_requests"] for row in whole["daily_data"]) >= 2
    assert whole["sum_total_tokens"] >= 8
    models = api.get("/global/activity/model", **DAYS)
    assert sum(row["sum_api_requests"] for row in models) == whole["sum_api_requests"]


@pytest.mark.parametrize("name", ["user", "team", "organization", "customer", "end_user", "tag"])
def test_daily_activity_at_once_is_that_of_all_pages(api: Api, key: str, name: str) -> None:
    paged = api.get(f"/{name}/daily/activity", **DAYS, page_size=1000)
    whole = api.get(f"/{name}/daily/activity/aggregated", **DAYS)
    assert whole["results"] == paged["results"]
    assert whole["metadata"]["total_pages"] <= 1


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/global/activity", {"start_date": "x"}),
        ("/global/spend/logs", {"model": "m"}),
        ("/key/spend/report", {"team_id": "t"}),
        ("/user/daily/activity/aggregated", {"page": "1x"}),
    ],
)
def test_what_nobody_reads_is_refused(api: Api, path: str, asked: dict[str, Any]) -> None:
    status, found = api.look(path, **asked)
    assert (status, found["error"]["param"]) == (400, next(iter(asked)))
