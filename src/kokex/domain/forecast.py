"""Forecasts: sampled futures of a candle series, kept whole. Quantiles and chances are derived, never stored instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle import Interval

CLOSE = 3
"""Column of the closing price in `Forecast.paths`."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Sampled futures of one instrument. A hypothesis, not a promise.

    Attributes:
        forecaster: who made it, e.g. `block_bootstrap` or a model version.
        origin_time: close of the last candle known when it was made (UTC).
        origin_price: closing price at the origin, quote currency.
        paths: (paths, horizon, 6) float32: open, high, low, close, volume, amount; prices in quote currency.
    """

    inst_id: str
    interval: Interval
    forecaster: str
    origin_time: datetime
    origin_price: float
    paths: NDArray[np.float32]

    @property
    def horizon(self) -> int:
        """Number of candles ahead."""
        return int(self.paths.shape[1])

    @property
    def closes(self) -> NDArray[np.float32]:
        """(paths, horizon) closing prices."""
        return self.paths[:, :, CLOSE]

    def quantiles(self, levels: Sequence[float]) -> NDArray[np.float64]:
        """(levels, horizon) quantiles of the closing price."""
        return np.quantile(self.closes.astype(np.float64), levels, axis=0)

    def probability_up(self, step: int | None = None) -> float:
        """Share of paths that close above the origin price at `step` (0-based; the last by default)."""
        at = self.horizon - 1 if step is None else step
        return float(np.mean(self.closes[:, at] > self.origin_price))

    def expected_return(self) -> float:
        """Mean over paths of the last close over the origin price, minus one."""
        return float(np.mean(self.closes[:, -1], dtype=np.float64) / self.origin_price - 1)

    def spread(self) -> float:
        """Standard deviation over paths of the return at the horizon."""
        return float(np.std(self.closes[:, -1] / self.origin_price, dtype=np.float64))
