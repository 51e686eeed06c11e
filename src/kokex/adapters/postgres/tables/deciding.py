"""Forecasts, turns, what woke them and what they did."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import MOMENT, metadata, number_column

forecasts = Table(
    "forecasts",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("inst_id", Text, nullable=False),
    Column("interval", Text, nullable=False),
    Column("forecaster", Text, nullable=False),
    Column("origin_time", MOMENT, nullable=False),
    Column("origin_price", Double, nullable=False),
    Column("shape", ARRAY(Integer), nullable=False),  # paths, horizon, columns
    Column("paths", LargeBinary, nullable=False),  # float32, little-endian, row by row
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
    UniqueConstraint("plan_id", "origin_time"),
)

turns = Table(
    "turns",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("trigger_keys", ARRAY(Text), nullable=False),
    Column("trigger_summary", Text, nullable=False),
    Column("event_ids", ARRAY(BigInteger), nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("started_at", MOMENT, nullable=False),
    Column("finished_at", MOMENT),
    Column("action", Text),
    Column("reason", Text),
    Column("confidence", Double),
    Column("model", Text),
    Column("error", Text),
    Column("account_cursor", BigInteger, nullable=False, server_default=text("0")),
    Column("change_of_mind", Text),
    Column("tokens_in", BigInteger),
    Column("tokens_out", BigInteger),
)
Index("idx_turns_plan_id", turns.c.plan_id, turns.c.id)
Index("uq_turns_running", turns.c.plan_id, unique=True, postgresql_where=turns.c.status == "running")

turn_triggers = Table(
    "turn_triggers",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plans.id"), primary_key=True),
    Column("trigger_key", Text, primary_key=True),
    Column("turn_id", BigInteger, ForeignKey("turns.id"), nullable=False),
)

tool_calls = Table(
    "tool_calls",
    metadata,
    Column("turn_id", BigInteger, ForeignKey("turns.id"), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("arguments", JSONB, nullable=False),
    Column("result", JSONB, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("asked_at", MOMENT),
)

turn_records = Table(
    "turn_records",
    metadata,
    Column("turn_id", BigInteger, ForeignKey("turns.id"), primary_key=True, autoincrement=False),
    Column("record", JSONB, nullable=False),
)

user_messages = Table(
    "user_messages",
    metadata,
    number_column(),
    Column("plan_id", BigInteger, ForeignKey("plans.id"), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", MOMENT, nullable=False),
)
Index("idx_user_messages_plan_id", user_messages.c.plan_id, user_messages.c.id)
