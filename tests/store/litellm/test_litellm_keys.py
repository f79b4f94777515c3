"""Keys of LiteLLM work here with their limits, and what they belong to comes with them."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select

from bringing import MONTH, NOW, brought, entry, lines, reasons, row, spend_of
from headgate.money import units
from headgate.store import directory, tables
from headgate.store.database import Database
from headgate.store.directory import load_key
from litellm_schema import ALICE, BLOCKED, EXPIRED, OLD, LiteLLM, fill


def test_a_key_works_with_all_its_limits(there: LiteLLM, database: Database) -> None:
    fill(there)
    brought(there, database)
    found = entry(database)
    key = found.key
    assert key["key_alias"] == "alice's"
    assert (key["rpm_limit"], key["tpm_limit"], key["max_parallel_requests"]) == (100, 200_000, 8)
    assert (key["max_budget"], key["budget_duration"]) == (units(Decimal(50)), "30d")
    assert key["model_max_budget"] == {"gpt-4o": {"budget_limit": 0.1, "time_period": "1d"}}
    assert key["model_tpm_limit"] == {"claude": 3000}
    assert (key["models"], key["aliases"], key["tags"]) == (
        ["all-team-models"],
        {"best": "claude"},
        ["batch"],
    )
    assert key["metadata"] == {"owner": "alice", "enforced_params": ["user"]}
    assert (key["key_type"], key["allowed_routes"]) == ("llm_api", ["llm_api_routes"])
    assert (key["created_by"], key["created_at"]) == ("admin", datetime(2025, 12, 1, tzinfo=UTC).timestamp())
    assert found.groups["big models"] == found.groups["ag-1"] == ["gpt-4o", "claude"]
    assert found.spent[("key", ALICE)] == (units(Decimal("0.1")), units(Decimal("2.7")), MONTH)


def test_team_user_member_and_organisation_come_with_the_key(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    found = entry(here)
    team, organization = found.team, found.organization
    assert team is not None and organization is not None and found.user is not None
    assert team["model_aliases"] == {"fast": "gpt-4o-mini"}
    assert team["metadata"] == {"cost_centre": "R-1"}
    assert (team["tags"], team["guardrails"]) == (["research"], ["pii"])
    assert (team["model_rpm_limit"], team["tpm_limit"]) == ({"gpt-4o": 60}, 10_000_000_000)
    assert (team["team_member_budget"], team["team_member_budget_duration"]) == (units(Decimal("4.25")), "7d")
    assert (found.user["user_role"], found.user["user_email"]) == ("proxy_admin", "alice@example.com")
    assert (organization["max_budget"], organization["soft_budget"]) == (
        units(Decimal(1000)),
        units(Decimal(800)),
    )
    assert organization["model_tpm_limit"] == {"gpt-4o": 5000}
    assert found.spent[("team", "team-1")][0] == units(Decimal("41.7"))
    assert found.spent[("organization", "org-1")][0] == units(Decimal("77.7"))
    member = here.read(lambda connection: directory.member(connection, "team-1", "bob"))
    assert member is not None and (member["role"], member["budget_id"]) == ("user", "b-member")
    assert spend_of(here, "member", "team-1/bob") == (Decimal("1.1"), Decimal("5.5"))


def test_members_come_with_their_roles(there: LiteLLM, here: Database) -> None:
    fill(there)
    report = brought(there, here)
    table = tables.team_members
    found = here.read(
        lambda c: c.execute(select(table.c.user_id, table.c.role).order_by(table.c.user_id)).all()
    )
    assert [tuple(one) for one in found] == [("alice", "admin"), ("bob", "user"), ("carol", "user")]
    assert "a member without a user" in reasons(report, "team members")
    organization = tables.organization_members
    statement = select(organization.c.user_id, organization.c.user_role)
    roles = here.read(lambda c: {row[0]: row[1] for row in c.execute(statement)})
    assert roles == {"alice": "org_admin", "bob": "internal_user"}


def test_expired_and_blocked_keys_stay_so(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    assert entry(here, EXPIRED).key["expires"] == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert entry(here, BLOCKED).key["blocked"] is True


def test_a_key_that_was_made_anew_is_known_by_its_old_token_until_its_time_is_over(
    there: LiteLLM, here: Database
) -> None:
    fill(there)
    report = brought(there, here)
    assert entry(here, OLD).key["id"] == ALICE
    assert here.read(lambda connection: load_key(connection, OLD, NOW + 3 * 86_400)) is None
    assert lines(report)["retired keys"] == (1, 0, 1)


def test_customers_tags_and_access_groups_come_with_their_budgets(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    customer, spent = here.read(
        lambda connection: directory.load_payer(connection, "customer", "customer-1", NOW)
    )
    assert customer is not None and (customer["max_budget"], customer["rpm_limit"]) == (units(Decimal(3)), 2)
    assert spent["customer", "customer-1"][0] == units(Decimal("0.7"))
    assert row(here, "customer", "customer-2")["blocked"] is True
    assert row(here, "tag", "research")["models"] is None  # here they would forbid all others
    assert spend_of(here, "tag", "research") == (Decimal("0.4"), Decimal("0.4"))


def test_what_was_brought_is_counted(there: LiteLLM, here: Database) -> None:
    fill(there)
    assert lines(brought(there, here)) == {
        "budgets": (4, 0, 0),
        "access groups": (1, 0, 0),
        "organisations": (1, 0, 0),
        "users": (3, 0, 1),
        "teams": (1, 0, 0),
        "keys": (3, 0, 1),
        "customers": (2, 0, 0),
        "tags": (1, 0, 0),
        "models": (1, 0, 0),
        "retired keys": (1, 0, 1),
        "team members": (3, 0, 1),
        "organisation members": (2, 0, 0),
        "spend": (8, 0, 0),
    }


def test_fields_without_a_place_here_are_named(there: LiteLLM, here: Database) -> None:
    fill(there)
    report = brought(there, here)
    found = {
        (note.what, note.reason.partition(":")[0].partition(" ")[0]): note.examples for note in report.notes
    }
    assert found["keys", "object_permission"] == ["alice's"]
    assert found["keys", "enforced_params"] == ["alice's"]
    assert found["teams", "policies"] == ["Research"]
    assert found["teams", "logging"] == ["Research"]
    assert found["users", "password"] == ["bob@example.com"]
    assert found["budgets", "tpd_limit"] == ["b-org"]
    assert found["organisation members", "budget_id"] == ["org-1/bob"]
    assert ("settings", "write") in found
    assert "sk-lf-1" not in str(row(here, "team", "team-1"))
