"""Budgets of rows and of providers: who has spent its own is not asked, and never spends more."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateways import CONFIG
from server.test_governance import Api
from servers import RunningGateway, running


def row(name: str, budget: float | None = None, **more: Any) -> dict[str, Any]:
    params = {"model": "mock/echo", "output_cost_per_token": 1, **more}
    if budget is not None:
        params["max_budget"] = budget
    return {"model_name": name, "litellm_params": params}


def setup(*rows: dict[str, Any], **router: Any) -> dict[str, Any]:
    return {**CONFIG, "model_list": list(rows), "router_settings": router}


ROWS = (
    row("one", 4),
    row("two", 2, model="mock/first", order=1),
    row("two", 4, model="mock/second", order=2),
    row("back", 2),
    row("plain", None, model="mock/other"),
    row("free/*", 2, model="mock/*"),
)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    with running(setup(*ROWS, fallbacks=[{"back": ["plain"]}]), tmp_path) as served:
        yield served


@pytest.fixture
def api(gateway: RunningGateway) -> Api:
    return Api(gateway)


def ask(api: Api, model: str, **more: Any) -> tuple[int, str]:
    """The status, and what was said or what the error says. An answer of two words costs $2."""
    body = {"model": model, "messages": [{"role": "user", "content": "one two"}], "max_tokens": 2, **more}
    status, found = api.post("/v1/chat/completions", **body)
    return status, found["choices"][0]["message"]["content"] if status == 200 else found["error"]["message"]


def test_a_row_that_has_spent_its_budget_is_not_asked(api: Api) -> None:
    assert [ask(api, "one")[0] for _ in range(3)] == [200, 200, 429]
    assert "the budgets of 'one' are used up" in ask(api, "one")[1]
    assert [ask(api, "two")[0] for _ in range(4)] == [200, 200, 200, 429]
    calls = [call["model"] for call in api.get("/spend/logs")[1] if call["model_group"] == "two"]
    assert sorted(calls) == ["first", "second", "second", "two"]


def test_calls_go_on_to_fallbacks(api: Api) -> None:
    assert [ask(api, "back")[0] for _ in range(3)] == [200, 200, 200]
    calls = api.get("/spend/logs")[1]
    assert sorted(call["model_group"] for call in calls if call["request_id"]) == ["back", "plain", "plain"]
    assert ask(api, "back", fallbacks=["one"])[0] == 200
    assert [ask(api, "back", fallbacks=["one"])[0] for _ in range(2)] == [200, 429]


def test_a_fallback_does_not_pay_for_what_was_not_asked(tmp_path: Path) -> None:
    config = setup(
        row("m", 2),
        row("other"),
        fallbacks=[{"m": ["other"]}],
        provider_budget_config={"mock": {"budget_limit": 4.5}},
    )
    with running(config, tmp_path) as served:
        assert [ask(Api(served), "m")[0] for _ in range(3)] == [200, 200, 429]


def test_a_row_for_many_names_has_one_budget(api: Api) -> None:
    assert [ask(api, "free/a")[0], ask(api, "free/b")[0]] == [200, 429]


@pytest.mark.parametrize("threads", [20])
def test_a_row_is_never_overspent(api: Api, threads: int) -> None:
    statuses: list[int] = []
    callers = [
        threading.Thread(target=lambda: statuses.append(ask(api, "one", max_tokens=2)[0]))
        for _ in range(threads)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sorted(statuses)[:2] == [200, 200] and statuses.count(200) == 2


def test_a_provider_s_budget_is_that_of_all_of_its_rows(tmp_path: Path) -> None:
    config = setup(
        row("m"), row("n"), provider_budget_config={"mock": {"budget_limit": 6, "time_period": "1d"}}
    )
    with running(config, tmp_path) as served:
        api = Api(served)
        assert [ask(api, name)[0] for name in "mnmn"] == [200, 200, 200, 429]
        (shown,) = api.get("/provider/budgets")[1]["providers"].values()
        assert (shown["budget_limit"], shown["time_period"]) == (6, "1d")
        assert shown["budget_reset_at"].endswith("T00:00:00Z")
    with running(config, tmp_path) as served:  # also after a restart
        api = Api(served)
        assert ask(api, "m")[0] == 429
        assert api.get("/provider/budgets")[1]["providers"]["mock"]["spend"] == 6


def test_another_amount_of_a_budget_does_not_forget_what_was_spent(tmp_path: Path) -> None:
    for budget, statuses in ((2, [200, 429]), (5, [200, 429]), (4, [429])):
        with running(setup(row("m", budget)), tmp_path) as served:
            assert [ask(Api(served), "m")[0] for _ in statuses] == statuses


def test_tags_of_the_configuration_have_budgets(tmp_path: Path) -> None:
    settings = {"tag_budget_config": {"chat": {"max_budget": 4, "budget_duration": "1d"}}}
    with running({**setup(row("m")), "litellm_settings": settings}, tmp_path) as served:
        api = Api(served)
        assert [ask(api, "m", tags=["chat"])[0] for _ in range(3)] == [200, 200, 422]
        assert ask(api, "m", tags=["talk"])[0] == 200
        api.made("/tag/new", name="chat", max_budget=10)
        assert [ask(api, "m", tags=["chat"])[0] for _ in range(4)] == [200, 200, 200, 422]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"openia": {"budget_limit": 1}}, "(?s)no provider is called 'openia'.*openai"),
        ({"openai": {"time_period": "1d"}}, "provider_budget_config"),
        ({"openai": {"budget_limit": -1}}, "provider_budget_config"),
        ({"openai": {"budget_limit": 1, "time_period": "soon"}}, "provider_budget_config"),
        ({"openai": 5}, "provider_budget_config"),
    ],
    ids=json.dumps,
)
def test_what_is_no_budget_is_refused(tmp_path: Path, settings: Any, told: str) -> None:
    with (
        pytest.raises(Exception, match=told),
        running(setup(row("m"), provider_budget_config=settings), tmp_path),
    ):
        pass
