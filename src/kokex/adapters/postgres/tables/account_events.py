"""Account events, and the newest that is known of each account.

Without foreign keys on purpose, as the journal of order events: what the exchange did happened.
"""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Index, String, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import MOMENT, metadata, number_column

account_event_logs = Table(
    "account_event_logs",
    metadata,
    number_column(),
    Column("account_id", BigInteger, nullable=False),
    Column("event_type", String(50), nullable=False),
    Column("event_key", Text, nullable=False),
    Column("inst_id", Text),  # None for a balance
    Column("currency", Text),  # of a balance
    Column("event_data", JSONB, nullable=False),
    Column("source", String(20), nullable=False),
    Column("occurred_at", MOMENT, nullable=False),
    Column("processed_at", MOMENT, nullable=False, server_default=text("CURRENT_TIMESTAMP")),
    Column("plan_ids", ARRAY(BigInteger), nullable=False, server_default=text("'{}'")),  # who was subscribed
    UniqueConstraint("account_id", "event_type", "event_key"),
)
Index("idx_account_event_logs_account_id", account_event_logs.c.account_id, account_event_logs.c.id)

account_books = Table(
    "account_books",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("completed_at", MOMENT, nullable=False),  # when a full picture was first had, by our clock
)

account_states = Table(
    "account_states",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Text, primary_key=True),
    Column("state", JSONB, nullable=False),
    Column("inferred", Boolean, nullable=False),  # told by a full picture's silence alone
    Column("occurred_at", MOMENT, nullable=False),
)
