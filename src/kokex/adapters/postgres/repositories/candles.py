"""Candles, written and read as arrays, with their ledger moved in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psycopg
from sqlalchemy import ARRAY, Double, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime

from kokex.adapters.postgres.candle_copy import (
    CANDLES_AT_ONCE,
    STAGING,
    copy_straight,
    copy_to_staging,
    goes_straight,
    read_rows,
)
from kokex.adapters.postgres.database import Database
from kokex.adapters.postgres.repositories.candle_ledger import (
    LEDGERS,
    enter,
    multirange_of,
    read_gaps,
    read_ledger,
)
from kokex.adapters.postgres.tables import candle_ledger, candles
from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.candle_rows import COLUMNS, CandleKey, CandleRows, moment
from kokex.domain.errors import DataError
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.candles import CandleLedger, CandleSummary

_FEW = 500
"""Up to here arrays in one statement are quicker than a staging table."""

_INSERT = "INSERT INTO candles AS known (market, inst_id, interval, open_time, open, high, low, close, volume, amount)"
_CONFLICT = """
    ON CONFLICT (market, inst_id, interval, open_time) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
        volume = excluded.volume, amount = excluded.amount
    WHERE (known.open, known.high, known.low, known.close, known.volume, known.amount)
        IS DISTINCT FROM
        (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.amount)
    """
_TOLD = "open_time, open, high, low, close, nullif(volume, 'NaN'), nullif(amount, 'NaN')"

_KEEP_FEW = text(
    f"""{_INSERT}
    SELECT :market, :inst_id, :interval, {_TOLD}
    FROM unnest(:open_time, :open, :high, :low, :close, :volume, :amount)
        AS told (open_time, open, high, low, close, volume, amount)
    {_CONFLICT}"""  # noqa: S608 - constants only
).bindparams(
    bindparam("open_time", type_=ARRAY(DateTime(timezone=True))),
    *(bindparam(name, type_=ARRAY(Double)) for name in COLUMNS),
)
_KEEP_MANY = text(f"{_INSERT} SELECT :market, :inst_id, :interval, {_TOLD} FROM {STAGING} {_CONFLICT}")  # noqa: S608

_ANY_BETWEEN = text(
    "SELECT EXISTS (SELECT FROM candles WHERE market = :market AND inst_id = :inst_id AND interval = :interval"
    " AND open_time BETWEEN :first AND :last)"
)


class PostgresCandles:
    """`CandleStore` on `candles` and `candle_ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(self, market: str, inst_id: str, interval: Interval, candles: Sequence[Candle]) -> int:
        """See `CandleStore`. Of two with one open time the later in `candles` counts.

        Raises:
            DataError: one of them is not closed, or not on the interval's grid.
        """
        if not candles:
            return 0
        try:
            rows = CandleRows.of(candles)
        except DataError as error:
            raise DataError(f"{inst_id} {interval}: {error}") from error
        return await self.keep(CandleKey(market, inst_id, interval), rows)

    async def keep(self, key: CandleKey, rows: CandleRows, known: CandleLedger | None = None) -> int:
        """See `CandleStore`."""
        strays = rows.open_times[~key.interval.on_grid(rows.open_times)]
        if len(strays):
            raise DataError(
                f"no {key.interval} candle opens at {moment(int(strays[0])):%Y-%m-%d %H:%M:%S} UTC ({key})"
            )
        async with self._database.begin() as connection:
            # The ledger's row first: it is the lock under which one writer at a time moves these candles.
            await enter(connection, key, rows.ranges(key.interval), known or CandleLedger())
            return await _keep_rows(connection, key, rows) if len(rows) else 0

    async def read(
        self, key: CandleKey, start: datetime | None = None, end: datetime | None = None
    ) -> CandleRows:
        """See `CandleStore`."""
        async with self._database.begin() as connection:
            edges = await _edges(connection, key)
            if edges is None:
                return CandleRows.empty()
            first, end = max(edges.start, start or edges.start), min(edges.end, end or edges.end)
            parts = [CandleRows.empty()]
            driver = await _driver(connection)
            while first < end:
                upto = min(key.interval.shift(first, CANDLES_AT_ONCE), end)
                parts.append(await read_rows(driver, key, TimeRange(first, upto)))
                first = upto
        return CandleRows(
            np.concatenate([part.open_times for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    async def latest(self, market: str, inst_id: str, interval: Interval, limit: int) -> CandleSeries:
        """See `CandleStore`."""
        key = CandleKey(market, inst_id, interval)
        async with self._database.begin() as connection:
            edges = await _edges(connection, key)
        if edges is None or limit < 1:
            return CandleRows.empty().last_run(inst_id, interval)
        # Candles that follow each other without a hole are as many as their time has room for.
        return (await self.read(key, interval.shift(edges.end, -limit))).last_run(inst_id, interval)

    async def last_open_time(self, market: str, inst_id: str, interval: Interval) -> datetime | None:
        """See `CandleStore`."""
        table = candles.c
        query = select(func.max(table.open_time)).where(
            table.market == market, table.inst_id == inst_id, table.interval == interval.name
        )
        async with self._database.begin() as connection:
            newest: datetime | None = (await connection.execute(query)).scalar_one()
        return newest

    async def ledger(self, key: CandleKey) -> CandleLedger:
        """See `CandleStore`."""
        async with self._database.begin() as connection:
            return await read_ledger(connection, key)

    async def gaps(self, key: CandleKey, window: TimeRange | None = None) -> RangeSet:
        """See `CandleStore`."""
        async with self._database.begin() as connection:
            return await read_gaps(connection, key, window)

    async def summary(self) -> list[CandleSummary]:
        """See `CandleStore`."""
        table = candles.c
        group = (table.market, table.inst_id, table.interval)
        query = (
            select(*group, func.count(), func.min(table.open_time), func.max(table.open_time))
            .group_by(*group)
            .order_by(*group)
        )
        ledgers = select(candle_ledger.c.market, candle_ledger.c.inst_id, candle_ledger.c.interval, LEDGERS)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
            known = {tuple(row[:3]): multirange_of(row[3]) for row in await connection.execute(ledgers)}
        return [_summary(known.get(tuple(row[:3]), RangeSet()), *row) for row in rows]


async def _edges(connection: AsyncConnection, key: CandleKey) -> TimeRange | None:
    """From the first candle's open to the last one's close; None where there are none."""
    table = candles.c
    query = select(func.min(table.open_time), func.max(table.open_time)).where(
        table.market == key.market, table.inst_id == key.inst_id, table.interval == key.interval.name
    )
    first, last = (await connection.execute(query)).one()
    if first is None:
        return None
    return TimeRange(first.astimezone(UTC), key.interval.close_time(last.astimezone(UTC)))


async def _keep_rows(connection: AsyncConnection, key: CandleKey, rows: CandleRows) -> int:
    if len(rows) > _FEW:
        driver = await _driver(connection)
        if goes_straight(rows) and not await _any_there(connection, key, rows):
            await copy_straight(driver, key, rows)
            return len(rows)
        await copy_to_staging(driver, rows)
        return (await connection.execute(_KEEP_MANY, _named(key))).rowcount
    times = [moment(seconds) for seconds in rows.open_times.tolist()]
    numbers = {name: rows.values[:, column].tolist() for column, name in enumerate(COLUMNS)}
    return (await connection.execute(_KEEP_FEW, {**_named(key), "open_time": times, **numbers})).rowcount


async def _any_there(connection: AsyncConnection, key: CandleKey, rows: CandleRows) -> bool:
    edges = {"first": moment(int(rows.open_times[0])), "last": moment(int(rows.open_times[-1]))}
    return bool((await connection.execute(_ANY_BETWEEN, _named(key) | edges)).scalar_one())


async def _driver(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """psycopg's own connection, in the same transaction: SQLAlchemy has no COPY."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver


def _named(key: CandleKey) -> dict[str, object]:
    return {"market": key.market, "inst_id": key.inst_id, "interval": key.interval.name}


def _summary(
    complete: RangeSet, market: str, inst_id: str, name: str, count: int, first: datetime, last: datetime
) -> CandleSummary:
    interval = Interval(name)
    expected = interval.count(first, interval.close_time(last))
    start, end = first.astimezone(UTC), last.astimezone(UTC)
    gaps = len(RangeSet((TimeRange(start, interval.close_time(end)),)) - complete)
    return CandleSummary(market, inst_id, interval, count, start, end, max(expected - count, 0), gaps)
