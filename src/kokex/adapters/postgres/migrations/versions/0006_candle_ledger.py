"""The ledger of candles, filled from those that are kept; interval names tell whose day they follow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE

revision = "0006"
down_revision = "0005"

# Until here these three followed UTC under the names that now mean UTC+8.
_RENAMED = "('6H', '12H', '1D')"
_NAMED = ("candles", "plans", "forecasts")

_FILL = """
    INSERT INTO candle_ledger (market, inst_id, interval, complete)
    SELECT market, inst_id, interval, range_agg(tstzrange(open_time, open_time + make_interval(secs => length)))
    FROM candles JOIN (VALUES
        ('1m', 60), ('3m', 180), ('5m', 300), ('15m', 900), ('30m', 1800), ('1H', 3600), ('2H', 7200),
        ('4H', 14400), ('6Hutc', 21600), ('12Hutc', 43200), ('1Dutc', 86400)
    ) AS known (interval, length) USING (interval)
    WHERE extract(epoch FROM open_time) % length = 0
    GROUP BY market, inst_id, interval
    """


def upgrade() -> None:
    """Make the table and fill it."""
    op.create_table(
        "candle_ledger",
        sa.Column("market", sa.Text, nullable=False),
        sa.Column("inst_id", sa.Text, nullable=False),
        sa.Column("interval", sa.Text, nullable=False),
        sa.Column("complete", TSTZMULTIRANGE, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("confirmed", TSTZMULTIRANGE, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("begins_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("market", "inst_id", "interval", name="pk_candle_ledger"),
    )
    for table in _NAMED:
        op.execute(f"UPDATE {table} SET interval = interval || 'utc' WHERE interval IN {_RENAMED}")  # noqa: S608
    op.execute(_FILL)
