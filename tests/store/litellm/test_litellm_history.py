"""LiteLLM's calls and their sums are brought exactly."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

from bringing import COSTS, NOW, brought, lines, spend_of, sums
from headgate.money import units
from headgate.server.callers import MASTER
from headgate.store import ledger, reports
from headgate.store.database import Database
from headgate.store.ledger import Record
from headgate.store.totals import of_model
from litellm_schema import ALICE, MASTER_KEY, LiteLLM, daily, fill, log


def test_calls_and_their_sums_are_exact(there: LiteLLM, database: Database) -> None:
    for number, cost in enumerate(COSTS):
        log(there, f"call-{number}", cost)
    report = brought(there, database)
    assert lines(report)["calls"] == (len(COSTS), 0, 0)
    exact = Decimal("3.60012355")  # the last digits of 3.3000000000000003 are below a unit
    count = len(COSTS)
    assert sums(database, "day") == {"2026-03-17": (exact, count)}
    assert sums(database, "team") == {"team-1": (exact, count)}
    assert sums(database, "customer") == {"customer-1": (exact, count)}
    assert sums(database, "tag") == {"research": (exact, count), "nightly": (exact, count)}
    assert spend_of(database, "global", "") == (exact, exact)
    of_models = (("key", ALICE), ("team", "team-1"), ("customer", "customer-1"), ("tag", "nightly"))
    for scope in of_models:
        assert spend_of(database, *of_model(scope, "gpt-4o")) == (exact, exact)
    assert spend_of(database, "key", ALICE) == (0, 0)  # LiteLLM's own figures count for keys, teams, …


def test_a_call_keeps_what_is_known_of_it(there: LiteLLM, database: Database) -> None:
    usage = {
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    metadata = {
        "usage_object": usage,
        "requester_metadata": {"trace": "t-1"},
        "user_api_key_alias": "alice's",
    }
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    log(
        there,
        "c",
        0.5,
        metadata=metadata,
        session_id="s",
        proxy_server_request=body,
        requester_ip_address="::1",
    )
    brought(there, database)
    (found,), _ = database.read(lambda c: reports.single_calls(c, {}, None, None, None, 1, 10, bodies=True))
    begun = datetime(2026, 3, 17, 10, tzinfo=UTC).timestamp()
    assert (found["id"], found["started"], found["first_token"], found["ended"]) == (
        "c",
        begun + 0.25,
        begun + 1,
        begun + 2,
    )
    assert (found["key"], found["user_id"], found["team_id"], found["organization_id"]) == (
        ALICE,
        "alice",
        "team-1",
        None,
    )
    assert (found["model"], found["upstream_model"], found["provider"]) == (
        "gpt-4o",
        "gpt-4o-2024-08-06",
        "openai",
    )
    assert (found["operation"], found["status"], found["cost"]) == ("chat", 200, units(Decimal("0.5")))
    assert found["tokens"] == {"cache_read": 4, "reasoning": 3}
    assert (found["metadata"], found["request"], found["session"]) == ({"trace": "t-1"}, body, "s")


def test_failures_and_the_master_key_are_known(there: LiteLLM, here: Database) -> None:
    error = {"error_information": {"error_code": "429", "error_class": "RateLimitError"}}
    log(there, "failed", 0.0, status="failure", metadata=error)
    log(there, "by-hash", 0.1, api_key=hashlib.sha256(MASTER_KEY.encode()).hexdigest())
    log(there, "by-name", 0.1, api_key="litellm_proxy_master_key")
    log(there, "in-plain", 0.1, api_key="sk-alice")
    brought(there, here)
    found, _ = here.read(lambda connection: reports.single_calls(connection, {}, None, None, None, 1, 10))
    by_id = {row["id"]: row for row in found}
    assert (by_id["failed"]["status"], by_id["failed"]["error"]) == (429, "RateLimitError")
    assert by_id["by-hash"]["key"] == by_id["by-name"]["key"] == MASTER.key
    assert by_id["in-plain"]["key"] == ALICE


def test_since_leaves_older_calls_out_and_takes_their_days_from_litellms_sums(
    there: LiteLLM, here: Database
) -> None:
    fill(there)
    log(there, "old", 5.0, "2026-01-10")
    log(there, "new", 1.0, "2026-03-17")
    daily(there, "2026-01-10", 5.0)
    daily(there, "2026-03-17", 1.0)
    report = brought(there, here, since=NOW - 30 * 86_400)
    assert (lines(report)["calls"], lines(report)["days as sums"]) == ((1, 0, 0), (1, 0, 0))
    assert sums(here, "day") == {"2026-01-10": (Decimal(5), 1), "2026-03-17": (Decimal(1), 1)}
    assert sums(here, "team") == {"team-1": (Decimal(6), 2)}
    assert sums(here, "organization") == {"org-1": (Decimal(5), 1), "": (Decimal(1), 1)}
    assert sums(here, "tag") == {"research": (Decimal(6), 2), "nightly": (Decimal(1), 1)}
    assert spend_of(here, "global", "")[1] == Decimal(6)
    again = brought(there, here)  # all calls now: the old day is summed already
    assert lines(again)["calls"] == (1, 1, 0)
    assert sums(here, "day") == {"2026-01-10": (Decimal(5), 1), "2026-03-17": (Decimal(1), 1)}


def test_a_day_of_which_litellm_has_deleted_calls_is_taken_from_its_sums(
    there: LiteLLM, here: Database
) -> None:
    log(there, "left-over", 1.0, "2026-02-01")
    daily(there, "2026-02-01", 9.5, requests=3)
    assert lines(brought(there, here))["calls"] == (1, 0, 0)
    assert sums(here, "day") == {"2026-02-01": (Decimal("9.5"), 3)}
    brought(there, here)
    assert sums(here, "day") == {"2026-02-01": (Decimal("9.5"), 3)}


def test_calls_that_were_deleted_here_are_not_summed_again(there: LiteLLM, here: Database) -> None:
    log(there, "one", 1.0, "2026-02-01")
    log(there, "two", 1.0, "2026-02-01")
    brought(there, here)
    here.write(lambda connection: ledger.forget(connection, NOW, 1))
    brought(there, here)
    assert sums(here, "day") == {"2026-02-01": (Decimal(2), 2)}


def test_today_goes_on_from_where_it_was(there: LiteLLM, here: Database) -> None:
    log(there, "one", 1.0, "2026-03-18")
    daily(there, "2026-03-18", 50.0, requests=50)  # not over: the calls count
    brought(there, here)
    own = Record(
        id="ours",
        started=NOW,
        first_token=None,
        ended=NOW,
        key=ALICE,
        model="gpt-4o",
        status=200,
        cost=units(Decimal(3)),
    )
    here.write(lambda connection: ledger.book(connection, [own]))
    log(there, "two", 1.0, "2026-03-18")
    assert lines(brought(there, here))["calls"] == (1, 1, 0)
    assert sums(here, "day") == {"2026-03-18": (Decimal(5), 3)}
