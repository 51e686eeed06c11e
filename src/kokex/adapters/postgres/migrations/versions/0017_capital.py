"""How plans use their capital, and the best price that each of their holdings has seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column and make the table."""
    op.add_column("plans", sa.Column("capital", JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")))
    op.create_table(
        "plan_trails",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sign", sa.SmallInteger, nullable=False),
        sa.Column("best", sa.Numeric, nullable=False),
        sa.Column("hit_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_plan_trails"),
        sa.UniqueConstraint("plan_id", "since", "sign", name="uq_plan_trails_plan_id_since_sign"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_trails_plan_id_plans"),
    )
