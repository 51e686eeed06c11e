"""The ledger of candles: stretches of time as multiranges, so that a gap is a subtraction that the database does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Text, cast, text
from sqlalchemy.ext.asyncio import AsyncConnection

from kokex.adapters.postgres.tables import candle_ledger
from kokex.domain.candle_rows import CandleKey
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.candles import CandleLedger

LEDGERS = cast(candle_ledger.c.complete, Text)
"""The complete stretches as `multirange_of` reads them."""

_ENTER = text(
    """
    INSERT INTO candle_ledger AS known (market, inst_id, interval, complete, confirmed, begins_at)
    VALUES (:market, :inst_id, :interval, CAST(:complete AS tstzmultirange), CAST(:confirmed AS tstzmultirange), :begins_at)
    ON CONFLICT (market, inst_id, interval) DO UPDATE SET
        complete = known.complete + excluded.complete,
        confirmed = known.confirmed - CAST(:touched AS tstzmultirange) + excluded.confirmed,
        begins_at = coalesce(excluded.begins_at, known.begins_at)
    """
)
_OF_KEY = "market = :market AND inst_id = :inst_id AND interval = :interval"
_LEDGER = text(f"SELECT complete::text, confirmed::text, begins_at FROM candle_ledger WHERE {_OF_KEY}")  # noqa: S608
_GAPS = text(
    f"""
    SELECT lower(gap), upper(gap)
    FROM candle_ledger, unnest(
        CASE WHEN CAST(:start AS timestamptz) IS NULL THEN tstzmultirange(range_merge(complete))
        ELSE tstzmultirange(tstzrange(least(greatest(:start, begins_at), :end), :end)) END - complete
    ) AS gap
    WHERE {_OF_KEY} ORDER BY 1
    """  # noqa: S608
)


async def enter(connection: AsyncConnection, key: CandleKey, touched: RangeSet, known: CandleLedger) -> None:
    """Enter candles that fill `touched`, and what else is `known`. Holds the key's row until the transaction ends."""
    values = {
        "complete": _literal(touched | known.complete),
        "confirmed": _literal(known.confirmed),
        "touched": _literal(touched),
        "begins_at": known.begins_at,
    }
    await connection.execute(_ENTER, _named(key) | values)


async def read_ledger(connection: AsyncConnection, key: CandleKey) -> CandleLedger:
    """What is known of the key."""
    row = (await connection.execute(_LEDGER, _named(key))).one_or_none()
    if row is None:
        return CandleLedger()
    complete, confirmed, begins_at = row
    begins = None if begins_at is None else begins_at.astimezone(UTC)
    return CandleLedger(multirange_of(complete), multirange_of(confirmed), begins)


async def read_gaps(connection: AsyncConnection, key: CandleKey, window: TimeRange | None) -> RangeSet:
    """See `CandleStore.gaps`."""
    edges = {"start": window and window.start, "end": window and window.end}
    rows = (await connection.execute(_GAPS, _named(key) | edges)).all()
    if rows or window is None:
        return RangeSet(tuple(TimeRange(low.astimezone(UTC), high.astimezone(UTC)) for low, high in rows))
    there = await read_ledger(connection, key)
    return RangeSet((window,)) if there == CandleLedger() else RangeSet()


def multirange_of(shown: str) -> RangeSet:
    """A multirange as PostgreSQL writes it: {["2026-01-01 00:00:00+00","2026-01-01 01:00:00+00"),...}."""
    words = shown.strip("{}").replace("[", "").replace(")", "").replace('"', "")
    if not words:
        return RangeSet()
    moments = [datetime.fromisoformat(word).astimezone(UTC) for word in words.split(",")]
    return RangeSet(tuple(map(TimeRange, moments[::2], moments[1::2])))


def _literal(ranges: RangeSet) -> str:
    return "{" + ",".join(f'["{one.start.isoformat()}","{one.end.isoformat()}")' for one in ranges) + "}"


def _named(key: CandleKey) -> dict[str, Any]:
    return {"market": key.market, "inst_id": key.inst_id, "interval": key.interval.name}
