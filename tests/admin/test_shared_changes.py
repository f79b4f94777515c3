"""On both databases: changes of the same thing at once, each made on what the one before it left, and what holds for
the next call once a change is answered."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from admin.conftest import CONFIG, Api
from databases import KINDS, new_database
from servers import KEY, running

CALLERS = 8
Answer = tuple[int, Any]


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("at_once")
    database = new_database(request.param, folder)
    url = database.engine.url.set(drivername=request.param).render_as_string(hide_password=False)
    database.close()
    settings = {"master_key": KEY, "database_url": url}
    with running({**CONFIG, "general_settings": settings}, folder) as server:
        yield Api(server)


def at_once(ask: Callable[[int], Answer]) -> list[Answer]:
    """What each of them is answered, in no order."""
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda at=at: answers.append(ask(at))) for at in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(status for status, _ in answers)


ONE_OF_THEM = {200: 1, 400: CALLERS - 1}


def test_one_of_them_joins_a_user(shared: Api) -> None:
    shared.made("/team/new", team_id="crowd")
    for member in ({"user_id": "joins"}, {"user_email": "joins@example.com"}):
        body = {"team_id": "crowd", "member": member}
        answers = at_once(lambda at, body=body: shared.post("/team/member_add", body))
        assert statuses(answers) == ONE_OF_THEM
        refused = {body["error"]["type"] for status, body in answers if status == 400}
        assert refused == {"team_member_already_in_team"}
    assert len(shared.get("/team/info", team_id="crowd")["team_info"]["members_with_roles"]) == 2


def test_an_address_is_one_users(shared: Api) -> None:
    answers = at_once(lambda at: shared.post("/user/new", {"user_email": "one@example.com"}))
    assert statuses(answers) == ONE_OF_THEM
    assert shared.get("/user/list", user_email="one@example.com")["total"] == 1


def test_a_text_is_one_keys(shared: Api) -> None:
    keys = [shared.key() for _ in range(CALLERS)]
    wanted = {"new_key": "sk-that-many-want-to-have"}
    answers = at_once(lambda at: shared.post(f"/key/{keys[at]}/regenerate", wanted))
    assert statuses(answers) == ONE_OF_THEM
    assert {body["error"]["param"] for status, body in answers if status == 400} == {"new_key"}


def test_a_key_is_replaced_as_often_as_asked(shared: Api) -> None:
    key = shared.made("/key/generate")
    answers = at_once(lambda at: shared.post(f"/key/{key['token']}/regenerate", {"grace_period": "1h"}))
    good = [body["key"] for status, body in answers if status == 200]
    assert len(good) == CALLERS
    assert {shared.call(text) for text in (key["key"], *good)} == {200}


def test_no_change_of_a_list_is_lost(shared: Api) -> None:
    team = shared.made("/team/new")["team_id"]
    answers = at_once(lambda at: shared.post("/team/model/add", {"team_id": team, "models": [f"m-{at}"]}))
    assert statuses(answers) == {200: CALLERS}
    models = shared.get("/team/info", team_id=team)["team_info"]["models"]
    assert sorted(models) == [f"m-{at}" for at in range(CALLERS)]


def test_members_in_different_orders_wait_for_each_other(shared: Api) -> None:
    shared.made("/team/new", team_id="orders")
    names = [f"in order {at}" for at in range(CALLERS)]

    def ask(at: int) -> Answer:
        members = [{"user_id": name} for name in (*names[at:], *names[:at])]
        return shared.post("/team/member_add", {"team_id": "orders", "member": members})

    assert statuses(at_once(ask)) == ONE_OF_THEM


def test_members_of_an_organisation_and_customers_are_made_by_whoever_comes_first(shared: Api) -> None:
    shared.made("/organization/new", organization_id="crowded")
    body = {"organization_id": "crowded", "user_id": "inside"}
    assert statuses(at_once(lambda at: shared.post("/organization/member_add", body))) == {200: CALLERS}
    blocked = at_once(lambda at: shared.post("/customer/block", {"user_ids": ["crowd's pest"]}))
    assert statuses(blocked) == {200: CALLERS}


@pytest.mark.parametrize("limits", [{}, {"budget_duration": "30d"}])
def test_more_money_is_there_for_the_next_call(shared: Api, limits: dict[str, Any]) -> None:
    key = shared.key(max_budget=0.002, model_max_budget={"m": 0.006}, **limits)
    assert [shared.call(key, tokens=2) for _ in range(2)] == [200, 422]
    shared.made("/key/update", key=key, max_budget=0.004)
    assert [shared.call(key, tokens=2) for _ in range(2)] == [200, 422]
    shared.made(f"/key/{key}/reset_spend", reset_to=0)
    assert [shared.call(key, tokens=2) for _ in range(2)] == [200, 422]
    shared.made("/key/update", key=key, max_budget=None, model_max_budget={"m": 0.008})
    assert [shared.call(key, tokens=2) for _ in range(2)] == [200, 422]


@pytest.mark.parametrize("limits", [{}, {"budget_duration": "30d"}])
def test_whoever_is_made_with_the_name_of_somebody_deleted_begins_at_nothing(
    shared: Api, limits: dict[str, Any]
) -> None:
    limits = {"max_budget": 0.002, "model_max_budget": {"m": 0.002}, **limits}
    ways: dict[str, tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
        "team": ("team_id", {"team_ids": ["again"]}, {"team_id": "again"}, {}),
        "customer": ("user_id", {"user_ids": ["again"]}, {}, {"user": "again"}),
        "tag": ("name", {"name": "again"}, {}, {"tags": ["again"]}),
        "user": ("user_id", {"user_ids": ["again"]}, {"user_id": "again"}, {}),
    }
    for name, (id_name, gone, owner, asked) in ways.items():
        for _ in range(2):
            shared.made(f"/{name}/new", **{id_name: "again"}, **limits)
            key = shared.key(**owner)
            assert [shared.call(key, tokens=2, **asked) for _ in range(2)] == [200, 422], name
            shared.made(f"/{name}/delete", **gone)
    text = "sk-the-same-text-again"
    for _ in range(2):
        shared.key(key=text, **limits)
        assert [shared.call(text, tokens=2) for _ in range(2)] == [200, 422]
        assert shared.info(text)["spend"] == 0.002
        shared.made("/key/delete", keys=[text])
    for _ in range(2):
        shared.made("/team/new", team_id="again", team_member_budget=0.002)
        shared.made("/team/member_add", team_id="again", member={"user_id": "a member again"})
        key = shared.key(team_id="again", user_id="a member again")
        assert [shared.call(key, tokens=2) for _ in range(2)] == [200, 422]
        shared.made("/team/delete", team_ids=["again"])


def test_who_leaves_a_team_and_comes_back_has_spent_what_it_had(shared: Api) -> None:
    team = shared.made("/team/new", team_member_budget=0.002)["team_id"]
    for statuses in ([200, 422], [422, 422]):
        shared.made("/team/member_add", team_id=team, member={"user_id": "in and out"})
        key = shared.key(team_id=team, user_id="in and out")
        assert [shared.call(key, tokens=2) for _ in range(2)] == statuses
        shared.made("/team/member_delete", team_id=team, user_id="in and out")
