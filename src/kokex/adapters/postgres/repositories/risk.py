"""What is kept of risk."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import plan_worths
from kokex.domain.results import Worth


class PostgresRisk:
    """`RiskStore` on `plan_worths`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def worth(self, plan_id: int) -> Worth | None:
        """See `RiskStore`."""
        query = select(plan_worths).where(plan_worths.c.plan_id == plan_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Worth(row.marked_at, row.pnl, row.day_start, row.peak)

    async def save_worths(self, worths: Mapping[int, Worth]) -> None:
        """See `RiskStore`."""
        rows = [
            {
                "plan_id": plan_id,
                "marked_at": worth.marked_at,
                "pnl": worth.pnl,
                "day_start": worth.day_start,
                "peak": worth.peak,
            }
            for plan_id, worth in sorted(worths.items())
        ]
        statement = insert(plan_worths).values(rows)
        told = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["plan_id"],
            set_={name: told[name] for name in ("marked_at", "pnl", "day_start", "peak")},
            where=told.marked_at >= plan_worths.c.marked_at,
        )
        async with self._database.begin() as connection:
            await connection.execute(statement)
