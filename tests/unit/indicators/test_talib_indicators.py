"""Indicators by TA-Lib: against definitions, and honest where there is nothing to say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from kokex.adapters.talib_indicators import TalibIndicators
from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.indicator import Indicator, IndicatorUnit

INDICATORS = TalibIndicators()


def series(number: int = 400, **columns: NDArray[np.float64]) -> CandleSeries:
    """A walk of hourly candles."""
    random = np.random.default_rng(5)
    closes = 2000 * np.exp(np.cumsum(random.normal(0, 0.01, number)))
    values = np.stack(
        [closes, closes * 1.004, closes * 0.995, closes, random.uniform(1, 9, number), closes], axis=1
    )
    for index, column in columns.items():
        values[:, int(index[1:])] = column
    return CandleSeries("ETH-USDT", Interval("1H"), np.arange(number, dtype=np.int64) * 3600, values)


def wilder(values: NDArray[np.float64], period: int) -> NDArray[np.float64]:
    """Wilder's average: the mean of the first `period`, then a fraction 1 / period of each that follows."""
    made = [values[:period].mean()]
    for value in values[period:]:
        made.append(made[-1] + (value - made[-1]) / period)
    return np.array(made)


@pytest.mark.parametrize("indicator", list(Indicator))
def test_values_begin_where_it_is_said(indicator: Indicator) -> None:
    """All lines of an indicator have values from the candle `needs` on, and none of the first ones lacks its reason."""
    found = INDICATORS.of(series(), indicator)
    assert found.indicator is indicator
    known = np.stack([~np.isnan(line) for line in found.lines.values()])
    assert known.shape[1] == 400 and known[:, found.needs - 1 :].all()
    assert found.needs == 1 or not known[:, found.needs - 2].all()


@pytest.mark.parametrize("indicator", list(Indicator))
def test_too_few_candles_give_none(indicator: Indicator) -> None:
    """One candle fewer than needed."""
    needs = INDICATORS.of(series(), indicator).needs
    short = INDICATORS.of(series(max(needs - 1, 0)), indicator)
    assert all(len(line) == max(needs - 1, 0) for line in short.lines.values())
    assert any(np.isnan(line).all() for line in short.lines.values())


def test_averages_and_bands() -> None:
    """Simple mean; twice the population's standard deviation around it; the exponential one seeded with a simple mean."""
    candles = series()
    last = candles.closes[-20:]
    assert INDICATORS.of(candles, Indicator.SMA_20).lines["sma_20"][-1] == pytest.approx(last.mean())
    bands = INDICATORS.of(candles, Indicator.BOLLINGER).lines
    assert bands["upper"][-1] == pytest.approx(last.mean() + 2 * last.std())
    assert bands["lower"][-1] == pytest.approx(last.mean() - 2 * last.std())
    average = candles.closes[:20].mean()
    for close in candles.closes[20:]:
        average += (close - average) * 2 / 21
    assert INDICATORS.of(candles, Indicator.EMA_20).lines["ema_20"][-1] == pytest.approx(average)


def test_strength_and_range_are_wilder_s() -> None:
    """RSI of gains and losses, ATR of true ranges."""
    candles = series()
    steps = np.diff(candles.closes)
    gains, losses = wilder(np.maximum(steps, 0), 14), wilder(np.maximum(-steps, 0), 14)
    found = INDICATORS.of(candles, Indicator.RSI_14)
    assert found.lines["rsi_14"][-1] == pytest.approx(100 * gains[-1] / (gains[-1] + losses[-1]))
    assert found.unit is IndicatorUnit.RANGE
    high, low, before = candles.values[1:, 1], candles.values[1:, 2], candles.closes[:-1]
    ranges = np.maximum(high, before) - np.minimum(low, before)
    assert INDICATORS.of(candles, Indicator.ATR).lines["atr_14"][-1] == pytest.approx(wilder(ranges, 14)[-1])


def test_volumes_that_are_not_known_say_nothing() -> None:
    """What needs volume begins after the last candle without one; the rest does not care."""
    volumes = np.full(400, 2.0)
    volumes[:350] = np.nan
    candles = series(_4=volumes)
    obv = INDICATORS.of(candles, Indicator.OBV).lines["obv"]
    assert np.isnan(obv[:350]).all() and obv[350] == 2.0 and not np.isnan(obv[350:]).any()
    assert not np.isnan(INDICATORS.of(candles, Indicator.RSI_14).lines["rsi_14"][20:]).any()
    nothing = INDICATORS.of(series(_4=np.full(400, np.nan)), Indicator.MFI).lines["mfi_14"]
    assert np.isnan(nothing).all()


def test_nothing_is_loaded_before_the_first_question_nor_more_than_needed() -> None:
    """Neither TA-Lib with the module, nor pandas and polars with TA-Lib; both can be had afterwards."""
    code = """
import sys
import numpy as np
from kokex.adapters.talib_indicators import TalibIndicators
from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.indicator import Indicator
assert "talib" not in sys.modules
values = np.ones((50, 6))
TalibIndicators().of(CandleSeries("X", Interval("1H"), np.arange(50) * 3600, values), Indicator.SMA_10)
assert "talib" in sys.modules
assert "pandas" not in sys.modules and "polars" not in sys.modules, "kept away"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
