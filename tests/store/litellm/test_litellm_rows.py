"""Rows that make no sense are said and stop nothing; tables of other versions are read; values one by one."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from bringing import NOW, brought, entry, lines, reasons, spend_of, sums
from headgate.errors import BadRequestError
from headgate.money import units
from headgate.store import directory, litellm, tables
from headgate.store.database import Database, connect
from headgate.store.directory import load_key
from headgate.store.litellm import values
from litellm_schema import ALICE, BAD, LiteLLM, fill, log


def test_bad_rows_are_reported_and_do_not_stop_the_rest(there: LiteLLM, database: Database) -> None:
    fill(there)
    there.add("VerificationToken", token=BAD, key_alias="bad", max_budget=-1.0)
    there.add("VerificationToken", token="b" * 64, key_alias="endless", max_budget=1e300)
    there.add("VerificationToken", token="c" * 64, key_alias="odd", budget_duration="1 fortnight")
    there.add("VerificationToken", token="d" * 64, key_alias="list", metadata="[1]")
    there.add("VerificationToken", token="e" * 64, expires="infinity")
    there.add("UserTable", user_id="dave", spend=float("nan"))
    log(there, "good", 0.25)
    log(there, "nan", float("nan"))
    log(there, "tags", 0.25, request_tags='{"a": 1}')
    report = brought(there, database)
    found = lines(report)
    assert (found["keys"], found["users"], found["calls"]) == ((5, 0, 4), (4, 0, 1), (1, 0, 2))
    said = reasons(report, "keys")
    assert "max_budget is '-1.0': expected dollars of 0 or more" in said
    assert any(reason.startswith("budget_duration is '1 fortnight': expected a duration") for reason in said)
    assert "metadata is '[1]': expected an object" in said
    assert entry(database, "b" * 64).key["max_budget"] == units(values.MOST)
    assert entry(database, "e" * 64).key["expires"] is None
    assert sums(database, "day") == {"2026-03-17": (Decimal("0.25"), 1)}
    assert entry(database).key["rpm_limit"] == 100


def test_an_alias_belongs_to_one_key(there: LiteLLM, here: Database) -> None:
    there.add("VerificationToken", token="a" * 64, key_alias="same")
    there.add("VerificationToken", token="b" * 64, key_alias="same")
    report = brought(there, here)
    assert lines(report)["keys"] == (2, 0, 0)
    assert [entry(here, token * 64).key["key_alias"] for token in "ab"] == ["same", None]
    assert lines(brought(there, here))["keys"] == (0, 2, 0)


def test_a_key_replaced_without_grace_takes_over_its_alias(there: LiteLLM, here: Database) -> None:
    there.add("VerificationToken", token="a" * 64, key_alias="same")
    brought(there, here)
    there.run(f"""UPDATE "LiteLLM_VerificationToken" SET token = '{"b" * 64}'""")
    brought(there, here)
    assert here.read(lambda connection: load_key(connection, "a" * 64, NOW)) is None
    assert entry(here, "b" * 64).key["key_alias"] == "same"


def test_tables_and_columns_of_other_versions_may_lack(own: LiteLLM, here: Database) -> None:
    fill(own)
    log(own, "one", 0.5)
    for table in (
        "DeprecatedVerificationToken",
        "DeletedTeamTable",
        "AccessGroupTable",
        "DailyUserSpend",
        "TagTable",
    ):
        own.run(f'DROP TABLE "LiteLLM_{table}"')
    for table, column in (
        ("VerificationToken", "settings_updated_at"),
        ("VerificationToken", "total_spend"),
        ("VerificationToken", "access_group_ids"),
        ("TeamTable", "soft_budget"),
        ("UserTable", "created_at"),
        ("SpendLogs", "organization_id"),
        ("SpendLogs", "session_id"),
    ):
        own.run(f'ALTER TABLE "LiteLLM_{table}" DROP COLUMN "{column}"')
    own.run('ALTER TABLE "LiteLLM_ModelTable" RENAME COLUMN aliases TO model_aliases')
    brought(own, here)
    assert spend_of(here, "key", ALICE) == (Decimal("0.1"), Decimal("0.1"))
    found = entry(here)
    assert found.team is not None and found.team["model_aliases"] == {"fast": "gpt-4o-mini"}
    assert sums(here, "day") == {"2026-03-17": (Decimal("0.5"), 1)}


def test_members_of_old_versions_are_brought(there: LiteLLM, here: Database) -> None:
    there.add("TeamTable", team_id="t", members=["alice", "bob"], admins=["alice"])
    brought(there, here)
    roles = [here.read(lambda c, u=user: directory.member(c, "t", u))["role"] for user in ("alice", "bob")]
    assert roles == ["admin", "user"]


def test_many_rows_go_in_batches(there: LiteLLM, here: Database) -> None:
    there.run(
        """INSERT INTO "LiteLLM_VerificationToken" (token, spend)
        SELECT lpad(n::text, 64, '0'), 0.5 FROM generate_series(1, 1000) n"""
    )
    there.run(
        """INSERT INTO "LiteLLM_SpendLogs" (request_id, api_key, spend, "startTime", "endTime")
        SELECT n::text, lpad(mod(n, 7)::text, 64, '0'), 0.001, '2026-03-01', '2026-03-01'
        FROM generate_series(1, 1234) n"""
    )
    report = brought(there, here)
    assert (lines(report)["keys"], lines(report)["calls"], lines(report)["spend"]) == (
        (1000, 0, 0),
        (1234, 0, 0),
        (1000, 0, 0),
    )
    assert sums(here, "day") == {"2026-03-01": (Decimal("1.234"), 1234)}
    assert (
        here.read(lambda connection: connection.scalar(select(func.count()).select_from(tables.keys))) == 1000
    )


def test_an_import_may_go_into_litellms_own_database(own: LiteLLM) -> None:
    fill(own)
    beside = connect(own.url)
    assert lines(brought(own, beside))["keys"] == (3, 0, 1)
    assert entry(beside).key["key_alias"] == "alice's"
    beside.close()


def test_litellms_database_is_only_read(there: LiteLLM) -> None:
    def write(source: litellm.Source) -> None:
        source._connection.exec_driver_sql('DELETE FROM "LiteLLM_Config"')

    with pytest.raises(BadRequestError, match="read-only transaction"):
        litellm.read(there.url, write)


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        ("money", None, None),
        ("money", 0.1, units(Decimal("0.1"))),
        ("money", 5, units(Decimal(5))),
        ("money", 1e12, units(values.MOST)),
        ("count", 10_000_000_000, 10_000_000_000),
        ("count", 3.0, 3),
        ("text", "", None),
        ("masked", "sk-...abcd", "sk-...abcd"),
        ("masked", "sk-a-whole-key", "sk-...-key"),
        ("texts", ["a", ""], ["a"]),
        ("texts", '["a"]', ["a"]),
        ("mapping", '{"a": 1}', {"a": 1}),
        ("mapping", '"{\\"a\\": 1}"', {"a": 1}),
        ("mapping", "null", None),
        ("counts", '{"a": 1, "b": null}', {"a": 1}),
        ("counts", "{}", None),
        ("budgets", '{"m": 0.5}', {"m": 0.5}),
        ("duration", "monthly", "monthly"),
        ("moment", float("inf"), None),
        ("role", "customer", "internal_user"),
        ("flag", None, False),
    ],
)
def test_values_are_read(reader: str, value: Any, expected: Any) -> None:
    assert values.READERS[reader](value) == expected


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("money", -0.1),
        ("money", float("nan")),
        ("money", "5"),
        ("money", True),
        ("count", -1),
        ("count", 1.5),
        ("count", 2**63),
        ("texts", [1]),
        ("texts", "no JSON"),
        ("mapping", "[]"),
        ("mapping", "{"),
        ("counts", '{"a": -1}'),
        ("budgets", '{"m": "much"}'),
        ("budgets", '{"m": -1}'),
        ("budgets", '{"m": {"budget_limit": 1, "time_period": "1y"}}'),
        ("aliases", '{"a": 1}'),
        ("duration", "0d"),
        ("moment", float("-inf")),
        ("name", ""),
        ("key_type", "other"),
        ("flag", "yes"),
    ],
)
def test_values_that_make_no_sense_are_refused(reader: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        values.READERS[reader](value)


@given(st.floats(min_value=0, max_value=1e6, allow_nan=False))
def test_money_is_what_the_floats_shortest_text_says(amount: float) -> None:
    assert values.spent(amount) == units(Decimal(repr(amount)))
