"""How plans' worths moved, what ended trading, and who changed limits and tools."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata, number_column

plan_worths = Table(
    "plan_worths",
    metadata,
    Column("plan_id", BigInteger, primary_key=True, autoincrement=False),
    Column("marked_at", MOMENT, nullable=False),  # exchange's time
    Column("pnl", EXACT, nullable=False),
    Column("day_start", EXACT, nullable=False),
    Column("peak", EXACT, nullable=False),
)

# Never deleted: what is in force and the trail of what was are one.
halts = Table(
    "halts",
    metadata,
    number_column(),
    Column("scope", Text, nullable=False),
    Column("number", BigInteger),  # of the plan or account; None for the platform
    Column("level", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column("since", MOMENT, nullable=False),
    Column("flatten", Boolean, nullable=False),
    Column("lifted_at", MOMENT),
    Column("lifted_by", Text),
    Column("lift_reason", Text),
)
Index("idx_halts_in_force", halts.c.id, postgresql_where=halts.c.lifted_at.is_(None))

halt_effects = Table(
    "halt_effects",
    metadata,
    Column("halt_id", BigInteger, ForeignKey("halts.id"), primary_key=True, autoincrement=False),
    Column("plan_id", BigInteger, primary_key=True, autoincrement=False),
    Column("done_at", MOMENT, nullable=False),  # its orders are canceled and, if asked, its holding is gone
)

permission_changes = Table(
    "permission_changes",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plans.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),  # 1 is what the plan was made with
    Column("before", ARRAY(Text), nullable=False),  # names of tools that trade
    Column("after", ARRAY(Text), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
)

limit_changes = Table(
    "limit_changes",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plans.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),  # 1 is what the plan was made with
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
)
