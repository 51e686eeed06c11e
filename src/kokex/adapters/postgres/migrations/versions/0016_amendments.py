"""What was asked of orders beside their being: changes of them, stops that they bring along; the mid price at which each was decided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("orders", sa.Column("amendments", JSONB))
    op.add_column("orders", sa.Column("amended_at", sa.DateTime(timezone=True)))
    op.add_column("orders", sa.Column("decision_mid", sa.Numeric))
    op.add_column("orders", sa.Column("stops", JSONB))
