"""Rows of LiteLLM's that are broken: each is brought as far as it goes or named, and none stops the others."""

import pytest
from sqlalchemy import func, select

from bringing import brought, lines, reasons, row
from headgate.store import tables
from headgate.store.database import Database
from litellm_schema import ALICE, LiteLLM, fill, log

LONG = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i)"
"""No index takes it, however it is compressed."""
USAGE = '{"usage_object": {"prompt_tokens_details": {"cached_tokens": 99999999999999999999}}}'
ERROR = '{"error_information": {"error_code": "5²", "error_class": {"a": 1}}}'


@pytest.mark.parametrize(
    "change",
    [
        "\"endTime\" = 'infinity'",
        "\"endTime\" = '54321-01-01'",
        f"session_id = {LONG}",
        f'"user" = {LONG}',
        f"custom_llm_provider = {LONG}",
        f"metadata = '{USAGE}'",
        f"status = 'failure', metadata = '{ERROR}'",
    ],
)
def test_an_odd_call_is_brought_all_the_same(there: LiteLLM, database: Database, change: str) -> None:
    log(there, "good", 1.0)
    log(there, "odd", 1.0)
    there.run(f"UPDATE \"LiteLLM_SpendLogs\" SET {change} WHERE request_id = 'odd'")
    assert lines(brought(there, database))["calls"] == (2, 0, 0)
    assert lines(brought(there, database))["calls"] == (0, 2, 0)


@pytest.mark.parametrize("time", ["infinity", "-infinity", "54321-01-01", "0044-03-15 BC"])
def test_a_call_of_no_time_is_named_and_the_others_are_brought(
    there: LiteLLM, database: Database, time: str
) -> None:
    log(there, "good", 1.0)
    log(there, "odd", 1.0)
    there.run(f"UPDATE \"LiteLLM_SpendLogs\" SET \"startTime\" = '{time}' WHERE request_id = 'odd'")
    report = brought(there, database)
    assert lines(report)["calls"] == (1, 0, 1)
    assert "expected a time" in reasons(report, "calls")[0]


def test_a_key_that_never_expires_says_so(there: LiteLLM, database: Database) -> None:
    fill(there)
    there.run("UPDATE \"LiteLLM_VerificationToken\" SET expires = '54321-01-01', created_at = '54321-01-01'")
    assert lines(brought(there, database))["keys"] == (3, 0, 1)
    assert row(database, "key", ALICE)["expires"] is None


def test_a_member_without_a_name_is_named_by_its_team(there: LiteLLM, database: Database) -> None:
    fill(there)
    listed = '[{"user_id": "alice", "role": "admin"}, {"user_id": 5}, {"role": "user"}]'
    there.run(f"UPDATE \"LiteLLM_TeamTable\" SET members_with_roles = '{listed}'")
    report = brought(there, database)
    assert lines(report)["team members"] == (1, 0, 2)
    assert reasons(report, "team members") == ["a member without a user"]


def test_a_name_that_no_index_takes_stops_nothing(there: LiteLLM, database: Database) -> None:
    fill(there)
    there.run(f'UPDATE "LiteLLM_TeamTable" SET team_alias = {LONG}')
    teams = lines(brought(there, database))["teams"]
    assert teams in ((1, 0, 0), (0, 0, 1)), "PostgreSQL does not take it"
    assert database.read(lambda c: c.scalar(select(func.count()).select_from(tables.keys))) == 3
