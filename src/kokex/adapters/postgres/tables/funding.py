"""Funding payments of accounts, and the plans' shares."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, Table, Text

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata

funding_payments = Table(
    "funding_payments",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("bill_id", Text, primary_key=True),
    Column("inst_id", Text, nullable=False),
    Column("amount", EXACT, nullable=False),
    Column("currency", Text, nullable=False),
    Column("position", EXACT),  # without its sign; None: not told
    Column("occurred_at", MOMENT, nullable=False),  # exchange's time
)
Index(
    "idx_funding_payments_newest",
    funding_payments.c.account_id,
    funding_payments.c.inst_id,
    funding_payments.c.occurred_at,
)

funding_shares = Table(
    "funding_shares",
    metadata,
    Column("plan_id", BigInteger, ForeignKey("plans.id"), primary_key=True, autoincrement=False),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bill_id", Text, primary_key=True),
    Column("amount", EXACT, nullable=False),
    ForeignKeyConstraint(
        ["account_id", "bill_id"],
        ["funding_payments.account_id", "funding_payments.bill_id"],
        name="fk_funding_shares_payment",
    ),
)
