"""What wakes agents and has no other journal: risk events and price alerts; and the notes that agents keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "plan_watches",
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", name="pk_plan_watches"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_watches_plan_id_plans"),
    )
    op.create_table(
        "plan_notices",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("notice_key", sa.Text, nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plan_notices"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_notices_plan_id_plans"),
        sa.UniqueConstraint("plan_id", "notice_key", name="uq_plan_notices_plan_id_notice_key"),
    )
    _alerts()
    op.create_table(
        "plan_notes",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("turn_id", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plan_notes"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_notes_plan_id_plans"),
    )
    op.create_index("idx_plan_notes_plan_id", "plan_notes", ["plan_id", "id"])


def _alerts() -> None:
    op.create_table(
        "price_alerts",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("turn_id", sa.BigInteger, nullable=False),
        sa.Column("price", sa.Numeric, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("fired_at", _MOMENT),
        sa.Column("fired_price", sa.Numeric),
        sa.Column("removed_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_price_alerts"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_price_alerts_plan_id_plans"),
        sa.UniqueConstraint(
            "plan_id",
            "turn_id",
            "price",
            "direction",
            name="uq_price_alerts_plan_id_turn_id_price_direction",
        ),
    )
    op.create_index(
        "idx_price_alerts_waiting",
        "price_alerts",
        ["plan_id"],
        postgresql_where=sa.text("fired_at IS NULL AND removed_at IS NULL"),
    )
