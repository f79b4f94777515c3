"""All that is known of a key in one go: rows, budgets' limits, access groups, what was spent."""

from typing import Any

import pytest
from sqlalchemy import Table

from headgate.money import UNITS
from headgate.store import ledger, tables
from headgate.store.database import Database
from headgate.store.directory import (
    Entry,
    begun,
    budget_of,
    load_key,
    load_payer,
    member_limits,
    scopes_of,
)
from headgate.store.ledger import GLOBAL
from headgate.store.totals import of_model
from records import DAY, NOON, record

HISTORY = {"created_at": NOON - DAY, "created_by": "me", "updated_at": NOON, "updated_by": "me"}
MIDNIGHT = NOON - DAY / 2


def add(database: Database, table: Table, **row: Any) -> None:
    names = {column.name for column in table.columns}
    given = {name: value for name, value in HISTORY.items() if name in names} | row
    if "blocked" in names:
        given.setdefault("blocked", False)
    database.write(lambda connection: connection.execute(table.insert(), [given]))


def key(database: Database, **row: Any) -> None:
    add(database, tables.keys, **{"id": "k", "token": "hash", "key_name": "sk-...1", **row})


def load(database: Database, token: str = "hash", now: float = NOON) -> Entry | None:
    return database.read(lambda connection: load_key(connection, token, now))


def known(database: Database, token: str = "hash", now: float = NOON) -> Entry:
    entry = load(database, token, now)
    assert entry is not None
    return entry


def everything(database: Database) -> None:
    add(database, tables.organizations, organization_id="o", max_budget=4)
    add(database, tables.teams, team_id="t", organization_id="o", max_budget=3, models=["team-models"])
    add(database, tables.users, user_id="u", user_role="internal_user", max_budget=2)
    add(database, tables.team_members, team_id="t", user_id="u", role="user", max_budget=5)
    key(database, user_id="u", team_id="t", max_budget=1, models=["m"], tags=["a"], metadata={"x": [1, None]})


# who belongs to a key


def test_a_key_that_nobody_made_is_nobody(database: Database) -> None:
    assert load(database) is None


def test_a_key_alone_has_nothing_else(database: Database) -> None:
    key(database)
    entry = known(database)
    assert (entry.user, entry.team, entry.member, entry.organization) == (None,) * 4
    assert (entry.groups, entry.spent) == ({}, {})
    assert scopes_of(entry) == [GLOBAL, ("key", "k")]


def test_a_key_has_all_that_it_belongs_to(database: Database) -> None:
    everything(database)
    entry = known(database)
    assert entry.user is not None
    assert entry.team is not None
    assert entry.member is not None
    assert entry.organization is not None
    rows = (entry.key, entry.user, entry.team, entry.organization, entry.member)
    assert [row["max_budget"] for row in rows] == [1, 2, 3, 4, 5]
    assert (entry.key["tags"], entry.key["metadata"]) == (["a"], {"x": [1, None]})
    assert entry.key["blocked"] is False
    assert scopes_of(entry) == [
        GLOBAL,
        ("key", "k"),
        ("user", "u"),
        ("team", "t"),
        ("organization", "o"),
        ("member", "t/u"),
    ]


def test_a_key_s_own_organization_goes_before_its_team_s(database: Database) -> None:
    everything(database)
    add(database, tables.organizations, organization_id="other")
    key(database, id="k2", token="hash2", team_id="t", organization_id="other")
    entry = known(database, "hash2")
    assert entry.organization is not None
    assert entry.organization["organization_id"] == "other"


def test_what_was_deleted_is_not_there(database: Database) -> None:
    key(database, user_id="gone", team_id="gone", organization_id="gone")
    entry = known(database)
    assert (entry.user, entry.team, entry.member, entry.organization) == (None,) * 4
    assert entry.key["team_id"] == "gone"


# keys that were replaced


def test_a_retired_key_is_good_until_its_time_is_over(database: Database) -> None:
    key(database, id="first", token="new")
    add(database, tables.retired_keys, token="old", replaced_by="first", valid_until=NOON + 10)
    assert known(database, "old").key["token"] == "new"
    assert known(database, "old", NOON + 9.9).key["id"] == "first"
    assert load(database, "old", NOON + 10) is None


def test_a_retired_key_of_a_key_that_is_gone_is_nobody(database: Database) -> None:
    add(database, tables.retired_keys, token="old", replaced_by="first", valid_until=NOON + 10)
    assert load(database, "old") is None


# budgets that several share


def test_a_budget_gives_what_a_row_does_not_say(database: Database) -> None:
    limits = {"max_budget": 100, "budget_duration": "1d", "rpm_limit": 7, "model_rpm_limit": {"m": 1}}
    add(database, tables.budgets, budget_id="b", **limits)
    add(database, tables.teams, team_id="t", budget_id="b", rpm_limit=9)
    key(database, team_id="t", budget_id="b", max_budget=5)
    entry = known(database)
    assert entry.team is not None
    names = ("max_budget", "budget_duration", "rpm_limit", "model_rpm_limit", "tpm_limit")
    assert [entry.key[name] for name in names] == [5, "1d", 7, {"m": 1}, None]
    assert [entry.team[name] for name in names] == [100, "1d", 9, {"m": 1}, None]


def test_a_limit_of_nothing_is_a_limit(database: Database) -> None:
    add(database, tables.budgets, budget_id="b", max_budget=100, rpm_limit=7)
    key(database, budget_id="b", max_budget=0, rpm_limit=0)
    entry = known(database)
    assert (entry.key["max_budget"], entry.key["rpm_limit"]) == (0, 0)


def test_a_budget_that_is_gone_limits_nothing(database: Database) -> None:
    key(database, budget_id="gone")
    assert known(database).key["max_budget"] is None


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (None, (6, "7d", 8, None)),
        ({"max_budget": 0, "budget_duration": None, "rpm_limit": None, "tpm_limit": 3}, (0, "7d", 8, 3)),
    ],
)
def test_a_member_has_what_the_team_gives_each(own: dict[str, Any] | None, expected: tuple[Any, ...]) -> None:
    team = {
        "team_member_budget": 6,
        "team_member_budget_duration": "7d",
        "team_member_rpm_limit": 8,
        "created_at": 1.0,
    }
    found = member_limits(team, own)
    names = ("max_budget", "budget_duration", "rpm_limit", "tpm_limit")
    assert tuple(found[name] for name in names) == expected
    assert found["created_at"] == 1.0


# access groups


def test_access_groups_are_known_by_id_and_by_name(database: Database) -> None:
    for number, models in enumerate((["a", "b"], None, ["c"])):
        row = {"access_group_id": f"g{number}", "access_group_name": f"group {number}"}
        add(database, tables.access_groups, **row, access_model_names=models)
    add(database, tables.teams, team_id="t", models=["group 1"])
    key(database, team_id="t", models=["gpt"], access_group_ids=["g0"])
    assert known(database).groups == {"g0": ["a", "b"], "group 0": ["a", "b"], "g1": [], "group 1": []}


# what was spent


def test_what_everybody_spent_is_read_with_the_key(database: Database) -> None:
    everything(database)
    given = record(1, key="k", user_id="u", team_id="t", organization_id="o", cost=9)
    database.write(lambda c: ledger.book(c, [given]))
    assert known(database).spent == dict.fromkeys(scopes_of(known(database)), (9, 9, 0.0))


def test_a_period_that_is_over_is_counted_anew(database: Database) -> None:
    key(database, user_id="u", budget_duration="1d")
    add(database, tables.users, user_id="u", user_role="internal_user", budget_duration="1mo")
    calls = [record(n, key="k", user_id="u", cost=10**n, ended=NOON - n * DAY / 2) for n in range(4)]
    database.write(lambda c: ledger.book(c, calls))
    spent = known(database).spent
    assert spent["key", "k"] == (11, 1111, MIDNIGHT)  # it ended at midnight: in the new period
    assert spent["user", "u"][:2] == (1111, 1111)
    assert spent[GLOBAL] == (1111, 1111, 0.0)


def test_a_model_s_own_budget_has_its_own_spend(database: Database) -> None:
    limits = {"gpt": {"budget_limit": "0.5", "time_period": "1d"}, "claude": 2}
    key(database, model_max_budget=limits)
    calls = [record(n, key="k", cost=10**n, ended=NOON - n * DAY) for n in range(2)]
    database.write(lambda c: ledger.book(c, [*calls, record(9, key="k", model_group="other", cost=7)]))
    entry = known(database)
    assert entry.spent[of_model(("key", "k"), "gpt")] == (1, 11, MIDNIGHT)
    claude = of_model(("key", "k"), "claude")
    assert (claude in scopes_of(entry), claude in entry.spent) == (True, False)


def test_limits_by_model_are_those_of_the_groups_that_names_mean(database: Database) -> None:
    limits = {"fast": 1, "alias": 2, "gpt": 3, "other": 4}
    key(database, team_id="t", user_id="u", aliases={"fast": "alias2"}, model_rpm_limit=limits)
    add(database, tables.teams, team_id="t", model_aliases={"other": "b"}, model_tpm_limit=limits)
    add(database, tables.users, user_id="u", user_role="internal_user", model_max_budget=limits)
    aliases = {"alias": "gpt", "alias2": "claude"}
    entry = database.read(lambda connection: load_key(connection, "hash", NOON, aliases))
    assert entry is not None
    assert entry.team is not None
    assert entry.user is not None
    assert entry.key["model_rpm_limit"] == {"claude": 1, "gpt": 3, "b": 4}
    assert entry.team["model_tpm_limit"] == {"fast": 1, "gpt": 3, "b": 4}
    assert entry.user["model_max_budget"] == {"fast": 1, "gpt": 3, "other": 4}
    assert of_model(("user", "u"), "gpt") in scopes_of(entry)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, (2 * UNITS, "")),
        ("0.1", (UNITS // 10, "")),
        (0.1, (UNITS // 10, "")),
        ({"budget_limit": 1, "time_period": "1d"}, (UNITS, "1d")),
        ({"max_budget": "1", "budget_duration": "30d"}, (UNITS, "30d")),
        ({}, (0, "")),
    ],
)
def test_a_model_s_budget_is_read_in_both_forms(given: Any, expected: tuple[int, str]) -> None:
    assert budget_of(given) == expected


def test_a_budget_without_a_duration_has_no_beginning() -> None:
    assert begun(("key", "k"), {"budget_duration": None}, NOON) == {}
    assert begun(("key", "k"), {"budget_duration": "1d"}, NOON) == {("key", "k"): MIDNIGHT}


# customers and tags


def test_a_customer_has_its_budget_s_limits_and_what_it_spent(database: Database) -> None:
    add(database, tables.budgets, budget_id="b", max_budget=50, budget_duration="1d")
    add(database, tables.customers, user_id="c", budget_id="b")
    calls = [record(n, customer="c", cost=10**n, ended=NOON - n * DAY) for n in range(2)]
    database.write(lambda c: ledger.book(c, calls))
    row, spent = database.read(lambda c: load_payer(c, "customer", "c", NOON))
    assert row is not None
    assert (row["max_budget"], row["budget_duration"]) == (50, "1d")
    assert spent == {("customer", "c"): (1, 11, MIDNIGHT)}


def test_a_customer_s_limits_by_model_have_their_own_spend(database: Database) -> None:
    limits = {"alias": {"budget_limit": 1, "time_period": "1d"}}
    add(database, tables.customers, user_id="a/b", model_max_budget=limits)
    calls = [record(n, customer="a/b", cost=10**n, ended=NOON - n * DAY) for n in range(2)]
    other = [record(8, customer="a/b", model_group="b/gpt", cost=7), record(9, customer="a", cost=7)]
    database.write(lambda c: ledger.book(c, [*calls, *other]))
    row, spent = database.read(lambda c: load_payer(c, "customer", "a/b", NOON, aliases={"alias": "gpt"}))
    assert row is not None
    assert row["model_max_budget"] == {"gpt": limits["alias"]}
    assert spent[of_model(("customer", "a/b"), "gpt")] == (1, 11, MIDNIGHT)


def test_a_tag_that_nobody_made_may_have_spent(database: Database) -> None:
    database.write(lambda c: ledger.book(c, [record(1, tags=("a",), cost=3)]))
    assert database.read(lambda c: load_payer(c, "tag", "a", NOON)) == (
        None,
        {("tag", "a"): (3, 3, 0.0)},
    )
    assert database.read(lambda c: load_payer(c, "tag", "b", NOON)) == (None, {})
