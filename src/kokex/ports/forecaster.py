"""What makes forecasts."""

from __future__ import annotations

from typing import Protocol

from kokex.domain.candle import CandleSeries
from kokex.domain.forecast import Forecast


class Forecaster(Protocol):
    """Draws futures of a candle series. Synchronous: the caller decides which thread or process it runs in."""

    @property
    def name(self) -> str:
        """What made the forecast, kept with it."""
        ...

    @property
    def shortest_context(self) -> int:
        """Fewest candles it can work from."""
        ...

    def forecast(self, candles: CandleSeries, *, horizon: int, paths: int, seed: int) -> Forecast:
        """`paths` futures of `horizon` candles. Equal arguments give equal paths.

        Raises:
            ForecastError: too few candles, or numbers that no market makes.
        """
        ...
