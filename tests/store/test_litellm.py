"""What LiteLLM kept is brought: keys work with their limits, sums are exact, nothing is brought twice, what was
changed here stays, and what can't be brought is said."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from databases import KINDS, Postgres, new_database
from headgate.cli.main import main
from headgate.errors import BadRequestError
from headgate.server.callers import MASTER
from headgate.store import directory, ledger, litellm, migrations, reports, tables
from headgate.store.crypto import Vault
from headgate.store.database import Database, connect
from headgate.store.directory import find, load_key
from headgate.store.ledger import Record
from headgate.store.litellm import secretbox, values
from headgate.store.litellm.report import Report
from headgate.store.money import dollars, units
from headgate.store.periods import period
from litellm_schema import (
    ALICE,
    BAD,
    BLOCKED,
    EXPIRED,
    MASTER_KEY,
    OLD,
    SALT,
    LiteLLM,
    create,
    daily,
    fill,
    log,
    seal,
)

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC).timestamp()
MONTH = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
TEMPLATE = "litellm"
VAULT = Vault([SALT])


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    postgres.run(f"CREATE DATABASE {TEMPLATE}")
    made = connect(postgres.url(TEMPLATE))
    made.write(create)
    made.close()
    return TEMPLATE


@pytest.fixture(scope="session")
def shared(postgres: Postgres, template: str) -> Iterator[LiteLLM]:
    found = LiteLLM(postgres.create(template))
    yield found
    found.close()


@pytest.fixture
def there(shared: LiteLLM) -> Iterator[LiteLLM]:
    """LiteLLM's database with its tables, empty."""
    yield shared
    shared.empty()


@pytest.fixture
def own(postgres: Postgres, template: str) -> Iterator[LiteLLM]:
    """The same for a test that changes the tables."""
    found = LiteLLM(postgres.create(template))
    yield found
    found.close()


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = new_database("postgresql", tmp_path_factory.mktemp("none"))
    yield found
    found.close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """With our tables, empty: SQLite's is made for the test, PostgreSQL's is emptied after it."""
    if request.param == "sqlite":
        yield request.getfixturevalue("here")
        return
    found = request.getfixturevalue("ours")
    yield found
    found.write(lambda c: [c.execute(table.delete()) for table in tables.metadata.sorted_tables])


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Database]:
    found = new_database("sqlite", tmp_path)
    yield found
    found.close()


def brought(there: LiteLLM, here: Database, now: float = NOW, **options: Any) -> Report:
    return litellm.run(there.url, here, now, VAULT, **{"salt": SALT, "master": MASTER_KEY} | options)


def lines(report: Report) -> dict[str, tuple[int, int, int]]:
    """Brought, unchanged, not brought; without those of which there are none."""
    return {line.what: (line.brought, line.unchanged, line.failed) for line in report.lines if line.found}


def reasons(report: Report, what: str) -> list[str]:
    return [note.reason for note in report.notes if note.what == what]


def entry(here: Database, token: str = ALICE, now: float = NOW) -> directory.Entry:
    found = here.read(lambda connection: load_key(connection, token, now))
    assert found is not None
    return found


def row(here: Database, kind: str, name: str) -> dict[str, Any]:
    found = here.read(lambda connection: find(connection, kind, name))
    assert found is not None
    return found


def spend_of(here: Database, kind: str, name: str) -> tuple[Decimal, Decimal]:
    """In this period, and ever."""
    found = here.read(lambda connection: ledger.spent(connection, [(kind, name)]))
    now, ever, _ = found.get((kind, name), (0, 0, 0.0))
    return dollars(now), dollars(ever)


# keys and what they belong to


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
    assert spent is not None and spent[0] == units(Decimal("0.7"))
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


# models


def params(here: Database, model: str) -> dict[str, Any]:
    return VAULT.open(row(here, "model", model)["litellm_params"])


def test_a_models_parameters_are_decrypted_and_sealed_here(there: LiteLLM, here: Database) -> None:
    fill(there)
    brought(there, here)
    found = {"model": "openai/gpt-4o", "api_key": "sk-openai-1", "rpm": 60, "tags": ["eu"]}
    assert params(here, "model-1") == found
    assert "sk-openai-1" not in str(row(here, "model", "model-1"))
    there.run("""UPDATE "LiteLLM_ProxyModelTable" SET litellm_params = '{"model": "openai/gpt-5"}'""")
    assert lines(brought(there, here))["models"] == (1, 0, 0)
    assert params(here, "model-1") == {"model": "openai/gpt-5"}


def test_a_credential_that_a_model_names_is_brought_with_it(there: LiteLLM, here: Database) -> None:
    kept = {"api_key": seal("sk-shared"), "api_base": seal("https://example.com")}
    there.add("CredentialsTable", credential_id="1", credential_name="shared", credential_values=kept)
    given = {
        "model": seal("openai/m"),
        "litellm_credential_name": seal("shared"),
        "api_base": "https://own.com",
    }
    there.add("ProxyModelTable", model_id="m", model_name="m", litellm_params=given)
    there.add(
        "ProxyModelTable",
        model_id="n",
        model_name="n",
        litellm_params=given | {"litellm_credential_name": "?"},
    )
    brought(there, here)
    assert params(here, "m") == {"model": "openai/m", "api_key": "sk-shared", "api_base": "https://own.com"}
    assert params(here, "n")["litellm_credential_name"] == "?"


def test_models_that_the_salt_key_does_not_open_are_not_brought(there: LiteLLM, here: Database) -> None:
    there.add(
        "ProxyModelTable", model_id="m", model_name="mine", litellm_params={"model": seal("a/b", "another")}
    )
    report = brought(there, here)
    assert lines(report)["models"] == (0, 0, 1)
    assert "LITELLM_SALT_KEY must be that of LiteLLM" in reasons(report, "models")[0]
    assert lines(brought(there, here, salt="another"))["models"] == (1, 0, 0)


def test_models_are_not_brought_where_nothing_seals_them(there: LiteLLM, here: Database) -> None:
    fill(there)
    report = litellm.run(there.url, here, NOW, Vault([]), salt=SALT)
    assert lines(report)["models"] == (0, 0, 1)
    assert "set HEADGATE_SALT_KEY" in reasons(report, "models")[0]


NACL_KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NACL_NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
NACL_BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce8"
    "7b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0"
    "e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)
NACL_PLAIN = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561"
    "f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c6090"
    "2e52f0a089bc76897040e082f937763848645e0705"
)


def test_secretbox_is_that_of_nacl() -> None:
    """Section 10 of Cryptography in NaCl."""
    assert secretbox.open_box(NACL_NONCE + NACL_BOX, NACL_KEY) == NACL_PLAIN


def test_poly1305_is_that_of_rfc_8439() -> None:
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    tag = secretbox.poly1305(key, b"Cryptographic Forum Research Group")
    assert tag.hex() == "a8061dc1305136c6c22b8baf0c0127a9"


@pytest.mark.parametrize("at", [0, 24, 40, 100])
def test_a_changed_box_does_not_open(at: int) -> None:
    data = bytearray(NACL_NONCE + NACL_BOX)
    data[at] ^= 1
    with pytest.raises(secretbox.SealedError):
        secretbox.open_box(bytes(data), NACL_KEY)


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_values_of_newer_versions_open(version: str) -> None:
    keys = {
        "v2": hashlib.sha256(SALT.encode()).digest(),
        "v3": HKDF(hashes.SHA256(), 32, None, b"litellm-at-rest-v3").derive(SALT.encode()),
    }
    data = b"n" * 12 + AESGCM(keys[version]).encrypt(b"n" * 12, b"sk-1", None)
    value = f"{version}:gcm:" + base64.urlsafe_b64encode(data).decode()
    assert secretbox.opened(value, SALT) == "sk-1"
    with pytest.raises(secretbox.SealedError):
        secretbox.opened(value, "another")


@pytest.mark.parametrize("plain", ["openai/gpt-4o", "os.environ/OPENAI_API_KEY", "", "a" * 39])
def test_what_is_not_encrypted_stays_as_it_is(plain: str) -> None:
    assert secretbox.opened(plain, SALT) == plain


# history

COSTS = (0.1, 0.2, 1e-07, 0.00012345, 3.3000000000000003, 0.0)
"""Floats whose binary sum is not the sum of what they say."""
SUM = Decimal("3.60012355") + Decimal("0.0000000000000003")
"""Of the texts; units are rounded once for each call."""


def sums(here: Database, by: str) -> dict[str, tuple[Decimal, int]]:
    """Spend and calls."""
    rows = here.read(lambda connection: reports.sums(connection, [by], "2020-01-01", "2030-01-01"))
    return {found[by]: (dollars(found["spend"]), found["calls"]) for found in rows}


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
    assert spend_of(database, "key_model", f"{ALICE}/gpt-4o") == (exact, exact)
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
        id="ours", started=NOW, ended=NOW, key=ALICE, model="gpt-4o", status=200, cost=units(Decimal(3))
    )
    here.write(lambda connection: ledger.book(connection, [own]))
    log(there, "two", 1.0, "2026-03-18")
    assert lines(brought(there, here))["calls"] == (1, 1, 0)
    assert sums(here, "day") == {"2026-03-18": (Decimal(5), 3)}


# again


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


def contents(here: Database) -> dict[str, list[Any]]:
    """All that we have, but for the words to gateways that run."""
    found = [table for table in tables.metadata.sorted_tables if table is not tables.changes]
    return {
        table.name: here.read(lambda c, t=table: sorted(map(repr, c.execute(select(t))))) for table in found
    }


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
        id="ours", started=NOW, ended=NOW, key=ALICE, user_id="alice", team_id="team-1", model="m", status=200,
        cost=units(Decimal("0.05")),
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


# bad rows, other versions


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


# values


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


# the command


def command(*words: str, **env: str | None) -> Result:
    """Nothing but an exit may leave it."""
    variables = dict.fromkeys(
        ("DATABASE_URL", "HEADGATE_DATABASE_URL", "HEADGATE_CONFIG", "LITELLM_MASTER_KEY")
    )
    result = CliRunner().invoke(
        main, ["import-litellm", *words], env={**variables, "LITELLM_SALT_KEY": SALT} | env
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def cells(result: Result, what: str) -> list[str]:
    """A row of the table."""
    found = next(line for line in result.stdout.splitlines() if line.startswith(what + "  "))
    return found.removeprefix(what).split()


def test_the_command_says_what_it_has_brought(there: LiteLLM, tmp_path: Path) -> None:
    fill(there)
    log(there, "one", 0.5)
    result = command(there.url, "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    assert cells(result, "keys") == ["4", "3", "0", "1"]
    assert cells(result, "calls") == ["1", "1", "0", "0"]
    assert "1 keys: object_permission: MCP servers" in result.stdout
    assert "keep it set" in result.stdout and "Restart a gateway" in result.stdout
    found = connect(f"sqlite:///{tmp_path}/headgate.db")
    assert entry(found, now=NOW).key["key_alias"] == "alice's"
    found.close()
    again = command(there.url, "--data-dir", str(tmp_path))
    assert cells(again, "keys") == ["4", "0", "3", "1"]
    assert "Restart" not in again.stdout


def test_a_dry_run_writes_nothing(there: LiteLLM, here: Database, tmp_path: Path) -> None:
    fill(there)
    log(there, "one", 0.5)
    before = contents(here)
    result = command(there.url, "--data-dir", str(tmp_path), "--dry-run")
    assert (cells(result, "keys"), cells(result, "calls")) == (["4", "3", "0", "1"], ["1", "1", "0", "0"])
    assert "would be brought" in result.stdout
    assert contents(here) == before
    elsewhere = tmp_path / "none"
    assert cells(command(there.url, "--data-dir", str(elsewhere), "--dry-run"), "keys") == [
        "4",
        "3",
        "0",
        "1",
    ]
    assert not elsewhere.exists()


def test_a_dry_run_makes_no_tables(there: LiteLLM, own: LiteLLM) -> None:
    fill(there)
    result = command(there.url, "--database-url", own.url, "--dry-run")
    assert cells(result, "teams") == ["1", "1", "0", "0"]
    found = connect(own.url)
    assert found.read(migrations.revision) is None
    found.close()


def test_the_command_finds_the_database_as_serve_does(there: LiteLLM, own: LiteLLM, tmp_path: Path) -> None:
    fill(there)
    config = tmp_path / "config.yaml"
    config.write_text(f"general_settings:\n  database_url: {own.url}\n  master_key: {SALT}\n")
    result = command(there.url, "--config", str(config), LITELLM_SALT_KEY=None)
    assert cells(result, "models") == ["1", "1", "0", "0"]  # opened by the master key
    assert cells(command(there.url, DATABASE_URL=own.url), "keys") == ["4", "0", "3", "1"]


def test_since_is_a_duration(there: LiteLLM, tmp_path: Path) -> None:
    log(there, "old", 1.0, "2020-01-01")
    result = command(there.url, "--data-dir", str(tmp_path), "--since", "90d")
    assert cells(result, "calls") == ["0", "0", "0", "0"]
    wrong = command(there.url, "--data-dir", str(tmp_path), "--since", "90")
    assert (wrong.exit_code, "--since 90: expected a duration" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:very-secret@127.0.0.1:1/x", "the database 127.0.0.1:1/x can't be used now"),
        ("postgresql://me:very@very-secret@127.0.0.1:1/x", "written as %40"),
        ("postgresql://me:very-secret@127.0.0.1:port/x", "the URL of LiteLLM's database can't be read"),
        ("mysql://me:very-secret@127.0.0.1/x", "must be a PostgreSQL"),
        ("sqlite:///very-secret.db", "must be a PostgreSQL"),
        ("very-secret", "the URL of LiteLLM's database can't be read"),
    ],
)
def test_a_wrong_url_is_said_without_its_password(url: str, said: str, tmp_path: Path) -> None:
    result = command(url, "--data-dir", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert "very-secret" not in result.stderr


def test_a_database_without_litellms_tables_is_said(postgres: Postgres, tmp_path: Path) -> None:
    result = command(postgres.create(), "--data-dir", str(tmp_path))
    assert (result.exit_code, "there are no tables of LiteLLM in" in result.stderr) == (1, True)


def test_a_user_who_may_not_read_is_told_so(there: LiteLLM, postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("DROP ROLE IF EXISTS nobody", "CREATE ROLE nobody LOGIN")
    url = there.url.replace("postgres:@", "nobody:very-secret@")
    result = command(url, "--data-dir", str(tmp_path))
    assert (result.exit_code, "may not read LiteLLM's tables" in result.stderr) == (1, True)
    assert "very-secret" not in result.stderr


def test_tables_that_may_not_be_read_are_named(there: LiteLLM, postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN")
    fill(there)
    there.run('GRANT SELECT ON "LiteLLM_VerificationToken" TO reader')
    result = command(there.url.replace("postgres:@", "reader:@"), "--data-dir", str(tmp_path))
    there.run('REVOKE SELECT ON "LiteLLM_VerificationToken" FROM reader')
    assert cells(result, "keys") == ["4", "3", "0", "1"]
    assert "may not be read by this user (LiteLLM_AccessGroupTable, " in result.stdout


def test_two_places_are_one_too_many(there: LiteLLM, tmp_path: Path) -> None:
    result = command(there.url, "--data-dir", str(tmp_path), "--database-url", "sqlite:///x.db")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_place_that_cannot_be_written_is_said(there: LiteLLM, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = command(there.url, "--data-dir", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr
