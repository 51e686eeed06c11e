"""Who let a plan's agent use which tools that trade, when and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "permission_changes",
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("before", ARRAY(sa.Text), nullable=False),
        sa.Column("after", ARRAY(sa.Text), nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "version", name="pk_permission_changes"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_permission_changes_plan_id_plans"),
    )
