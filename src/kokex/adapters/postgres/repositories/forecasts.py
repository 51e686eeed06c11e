"""Forecasts, all their paths kept as float32."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert

from kokex.adapters.postgres.database import ConstraintError, Database
from kokex.adapters.postgres.tables import forecasts
from kokex.domain.candle import Interval
from kokex.domain.errors import NotFoundError
from kokex.domain.forecast import Forecast

_FLOAT32 = np.dtype("<f4")


class PostgresForecasts:
    """`ForecastStore` on `forecasts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, plan_id: int, forecast: Forecast) -> int:
        """See `ForecastStore`. Raises `NotFoundError` where the plan does not exist."""
        statement = (
            insert(forecasts)
            .values(
                plan_id=plan_id,
                inst_id=forecast.inst_id,
                interval=forecast.interval.name,
                forecaster=forecast.forecaster,
                origin_time=forecast.origin_time,
                origin_price=forecast.origin_price,
                shape=list(forecast.paths.shape),
                paths=np.ascontiguousarray(forecast.paths, dtype=_FLOAT32).tobytes(),
            )
            .on_conflict_do_nothing(index_elements=[forecasts.c.plan_id, forecasts.c.origin_time])
            .returning(forecasts.c.id)
        )
        there = select(forecasts.c.id).where(
            forecasts.c.plan_id == plan_id, forecasts.c.origin_time == forecast.origin_time
        )
        try:
            async with self._database.begin() as connection:
                number: int | None = (await connection.execute(statement)).scalar_one_or_none()
                if number is None:
                    number = (await connection.execute(there)).scalar_one()
        except ConstraintError as error:
            raise NotFoundError(f"plan {plan_id} does not exist") from error
        return number

    async def latest(self, plan_id: int) -> tuple[int, Forecast] | None:
        """See `ForecastStore`."""
        query = (
            select(forecasts)
            .where(forecasts.c.plan_id == plan_id)
            .order_by(forecasts.c.origin_time.desc())
            .limit(1)
        )
        async with self._database.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row.id, _forecast(row))

    async def numbers(self, plan_id: int, *, limit: int) -> list[tuple[int, datetime]]:
        """See `ForecastStore`."""
        query = (
            select(forecasts.c.id, forecasts.c.origin_time)
            .where(forecasts.c.plan_id == plan_id)
            .order_by(forecasts.c.origin_time.desc())
            .limit(limit)
        )
        async with self._database.begin() as connection:
            return [(row.id, row.origin_time) for row in (await connection.execute(query)).all()]

    async def some(self, numbers: Sequence[int]) -> list[tuple[int, Forecast]]:
        """See `ForecastStore`."""
        query = select(forecasts).where(forecasts.c.id.in_(numbers))
        async with self._database.begin() as connection:
            return [(row.id, _forecast(row)) for row in (await connection.execute(query)).all()]


def _forecast(row: Row[tuple[object, ...]]) -> Forecast:
    return Forecast(
        inst_id=row.inst_id,
        interval=Interval(row.interval),
        forecaster=row.forecaster,
        origin_time=row.origin_time,
        origin_price=row.origin_price,
        paths=np.frombuffer(row.paths, dtype=_FLOAT32).reshape(row.shape).astype(np.float32),
    )
