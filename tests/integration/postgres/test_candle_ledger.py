"""The ledger of candles: what is complete is known, survives, and moves with the candles or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokex.adapters.postgres import PostgresStore, upgrade
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.errors import DataError
from kokex.domain.time_range import NO_TIME, RangeSet, TimeRange
from kokex.ports.candles import CandleLedger
from tests.builders import START

HOUR = Interval("1H")
KEY = CandleKey("okx:live", "ETH-USDT", HOUR)
FIRST = int(START.timestamp())


def rows(*hours: int, close: float = 11.0) -> CandleRows:
    times = FIRST + 3600 * np.array(sorted(hours), dtype=np.int64)
    return CandleRows(times, np.tile([10.0, 12.0, 9.0, close, 5.0, np.nan], (len(hours), 1)))


def span(low: int, high: int) -> TimeRange:
    return TimeRange(START + timedelta(hours=low), START + timedelta(hours=high))


def spans(*pairs: tuple[int, int]) -> RangeSet:
    return RangeSet(tuple(span(low, high) for low, high in pairs))


async def test_kept_candles_are_in_the_ledger(store: PostgresStore) -> None:
    """In whatever order they came; gaps are what lies between."""
    assert await store.candles.ledger(KEY) == CandleLedger()
    await store.candles.keep(KEY, rows(5, 6))
    await store.candles.keep(KEY, rows(0, 1, 2))
    await store.candles.upsert("okx:live", "ETH-USDT", HOUR, list(rows(7).candles()))
    assert (await store.candles.ledger(KEY)).complete == spans((0, 3), (5, 8))
    assert await store.candles.gaps(KEY) == spans((3, 5))
    assert await store.candles.gaps(KEY, span(-2, 10)) == spans((-2, 0), (3, 5), (8, 10))
    assert await store.candles.gaps(KEY, span(5, 8)) == NO_TIME
    await store.candles.keep(KEY, rows(3, 4))
    assert (await store.candles.ledger(KEY)).complete == spans((0, 8))
    assert await store.candles.gaps(KEY) == NO_TIME


async def test_what_was_never_kept_is_one_gap(store: PostgresStore) -> None:
    """The whole window; and nothing where no window is named."""
    assert await store.candles.gaps(KEY, span(0, 4)) == spans((0, 4))
    assert await store.candles.gaps(KEY) == NO_TIME


async def test_time_without_candles_can_be_complete(store: PostgresStore) -> None:
    """The exchange has none there: no gap any more, and nothing before its first candle either."""
    known = CandleLedger(complete=spans((0, 10)), begins_at=START)
    await store.candles.keep(KEY, rows(0, 1, 8, 9), known)
    assert await store.candles.gaps(KEY) == NO_TIME
    assert await store.candles.gaps(KEY, span(-50, 12)) == spans((10, 12))
    assert await store.candles.gaps(KEY, span(-50, -40)) == NO_TIME
    (summary,) = await store.candles.summary()
    assert (summary.missing, summary.gaps) == (6, 0)


async def test_what_was_confirmed_lapses_with_new_candles(store: PostgresStore) -> None:
    """Other numbers have not been confirmed; the same call may confirm them."""
    await store.candles.keep(KEY, rows(*range(6)), CandleLedger(confirmed=spans((0, 6))))
    await store.candles.keep(KEY, rows(2, close=10.5))
    assert (await store.candles.ledger(KEY)).confirmed == spans((0, 2), (3, 6))
    await store.candles.keep(KEY, rows(2), CandleLedger(confirmed=spans((2, 3))))
    assert (await store.candles.ledger(KEY)).confirmed == spans((0, 6))


async def test_a_candle_off_the_grid_is_refused_whole(store: PostgresStore) -> None:
    """Neither candles nor ledger move."""
    strange = rows(0, 1)
    strange.open_times[1] += 60
    with pytest.raises(DataError, match="no 1H candle opens at 2026-01-01 01:01:00"):
        await store.candles.keep(KEY, strange)
    with pytest.raises(DataError, match="no 1D candle opens"):
        await store.candles.keep(CandleKey("okx:live", "ETH-USDT", Interval("1D")), rows(0))
    assert await store.candles.summary() == []
    assert await store.candles.ledger(KEY) == CandleLedger()


async def test_days_of_both_clocks_stand_side_by_side(store: PostgresStore) -> None:
    """One instrument, two grids, no mixing."""
    utc, utc8 = (CandleKey("okx:live", "ETH-USDT", Interval(name)) for name in ("1Dutc", "1D"))
    await store.candles.keep(utc, rows(0, 24))
    await store.candles.keep(utc8, rows(16, 40))
    assert (await store.candles.ledger(utc)).complete == spans((0, 48))
    assert (await store.candles.ledger(utc8)).complete == spans((16, 64))


@pytest.mark.parametrize("count", [3, 2000])
async def test_few_and_many_come_back_alike(store: PostgresStore, database_url: str, count: int) -> None:
    """By arrays and by COPY: to the last bit, unknown as unknown, and only what differs counts as changed."""
    random = np.random.default_rng(1)
    made = rows(*range(count))
    made.values[:, 3] = 9.5 + random.random(count)
    made.values[1, 4] = np.nan
    assert await store.candles.keep(KEY, made) == count
    assert await store.candles.keep(KEY, made) == 0
    assert await store.candles.read(KEY) == made
    assert await store.candles.read(KEY, span(1, 2).start, span(1, 3).end) == made[1:3]
    made.values[0, 4] = 7.0
    assert await store.candles.keep(KEY, made) == 1
    assert await store.candles.read(CandleKey("okx:demo", "ETH-USDT", HOUR)) == CandleRows.empty()
    with_null = "SELECT count(*) FROM candles WHERE volume IS NULL AND amount IS NULL"
    with psycopg.connect(database_url) as connection:
        assert connection.execute(with_null).fetchone() == (1,)


async def test_writers_at_once_lose_nothing(store: PostgresStore) -> None:
    """Every hour by a task of its own."""
    await asyncio.gather(*(store.candles.keep(KEY, rows(hour)) for hour in range(24)))
    assert (await store.candles.ledger(KEY)).complete == spans((0, 24))
    assert len(await store.candles.read(KEY)) == 24


async def test_the_ledger_agrees_with_sets(store: PostgresStore) -> None:
    """Whatever is kept in whatever pieces, the gaps are the hours that were not."""
    pieces = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), min_size=1, max_size=6)
    numbers = iter(range(1000))
    loop = asyncio.get_running_loop()

    async def check(parts: list[tuple[int, int]]) -> None:
        key = CandleKey(f"m{next(numbers)}", "ETH-USDT", HOUR)
        for low, length in parts:
            await store.candles.keep(key, rows(*range(low, low + length)))
        there = {hour for low, length in parts for hour in range(low, low + length)}
        gaps = await store.candles.gaps(key, span(0, 40))
        assert {n for n in range(40) if any(one.holds(span(n, n + 1).start) for one in gaps)} == set(
            range(40)
        ) - there

    @settings(max_examples=15)
    @given(pieces)
    def examples(parts: list[tuple[int, int]]) -> None:
        asyncio.run_coroutine_threadsafe(check(parts), loop).result(20)

    await asyncio.to_thread(examples)


def test_candles_from_before_the_ledger(empty_database_url: str) -> None:
    """The migration enters them, gap by gap, and names days that followed UTC so."""
    upgrade(empty_database_url, "0005")
    with psycopg.connect(empty_database_url) as connection:
        for interval, open_time in (
            *(("1H", f"2026-01-01 0{hour}:00+00") for hour in (0, 1, 3)),
            ("1D", "2026-01-01 00:00+00"),
            ("1D", "2026-01-02 00:00+00"),
        ):
            connection.execute(
                "INSERT INTO candles VALUES ('m', 'ETH-USDT', %s, %s, 1, 2, 0.5, 1.5, NULL, NULL)",
                (interval, open_time),
            )
    upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute("SELECT interval, complete::text FROM candle_ledger ORDER BY 1").fetchall()
        names = connection.execute("SELECT DISTINCT interval FROM candles ORDER BY 1").fetchall()
    assert names == [("1Dutc",), ("1H",)]
    assert [(interval, text.count("[")) for interval, text in found] == [("1Dutc", 1), ("1H", 2)]
    assert found[0][1] == '{["2026-01-01 00:00:00+00","2026-01-03 00:00:00+00")}'
