"""Trailing stops as kept."""

from __future__ import annotations

import builtins
from datetime import datetime

from sqlalchemy import Row, case, func, insert, select, text, update

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import plan_trails
from kokex.domain.capital import Trail
from kokex.ports.trails import TrailRecord

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('kokex_trail', :plan_id))")


class PostgresTrails:
    """`TrailStore` on `plan_trails`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, plan_id: int, trail: Trail) -> TrailRecord:
        """See `TrailStore`."""
        columns, best = plan_trails.c, plan_trails.c.best
        change = (
            update(plan_trails)
            .where(columns.plan_id == plan_id, columns.since == trail.since, columns.sign == trail.sign)
            .values(
                best=case(
                    (columns.sign > 0, func.greatest(best, trail.best)), else_=func.least(best, trail.best)
                ),
                hit_at=func.least(columns.hit_at, trail.hit_at),
            )
            .returning(plan_trails)
        )
        row = {
            "plan_id": plan_id,
            "since": trail.since,
            "sign": trail.sign,
            "best": trail.best,
            "hit_at": trail.hit_at,
        }
        # Not one upsert: that would use up a number of the table with each better price.
        async with self._database.begin() as connection:
            await connection.execute(_ONE_AT_A_TIME, {"plan_id": plan_id})
            kept = (await connection.execute(change)).one_or_none()
            if kept is None:
                kept = (
                    await connection.execute(insert(plan_trails).values(row).returning(plan_trails))
                ).one()
        return TrailRecord(kept.id, kept.plan_id, _trail(kept))

    async def latest(self, plan_id: int) -> Trail | None:
        """See `TrailStore`."""
        query = (
            select(plan_trails)
            .where(plan_trails.c.plan_id == plan_id)
            .order_by(plan_trails.c.since.desc(), plan_trails.c.id.desc())
            .limit(1)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _trail(row)

    async def hits(self, plan_id: int, *, limit: int) -> builtins.list[datetime]:
        """See `TrailStore`."""
        query = (
            select(plan_trails.c.hit_at)
            .where(plan_trails.c.plan_id == plan_id, plan_trails.c.hit_at.is_not(None))
            .order_by(plan_trails.c.hit_at.desc())
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [row.hit_at for row in reversed((await connection.execute(query)).all())]


def _trail(row: Row[tuple[object, ...]]) -> Trail:
    return Trail(row.since, row.sign, row.best, row.hit_at)
