"""How accounts stand, and how far the record of each instrument is whole."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Table, Text, text

from kokex.adapters.postgres.tables.base import EXACT, MOMENT, metadata

account_standings = Table(
    "account_standings",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("standing", Text, nullable=False),
    Column("reason", Text),  # of the trouble; None while there is none
    Column("since", MOMENT),
    Column("disagreement", Boolean, nullable=False, server_default=text("false")),
    Column("reconciled_at", MOMENT),
    Column("updated_at", MOMENT, nullable=False),
)

coverages = Table(
    "coverages",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("inst_id", Text, primary_key=True),
    Column("complete_since", MOMENT, nullable=False),
    Column("reconciled_at", MOMENT, nullable=False),
    Column("read_to", MOMENT, nullable=False),  # exchange's time
    Column("bill_id", Text),
    Column("unrecorded_quantity", EXACT),  # both None: to be found at the next comparison
    Column("outsiders_quantity", EXACT),
)
