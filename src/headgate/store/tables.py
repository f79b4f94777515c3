"""The tables, the same for SQLite and PostgreSQL. Times are Unix seconds, money is in units (`money.py`).

Who may call and how much stands in one row each (`keys`, `teams`, …); what was spent stands apart, in `spend`,
so that a change of a key and the booking of its calls never wait for each other. Migrations must follow every
change here: a test compares.
"""

from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from headgate.store.money import Money

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
PREFIX: Final = "headgate_"
"""The database may be shared, with LiteLLM's tables for one."""

Id: Final = BigInteger().with_variant(Integer(), "sqlite")


def _table(name: str, *parts: Any, comment: str | None = None) -> Table:
    return Table(PREFIX + name, metadata, *parts, comment=comment)


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, Text, **options)


def _json(name: str) -> Column[Any]:
    return Column(name, JSON(none_as_null=True))


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, default=False)


def _limits() -> list[Column[Any]]:
    """What a row may allow: NULL for no limit."""
    return [
        Column("max_budget", Money),
        Column("soft_budget", Money),
        _text("budget_duration"),
        _text("budget_mode"),
        Column("rpm_limit", BigInteger),
        Column("tpm_limit", BigInteger),
        Column("max_parallel_requests", BigInteger),
        _json("model_max_budget"),
        _json("model_rpm_limit"),
        _json("model_tpm_limit"),
    ]


def _history() -> list[Column[Any]]:
    return [
        Column("created_at", Float, nullable=False),
        _text("created_by", nullable=False),
        Column("updated_at", Float, nullable=False),
        _text("updated_by", nullable=False),
    ]


budgets: Final = _table("budgets", _text("budget_id", primary_key=True), *_limits(), *_history())

organizations: Final = _table(
    "organizations",
    _text("organization_id", primary_key=True),
    _text("organization_alias"),
    _text("budget_id"),
    _json("models"),
    _json("metadata"),
    _flag("blocked"),
    *_limits(),
    *_history(),
)

organization_members: Final = _table(
    "organization_members",
    _text("organization_id", primary_key=True),
    _text("user_id", primary_key=True),
    _text("user_role", nullable=False),
    Column("created_at", Float, nullable=False),
)

teams: Final = _table(
    "teams",
    _text("team_id", primary_key=True),
    _text("team_alias", index=True),
    _text("organization_id", index=True),
    _text("budget_id"),
    _json("models"),
    _json("model_aliases"),
    _json("metadata"),
    _json("tags"),
    _json("guardrails"),
    _json("access_group_ids"),
    _json("team_member_permissions"),
    Column("team_member_budget", Money),
    _text("team_member_budget_duration"),
    Column("team_member_rpm_limit", BigInteger),
    Column("team_member_tpm_limit", BigInteger),
    _flag("blocked"),
    *_limits(),
    *_history(),
)

team_members: Final = _table(
    "team_members",
    _text("team_id", primary_key=True),
    _text("user_id", primary_key=True, index=True),
    _text("role", nullable=False),
    _text("budget_id"),
    *_limits(),
    Column("created_at", Float, nullable=False),
)

users: Final = _table(
    "users",
    _text("user_id", primary_key=True),
    _text("user_alias"),
    _text("user_email", index=True),
    _text("user_role", nullable=False),
    _text("sso_user_id", index=True),
    _text("budget_id"),
    _json("models"),
    _json("metadata"),
    _flag("blocked"),
    *_limits(),
    *_history(),
)

keys: Final = _table(
    "keys",
    _text("id", primary_key=True, comment="the first token: it stays when the key is made anew"),
    _text("token", unique=True, nullable=False),
    _text("key_name", nullable=False),
    _text("key_alias", unique=True),
    _text("user_id", index=True),
    _text("team_id", index=True),
    _text("organization_id", index=True),
    _text("budget_id"),
    Column("expires", Float),
    _json("models"),
    _json("aliases"),
    _json("metadata"),
    _json("tags"),
    _json("guardrails"),
    _json("permissions"),
    _json("allowed_routes"),
    _json("allowed_ips"),
    _json("access_group_ids"),
    _text("key_type"),
    _flag("blocked"),
    *_limits(),
    *_history(),
)

retired_keys: Final = _table(
    "retired_keys",
    _text("token", primary_key=True),
    _text("replaced_by", nullable=False, index=True),
    Column("valid_until", Float, nullable=False),
)

customers: Final = _table(
    "customers",
    _text("user_id", primary_key=True),
    _text("alias"),
    _text("budget_id"),
    _text("default_model"),
    _text("allowed_model_region"),
    _json("models"),
    _json("metadata"),
    _flag("blocked"),
    *_limits(),
    *_history(),
)

tags: Final = _table(
    "tags",
    _text("name", primary_key=True),
    _text("description"),
    _text("budget_id"),
    _json("models"),
    *_limits(),
    *_history(),
)

access_groups: Final = _table(
    "access_groups",
    _text("access_group_id", primary_key=True),
    _text("access_group_name", unique=True, nullable=False),
    _text("description"),
    _json("access_model_names"),
    *_history(),
)

models: Final = _table(
    "models",
    _text("model_id", primary_key=True),
    _text("model_name", nullable=False, index=True),
    _json("litellm_params"),
    _json("model_info"),
    _flag("blocked"),
    *_history(),
)

credentials: Final = _table(
    "credentials",
    _text("credential_name", primary_key=True),
    _text("display_name"),
    _json("credential_values"),
    _json("credential_info"),
    *_history(),
    comment="What rows name with `litellm_credential_name`: the values are sealed",
)

spend: Final = _table(
    "spend",
    _text("kind", primary_key=True),
    _text("id", primary_key=True),
    Column("spend", Money, nullable=False),
    Column("total", Money, nullable=False),
    Column("since", Float, nullable=False),
    comment="What a key, team, … has spent: in the period that began at `since`, and ever",
)

_OF_SOME: Final = ("user_id", "team_id", "organization_id", "customer", "session")
"""Columns by which calls are looked up, and that many calls do not have: those cost their indexes nothing."""


def _partial_index(name: str) -> Index:
    has_one = text(f"{name} IS NOT NULL")
    return Index(None, name, "started", sqlite_where=has_one)


calls: Final = _table(
    "calls",
    _text("id", primary_key=True),
    Column("started", Float, nullable=False),
    Column("first_token", Float),
    Column("ended", Float, nullable=False),
    _text("key", nullable=False),
    _text("user_id"),
    _text("team_id"),
    _text("organization_id"),
    _text("customer"),
    _json("tags"),
    _text("model", nullable=False),
    _text("model_group"),
    _text("deployment"),
    _text("provider"),
    _text("upstream_model"),
    _text("operation", nullable=False),
    _text("dialect", nullable=False),
    Column("status", Integer, nullable=False),
    _text("error"),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    _json("tokens"),
    _text("usage_from"),
    Column("cost", Money),
    _text("cause", nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fallbacks", Integer, nullable=False),
    _json("legs"),
    _text("cache"),
    _text("client"),
    _text("session"),
    _json("metadata"),
    _json("request"),
    _json("response"),
    Index(None, "started"),
    Index(None, "key", "started"),
    *map(_partial_index, _OF_SOME),
)

_SUMS: Final = (
    "calls",
    "failed",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


def _sums() -> list[Column[Any]]:
    return [
        Column("spend", Money, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in _SUMS),
    ]


daily: Final = _table(
    "daily",
    _text("date", primary_key=True),
    _text("key", primary_key=True),
    _text("user_id", primary_key=True),
    _text("team_id", primary_key=True),
    _text("organization_id", primary_key=True),
    _text("model_group", primary_key=True),
    _text("model", primary_key=True),
    _text("provider", primary_key=True),
    *_sums(),
    comment="Sums by day (UTC); empty text for what a call did not have",
)

daily_named: Final = _table(
    "daily_named",
    _text("date", primary_key=True),
    _text("kind", primary_key=True),
    _text("name", primary_key=True),
    _text("key", primary_key=True),
    _text("model", primary_key=True),
    _text("provider", primary_key=True),
    *_sums(),
    comment="Sums by day of customers and tags, of which a call may have several",
)

audit: Final = _table(
    "audit",
    _text("id", primary_key=True),
    Column("updated_at", Float, nullable=False, index=True),
    _text("changed_by", nullable=False),
    _text("changed_by_api_key", nullable=False),
    _text("action", nullable=False),
    _text("table_name", nullable=False),
    _text("object_id", nullable=False, index=True),
    _json("before_value"),
    _json("updated_values"),
)

changes: Final = _table(
    "changes",
    Column("number", Id, primary_key=True, autoincrement=True),
    _text("kind", nullable=False),
    _text("id", nullable=False),
    Column("time", Float, nullable=False),
    comment="What replicas must read anew, in order",
)

segments: Final = _table(
    "segments",
    _text("name", primary_key=True),
    Column("booked", Float, nullable=False, index=True),
    comment="Segments of journals that are booked: each is, once",
)

leases: Final = _table(
    "leases",
    _text("kind", primary_key=True),
    _text("id", primary_key=True),
    _text("owner", primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("expires", Float, nullable=False, index=True),
    comment="Shares of budgets and limits that a process may hand out by itself",
)

repeats: Final = _table(
    "repeats",
    _text("id", primary_key=True),
    _text("fingerprint", nullable=False),
    _text("owner", nullable=False),
    Column("expires", Float, nullable=False, index=True),
    Column("answer", LargeBinary),
    comment="Calls with an Idempotency-Key: who makes them, and what they were answered",
)

responses: Final = _table(
    "responses",
    _text("id", primary_key=True),
    Column("created", Float, nullable=False, index=True),
    _text("key", nullable=False),
    _text("team_id"),
    _text("model", nullable=False),
    _text("deployment", nullable=False),
    _json("input"),
    _json("document"),
    comment="Answers of the Responses API: whose they are, who gave them, what was said",
)

jobs: Final = _table(
    "jobs",
    _text("id", primary_key=True),
    _text("kind", nullable=False),
    Column("created", Float, nullable=False, index=True),
    _text("key", nullable=False),
    _text("team_id"),
    _text("provider", nullable=False),
    _text("deployment", nullable=False),
    _text("batch"),
    _json("payer"),
    _json("document"),
    Column("booked", Float),
    comment="Files, batches and fine-tuning jobs: whose they are, who keeps them, when a batch was paid",
)

sums: Final = ("spend", *_SUMS)
"""The columns of `daily` and `daily_named` that add up."""
