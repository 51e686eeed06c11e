"""What language models cost."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Table, Text

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata, number_column

model_usage = Table(
    "model_usage",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("turn_id", BigInteger, nullable=False),
    Column("at", MOMENT, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("cost_usd", EXACT),  # None: no price was configured
)
Index("idx_model_usage_at", model_usage.c.at)
Index("idx_model_usage_plan_id", model_usage.c.plan_id, model_usage.c.turn_id)
