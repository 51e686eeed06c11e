"""Accounts, plans, instruments and candles.

Forward only: the way back is a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "installation",
        sa.Column("only_row", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("code", sa.CHAR(4), nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("only_row", name="pk_installation"),
        sa.CheckConstraint("only_row", name="ck_installation_only_row"),
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("exchange", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("endpoints", JSONB, nullable=False),
        sa.Column("credentials", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("limits", JSONB, nullable=False),
        sa.Column("agent", JSONB, nullable=False),
        sa.Column("forecast", JSONB, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
        sa.UniqueConstraint("name", name="uq_plans_name"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_plans_account_id_accounts"),
    )
    _create_market_tables()


def _create_market_tables() -> None:
    op.create_table(
        "instruments",
        sa.Column("market", sa.Text, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("base_currency", sa.Text, nullable=False),
        sa.Column("quote_currency", sa.Text, nullable=False),
        sa.Column("settle_currency", sa.Text, nullable=False),
        sa.Column("tick_size", sa.Numeric, nullable=False),
        sa.Column("lot_size", sa.Numeric, nullable=False),
        sa.Column("min_quantity", sa.Numeric, nullable=False),
        sa.Column("contract_value", sa.Numeric, nullable=False),
        sa.Column("max_limit_quantity", sa.Numeric),
        sa.Column("max_market_quantity", sa.Numeric),
        sa.Column("exchange_code", sa.BigInteger),
        sa.Column("tradable", sa.Boolean, nullable=False),
        sa.Column("updated_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("market", "inst_id", name="pk_instruments"),
    )
    op.create_table(
        "candles",
        sa.Column("market", sa.Text, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("open_time", _MOMENT, nullable=False),
        sa.Column("open", sa.Double, nullable=False),
        sa.Column("high", sa.Double, nullable=False),
        sa.Column("low", sa.Double, nullable=False),
        sa.Column("close", sa.Double, nullable=False),
        sa.Column("volume", sa.Double),
        sa.Column("amount", sa.Double),
        sa.PrimaryKeyConstraint("market", "inst_id", "interval", "open_time", name="pk_candles"),
    )
