"""A second import brings nothing twice, and what was changed here stays."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Connection

from bringing import COSTS, NOW, brought, contents, entry, lines, reasons, row, spend_of, sums
from headgate.money import units
from headgate.store import directory, ledger, tables
from headgate.store.database import Database
from headgate.store.directory import load_key
from headgate.store.ledger import Record
from headgate.store.periods import period
from litellm_schema import ALICE, BLOCKED, OLD, LiteLLM, daily, fill, log


def test_a_second_run_brings_nothing(there: LiteLLM, database: Database) -> None:
    fill(there)
    for number, cost in enumerate(COSTS):
        log(there, f"call-{number}", cost)
    daily(there, "2026-01-10", 5.0)
    before = lines(brought(there, database))
    tables_before = contents(database)
    after = brought(there, database, now=NOW + 3600)
    assert [line.what for line in after.lines if line.brought] == []
    assert lines(after) == {what: (0, new + same, failed) for what, (new, same, failed) in before.items()}
    assert contents(database) == tables_before


def test_what_has_changed_in_litellm_is_brought(there: LiteLLM, database: Database) -> None:
    fill(there)
    brought(there, database)
    there.run(
        f"""UPDATE "LiteLLM_VerificationToken" SET rpm_limit = 5, blocked = true WHERE token = '{ALICE}'"""
    )
    there.run("""UPDATE "LiteLLM_BudgetTable" SET max_budget = 1.5 WHERE budget_id = 'b-customer'""")
    there.run(
        """UPDATE "LiteLLM_TeamTable" SET members_with_roles = '[{"user_id": "bob", "role": "admin"}]'::jsonb"""
    )
    report = brought(there, database)
    assert {what: found for what, found in lines(report).items() if found[0]} == {
        "budgets": (1, 3, 0),
        "keys": (1, 2, 1),
        "team members": (3, 0, 0),
    }
    found = entry(database)
    assert (found.key["rpm_limit"], found.key["blocked"], found.key["max_budget"]) == (
        5,
        True,
        units(Decimal(50)),
    )
    assert found.member is None
    member = database.read(lambda connection: directory.member(connection, "team-1", "bob"))
    assert member is not None and member["role"] == "admin"


def test_what_was_changed_here_later_is_kept(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    change(here, "team", "team-1", {"max_budget": 1}, NOW)
    change(here, "customer", "customer-2", {"alias": "ours"}, NOW)  # LiteLLM knows no time of a change
    there.run("""UPDATE "LiteLLM_EndUserTable" SET alias = 'theirs'""")
    report = brought(there, here)
    assert (lines(report)["teams"], lines(report)["customers"]) == ((0, 0, 1), (1, 0, 1))
    assert reasons(report, "teams")[-1] == "changed here later: kept"
    assert row(here, "team", "team-1")["max_budget"] == 1
    assert row(here, "customer", "customer-2")["alias"] == "ours"


def test_what_was_changed_in_litellm_after_that_is_brought_and_said(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    change(here, "team", "team-1", {"max_budget": 1}, NOW)
    there.run("""UPDATE "LiteLLM_TeamTable" SET updated_at = '2026-03-19'""")
    report = brought(there, here, now=NOW + 86_400)
    assert row(here, "team", "team-1")["max_budget"] == units(Decimal(100))
    assert "changed here, and in LiteLLM after that: LiteLLM's holds" in reasons(report, "teams")


def change(here: Database, kind: str, name: str, values: Mapping[str, Any], when: float) -> None:
    """As the management API does it."""
    table = directory.TABLES[kind]
    (column,) = table.primary_key.columns
    changed = {**values, "updated_at": when, "updated_by": "admin"}
    here.write(lambda connection: connection.execute(table.update().where(column == name).values(changed)))


def test_what_was_deleted_here_stays_deleted(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)

    def delete(connection: Connection) -> None:
        connection.execute(tables.keys.delete().where(tables.keys.c.id == BLOCKED))
        members = tables.team_members.c
        connection.execute(tables.team_members.delete().where(members.user_id == "bob"))
        for kind, name in (("key", BLOCKED), ("team_member", "team-1/bob")):
            log = {"id": name, "updated_at": NOW, "changed_by": "admin", "changed_by_api_key": ""}
            log |= {"action": "deleted", "table_name": kind, "object_id": name}
            connection.execute(tables.audit.insert().values(log))

    here.write(delete)
    report = brought(there, here)
    assert here.read(lambda connection: load_key(connection, BLOCKED, NOW)) is None
    assert here.read(lambda connection: directory.member(connection, "team-1", "bob")) is None
    assert reasons(report, "keys")[-1] == "deleted here later: it stays deleted"


def test_what_litellm_has_deleted_since_ends_here_too(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    there.run(f"""DELETE FROM "LiteLLM_VerificationToken" WHERE token = '{BLOCKED}'""")
    there.add("DeletedVerificationToken", id="1", token=BLOCKED, deleted_at="2026-03-18")
    there.add(
        "DeletedVerificationToken", id="2", token=ALICE, deleted_at="2025-01-01"
    )  # made again after that
    there.run("""DELETE FROM "LiteLLM_TeamTable" """)
    there.add("DeletedTeamTable", id="1", team_id="team-1", deleted_at="2026-03-18")
    report = brought(there, here)
    assert (lines(report)["deleted keys"], lines(report)["deleted teams"]) == ((1, 0, 0), (1, 0, 0))
    assert here.read(lambda connection: load_key(connection, BLOCKED, NOW)) is None
    assert entry(here).team is None
    assert here.read(lambda connection: directory.member(connection, "team-1", "bob")) is None
    assert "deleted keys" not in lines(brought(there, here))


def test_a_key_that_litellm_has_made_anew_since_stays_the_same_key(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    anew = "a" * 64
    there.run(f"""UPDATE "LiteLLM_VerificationToken" SET token = '{anew}' WHERE token = '{ALICE}'""")
    there.add(
        "DeprecatedVerificationToken", id="d3", token=ALICE, active_token_id=anew, revoke_at="2026-03-19"
    )
    report = brought(there, here)
    assert entry(here, anew).key["id"] == entry(here, ALICE).key["id"] == entry(here, OLD).key["id"] == ALICE
    assert entry(here, anew).spent[("key", ALICE)][1] == units(Decimal("2.7"))
    assert lines(report)["spend"][0] == 0
    log(there, "later", 0.5, "2026-03-18", api_key=anew)
    brought(there, here)
    assert sums(here, "key") == {ALICE: (Decimal("0.5"), 1)}


def test_spend_of_both_sides_adds_up(there: LiteLLM, database: Database) -> None:
    fill(there)
    brought(there, database)
    own = Record(
        id="ours", started=NOW, first_token=None, ended=NOW, key=ALICE, user_id="alice", team_id="team-1", model="m",
        status=200, cost=units(Decimal("0.05")),
    )  # fmt: skip
    database.write(lambda connection: ledger.book(connection, [own]))
    there.run("""UPDATE "LiteLLM_VerificationToken" SET spend = 0.3, total_spend = 2.9""")
    report = brought(there, database)
    assert spend_of(database, "key", ALICE) == (Decimal("0.35"), Decimal("2.95"))
    assert spend_of(database, "team", "team-1") == (Decimal("41.75"), Decimal("41.75"))
    assert lines(report)["spend"][0] == 3
    brought(there, database)
    assert spend_of(database, "key", ALICE) == (Decimal("0.35"), Decimal("2.95"))


def test_a_new_period_in_litellm_begins_here_too(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    april = datetime(2026, 4, 3, tzinfo=UTC).timestamp()
    there.run("""UPDATE "LiteLLM_TeamTable" SET spend = 2.5, budget_reset_at = '2026-05-01'""")
    brought(there, here, now=april)
    begun = period("30d", april, 0.0)[0]
    assert entry(here, now=april).spent[("team", "team-1")] == (
        units(Decimal("2.5")),
        units(Decimal("41.7")),
        begun,
    )


def test_a_period_that_is_over_counts_no_more(there: LiteLLM, here: Database) -> None:
    fill(there)
    april = datetime(2026, 4, 3, tzinfo=UTC).timestamp()
    brought(there, here, now=april)  # LiteLLM has not reset it: it was stopped in March
    assert entry(here, now=april).spent[("team", "team-1")][:2] == (0, units(Decimal("41.7")))


def test_what_was_ever_spent_is_the_sum_of_the_days(there: LiteLLM, here: Database) -> None:
    fill(there)
    daily(there, "2026-01-10", 1000.1)
    brought(there, here)
    assert spend_of(here, "team", "team-1") == (Decimal("41.7"), Decimal("1000.1"))
    assert spend_of(here, "key", ALICE) == (Decimal("0.1"), Decimal("1000.1"))
