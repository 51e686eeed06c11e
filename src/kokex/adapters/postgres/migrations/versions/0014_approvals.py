"""Orders that wait for a person; the statuses that an order can have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_MOMENT = sa.DateTime(timezone=True)
_STATUSES = (
    "status IN ('awaiting_approval', 'submitted', 'unknown', 'accepted', 'partially_filled', 'filled', 'canceled', "
    "'rejected', 'denied', 'expired')"
)


def upgrade() -> None:
    """Make the table and the check."""
    op.create_check_constraint("ck_orders_status", "orders", _STATUSES)
    op.create_table(
        "approvals",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("notional", sa.Numeric, nullable=False),
        sa.Column("price", sa.Numeric),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("approved", sa.Boolean),
        sa.Column("answered_by", sa.Text),
        sa.Column("answered_at", _MOMENT),
        sa.Column("answer_reason", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("outcome_at", _MOMENT),
        sa.Column("told_at", _MOMENT),
        sa.PrimaryKeyConstraint("account_id", "client_order_id", name="pk_approvals"),
        sa.CheckConstraint(
            "outcome IN ('sent', 'refused', 'expired', 'denied', 'canceled')", name="ck_approvals_outcome"
        ),
        sa.CheckConstraint("outcome <> 'sent' OR approved", name="ck_approvals_sent"),
        sa.CheckConstraint(
            "(approved IS NULL) = (answered_by IS NULL) AND (approved IS NULL) = (answered_at IS NULL)",
            name="ck_approvals_answer",
        ),
    )
    op.create_index(
        "idx_approvals_unsettled", "approvals", ["asked_at"], postgresql_where=sa.text("told_at IS NULL")
    )
