"""The first schema."""

import sqlalchemy as sa
from alembic import op

from headgate.store.money import Money

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "headgate_access_groups",
        sa.Column("access_group_id", sa.Text(), nullable=False),
        sa.Column("access_group_name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("access_model_names", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("access_group_id", name=op.f("pk_headgate_access_groups")),
        sa.UniqueConstraint("access_group_name", name=op.f("uq_headgate_access_groups_access_group_name")),
    )
    op.create_table(
        "headgate_audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_by_api_key", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("before_value", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("updated_values", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headgate_audit")),
    )
    op.create_index(op.f("ix_headgate_audit_object_id"), "headgate_audit", ["object_id"], unique=False)
    op.create_index(op.f("ix_headgate_audit_updated_at"), "headgate_audit", ["updated_at"], unique=False)
    op.create_table(
        "headgate_budgets",
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("budget_id", name=op.f("pk_headgate_budgets")),
    )
    op.create_table(
        "headgate_calls",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("first_token", sa.Float(), nullable=True),
        sa.Column("ended", sa.Float(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_group", sa.Text(), nullable=True),
        sa.Column("deployment", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("upstream_model", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("usage_from", sa.Text(), nullable=True),
        sa.Column("cost", Money(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fallbacks", sa.Integer(), nullable=False),
        sa.Column("legs", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("cache", sa.Text(), nullable=True),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("session", sa.Text(), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("request", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("response", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headgate_calls")),
    )
    op.create_index(op.f("ix_headgate_calls_key_started"), "headgate_calls", ["key", "started"], unique=False)
    op.create_index(op.f("ix_headgate_calls_started"), "headgate_calls", ["started"], unique=False)
    for name in ("user_id", "team_id", "organization_id", "customer", "session"):
        has_one = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            op.f(f"ix_headgate_calls_{name}_started"),
            "headgate_calls",
            [name, "started"],
            unique=False,
            sqlite_where=has_one,
            postgresql_where=has_one,
        )
    op.create_table(
        "headgate_changes",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_headgate_changes")),
        comment="What replicas must read anew, in order",
    )
    op.create_table(
        "headgate_customers",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("default_model", sa.Text(), nullable=True),
        sa.Column("allowed_model_region", sa.Text(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_headgate_customers")),
    )
    op.create_table(
        "headgate_daily",
        sa.Column("date", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("model_group", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("spend", Money(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "date",
            "key",
            "user_id",
            "team_id",
            "organization_id",
            "model_group",
            "model",
            "provider",
            name=op.f("pk_headgate_daily"),
        ),
        comment="Sums by day (UTC); empty text for what a call did not have",
    )
    op.create_table(
        "headgate_daily_named",
        sa.Column("date", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("spend", Money(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "date", "kind", "name", "key", "model", "provider", name=op.f("pk_headgate_daily_named")
        ),
        comment="Sums by day of customers and tags, of which a call may have several",
    )
    op.create_table(
        "headgate_keys",
        sa.Column(
            "id", sa.Text(), nullable=False, comment="the first token: it stays when the key is made anew"
        ),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("key_alias", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("aliases", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("guardrails", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("permissions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("allowed_routes", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("allowed_ips", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("access_group_ids", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("key_type", sa.Text(), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headgate_keys")),
        sa.UniqueConstraint("key_alias", name=op.f("uq_headgate_keys_key_alias")),
        sa.UniqueConstraint("token", name=op.f("uq_headgate_keys_token")),
    )
    op.create_index(
        op.f("ix_headgate_keys_organization_id"), "headgate_keys", ["organization_id"], unique=False
    )
    op.create_index(op.f("ix_headgate_keys_team_id"), "headgate_keys", ["team_id"], unique=False)
    op.create_index(op.f("ix_headgate_keys_user_id"), "headgate_keys", ["user_id"], unique=False)
    op.create_table(
        "headgate_leases",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", "owner", name=op.f("pk_headgate_leases")),
        comment="Shares of budgets and limits that a process may hand out by itself",
    )
    op.create_index(op.f("ix_headgate_leases_expires"), "headgate_leases", ["expires"], unique=False)
    op.create_table(
        "headgate_models",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("litellm_params", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_info", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_headgate_models")),
    )
    op.create_index(op.f("ix_headgate_models_model_name"), "headgate_models", ["model_name"], unique=False)
    op.create_table(
        "headgate_organization_members",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("user_role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name=op.f("pk_headgate_organization_members")),
    )
    op.create_table(
        "headgate_organizations",
        sa.Column("organization_id", sa.Text(), nullable=False),
        sa.Column("organization_alias", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_headgate_organizations")),
    )
    op.create_table(
        "headgate_retired_keys",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("replaced_by", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_headgate_retired_keys")),
    )
    op.create_index(
        op.f("ix_headgate_retired_keys_replaced_by"), "headgate_retired_keys", ["replaced_by"], unique=False
    )
    op.create_table(
        "headgate_segments",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("booked", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_headgate_segments")),
        comment="Segments of journals that are booked: each is, once",
    )
    op.create_index(op.f("ix_headgate_segments_booked"), "headgate_segments", ["booked"], unique=False)
    op.create_table(
        "headgate_spend",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("spend", Money(), nullable=False),
        sa.Column("total", Money(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_headgate_spend")),
        comment="What a key, team, … has spent: in the period that began at `since`, and ever",
    )
    op.create_table(
        "headgate_tags",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_headgate_tags")),
    )
    op.create_table(
        "headgate_team_members",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", "user_id", name=op.f("pk_headgate_team_members")),
    )
    op.create_index(
        op.f("ix_headgate_team_members_user_id"), "headgate_team_members", ["user_id"], unique=False
    )
    op.create_table(
        "headgate_teams",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("team_alias", sa.Text(), nullable=True),
        sa.Column("organization_id", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_aliases", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("guardrails", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("access_group_ids", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("team_member_permissions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("team_member_budget", Money(), nullable=True),
        sa.Column("team_member_budget_duration", sa.Text(), nullable=True),
        sa.Column("team_member_rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("team_member_tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_headgate_teams")),
    )
    op.create_index(
        op.f("ix_headgate_teams_organization_id"), "headgate_teams", ["organization_id"], unique=False
    )
    op.create_index(op.f("ix_headgate_teams_team_alias"), "headgate_teams", ["team_alias"], unique=False)
    op.create_table(
        "headgate_users",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("user_alias", sa.Text(), nullable=True),
        sa.Column("user_email", sa.Text(), nullable=True),
        sa.Column("user_role", sa.Text(), nullable=False),
        sa.Column("sso_user_id", sa.Text(), nullable=True),
        sa.Column("budget_id", sa.Text(), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("metadata", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("max_budget", Money(), nullable=True),
        sa.Column("soft_budget", Money(), nullable=True),
        sa.Column("budget_duration", sa.Text(), nullable=True),
        sa.Column("budget_mode", sa.Text(), nullable=True),
        sa.Column("rpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("tpm_limit", sa.BigInteger(), nullable=True),
        sa.Column("max_parallel_requests", sa.BigInteger(), nullable=True),
        sa.Column("model_max_budget", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_rpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model_tpm_limit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_headgate_users")),
    )
    op.create_index(op.f("ix_headgate_users_sso_user_id"), "headgate_users", ["sso_user_id"], unique=False)
    op.create_index(op.f("ix_headgate_users_user_email"), "headgate_users", ["user_email"], unique=False)
    # ### end Alembic commands ###
