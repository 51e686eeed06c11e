"""The decision record: what a turn was told, asked and got; and messages from users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and make the tables."""
    op.add_column("turns", sa.Column("change_of_mind", sa.Text))
    op.add_column("turns", sa.Column("tokens_in", sa.BigInteger))
    op.add_column("turns", sa.Column("tokens_out", sa.BigInteger))
    op.add_column("tool_calls", sa.Column("asked_at", _MOMENT))
    op.create_table(
        "turn_records",
        sa.Column("turn_id", sa.BigInteger, nullable=False),
        sa.Column("record", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", name="pk_turn_records"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_turn_records_turn_id_turns"),
    )
    op.create_table(
        "user_messages",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sent_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_messages"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_user_messages_plan_id_plans"),
    )
    op.create_index("idx_user_messages_plan_id", "user_messages", ["plan_id", "id"])
