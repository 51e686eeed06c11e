"""Candles, instruments and forecasts come back as they were kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from kokex.adapters.postgres import PostgresStore
from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.errors import DataError, NotFoundError
from kokex.domain.forecast import Forecast
from kokex.ports.candles import CandleSummary
from tests.builders import ETH, ETH_SWAP, START
from tests.integration.postgres.journalling import new_plan

HOUR = Interval("1H")


def candle(number: int, **changes: object) -> Candle:
    made = Candle(START + number * HOUR.duration, 10.0 + number, 12.5 + number, 9.1, 11.0, 3.3, 4.4)
    return replace(made, **changes)


async def test_candles_round_trip(store: PostgresStore) -> None:
    """To the last bit; an unknown volume stays unknown."""
    candles = [candle(0), candle(1, volume=None, amount=None), candle(2, open=0.1 + 0.2)]

    assert await store.candles.upsert("okx:live", "ETH-USDT", HOUR, candles) == 3

    series = await store.candles.latest("okx:live", "ETH-USDT", HOUR, 10)
    expected = CandleSeries.of("ETH-USDT", HOUR, candles)
    assert (series.inst_id, series.interval) == ("ETH-USDT", HOUR)
    np.testing.assert_array_equal(series.open_times, expected.open_times)
    np.testing.assert_array_equal(series.values, expected.values)
    assert (series.open_times.dtype, series.values.dtype) == (np.int64, np.float64)
    assert await store.candles.last_open_time("okx:live", "ETH-USDT", HOUR) == candles[-1].open_time


async def test_upsert_counts_what_changed(store: PostgresStore) -> None:
    """New and different rows; the same again is nothing; of two in one call the later counts."""
    await store.candles.upsert("m", "ETH-USDT", HOUR, [candle(0), candle(1)])

    changed = [candle(0), candle(1, close=11.5), candle(2, close=1.0), candle(2)]
    assert await store.candles.upsert("m", "ETH-USDT", HOUR, changed) == 2
    assert await store.candles.upsert("m", "ETH-USDT", HOUR, changed) == 0
    assert await store.candles.upsert("m", "ETH-USDT", HOUR, [candle(0, volume=None)]) == 1
    assert await store.candles.upsert("m", "ETH-USDT", HOUR, []) == 0

    series = await store.candles.latest("m", "ETH-USDT", HOUR, 10)
    assert list(series.closes) == [11.0, 11.5, 11.0]


async def test_a_candle_that_is_not_closed(store: PostgresStore) -> None:
    """Refused, the whole call."""
    with pytest.raises(DataError, match="2026-01-01 01:00"):
        await store.candles.upsert("m", "ETH-USDT", HOUR, [candle(0), candle(1, closed=False)])

    assert await store.candles.summary() == []


async def test_latest_stops_at_a_gap(store: PostgresStore) -> None:
    """Only the newest run without a hole, at most so many."""
    await store.candles.upsert("m", "ETH-USDT", HOUR, [candle(n) for n in (0, 1, 3, 4, 5)])

    assert len(await store.candles.latest("m", "ETH-USDT", HOUR, 10)) == 3
    assert len(await store.candles.latest("m", "ETH-USDT", HOUR, 2)) == 2
    assert len(await store.candles.latest("m", "ETH-USDT", HOUR, 0)) == 0


async def test_nothing_kept(store: PostgresStore) -> None:
    """An empty series, no time, no rows."""
    series = await store.candles.latest("m", "ETH-USDT", HOUR, 10)

    assert len(series) == 0
    assert series.values.shape == (0, 6)
    assert await store.candles.last_open_time("m", "ETH-USDT", HOUR) is None
    assert await store.candles.summary() == []


async def test_candles_are_kept_apart(store: PostgresStore) -> None:
    """By market, instrument and interval; the summary has a row for each and counts holes."""
    quarter = Interval("15m")
    await store.candles.upsert("a", "ETH-USDT", HOUR, [candle(n) for n in (0, 1, 4)])
    await store.candles.upsert("b", "ETH-USDT", HOUR, [candle(7)])
    await store.candles.upsert("a", "ETH-USDT", quarter, [candle(0)])
    await store.candles.upsert("a", "BTC-USDT", HOUR, [candle(0)])

    assert len(await store.candles.latest("a", "ETH-USDT", quarter, 9)) == 1
    assert await store.candles.summary() == [
        CandleSummary("a", "BTC-USDT", HOUR, 1, START, START, 0),
        CandleSummary("a", "ETH-USDT", quarter, 1, START, START, 0),
        CandleSummary("a", "ETH-USDT", HOUR, 3, START, START + timedelta(hours=4), 2, gaps=1),
        CandleSummary("b", "ETH-USDT", HOUR, 1, START + timedelta(hours=7), START + timedelta(hours=7), 0),
    ]


async def test_a_fortnight_of_minutes_at_once(store: PostgresStore) -> None:
    """Tens of thousands of rows are one statement."""
    minute = Interval("1m")
    candles = [candle(0, open_time=START + n * minute.duration) for n in range(20_000)]

    assert await store.candles.upsert("m", "ETH-USDT", minute, candles) == 20_000

    assert len(await store.candles.latest("m", "ETH-USDT", minute, 30_000)) == 20_000


async def test_instruments(store: PostgresStore) -> None:
    """Kept, replaced, by market."""
    await store.instruments.upsert("a", [ETH, ETH_SWAP])
    assert await store.instruments.get("a", "ETH-USDT") == ETH
    assert await store.instruments.get("a", "ETH-USDT-SWAP") == ETH_SWAP
    assert await store.instruments.get("b", "ETH-USDT") is None

    changed = replace(
        ETH, tick_size=Decimal("0.10"), max_limit_quantity=Decimal("999"), exchange_code=7, tradable=False
    )
    await store.instruments.upsert("a", [changed])
    await store.instruments.upsert("a", [])

    assert await store.instruments.get("a", "ETH-USDT") == changed
    assert await store.instruments.get("a", "ETH-USDT-SWAP") == ETH_SWAP


def forecast(hours: int = 0) -> Forecast:
    paths = np.random.default_rng(hours).normal(2000, 10, (8, 3, 6)).astype(np.float32)
    return Forecast("ETH-USDT", HOUR, "block_bootstrap", START + timedelta(hours=hours), 2000.1, paths)


async def test_forecast_round_trip(store: PostgresStore) -> None:
    """All paths, bit for bit, writable and float32."""
    plan = await new_plan(store)
    made = forecast()

    number = await store.forecasts.add(plan.id, made)

    latest = await store.forecasts.latest(plan.id)
    assert latest is not None and latest[0] == number
    found = latest[1]
    np.testing.assert_array_equal(found.paths, made.paths)
    assert found.paths.dtype == np.float32
    assert (found.inst_id, found.interval, found.forecaster) == ("ETH-USDT", HOUR, "block_bootstrap")
    assert (found.origin_time, found.origin_price) == (START, 2000.1)


async def test_one_forecast_per_origin(store: PostgresStore) -> None:
    """A repeated one gives the number of the one kept, which stays as it is."""
    plan = await new_plan(store)
    number = await store.forecasts.add(plan.id, forecast())

    again = replace(forecast(), origin_price=1.0)
    assert await store.forecasts.add(plan.id, again) == number

    latest = await store.forecasts.latest(plan.id)
    assert latest is not None and latest[1].origin_price == 2000.1


async def test_latest_forecast_is_the_newest_origin(store: PostgresStore) -> None:
    """Whatever order they were kept in; each plan's own; not only contiguous arrays."""
    plan, other = await new_plan(store), await new_plan(store, "other")
    newest = replace(forecast(5), paths=forecast(5).paths[::2].transpose(1, 0, 2))
    number = await store.forecasts.add(plan.id, newest)
    await store.forecasts.add(plan.id, forecast(2))

    latest = await store.forecasts.latest(plan.id)
    assert latest is not None and latest[0] == number
    np.testing.assert_array_equal(latest[1].paths, newest.paths)
    assert await store.forecasts.latest(other.id) is None


async def test_forecasts_by_number_newest_origin_first(store: PostgresStore) -> None:
    """Only so many, only the plan's; what does not exist is left out."""
    plan, other = await new_plan(store), await new_plan(store, "other")
    numbers = {hours: await store.forecasts.add(plan.id, forecast(hours)) for hours in (3, 1, 2)}
    await store.forecasts.add(other.id, forecast(9))

    assert await store.forecasts.numbers(plan.id, limit=2) == [
        (numbers[hours], START + timedelta(hours=hours)) for hours in (3, 2)
    ]
    found = dict(await store.forecasts.some([numbers[1], numbers[3], 999]))
    assert set(found) == {numbers[1], numbers[3]}
    np.testing.assert_array_equal(found[numbers[1]].paths, forecast(1).paths)
    assert await store.forecasts.some([]) == []
    assert await store.forecasts.numbers(999, limit=5) == []


async def test_forecast_of_no_plan(store: PostgresStore) -> None:
    """Refused with the number in the message."""
    with pytest.raises(NotFoundError, match="plan 99"):
        await store.forecasts.add(99, forecast())
