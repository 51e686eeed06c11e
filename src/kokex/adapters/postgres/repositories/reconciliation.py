"""How accounts stand, and how far the record of each instrument is whole."""

from __future__ import annotations

import builtins
from decimal import Decimal

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import account_standings, coverages, fills, orders
from kokex.adapters.postgres.text import storable_text
from kokex.domain.holdings import Baseline, SwapRecord
from kokex.domain.instrument import Side
from kokex.domain.standing import AccountStanding, Standing, Trouble
from kokex.ports.reconciliation import Coverage

_ZERO = Decimal(0)


class PostgresReconciliation:
    """`ReconciliationStore` on `account_standings`, `coverages` and what the journal keeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, account_id: int) -> AccountStanding | None:
        """See `ReconciliationStore`."""
        query = select(account_standings).where(account_standings.c.account_id == account_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _standing(row)

    async def save_standing(self, standing: AccountStanding) -> None:
        """See `ReconciliationStore`."""
        trouble = standing.trouble
        values = {
            "standing": standing.standing.value,
            "reason": None if trouble is None else storable_text(trouble.reason),
            "since": None if trouble is None else trouble.since,
            "disagreement": trouble is not None and trouble.disagreement,
            "reconciled_at": standing.reconciled_at,
            "updated_at": func.now(),
        }
        statement = insert(account_standings).values(account_id=standing.account_id, **values)
        statement = statement.on_conflict_do_update(index_elements=["account_id"], set_=values)
        async with self._database.begin() as connection:
            await connection.execute(statement)

    async def standings(self) -> builtins.list[AccountStanding]:
        """See `ReconciliationStore`."""
        query = select(account_standings).order_by(account_standings.c.account_id)
        async with self._database.begin() as connection:
            return [_standing(row) for row in (await connection.execute(query)).all()]

    async def coverage(self, account_id: int, inst_id: str) -> Coverage | None:
        """See `ReconciliationStore`."""
        query = select(coverages).where(coverages.c.account_id == account_id, coverages.c.inst_id == inst_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        known = None
        if row.unrecorded_quantity is not None:
            known = Baseline(row.unrecorded_quantity, row.outsiders_quantity)
        return Coverage(
            account_id, inst_id, row.complete_since, row.reconciled_at, row.read_to, row.bill_id, known
        )

    async def save_coverage(self, coverage: Coverage) -> None:
        """See `ReconciliationStore`."""
        known = coverage.baseline
        values = {
            "complete_since": coverage.complete_since,
            "reconciled_at": coverage.reconciled_at,
            "read_to": coverage.read_to,
            "bill_id": coverage.bill_id,
            "unrecorded_quantity": None if known is None else known.unrecorded,
            "outsiders_quantity": None if known is None else known.outsiders,
        }
        statement = insert(coverages).values(
            account_id=coverage.account_id, inst_id=coverage.inst_id, **values
        )
        statement = statement.on_conflict_do_update(index_elements=["account_id", "inst_id"], set_=values)
        async with self._database.begin() as connection:
            await connection.execute(statement)

    async def forget_baselines(self, account_id: int) -> int:
        """See `ReconciliationStore`."""
        statement = (
            update(coverages)
            .where(coverages.c.account_id == account_id, coverages.c.unrecorded_quantity.is_not(None))
            .values(unrecorded_quantity=None, outsiders_quantity=None)
        )
        async with self._database.begin() as connection:
            return (await connection.execute(statement)).rowcount

    async def swap_record(self, account_id: int, inst_id: str) -> SwapRecord:
        """See `ReconciliationStore`."""
        signed = case((fills.c.side == Side.BUY.value, fills.c.quantity), else_=-fills.c.quantity)
        ours = fills.c.plan_id.is_not(None)
        query = select(
            func.coalesce(func.sum(signed).filter(ours), _ZERO).label("plans"),
            func.coalesce(func.sum(signed).filter(~ours), _ZERO).label("outsiders"),
        ).where(fills.c.account_id == account_id, fills.c.inst_id == inst_id)
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one()
        return SwapRecord(row.plans, row.outsiders)

    async def explain(self, account_id: int, client_order_id: str, reason: str) -> None:
        """See `ReconciliationStore`."""
        statement = (
            update(orders)
            .where(
                orders.c.account_id == account_id,
                orders.c.order_key == client_order_id,
                orders.c.is_pending,
            )
            .values(reason=storable_text(reason))
        )
        async with self._database.begin() as connection:
            await connection.execute(statement)

    async def pending_elsewhere(self, account_id: int, inst_id: str) -> builtins.list[str]:
        """See `ReconciliationStore`."""
        query = select(orders.c.order_id).where(
            orders.c.account_id == account_id,
            orders.c.is_pending,
            orders.c.plan_id.is_(None),
            orders.c.inst_id == inst_id,
            orders.c.order_id.is_not(None),
        )
        async with self._database.begin() as connection:
            return [str(order_id) for order_id in (await connection.execute(query)).scalars()]


def _standing(row: Row[tuple[object, ...]]) -> AccountStanding:
    trouble = None if row.since is None else Trouble(row.reason or "", row.since, row.disagreement)
    return AccountStanding(row.account_id, Standing(row.standing), trouble, row.reconciled_at)
