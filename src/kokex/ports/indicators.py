"""Who works out indicators."""

from __future__ import annotations

from typing import Protocol

from kokex.domain.candle import CandleSeries
from kokex.domain.indicator import Indicator, IndicatorLines


class Indicators(Protocol):
    """Works out indicators. Meant to be asked off the event loop: the first question may load a library."""

    def of(self, series: CandleSeries, indicator: Indicator) -> IndicatorLines:
        """One indicator at every candle of `series`, from that candle and those before it."""
        ...
