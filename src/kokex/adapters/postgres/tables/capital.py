"""Trailing stops."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, SmallInteger, Table, UniqueConstraint

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
