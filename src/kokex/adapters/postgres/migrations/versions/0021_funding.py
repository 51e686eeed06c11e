"""Funding payments of accounts, and the plans' shares of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "funding_payments",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("bill_id", sa.Text, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("position", sa.Numeric),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "bill_id", name="pk_funding_payments"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_funding_payments_account_id_accounts"
        ),
    )
    op.create_index(
        "idx_funding_payments_newest", "funding_payments", ["account_id", "inst_id", "occurred_at"]
    )
    op.create_table(
        "funding_shares",
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("bill_id", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric, nullable=False),
        sa.PrimaryKeyConstraint("plan_id", "account_id", "bill_id", name="pk_funding_shares"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_funding_shares_plan_id_plans"),
        sa.ForeignKeyConstraint(
            ["account_id", "bill_id"],
            ["funding_payments.account_id", "funding_payments.bill_id"],
            name="fk_funding_shares_payment",
        ),
    )
