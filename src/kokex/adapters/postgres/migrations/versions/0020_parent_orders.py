"""Orders that are worked by child orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "parent_orders",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("decision_id", sa.BigInteger, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("quantity", sa.Numeric, nullable=False),
        sa.Column("style", sa.Text, nullable=False),
        sa.Column("limit_price", sa.Numeric),
        sa.Column("slices", sa.Integer),
        sa.Column("visible", sa.Numeric),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("grant_left", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parent_orders"),
        sa.UniqueConstraint(
            "plan_id", "decision_id", "step", name="uq_parent_orders_plan_id_decision_id_step"
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_parent_orders_plan_id_plans"),
    )
    op.create_index(
        "ix_parent_orders_working",
        "parent_orders",
        ["plan_id"],
        postgresql_where=sa.text("status = 'working'"),
    )
