"""What all tables share: one metadata, names of constraints, and the column types of this schema.

Numbers are BIGINT: a duplicate event uses up a number of the journal (`ON CONFLICT DO NOTHING`), so 32 bits could run out.
Moments are `timestamptz`. Money, prices and quantities are unconstrained NUMERIC: exact, every digit kept.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, Numeric

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

MOMENT = DateTime(timezone=True)
EXACT: Numeric[Any] = Numeric()


def number_column() -> Column[int]:
    """The table's own number: `id`, drawn by the database."""
    return Column("id", BigInteger, Identity(), primary_key=True)
