"""Credentials that models name are kept, their values sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "headgate_credentials",
        sa.Column("credential_name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=True),
        sa.Column("credential_values", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("credential_info", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("credential_name", name=op.f("pk_headgate_credentials")),
        if_not_exists=True,
        comment="What rows name with `litellm_credential_name`: the values are sealed",
    )
