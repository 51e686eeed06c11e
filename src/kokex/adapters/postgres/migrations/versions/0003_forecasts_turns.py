"""Forecasts, turns, what woke them and what they did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "forecasts",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("forecaster", sa.Text, nullable=False),
        sa.Column("origin_time", _MOMENT, nullable=False),
        sa.Column("origin_price", sa.Double, nullable=False),
        sa.Column("shape", sa.ARRAY(sa.Integer), nullable=False),
        sa.Column("paths", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_forecasts"),
        sa.UniqueConstraint("plan_id", "origin_time", name="uq_forecasts_plan_id_origin_time"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_forecasts_plan_id_plans"),
    )
    # Random floats do not compress: do not let the server try.
    op.execute("ALTER TABLE forecasts ALTER COLUMN paths SET STORAGE EXTERNAL")
    _create_turns()


def _create_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("trigger_keys", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("trigger_summary", sa.Text, nullable=False),
        sa.Column("event_ids", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("cursor", sa.BigInteger, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.Column("action", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("confidence", sa.Double),
        sa.Column("model", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_turns_plan_id_plans"),
    )
    op.create_index("idx_turns_plan_id", "turns", ["plan_id", "id"])
    running = sa.text("status = 'running'")
    op.create_index("uq_turns_running", "turns", ["plan_id"], unique=True, postgresql_where=running)
    op.create_table(
        "turn_triggers",
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("trigger_key", sa.Text, nullable=False),
        sa.Column("turn_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "trigger_key", name="pk_turn_triggers"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_turn_triggers_plan_id_plans"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_turn_triggers_turn_id_turns"),
    )
    op.create_table(
        "tool_calls",
        sa.Column("turn_id", sa.BigInteger, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("arguments", JSONB, nullable=False),
        sa.Column("result", JSONB, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("turn_id", "step", name="pk_tool_calls"),
        sa.ForeignKeyConstraint(["turn_id"], ["turns.id"], name="fk_tool_calls_turn_id_turns"),
    )
