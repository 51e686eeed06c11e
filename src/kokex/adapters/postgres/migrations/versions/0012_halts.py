"""Halts: who ended trading, where, why and how far, and who let it go on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "halts",
        sa.Column("id", sa.BigInteger, sa.Identity(), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ordered_by", sa.Text, nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("flatten", sa.Boolean, nullable=False),
        sa.Column("lifted_at", _MOMENT),
        sa.Column("lifted_by", sa.Text),
        sa.Column("lift_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_halts"),
    )
    op.create_index("idx_halts_in_force", "halts", ["id"], postgresql_where=sa.text("lifted_at IS NULL"))
    op.create_table(
        "halt_effects",
        sa.Column("halt_id", sa.BigInteger, nullable=False),
        sa.Column("plan_id", sa.BigInteger, nullable=False),
        sa.Column("done_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("halt_id", "plan_id", name="pk_halt_effects"),
        sa.ForeignKeyConstraint(["halt_id"], ["halts.id"], name="fk_halt_effects_halt_id_halts"),
    )
