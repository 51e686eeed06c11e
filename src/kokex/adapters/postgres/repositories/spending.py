"""What language models cost, on `model_usage`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Date, Row, Select, cast, func, insert, select

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import model_usage
from kokex.adapters.postgres.text import storable_text
from kokex.domain.spending import ModelUsage, Spending

_DAY = cast(func.timezone("UTC", model_usage.c.at), Date)
_SUMS = (
    func.count().label("requests"),
    func.sum(model_usage.c.input_tokens).label("input_tokens"),
    func.sum(model_usage.c.output_tokens).label("output_tokens"),
    func.coalesce(func.sum(model_usage.c.cost_usd), 0).label("cost_usd"),
    func.count().filter(model_usage.c.cost_usd.is_(None)).label("unpriced"),
    func.count().filter(model_usage.c.estimated).label("estimated"),
)


class PostgresSpending:
    """`SpendingStore` on `model_usage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, usages: Sequence[ModelUsage]) -> None:
        """See `SpendingStore`."""
        if not usages:
            return
        rows = [
            asdict(one) | {"provider": storable_text(one.provider), "model": storable_text(one.model)}
            for one in usages
        ]
        async with self._database.begin() as connection:
            await connection.execute(insert(model_usage), rows)

    async def cost_since(self, since: datetime) -> dict[int, Decimal]:
        """See `SpendingStore`."""
        total = func.coalesce(func.sum(model_usage.c.cost_usd), 0)
        query = select(model_usage.c.plan_id, total).where(model_usage.c.at >= since)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query.group_by(model_usage.c.plan_id))).all()
        return {plan_id: Decimal(cost) for plan_id, cost in rows}

    async def by_day(self, *, plan_id: int | None, since: datetime) -> list[Spending]:
        """See `SpendingStore`."""
        query = select(_DAY.label("day"), model_usage.c.plan_id, model_usage.c.model, *_SUMS)
        query = _of_plan(query.where(model_usage.c.at >= since), plan_id)
        query = query.group_by(_DAY, model_usage.c.plan_id, model_usage.c.model)
        return await self._read(query.order_by(_DAY.desc(), model_usage.c.plan_id, model_usage.c.model))

    async def by_turn(self, *, plan_id: int | None, limit: int) -> list[Spending]:
        """See `SpendingStore`."""
        turn = model_usage.c.turn_id
        latest = _of_plan(select(turn), plan_id).group_by(turn).order_by(turn.desc()).limit(limit)
        query = select(
            func.min(_DAY).label("day"), turn, model_usage.c.plan_id, model_usage.c.model, *_SUMS
        ).where(turn.in_(latest))
        query = query.group_by(turn, model_usage.c.plan_id, model_usage.c.model)
        return await self._read(query.order_by(turn.desc(), model_usage.c.model))

    async def _read(self, query: Select[Any]) -> list[Spending]:
        async with self._database.begin() as connection:
            return [_spending(row) for row in (await connection.execute(query)).all()]


def _of_plan(query: Select[Any], plan_id: int | None) -> Select[Any]:
    return query if plan_id is None else query.where(model_usage.c.plan_id == plan_id)


def _spending(row: Row[Any]) -> Spending:
    return Spending(
        plan_id=row.plan_id,
        day=row.day,
        turn_id=getattr(row, "turn_id", None),
        model=row.model,
        requests=row.requests,
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        cost_usd=Decimal(row.cost_usd),
        unpriced=row.unpriced,
        estimated=row.estimated,
    )
