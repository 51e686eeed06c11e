"""Whether a parent order was let through because it reduces a holding."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the column; of the parents before it is not known, and they go on as they were."""
    op.add_column(
        "parent_orders", sa.Column("reduces", sa.Boolean, nullable=False, server_default=sa.false())
    )
