"""What wakes agents and has no other journal: risk events and price alerts; and the notes that agents keep."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata, number_column

plan_watches = Table(
    "plan_watches",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plans.id"), primary_key=True, autoincrement=False),
    Column("since", MOMENT, nullable=False),
)

plan_notices = Table(
    "plan_notices",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("kind", Text, nullable=False),  # of the trigger: risk_event, price_alert
    Column("notice_key", Text, nullable=False),
    Column("occurred_at", MOMENT, nullable=False),
    Column("facts", JSONB, nullable=False),
    UniqueConstraint("plan_id", "notice_key"),
)

price_alerts = Table(
    "price_alerts",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("turn_id", BigInteger, nullable=False),
    Column("price", EXACT, nullable=False),
    Column("direction", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("made_at", MOMENT, nullable=False),
    Column("fired_at", MOMENT),
    Column("fired_price", EXACT),
    Column("removed_at", MOMENT),
    UniqueConstraint("plan_id", "turn_id", "price", "direction"),
)
Index(
    "idx_price_alerts_waiting",
    price_alerts.c.plan_id,
    postgresql_where=text("fired_at IS NULL AND removed_at IS NULL"),
)

plan_notes = Table(
    "plan_notes",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("turn_id", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("made_at", MOMENT, nullable=False),
)
Index("idx_plan_notes_plan_id", plan_notes.c.plan_id, plan_notes.c.id)
