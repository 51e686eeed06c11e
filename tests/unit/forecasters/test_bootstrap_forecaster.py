"""The block bootstrap: an honest baseline must be a possible market, without drift, and the same for ever."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokex.adapters.bootstrap_forecaster import BlockBootstrapForecaster
from kokex.domain.candle import CandleSeries, Interval
from kokex.domain.errors import ForecastError
from kokex.domain.forecast import Forecast
from kokex.ports.forecaster import Forecaster

HIGH, LOW, CLOSE, VOLUME, AMOUNT = 1, 2, 3, 4, 5


def series(
    count: int = 400,
    *,
    seed: int = 1,
    drift: float = 0.0,
    sigma: float = 0.006,
    price: float = 2000.0,
    amounts: bool = True,
) -> CandleSeries:
    random = np.random.default_rng(seed)
    closes = price * np.exp(np.cumsum(random.normal(drift, sigma, count)))
    opens = np.concatenate([[price], closes[:-1]])
    highs = np.maximum(opens, closes) * np.exp(np.abs(random.normal(0, sigma / 2, count)))
    lows = np.minimum(opens, closes) * np.exp(-np.abs(random.normal(0, sigma / 2, count)))
    volumes = random.gamma(2, 500, count)
    amount = volumes * (highs + lows) / 2 if amounts else np.full(count, np.nan)
    times = 1_700_000_000 - 1_700_000_000 % 3600 + 3600 * np.arange(count, dtype=np.int64)
    return CandleSeries(
        "ETH-USDT",
        Interval("1H"),
        times,
        np.column_stack([opens, highs, lows, closes, volumes, amount]),
    )


def forecast(candles: CandleSeries, *, horizon: int = 24, paths: int = 256, seed: int = 0) -> Forecast:
    return BlockBootstrapForecaster().forecast(candles, horizon=horizon, paths=paths, seed=seed)


def test_it_is_a_forecaster_and_says_so() -> None:
    """The port is fulfilled, with the name that plans ask for; the variant with drift has a name of its own."""
    maker: Forecaster = BlockBootstrapForecaster()
    assert maker.name == "block_bootstrap"
    assert BlockBootstrapForecaster(keep_drift=True).name == "block_bootstrap_drift"
    made = forecast(series())
    assert made.forecaster == "block_bootstrap"
    assert made.paths.shape == (256, 24, 6) and made.paths.dtype == np.float32
    assert made.origin_time == series().close_time and made.origin_price == series().closes[-1]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(48, 200),
    horizon=st.integers(1, 30),
    paths=st.integers(1, 40),
    sigma=st.sampled_from([1e-5, 0.006, 0.2]),
    price=st.sampled_from([1e-7, 1.0, 1e6]),
)
def test_every_future_candle_could_be_one(
    seed: int, count: int, horizon: int, paths: int, sigma: float, price: float
) -> None:
    """Prices are positive and finite, high and low enclose open and close, volumes are not negative."""
    made = forecast(
        series(count, seed=seed, sigma=sigma, price=price), horizon=horizon, paths=paths, seed=seed
    ).paths
    prices = made[:, :, :4]
    assert np.isfinite(prices).all() and (prices > 0).all()
    assert (made[:, :, HIGH] == prices.max(axis=2)).all()
    assert (made[:, :, LOW] == prices.min(axis=2)).all()
    assert (made[:, :, VOLUME:] >= 0).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**63), few=st.integers(1, 50), more=st.integers(1, 50))
def test_more_paths_leave_the_earlier_ones_alone(seed: int, few: int, more: int) -> None:
    """The first n paths do not depend on how many are asked for."""
    candles = series(100)
    np.testing.assert_array_equal(
        forecast(candles, paths=few, seed=seed).paths,
        forecast(candles, paths=few + more, seed=seed).paths[:few],
    )


def test_equal_arguments_give_equal_paths_whatever_numpy_s_global_state() -> None:
    """Reproducible from its arguments alone, and another seed is another draw."""
    np.random.seed(1)
    first = forecast(series()).paths
    np.random.seed(2)
    np.testing.assert_array_equal(first, forecast(series()).paths)
    assert not np.array_equal(first, forecast(series(), seed=1).paths)


def test_the_input_is_left_as_it_was() -> None:
    """A forecast changes nothing that others may hold."""
    candles = series()
    before = candles.values.copy()
    forecast(candles)
    np.testing.assert_array_equal(before, candles.values)


def test_only_what_the_series_holds_matters_and_prices_scale() -> None:
    """The same candles in another currency unit give the same futures in that unit: nothing outside the series is read."""
    candles = series()
    values = candles.values.copy()
    values[:, :4] *= 8
    scaled = CandleSeries(candles.inst_id, candles.interval, candles.open_times, values)
    np.testing.assert_allclose(
        forecast(scaled).paths[:, :, :4], 8 * forecast(candles).paths[:, :, :4], rtol=1e-6
    )


def test_single_steps_have_the_distribution_of_the_past() -> None:
    """Every future return is a past one (less the drift), drawn evenly: mean, spread and extremes agree."""
    candles = series(drift=0.001)
    past = np.diff(np.log(candles.closes))
    made = forecast(candles, paths=4000, horizon=12)
    closes = np.concatenate([np.full((4000, 1), made.origin_price), made.closes.astype(np.float64)], axis=1)
    steps = np.diff(np.log(closes), axis=1)
    assert steps.std() == pytest.approx(past.std(), rel=0.02)
    centred = np.sort(past - np.log(np.mean(np.exp(past))))
    nearest = np.abs(steps.ravel()[:500, None] - centred[None, :]).min(axis=1)
    assert nearest.max() < 1e-5
    assert np.quantile(steps, 0.05) == pytest.approx(np.quantile(centred, 0.05), abs=5e-4)


def test_the_sample_s_drift_is_not_sold_as_a_view() -> None:
    """After a rise of 0.2 % an hour the expected price is still today's; with `keep_drift` it goes on rising."""
    rising = series(drift=0.002)
    flat = forecast(rising, paths=4000)
    standard_error = flat.spread() / np.sqrt(4000)
    assert abs(flat.expected_return()) < 4 * standard_error
    assert 0.45 < flat.probability_up() < 0.55
    kept = BlockBootstrapForecaster(keep_drift=True).forecast(rising, horizon=24, paths=4000, seed=0)
    gain = np.mean(rising.closes[1:] / rising.closes[:-1]) ** 24 - 1
    assert kept.expected_return() == pytest.approx(gain, rel=0.1)


def test_runs_of_candles_stay_together() -> None:
    """Within a run, neighbours of the past stay neighbours: a calm and a wild half give calm and wild futures, not a blend."""
    calm, wild = series(200, sigma=0.001, seed=3), series(200, sigma=0.02, seed=4)
    values = np.vstack([calm.values, wild.values * [*[calm.closes[-1] / 2000] * 4, 1, 1]])
    times = calm.open_times[0] + 3600 * np.arange(400, dtype=np.int64)
    mixed = CandleSeries("ETH-USDT", Interval("1H"), times, values)

    def spread_of_path_volatility(length: float) -> float:
        made = BlockBootstrapForecaster(block_length=length).forecast(mixed, horizon=24, paths=1000, seed=0)
        returns = np.diff(np.log(made.closes.astype(np.float64)), axis=1)
        return float(returns.std(axis=1).std())

    assert spread_of_path_volatility(12) > 1.5 * spread_of_path_volatility(1)


def test_the_last_day_s_volume_sets_the_level() -> None:
    """Volumes keep their shape around the recent level."""
    candles = series()
    values = candles.values.copy()
    values[-24:, VOLUME:] *= 3
    busy = CandleSeries(candles.inst_id, candles.interval, candles.open_times, values)
    recent = values[-24:, VOLUME].mean()
    assert forecast(busy, paths=2000).paths[:, :, VOLUME].mean() == pytest.approx(recent, rel=0.05)


def test_unknown_amounts_stay_unknown() -> None:
    """nan in, nan out: an amount is never invented, volumes and prices do not suffer."""
    made = forecast(series(amounts=False)).paths
    assert np.isnan(made[:, :, AMOUNT]).all()
    assert np.isfinite(made[:, :, : VOLUME + 1]).all()


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_no_volume_at_all_is_no_obstacle(volume: float) -> None:
    """Sources without volume still give prices."""
    candles = series()
    candles.values[:, VOLUME:] = volume
    made = forecast(candles).paths
    np.testing.assert_array_equal(made[:, :, VOLUME], np.full((256, 24), volume, dtype=np.float32))


def test_a_price_that_never_moved_never_moves() -> None:
    """Constant prices give constant futures: no spread, no chance of a rise, no error."""
    candles = series()
    candles.values[:, :4] = 1.25
    made = forecast(candles)
    assert (made.paths[:, :, :4] == 1.25).all()
    assert made.spread() == 0 and made.probability_up() == 0 and made.expected_return() == 0


@pytest.mark.parametrize("column", [0, HIGH, LOW, CLOSE])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_prices_that_no_market_makes_are_refused(column: int, value: float) -> None:
    """The error names the candle."""
    candles = series(100)
    candles.values[41, column] = value
    with pytest.raises(ForecastError, match="candle 42 of 100 of ETH-USDT"):
        forecast(candles)


def test_a_high_below_the_close_is_refused() -> None:
    """A candle that does not enclose its prices is not one."""
    candles = series(100)
    candles.values[3, HIGH] = candles.values[3, CLOSE] * 0.99
    with pytest.raises(ForecastError, match="candle 4 of 100"):
        forecast(candles)


def test_returns_that_compound_past_every_bound_are_refused() -> None:
    """Finite candles whose chained returns overflow give an error, not infinities."""
    candles = series(100)
    candles.values[:, :4] = np.where(np.arange(100) % 2, 1e30, 1e-30)[:, None]
    with pytest.raises(ForecastError, match="past every bound"):
        BlockBootstrapForecaster(block_length=1, keep_drift=True).forecast(
            candles, horizon=24, paths=64, seed=0
        )


def test_too_few_candles_are_refused() -> None:
    """One candle below the shortest context is an error that names both numbers; exactly the shortest works."""
    with pytest.raises(ForecastError, match=r"47 candles of ETH-USDT are too few.*48"):
        forecast(series(47))
    assert forecast(series(48)).paths.shape == (256, 24, 6)


@pytest.mark.parametrize(
    ("horizon", "paths", "seed", "named"),
    [(0, 1, 0, "horizon 0"), (1, 0, 0, "number of paths 0"), (1, 1, -1, "seed -1")],
)
def test_arguments_out_of_range_are_named(horizon: int, paths: int, seed: int, named: str) -> None:
    """Each wrong argument gives its own sentence."""
    with pytest.raises(ForecastError, match=named):
        forecast(series(60), horizon=horizon, paths=paths, seed=seed)


@pytest.mark.parametrize("length", [0.0, 0.5, float("nan"), float("inf")])
def test_a_block_shorter_than_a_candle_is_refused(length: float) -> None:
    """Block lengths are checked where they are set."""
    with pytest.raises(ForecastError, match="block length"):
        BlockBootstrapForecaster(block_length=length)


def test_it_takes_milliseconds() -> None:
    """256 paths of 24 candles from 400 candles: far below 50 ms even on a busy machine."""
    candles = series()
    forecast(candles)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        forecast(candles)
        best = min(best, time.perf_counter() - start)
    assert best < 0.05
