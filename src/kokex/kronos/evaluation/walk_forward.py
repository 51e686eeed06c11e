"""Walk forward over unseen candles: at each origin, forecast with what was known there and keep what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kokex.kronos.training.series import CLOSE, CandleSeries
from kokex.kronos.training.splits import Part

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]


class PathSampler(Protocol):
    """Anything that samples futures: the model, or a baseline."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    def sample(self, series: CandleSeries, origins: NDArray[np.int64], horizon: int, paths: int) -> Array:
        """Close prices (origins, paths, horizon) after each origin, from candles before that index only.

        `series.values[origin]` is the first candle that the forecaster must not see.
        """
        ...


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Forecasts and outcomes as changes of the logarithm of the close since the origin, in percent.

    Attributes:
        name: of the forecaster.
        origins: (windows,) index of the first unseen candle.
        samples: (windows, paths, horizon).
        actual: (windows, horizon).
        stride: candles between origins.
    """

    name: str
    origins: NDArray[np.int64]
    samples: Array
    actual: Array
    stride: int

    @property
    def overlap(self) -> int:
        """How many successive windows share outcomes."""
        return int(-(-self.actual.shape[1] // self.stride))

    def with_samples(self, name: str, samples: Array) -> WalkForward:
        """The same windows with other samples."""
        return WalkForward(name, self.origins, samples, self.actual, self.stride)


def forecast_origins(
    series: CandleSeries, part: Part, *, context: int, horizon: int, stride: int
) -> NDArray[np.int64]:
    """Origins whose outcomes lie in `part` and whose context and outcome cross no gap in time.

    Raises:
        ValueError: there is none.
    """
    origins = np.arange(max(part.start, context), part.stop - horizon + 1, stride, dtype=np.int64)
    if len(origins):
        span = series.open_times[origins + horizon - 1] - series.open_times[origins - context]
        origins = origins[span == (context + horizon - 1) * series.interval_seconds]
    if len(origins) == 0:
        raise ValueError(
            f"{len(part)} candles hold no origin with {context} candles before and {horizon} after it"
        )
    return origins


def walk_forward(
    sampler: PathSampler,
    series: CandleSeries,
    origins: NDArray[np.int64],
    *,
    horizon: int,
    paths: int,
    stride: int,
) -> WalkForward:
    """Forecast at every origin and pair the samples with what happened."""
    closes = series.values[:, CLOSE]
    last = closes[origins - 1]
    sampled = sampler.sample(series, origins, horizon, paths)
    actual = closes[origins[:, None] + np.arange(horizon)]
    return WalkForward(
        sampler.name, origins, _change(sampled, last[:, None, None]), _change(actual, last[:, None]), stride
    )


def _change(prices: Array, last: Array) -> Array:
    """100 x log(price / last); a price at or below zero, which a raw path may hold, counts as a hundredth of last."""
    return np.asarray(100 * np.log(np.maximum(prices / last, 0.01)))
