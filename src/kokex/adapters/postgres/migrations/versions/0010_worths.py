"""How plans' worths moved."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "plan_worths",
        sa.Column("plan_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pnl", sa.Numeric, nullable=False),
        sa.Column("day_start", sa.Numeric, nullable=False),
        sa.Column("peak", sa.Numeric, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", name="pk_plan_worths"),
    )
