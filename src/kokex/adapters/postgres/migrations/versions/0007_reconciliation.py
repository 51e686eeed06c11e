"""How accounts stand, and how far the record of each instrument is whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "account_standings",
        sa.Column("account_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("since", _MOMENT),
        sa.Column("disagreement", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("reconciled_at", _MOMENT),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_standings"),
    )
    op.create_table(
        "coverages",
        sa.Column("account_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("complete_since", _MOMENT, nullable=False),
        sa.Column("reconciled_at", _MOMENT, nullable=False),
        sa.Column("read_to", _MOMENT, nullable=False),
        sa.Column("bill_id", sa.Text),
        sa.Column("unrecorded_quantity", sa.Numeric),
        sa.Column("outsiders_quantity", sa.Numeric),
        sa.PrimaryKeyConstraint("account_id", "inst_id", name="pk_coverages"),
    )
