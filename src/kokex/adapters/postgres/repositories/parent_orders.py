"""Parent orders as kept."""

from __future__ import annotations

from sqlalchemy import Row, Update, select, update
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import parent_orders
from kokex.adapters.postgres.text import storable_json
from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.parent_order import ParentOrder, ParentStatus, Style
from kokex.ports.parent_orders import ParentRecord


class PostgresParentOrders:
    """`ParentOrderStore` on `parent_orders`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, parent: ParentOrder, grant_left: Grant) -> ParentRecord | None:
        """See `ParentOrderStore`."""
        row = {
            "plan_id": parent.plan_id,
            "decision_id": parent.decision_id,
            "step": parent.step,
            "side": parent.side.value,
            "quantity": parent.quantity,
            "style": parent.style.value,
            "limit_price": parent.limit_price,
            "slices": parent.slices,
            "visible": parent.visible,
            "reduces": parent.reduces,
            "started_at": parent.started_at,
            "ends_at": parent.ends_at,
            "status": parent.status.value,
            "reason": parent.reason,
            "grant_left": storable_json(grant_left),
        }
        statement = insert(parent_orders).values(row).on_conflict_do_nothing().returning(parent_orders.c.id)
        async with self._database.begin() as connection:
            number = (await connection.execute(statement)).scalar_one_or_none()
        return None if number is None else ParentRecord(number, parent)

    async def working(self, plan_id: int) -> list[ParentRecord]:
        """See `ParentOrderStore`."""
        columns = parent_orders.c
        query = (
            select(parent_orders)
            .where(columns.plan_id == plan_id, columns.status == ParentStatus.WORKING.value)
            .order_by(columns.id)
        )
        async with self._database.begin() as connection:
            return [_record(row) for row in (await connection.execute(query)).all()]

    async def latest(self, plan_id: int, *, limit: int) -> list[ParentRecord]:
        """See `ParentOrderStore`."""
        columns = parent_orders.c
        query = (
            select(parent_orders).where(columns.plan_id == plan_id).order_by(columns.id.desc()).limit(limit)
        )
        async with self._database.begin() as connection:
            return [_record(row) for row in (await connection.execute(query)).all()]

    async def end(self, number: int, status: ParentStatus, reason: str) -> None:
        """See `ParentOrderStore`."""
        columns = parent_orders.c
        change = (
            update(parent_orders)
            .where(columns.id == number, columns.status == ParentStatus.WORKING.value)
            .values(status=status.value, reason=reason)
        )
        async with self._database.begin() as connection:
            await connection.execute(change)


def stopped_with_plan(plan_id: int) -> Update:
    """Ends the parent orders of a plan that its user stops, in the same transaction."""
    columns = parent_orders.c
    return (
        update(parent_orders)
        .where(columns.plan_id == plan_id, columns.status == ParentStatus.WORKING.value)
        .values(status=ParentStatus.STOPPED.value, reason="its plan was stopped")
    )


def _record(row: Row[tuple[object, ...]]) -> ParentRecord:
    return ParentRecord(
        row.id,
        ParentOrder(
            plan_id=row.plan_id,
            decision_id=row.decision_id,
            step=row.step,
            side=Side(row.side),
            quantity=row.quantity,
            style=Style(row.style),
            started_at=row.started_at,
            ends_at=row.ends_at,
            limit_price=row.limit_price,
            slices=row.slices,
            visible=row.visible,
            reduces=row.reduces,
            status=ParentStatus(row.status),
            reason=row.reason,
        ),
    )
