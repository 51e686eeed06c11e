"""What is said from the paths, on paths simple enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from kokex.kronos import Forecast
from kokex.kronos.errors import RequestError


@pytest.fixture
def forecast() -> Forecast:
    """Four paths of three candles from a last close of 100."""
    closes = np.array(
        [[101.0, 102.0, 103.0], [99.0, 98.0, 97.0], [100.0, 100.0, 110.0], [100.0, 90.0, 100.0]]
    )
    paths = np.stack((closes, closes + 2, closes - 1, closes, closes * 0 + 5, closes * 5), axis=-1)
    context = np.repeat(np.array([[100.0], [101.0], [100.0], [100.0]]), 6, axis=1)
    times = np.datetime64("2024-01-01T00:00", "ns") + np.arange(3) * np.timedelta64(1, "h")
    return Forecast(paths, times, context, seed=0)


def test_probability_up_counts_paths(forecast: Forecast) -> None:
    assert forecast.probability_up() == 0.5  # 103 and 110; 100 is not above 100
    assert forecast.probability_up(0) == 0.25
    assert forecast.probability_up(-1, threshold=105) == 0.25


def test_quantiles_and_mean(forecast: Forecast) -> None:
    np.testing.assert_allclose(forecast.quantiles([0.5]), [[100.0, 99.0, 101.5]])
    np.testing.assert_allclose(forecast.quantiles([0.0, 1.0], "low")[:, 2], [96.0, 109.0])
    np.testing.assert_allclose(forecast.mean[:, 3], [100.0, 97.5, 102.5])


def test_extremes_and_expected_range(forecast: Forecast) -> None:
    np.testing.assert_allclose(forecast.maxima, [105, 101, 112, 102])
    np.testing.assert_allclose(forecast.minima, [100, 96, 99, 89])
    assert forecast.expected_range == pytest.approx((5 + 5 + 13 + 13) / 4)


def test_volatility_is_compared_with_the_recent_past(forecast: Forecast) -> None:
    """The past returns are 1 %, -0.99 % and 0; only the last two paths swing more."""
    assert forecast.probability_volatility_rises() == 0.5
    with pytest.raises(RequestError, match="lookback 1"):
        forecast.probability_volatility_rises(lookback=1)


def test_repair_is_asked_for_and_leaves_the_raw_paths(forecast: Forecast) -> None:
    raw = forecast.paths.copy()
    raw[0, 0] = [10.0, 8.0, 11.0, 9.0, -3.0, 1.0]  # high below low, volume negative
    broken = Forecast(raw, forecast.times, forecast.context, 0)
    repaired = broken.repaired().paths
    np.testing.assert_allclose(repaired[0, 0], [10.0, 11.0, 8.0, 9.0, 0.0, 1.0])
    np.testing.assert_array_equal(repaired[1:], raw[1:])
    assert broken.paths[0, 0, 4] == -3.0


@pytest.mark.parametrize(
    "ask",
    [
        lambda f: f.column("price"),
        lambda f: f.quantiles([1.5]),
        lambda f: f.probability_up(3),
        lambda f: f.probability_up(-4),
    ],
)
def test_questions_outside_the_forecast_are_refused(forecast: Forecast, ask: object) -> None:
    with pytest.raises(RequestError):
        ask(forecast)  # type: ignore[operator]
