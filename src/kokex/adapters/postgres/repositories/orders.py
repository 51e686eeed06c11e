"""Orders of plans. Orders made elsewhere are in the same table, without a plan, and are not shown here."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache

import msgspec
from sqlalchemy import Row, Select, Subquery, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningInsert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import approvals, orders, parent_orders
from kokex.adapters.postgres.text import storable_json, storable_text
from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.grant import Grant
from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderStatus
from kokex.domain.stops import Stops

_IN_FLIGHT = (OrderStatus.SUBMITTED.value, OrderStatus.UNKNOWN.value)


class _KeptAmendment(msgspec.Struct, frozen=True):
    """An amendment as it is kept, as far as a grant's account of it goes."""

    decision_id: int | None = None
    grant_left: Grant | None = None


class PostgresOrders:
    """`OrderStore` on `orders`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, order: Order, *, grant_left: Grant | None = None) -> bool:
        """See `OrderStore`."""
        async with self._database.begin() as connection:
            return (await connection.execute(insert_order(order, grant_left))).first() is not None

    async def grant_left(self, plan_id: int, decision_id: int) -> Grant | None:
        """See `OrderStore`."""
        spent = (
            select(orders.c.grant_left)
            .where(
                orders.c.plan_id == plan_id,
                orders.c.decision_id == decision_id,
                orders.c.grant_left.is_not(None),
            )
            .order_by(orders.c.id.desc())
            .limit(1)
        )
        changed = select(orders.c.amendments).where(
            orders.c.plan_id == plan_id,
            orders.c.amendments.contains([{"decision_id": decision_id}]),
        )
        parents = select(parent_orders.c.grant_left).where(
            parent_orders.c.plan_id == plan_id, parent_orders.c.decision_id == decision_id
        )
        async with self._database.begin() as connection:
            kept = (await connection.execute(spent)).scalar_one_or_none()
            lists = (await connection.execute(changed)).scalars().all()
            worked = (await connection.execute(parents)).scalars().all()
        found = [msgspec.convert(one, Grant) for one in (*worked, kept) if one is not None]
        for rows in lists:
            changes = msgspec.convert(rows, list[_KeptAmendment])
            found += [one.grant_left for one in changes if one.decision_id == decision_id and one.grant_left]
        # Each order, parent order or change takes one off `orders`: what has the fewest left is the latest.
        return min(found, key=lambda grant: grant.orders, default=None)

    async def amend(
        self, account_id: int, client_order_id: str, change: Amendment, *, grant_left: Grant | None = None
    ) -> bool:
        """See `OrderStore`."""
        this = (orders.c.account_id == account_id, orders.c.order_key == client_order_id)
        async with self._database.begin() as connection:
            query = select(orders.c.amendments, orders.c.is_pending).where(*this).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            if row is None or not row.is_pending:
                return False
            kept = row.amendments or []
            if any(one["request_id"] == change.request_id for one in kept):
                return False
            added = storable_json(change) | {"grant_left": storable_json(grant_left)}
            values = {"amendments": [*kept, added], "amended_at": change.asked_at}
            await connection.execute(update(orders).where(*this).values(**values))
        return True

    async def decide(
        self,
        account_id: int,
        client_order_id: str,
        request_id: str,
        status: AmendmentStatus,
        reason: str | None = None,
        *,
        applied: bool = False,
    ) -> bool:
        """See `OrderStore`."""
        this = (orders.c.account_id == account_id, orders.c.order_key == client_order_id)
        async with self._database.begin() as connection:
            query = select(orders).where(*this).with_for_update()
            row = (await connection.execute(query)).one_or_none()
            kept = [] if row is None else list(row.amendments or [])
            names = [one["request_id"] for one in kept]
            index = names.index(request_id) if request_id in names else None
            if row is None or index is None or not AmendmentStatus(kept[index]["status"]).undecided:
                return False
            one = kept[index]
            told = {"status": status.value, "reason": None if reason is None else storable_text(reason)}
            kept[index] = one | told
            changes: dict[str, object] = {"amendments": kept}
            if applied and row.is_pending:
                changes |= {
                    name: Decimal(one[name]) for name in ("quantity", "price") if one[name] is not None
                }
            await connection.execute(update(orders).where(*this).values(**changes))
        return True

    async def settle(
        self,
        account_id: int,
        client_order_id: str,
        status: OrderStatus,
        *,
        at: datetime,
        order_id: str | None = None,
        reason: str | None = None,
    ) -> bool:
        """See `OrderStore`."""
        this = (orders.c.account_id == account_id, orders.c.order_key == client_order_id)
        async with self._database.begin() as connection:
            now = (
                await connection.execute(select(orders.c.status).where(*this).with_for_update())
            ).scalar_one_or_none()
            in_flight = now in _IN_FLIGHT
            changes: dict[str, object] = {}
            if order_id is not None:
                changes["order_id"] = func.coalesce(orders.c.order_id, order_id)
            if in_flight:
                changes |= {"status": status.value, "updated_at": at}
                if reason is not None:
                    changes["reason"] = storable_text(reason)
            if now is not None and changes:
                await connection.execute(update(orders).where(*this).values(**changes))
        return in_flight

    async def get(self, account_id: int, client_order_id: str) -> Order | None:
        """See `OrderStore`."""
        found = await self._read(
            _of_plans().where(orders.c.account_id == account_id, orders.c.order_key == client_order_id)
        )
        return found[0] if found else None

    async def pending(self, *, account_id: int | None = None, plan_id: int | None = None) -> list[Order]:
        """See `OrderStore`."""
        found = _pending()
        query = select(found).where(found.c.plan_id.is_not(None)).order_by(found.c.created_at, found.c.id)
        if account_id is not None:
            query = query.where(found.c.account_id == account_id)
        if plan_id is not None:
            query = query.where(found.c.plan_id == plan_id)
        return await self._read(query)

    async def recent(self, plan_id: int, *, limit: int) -> list[Order]:
        """See `OrderStore`."""
        newest_first = (orders.c.created_at.desc(), orders.c.id.desc())
        return await self._read(
            _of_plans().where(orders.c.plan_id == plan_id).order_by(*newest_first).limit(limit)
        )

    async def let_through_since(self, plan_id: int, since: datetime) -> list[Order]:
        """See `OrderStore`."""
        these = (
            orders.c.plan_id == plan_id,
            or_(orders.c.created_at >= since, orders.c.amended_at >= since),
            orders.c.status != OrderStatus.DENIED.value,
        )
        return await self._read(_of_plans().where(*these).order_by(orders.c.created_at, orders.c.id))

    async def of_decision(self, plan_id: int, decision_id: int) -> list[Order]:
        """See `OrderStore`."""
        these = (orders.c.plan_id == plan_id, orders.c.decision_id == decision_id)
        return await self._read(_of_plans().where(*these).order_by(orders.c.step, orders.c.id))

    async def count_since(self, plan_id: int, since: datetime) -> int:
        """See `OrderStore`."""
        let_through = orders.c.status != OrderStatus.DENIED.value
        query = select(func.count()).where(
            orders.c.plan_id == plan_id, orders.c.created_at >= since, let_through
        )
        async with self._database.begin() as connection:
            return (await connection.execute(query)).scalar_one()

    async def _read(self, query: Select[tuple[object, ...]]) -> list[Order]:
        async with self._database.begin() as connection:
            return [read_order(row) for row in (await connection.execute(query)).all()]


def insert_order(order: Order, grant_left: Grant | None) -> ReturningInsert[tuple[int]]:
    """Keep a new order; gives its number, nothing where its client order id is there already."""
    if order.client_order_id is None:
        raise ValueError(f"an order of plan {order.plan_id} has no client order id")
    return (
        insert(orders)
        .values(**_columns(order), grant_left=None if grant_left is None else storable_json(grant_left))
        .on_conflict_do_nothing(index_elements=[orders.c.account_id, orders.c.order_key])
        .returning(orders.c.id)
    )


@cache
def _pending() -> Subquery:
    """Orders that are not closed. One statement: an order that moves from waiting to in flight meanwhile is in it all the same."""
    its_row = and_(
        approvals.c.account_id == orders.c.account_id, approvals.c.client_order_id == orders.c.order_key
    )
    waits = and_(
        approvals.c.told_at.is_(None),
        approvals.c.outcome.is_(None),
        orders.c.status == OrderStatus.AWAITING_APPROVAL.value,
    )
    waiting = select(orders).select_from(orders.join(approvals, its_row)).where(waits)
    return select(orders).where(orders.c.is_pending).union_all(waiting).subquery()


def _of_plans() -> Select[tuple[object, ...]]:
    return select(orders).where(orders.c.plan_id.is_not(None))


def _columns(order: Order) -> dict[str, object]:
    return {
        "account_id": order.account_id,
        "order_key": order.client_order_id,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "plan_id": order.plan_id,
        "inst_id": order.inst_id,
        "side": order.side.value,
        "order_type": str(order.order_type),
        "quantity": order.quantity,
        "price": order.price,
        "status": order.status.value,
        "filled_quantity": order.filled_quantity,
        "average_price": order.average_price,
        "decision_id": order.decision_id,
        "step": order.step,
        "reason": None if order.reason is None else storable_text(order.reason),
        "reduce_only": order.reduce_only,
        "decision_mid": order.decision_mid,
        "stops": None if order.stops is None else storable_json(order.stops),
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def read_order(row: Row[tuple[object, ...]]) -> Order:
    """An order from its whole row."""
    return Order(
        client_order_id=row.client_order_id,
        order_id=row.order_id,
        plan_id=row.plan_id,
        account_id=row.account_id,
        inst_id=row.inst_id,
        side=Side(row.side),
        order_type=row.order_type,
        quantity=row.quantity,
        price=row.price,
        status=OrderStatus(row.status),
        created_at=row.created_at,
        updated_at=row.updated_at,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
        decision_id=row.decision_id,
        step=row.step,
        reason=row.reason,
        reduce_only=row.reduce_only,
        decision_mid=row.decision_mid,
        stops=None if row.stops is None else msgspec.convert(row.stops, Stops),
        amendments=msgspec.convert(row.amendments or [], tuple[Amendment, ...]),
    )
