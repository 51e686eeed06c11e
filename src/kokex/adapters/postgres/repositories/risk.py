"""What is kept of risk."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.listening import notifications
from kokex.adapters.postgres.repositories.plan_changes import NumberedSetting, change_setting
from kokex.adapters.postgres.tables import halt_effects, halts, limit_changes, plan_worths, plans
from kokex.adapters.postgres.text import storable_text
from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.limits import RiskLimits
from kokex.domain.results import Worth
from kokex.ports.risk import HaltRecord, LimitChange

RISK_CHANNEL = "kokex_risk"
"""Where changes of halts are told."""
_TELL = text("SELECT pg_notify(:channel, '')").bindparams(channel=RISK_CHANNEL)

_LIMITS = NumberedSetting(plans.c.limits, limit_changes, lambda kept: msgspec.convert(kept, RiskLimits))

# Arrays and one text for any number of plans: a statement that is put together anew takes milliseconds, in which no event is heard.
_SAVE_WORTHS = text("""
INSERT INTO plan_worths AS known (plan_id, marked_at, pnl, day_start, peak)
SELECT * FROM unnest(CAST(:plan_ids AS bigint[]), CAST(:moments AS timestamptz[]), CAST(:pnls AS numeric[]),
    CAST(:day_starts AS numeric[]), CAST(:peaks AS numeric[]))
ON CONFLICT (plan_id) DO UPDATE SET marked_at = excluded.marked_at, pnl = excluded.pnl, day_start = excluded.day_start,
    peak = excluded.peak
WHERE excluded.marked_at >= known.marked_at
""")


class PostgresRisk:
    """`RiskStore` on `plan_worths`, `halts` and `halt_effects`."""

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
        told = sorted(worths.items())
        rows = {
            "plan_ids": [plan_id for plan_id, _ in told],
            "moments": [worth.marked_at for _, worth in told],
            "pnls": [worth.pnl for _, worth in told],
            "day_starts": [worth.day_start for _, worth in told],
            "peaks": [worth.peak for _, worth in told],
        }
        async with self._database.begin() as connection:
            await connection.execute(_SAVE_WORTHS, rows)

    async def halt(self, halt: Halt) -> HaltRecord:
        """See `RiskStore`."""
        statement = (
            insert(halts)
            .values(
                scope=halt.scope.value,
                number=halt.number,
                level=halt.level.value,
                reason=storable_text(halt.reason),
                ordered_by=storable_text(halt.by),
                since=halt.since,
                flatten=halt.flatten,
            )
            .returning(halts)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(statement)).one()
            await connection.execute(_TELL)
        return _halt(row)

    async def lift(self, scope: HaltScope, number: int | None, *, by: str, reason: str, at: datetime) -> int:
        """See `RiskStore`."""
        these = (
            halts.c.scope == scope.value,
            halts.c.number.is_not_distinct_from(number),
            halts.c.lifted_at.is_(None),
        )
        values = {
            "lifted_at": at,
            "lifted_by": storable_text(by),
            "lift_reason": storable_text(reason),
        }
        async with self._database.begin() as connection:
            count = (await connection.execute(update(halts).where(*these).values(**values))).rowcount
            await connection.execute(_TELL)
        return count

    async def halts_in_force(self) -> builtins.list[HaltRecord]:
        """See `RiskStore`."""
        query = select(halts).where(halts.c.lifted_at.is_(None)).order_by(halts.c.id)
        async with self._database.begin() as connection:
            return [_halt(row) for row in (await connection.execute(query)).all()]

    async def halt_history(self, *, limit: int) -> builtins.list[HaltRecord]:
        """See `RiskStore`."""
        query = select(halts).order_by(halts.c.id.desc()).limit(limit)
        async with self._database.begin() as connection:
            return [_halt(row) for row in (await connection.execute(query)).all()]

    async def carried_out(self, halt_id: int) -> frozenset[int]:
        """See `RiskStore`."""
        query = select(halt_effects.c.plan_id).where(halt_effects.c.halt_id == halt_id)
        async with self._database.begin() as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def set_carried_out(self, halt_id: int, plan_id: int, at: datetime) -> None:
        """See `RiskStore`."""
        statement = insert(halt_effects).values(halt_id=halt_id, plan_id=plan_id, done_at=at)
        async with self._database.begin() as connection:
            await connection.execute(statement.on_conflict_do_nothing())

    async def change_limits(
        self, plan_id: int, edit: Callable[[RiskLimits], RiskLimits], *, by: str, reason: str, at: datetime
    ) -> LimitChange:
        """See `RiskStore`."""
        version, before, after = await change_setting(
            self._database, _LIMITS, plan_id, edit, by=by, reason=reason, at=at
        )
        return LimitChange(plan_id, version, before, after, by, reason, at)

    async def limit_changes(self, plan_id: int) -> builtins.list[LimitChange]:
        """See `RiskStore`."""
        query = (
            select(limit_changes).where(limit_changes.c.plan_id == plan_id).order_by(limit_changes.c.version)
        )
        async with self._database.begin() as connection:
            return [_change(row) for row in (await connection.execute(query)).all()]

    async def changes(self) -> AsyncIterator[None]:
        """See `RiskStore`.

        Raises:
            StoreUnavailableError: the database cannot be reached at the start; later it is waited for.
        """
        async for _ in notifications(self._database.address, RISK_CHANNEL):
            yield None


def _change(row: Row[tuple[object, ...]]) -> LimitChange:
    before, after = (msgspec.convert(kept, RiskLimits) for kept in (row.before, row.after))
    return LimitChange(row.plan_id, row.version, before, after, row.changed_by, row.reason, row.changed_at)


def _halt(row: Row[tuple[object, ...]]) -> HaltRecord:
    scope, level = HaltScope(row.scope), HaltLevel(row.level)
    halt = Halt(scope, row.number, level, row.reason, row.ordered_by, row.since, row.flatten)
    return HaltRecord(row.id, halt, row.lifted_at, row.lifted_by, row.lift_reason)
