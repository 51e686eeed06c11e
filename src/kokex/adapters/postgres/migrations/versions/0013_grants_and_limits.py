"""What is left of a turn's grant after each of its orders; who changed a plan's limits, when and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column and make the table."""
    op.add_column("orders", sa.Column("grant_left", JSONB))
    op.create_table(
        "limit_changes",
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("before", JSONB, nullable=False),
        sa.Column("after", JSONB, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "version", name="pk_limit_changes"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_limit_changes_plan_id_plans"),
    )
