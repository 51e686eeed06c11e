"""Each kind of bad candles has its own error, raised before the model is asked anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas
import pytest

from kokex.kronos import Candles, KronosForecaster
from kokex.kronos.candles import COLUMNS
from kokex.kronos.errors import (
    CandlesError,
    ConstantPricesError,
    DuplicatedTimesError,
    IntervalMismatchError,
    MissingColumnError,
    NotFiniteError,
    TimesNotIncreasingError,
    TooFewCandlesError,
    ZeroVolumeError,
)

HOUR = np.timedelta64(1, "h")


@pytest.fixture
def table(candle_walk: Callable[..., Candles]) -> pandas.DataFrame:
    candles = candle_walk(20)
    return pandas.DataFrame(
        {"time": candles.times, **{n: candles.values[:, i] for i, n in enumerate(COLUMNS)}}
    )


def nan(table: pandas.DataFrame) -> None:
    table.loc[3, "low"] = np.nan


def infinite(table: pandas.DataFrame) -> None:
    table.loc[4, "volume"] = np.inf


def backwards(table: pandas.DataFrame) -> None:
    table.loc[5, "time"] -= pandas.Timedelta(hours=2)


def duplicated(table: pandas.DataFrame) -> None:
    table.loc[6, "time"] = table.loc[5, "time"]


def off_the_grid(table: pandas.DataFrame) -> None:
    table.loc[7:, "time"] += pandas.Timedelta(minutes=30)


def constant(table: pandas.DataFrame) -> None:
    table[["open", "high", "low", "close"]] = 42.0


def no_volume(table: pandas.DataFrame) -> None:
    table["volume"] = 0.0


def no_time(table: pandas.DataFrame) -> None:
    table.loc[8, "time"] = pandas.NaT


def text(table: pandas.DataFrame) -> None:
    table["open"] = "much"


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (nan, NotFiniteError, "candle 3: low is nan"),
        (infinite, NotFiniteError, "candle 4: volume is inf"),
        (backwards, TimesNotIncreasingError, "candle 5 at .* is earlier"),
        (duplicated, DuplicatedTimesError, "candles 5 and 6 have the same time"),
        (
            off_the_grid,
            IntervalMismatchError,
            "candle 7 at .* follows after 1:30:00, the interval is 1:00:00",
        ),
        (constant, ConstantPricesError, "all 20 candles stand at 42.0"),
        (no_volume, ZeroVolumeError, "leave the column out"),
        (no_time, NotFiniteError, "time 8 is missing"),
        (text, NotFiniteError, "not numeric"),
    ],
)
def test_bad_values_are_named(
    table: pandas.DataFrame,
    spoil: Callable[[pandas.DataFrame], None],
    error: type[CandlesError],
    message: str,
) -> None:
    spoil(table)
    with pytest.raises(error, match=message):
        Candles.from_table(table)


@pytest.mark.parametrize("name", ["open", "high", "low", "close", "time"])
def test_a_missing_column_is_named(table: pandas.DataFrame, name: str) -> None:
    with pytest.raises(MissingColumnError, match=rf"lack.*{name}"):
        Candles.from_table(table.drop(columns=name))


def test_a_gap_is_allowed_only_where_no_interval_was_promised(table: pandas.DataFrame) -> None:
    gapped = table.drop(index=9)
    assert Candles.from_table(gapped).interval == HOUR
    with pytest.raises(IntervalMismatchError, match=r"candle 9 .* follows after 2:00:00"):
        Candles.from_table(gapped, interval=timedelta(hours=1))
    with pytest.raises(IntervalMismatchError, match="the interval is 0:15:00"):
        Candles.from_table(table, interval=timedelta(minutes=15))


def test_too_few_candles(table: pandas.DataFrame, forecaster: KronosForecaster) -> None:
    for count in (0, 1):
        with pytest.raises(TooFewCandlesError, match=f"{count} candles given"):
            Candles.from_table(table[:count])
    short = Candles.from_table(table, future_times=table["time"][-2:] + pandas.Timedelta(days=1))
    with pytest.raises(TooFewCandlesError, match="2 entries for a horizon of 3"):
        forecaster.forecast(short, 3)


def test_future_times_follow_the_context(table: pandas.DataFrame) -> None:
    with pytest.raises(DuplicatedTimesError):
        Candles.from_table(table, future_times=table["time"][-1:])


def test_epoch_numbers_wrong_shapes_and_strangers_are_refused(table: pandas.DataFrame) -> None:
    values = table[list(COLUMNS)].to_numpy()
    with pytest.raises(CandlesError, match="convert epoch numbers"):
        Candles.from_arrays(np.arange(20), values)
    with pytest.raises(MissingColumnError, match="4 to 6 columns"):
        Candles.from_arrays(table["time"], values[:, :3])
    with pytest.raises(CandlesError, match="20 candles but times of shape"):
        Candles.from_arrays(table["time"][:-1], values)
    with pytest.raises(CandlesError, match="cannot be read from int"):
        Candles.from_table(3)


def test_one_bad_series_stops_a_batch_before_any_work(
    table: pandas.DataFrame, forecaster: KronosForecaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecaster, "_tokenizer", None)
    spoiled = table.copy()
    nan(spoiled)
    with pytest.raises(NotFiniteError):
        forecaster.forecast_many([table, spoiled], 3)


def test_prices_constant_in_one_column_are_a_market_like_any_other(
    table: pandas.DataFrame, forecaster: KronosForecaster
) -> None:
    table["low"] = 65432.1
    table["high"] = 99999.9
    forecast = forecaster.forecast(table, 3, paths=2, seed=0)
    assert np.isfinite(forecast.paths).all()
