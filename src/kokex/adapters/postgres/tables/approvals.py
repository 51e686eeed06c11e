"""Orders that wait, or waited, for a person."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Table, Text

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata

# Never deleted: who approved what is part of the record.
approvals = Table(
    "approvals",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("client_order_id", Text, primary_key=True),
    Column("plan_id", BigInteger, nullable=False),
    Column("notional", EXACT, nullable=False),
    Column("price", EXACT),  # the last one when it was asked for
    Column("asked_at", MOMENT, nullable=False),
    Column("expires_at", MOMENT, nullable=False),
    Column("approved", Boolean),  # a person's answer; None: none yet
    Column("answered_by", Text),
    Column("answered_at", MOMENT),
    Column("answer_reason", Text),
    Column("outcome", Text),  # None: the order waits
    Column("outcome_at", MOMENT),
    Column("told_at", MOMENT),  # the agent knows, or the exchange will tell
    CheckConstraint(
        "outcome IN ('sent', 'refused', 'expired', 'denied', 'canceled')", name="ck_approvals_outcome"
    ),
    CheckConstraint("outcome <> 'sent' OR approved", name="ck_approvals_sent"),
    CheckConstraint(
        "(approved IS NULL) = (answered_by IS NULL) AND (approved IS NULL) = (answered_at IS NULL)",
        name="ck_approvals_answer",
    ),
)
Index("idx_approvals_unsettled", approvals.c.asked_at, postgresql_where=approvals.c.told_at.is_(None))
