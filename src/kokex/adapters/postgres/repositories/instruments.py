"""Instruments as last read from the exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import instruments as table
from kokex.domain.instrument import Instrument, InstrumentKind

_NAMES = tuple(field.name for field in fields(Instrument))


class PostgresInstruments:
    """`InstrumentStore` on `instruments`, whose columns are named as the fields are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(self, market: str, instruments: Sequence[Instrument]) -> None:
        """See `InstrumentStore`."""
        if not instruments:
            return
        statement = insert(table)
        changes = {name: statement.excluded[name] for name in _NAMES if name != "inst_id"}
        statement = statement.on_conflict_do_update(
            index_elements=[table.c.market, table.c.inst_id], set_={**changes, "updated_at": func.now()}
        )
        rows = [
            {
                "market": market,
                **{name: getattr(instrument, name) for name in _NAMES},
                "kind": instrument.kind.value,
            }
            for instrument in instruments
        ]
        async with self._database.begin() as connection:
            await connection.execute(statement, rows)

    async def get(self, market: str, inst_id: str) -> Instrument | None:
        """See `InstrumentStore`."""
        query = select(*(table.c[name] for name in _NAMES)).where(
            table.c.market == market, table.c.inst_id == inst_id
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        return Instrument(**{**row, "kind": InstrumentKind(row["kind"])})
