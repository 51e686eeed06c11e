"""How plans' worths moved."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata

plan_worths = Table(
    "plan_worths",
    metadata,
    Column("plan_id", BigInteger, primary_key=True, autoincrement=False),
    Column("marked_at", MOMENT, nullable=False),  # exchange's time
    Column("pnl", EXACT, nullable=False),
    Column("day_start", EXACT, nullable=False),
    Column("peak", EXACT, nullable=False),
)
