"""Accounts, plans, and the installation's own name."""

from __future__ import annotations

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kokex.adapters.postgres.tables.base import MOMENT, metadata, number_column

installation = Table(
    "installation",
    metadata,
    Column("only_row", Boolean, primary_key=True, server_default=text("true")),
    Column("code", CHAR(4), nullable=False),
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
    CheckConstraint("only_row", name="ck_installation_only_row"),
)

accounts = Table(
    "accounts",
    metadata,
    number_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("exchange", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("endpoints", JSONB, nullable=False),
    Column("credentials", LargeBinary, nullable=False),
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
)

plans = Table(
    "plans",
    metadata,
    number_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("account_id", BigInteger, ForeignKey("accounts.id"), nullable=False),
    Column("inst_id", Text, nullable=False),
    Column("interval", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("limits", JSONB, nullable=False),
    Column("agent", JSONB, nullable=False),
    Column("forecast", JSONB, nullable=False),
    Column("capital", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("created_at", MOMENT, nullable=False, server_default=text("now()")),
    Column("updated_at", MOMENT, nullable=False, server_default=text("now()")),
)
