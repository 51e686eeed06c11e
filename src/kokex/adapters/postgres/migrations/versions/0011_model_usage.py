"""What language models cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "model_usage",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("turn_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("cost_usd", sa.Numeric),
        sa.PrimaryKeyConstraint("id", name="pk_model_usage"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_model_usage_plan_id_plans"),
    )
    op.create_index("idx_model_usage_at", "model_usage", ["at"])
    op.create_index("idx_model_usage_plan_id", "model_usage", ["plan_id", "turn_id"])
