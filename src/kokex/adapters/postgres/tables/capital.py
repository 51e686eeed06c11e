"""Trailing stops, and who changed how plans use their capital."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, SmallInteger, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata, number_column

plan_trails = Table(
    "plan_trails",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("since", MOMENT, nullable=False),  # the holding began; the exchange's time
    Column("sign", SmallInteger, nullable=False),  # 1 long, -1 short
    Column("best", EXACT, nullable=False),
    Column("hit_at", MOMENT),
    UniqueConstraint("plan_id", "since", "sign"),
)

capital_changes = Table(
    "capital_changes",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plans.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),  # 1 is what the plan was made with
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed_at", MOMENT, nullable=False),
)
