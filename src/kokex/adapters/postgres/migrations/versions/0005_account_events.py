"""Account events and what they lead to; turns that are told of them; how streams stand, in full."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and add the columns."""
    _create_account_events()
    op.add_column(
        "turns", sa.Column("account_cursor", sa.BigInteger, server_default=sa.text("0"), nullable=False)
    )
    _widen_subscriptions()


def _create_account_events() -> None:
    op.create_table(
        "account_event_logs",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("event_type", sa.String(50), nullable=False),
        sa.Column("event_key", sa.Text, nullable=False),
        sa.Column("inst_id", sa.Text),
        sa.Column("currency", sa.Text),
        sa.Column("event_data", JSONB, nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("processed_at", _MOMENT, server_default=sa.text("CURRENT_TIMESTAMP"), nullable=False),
        sa.Column("plan_ids", sa.ARRAY(sa.BigInteger), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account_event_logs"),
        sa.UniqueConstraint(
            "account_id",
            "event_type",
            "event_key",
            name="uq_account_event_logs_account_id_event_type_event_key",
        ),
    )
    op.create_index("idx_account_event_logs_account_id", "account_event_logs", ["account_id", "id"])
    op.create_table(
        "account_books",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("completed_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_books"),
    )
    op.create_table(
        "account_states",
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("state", JSONB, nullable=False),
        sa.Column("inferred", sa.Boolean, nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "subject", name="pk_account_states"),
    )


def _widen_subscriptions() -> None:
    table, none = "ws_subscriptions", sa.text("0")
    op.add_column(table, sa.Column("report_count", sa.BigInteger, server_default=none, nullable=False))
    op.add_column(table, sa.Column("flaw_count", sa.BigInteger, server_default=none, nullable=False))
    op.add_column(table, sa.Column("lag_seconds", sa.Double))
    op.add_column(table, sa.Column("worst_lag_seconds", sa.Double))
    op.add_column(table, sa.Column("refused", JSONB, server_default=sa.text("'{}'"), nullable=False))
    op.add_column(table, sa.Column("stopped", sa.Text))
