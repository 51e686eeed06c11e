"""Price units to model units and back, and the calendar features: numpy only, the past only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

SCALE_EPS = 1e-5
CLIP = 5.0
"""The model never sees a value further than this many deviations from the mean."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and spread of one context, per column.

    Make it from the context alone: with a candle after the context in it, the model would see the future.
    """

    mean: NDArray[np.float64]
    """(6,)"""
    scale: NDArray[np.float64]
    """(6,), population standard deviation + 1e-5"""

    @classmethod
    def of(cls, context: NDArray[np.float64]) -> Self:
        """Figures of a context (T, 6)."""
        wide = np.asarray(context, dtype=np.float64)
        return cls(wide.mean(axis=0), wide.std(axis=0) + SCALE_EPS)

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Candles (..., 6) in price units -> normalised and clipped to -5..5."""
        normalised = (np.asarray(values, dtype=np.float64) - self.mean) / self.scale
        return np.clip(normalised, -CLIP, CLIP).astype(np.float32)

    def invert(self, normalised: NDArray[np.float32]) -> NDArray[np.float64]:
        """Normalised candles (..., 6) -> price units."""
        return np.asarray(normalised, dtype=np.float64) * self.scale + self.mean


def time_features(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Times (T,), UTC -> (T, 5): minute 0-59, hour 0-23, weekday with Monday 0, day of month 1-31, month 1-12."""
    minutes = times.astype("datetime64[m]")
    hours, days, months = (times.astype(f"datetime64[{unit}]") for unit in "hDM")
    minute = (minutes - hours).astype(np.int64)
    hour = (hours - days).astype(np.int64)
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    day = (days - months).astype(np.int64) + 1
    month = months.astype(np.int64) % 12 + 1
    return np.stack((minute, hour, weekday, day, month), axis=-1)
