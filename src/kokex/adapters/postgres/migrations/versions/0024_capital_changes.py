"""Who changed how a plan uses its capital, when and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0022"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "capital_changes",
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("before", JSONB, nullable=False),
        sa.Column("after", JSONB, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "version", name="pk_capital_changes"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_capital_changes_plan_id_plans"),
    )
