"""Parent orders."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata, number_column

parent_orders = Table(
    "parent_orders",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("decision_id", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", EXACT, nullable=False),
    Column("style", Text, nullable=False),
    Column("limit_price", EXACT),
    Column("slices", Integer),
    Column("visible", EXACT),
    Column("started_at", MOMENT, nullable=False),
    Column("ends_at", MOMENT, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("grant_left", JSONB, nullable=False),  # of the turn, after it
    Column("reduces", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("plan_id", "decision_id", "step"),
)
Index("ix_parent_orders_working", parent_orders.c.plan_id, postgresql_where=text("status = 'working'"))
