"""Candles, written and read as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import ARRAY, BigInteger, Double, bindparam, func, select, text
from sqlalchemy.types import DateTime

from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.tables import candles
from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.errors import DataError
from kokex.ports.store import CandleSummary

_COLUMNS = ("open", "high", "low", "close", "volume", "amount")

_UPSERT = text(
    """
    INSERT INTO candles AS known (market, inst_id, interval, open_time, open, high, low, close, volume, amount)
    SELECT :market, :inst_id, :interval, told.*
    FROM unnest(:open_time, :open, :high, :low, :close, :volume, :amount) AS told
    ON CONFLICT (market, inst_id, interval, open_time) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, amount = excluded.amount
    WHERE (known.open, known.high, known.low, known.close, known.volume, known.amount)
        IS DISTINCT FROM
        (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.amount)
    """
).bindparams(
    bindparam("open_time", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(Double)) for name in _COLUMNS),
)


class PostgresCandles:
    """`CandleStore` on `candles`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(self, market: str, inst_id: str, interval: Interval, candles: Sequence[Candle]) -> int:
        """See `CandleStore`. Of two with one open time the later in `candles` counts.

        Raises:
            DataError: one of them is not closed.
        """
        if not candles:
            return 0
        for candle in candles:
            if not candle.closed:
                raise DataError(
                    f"candle {candle.open_time:%Y-%m-%d %H:%M} of {inst_id} {interval} is not closed yet"
                )
        rows = list({candle.open_time: candle for candle in candles}.values())
        values = {"market": market, "inst_id": inst_id, "interval": interval.name}
        arrays = {name: [getattr(row, name) for row in rows] for name in ("open_time", *_COLUMNS)}
        async with self._database.begin() as connection:
            return (await connection.execute(_UPSERT, {**values, **arrays})).rowcount

    async def latest(self, market: str, inst_id: str, interval: Interval, limit: int) -> CandleSeries:
        """See `CandleStore`."""
        table = candles.c
        query = (
            select(
                func.extract("epoch", table.open_time).cast(BigInteger), *(table[name] for name in _COLUMNS)
            )
            .where(table.market == market, table.inst_id == inst_id, table.interval == interval.name)
            .order_by(table.open_time.desc())
            .limit(limit)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        times = np.array([row[0] for row in reversed(rows)], dtype=np.int64)
        values = np.array([row[1:] for row in reversed(rows)], dtype=np.float64).reshape(
            len(rows), len(_COLUMNS)
        )
        gaps = np.flatnonzero(np.diff(times) != interval.seconds)
        start = int(gaps[-1]) + 1 if len(gaps) else 0
        return CandleSeries(inst_id, interval, times[start:], values[start:])

    async def last_open_time(self, market: str, inst_id: str, interval: Interval) -> datetime | None:
        """See `CandleStore`."""
        table = candles.c
        query = select(func.max(table.open_time)).where(
            table.market == market, table.inst_id == inst_id, table.interval == interval.name
        )
        async with self._database.begin() as connection:
            newest: datetime | None = (await connection.execute(query)).scalar_one()
        return newest

    async def summary(self) -> list[CandleSummary]:
        """See `CandleStore`."""
        table = candles.c
        group = (table.market, table.inst_id, table.interval)
        query = (
            select(*group, func.count(), func.min(table.open_time), func.max(table.open_time))
            .group_by(*group)
            .order_by(*group)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [_summary(*row) for row in rows]


def _summary(
    market: str, inst_id: str, name: str, count: int, first: datetime, last: datetime
) -> CandleSummary:
    interval = Interval(name)
    expected = int((last - first).total_seconds()) // interval.seconds + 1
    return CandleSummary(
        market,
        inst_id,
        interval,
        count,
        first.astimezone(UTC),
        last.astimezone(UTC),
        max(expected - count, 0),
    )
