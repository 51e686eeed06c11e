"""Price alerts of plans: each fires once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.repositories.notices import keep_notice
from kokex.adapters.postgres.tables import plans, price_alerts
from kokex.adapters.postgres.text import storable_text
from kokex.domain.errors import NotFoundError, StateError
from kokex.domain.notice import MOST_ALERTS, AlertDirection, Notice, PriceAlert
from kokex.domain.plan import TriggerKind

_WAITS = (price_alerts.c.fired_at.is_(None), price_alerts.c.removed_at.is_(None))


class PostgresAlerts:
    """`AlertStore` on `price_alerts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(
        self,
        plan_id: int,
        turn_id: int,
        price: Decimal,
        direction: AlertDirection,
        note: str,
        at: datetime,
    ) -> PriceAlert:
        """See `AlertStore`. Raises `NotFoundError` where the plan does not exist."""
        name = {"plan_id": plan_id, "turn_id": turn_id, "price": price, "direction": direction.value}
        earlier = select(price_alerts).filter_by(**name)
        many = (
            select(func.count()).select_from(price_alerts).where(price_alerts.c.plan_id == plan_id, *_WAITS)
        )
        values = name | {"note": storable_text(note), "made_at": at}
        async with self._database.begin() as connection:
            plan = select(plans.c.id).where(plans.c.id == plan_id).with_for_update(key_share=True)
            if (await connection.execute(plan)).one_or_none() is None:
                raise NotFoundError(f"plan {plan_id} does not exist")
            row = (await connection.execute(earlier)).one_or_none()
            if row is None and (await connection.execute(many)).scalar_one() >= MOST_ALERTS:
                raise StateError(
                    f"{MOST_ALERTS} alerts wait already, and no more are kept; wait until one fires or its owner removes one"
                )
            if row is None:
                statement = insert(price_alerts).values(**values).returning(price_alerts)
                row = (await connection.execute(statement)).one()
        return _alert(row)

    async def active(self, plan_ids: Collection[int]) -> list[PriceAlert]:
        """See `AlertStore`."""
        query = select(price_alerts).where(price_alerts.c.plan_id.in_(plan_ids), *_WAITS)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query.order_by(price_alerts.c.id))).all()
        return [_alert(row) for row in rows]

    async def of(self, plan_id: int, *, limit: int) -> list[PriceAlert]:
        """See `AlertStore`."""
        query = select(price_alerts).where(price_alerts.c.plan_id == plan_id)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query.order_by(price_alerts.c.id.desc()).limit(limit))).all()
        return [_alert(row) for row in rows]

    async def fire(
        self, alert_id: int, price: Decimal, at: datetime, facts: Mapping[str, Any]
    ) -> Notice | None:
        """See `AlertStore`."""
        statement = (
            update(price_alerts)
            .where(price_alerts.c.id == alert_id, *_WAITS)
            .values(fired_at=at, fired_price=price)
            .returning(price_alerts.c.plan_id)
        )
        async with self._database.begin() as connection:
            plan_id = (await connection.execute(statement)).scalar_one_or_none()
            if plan_id is None:
                return None
            name = (TriggerKind.PRICE_ALERT, f"alert:{alert_id}")
            return await keep_notice(connection, plan_id, name, facts, at)

    async def remove(self, plan_id: int, alert_id: int, at: datetime) -> bool:
        """See `AlertStore`."""
        these = (price_alerts.c.id == alert_id, price_alerts.c.plan_id == plan_id, *_WAITS)
        async with self._database.begin() as connection:
            changed = await connection.execute(update(price_alerts).where(*these).values(removed_at=at))
        return bool(changed.rowcount)


def _alert(row: Row[Any]) -> PriceAlert:
    return PriceAlert(
        id=row.id,
        plan_id=row.plan_id,
        price=row.price,
        direction=AlertDirection(row.direction),
        note=row.note,
        made_at=row.made_at,
        fired_at=row.fired_at,
        fired_price=row.fired_price,
        removed_at=row.removed_at,
    )
