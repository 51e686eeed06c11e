"""Candles of random walks."""

from __future__ import annotations

import numpy as np

from kokex.kronos.training import CandleSeries

HOUR = 3600


def walk(count: int, seed: int = 0) -> CandleSeries:
    """Hourly candles from 1000 on, a hundredth up or down each."""
    rng = np.random.default_rng(seed)
    close = 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    opens = np.concatenate([[1000.0], close[:-1]])
    highs, lows = np.maximum(opens, close) * 1.002, np.minimum(opens, close) * 0.998
    values = np.column_stack([opens, highs, lows, close, rng.uniform(5, 9, count)])
    return CandleSeries.from_arrays(values, np.arange(count) * HOUR)
