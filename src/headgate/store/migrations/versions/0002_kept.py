"""Answers, jobs and repeated calls are kept. A database may have the tables already: they came before this revision
did."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "headgate_repeats",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headgate_repeats")),
        if_not_exists=True,
        comment="Calls with an Idempotency-Key: who makes them, and what they were answered",
    )
    _index("headgate_repeats", "expires")
    op.create_table(
        "headgate_jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=True),
        sa.Column("payer", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("booked", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headgate_jobs")),
        if_not_exists=True,
        comment="Files, batches and fine-tuning jobs: whose they are, who keeps them, when a batch was paid",
    )
    _index("headgate_jobs", "created")
    op.create_table(
        "headgate_responses",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("input", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_headgate_responses")),
        if_not_exists=True,
        comment="Answers of the Responses API: whose they are, who gave them, what was said",
    )
    _index("headgate_responses", "created")


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False, if_not_exists=True)
