"""Candles: prices over an interval.

Candles feed models and indicators and are floats; money is never computed from them (see `Decimal` elsewhere).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kokex.domain.errors import DataError
from kokex.domain.interval import Interval

__all__ = ["Candle", "CandleSeries", "Interval"]


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle. `volume` is in base currency, `amount` in quote currency; None where the source has none."""

    open_time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    amount: float | None
    closed: bool = True

    def fault(self) -> str | None:
        """Why these numbers cannot be a candle, as one phrase; None if they can."""
        prices = (self.open, self.high, self.low, self.close)
        if not all(isfinite(price) and price > 0 for price in prices):
            return f"prices must be positive numbers, not {prices}"
        if self.high < max(prices) or self.low > min(prices):
            return (
                f"high {self.high} and low {self.low} do not enclose open {self.open} and close {self.close}"
            )
        for name, value in (("volume", self.volume), ("amount", self.amount)):
            if value is not None and not (isfinite(value) and value >= 0):
                return f"{name} {value} must not be negative"
        return None


@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Closed, contiguous candles of one instrument, oldest first.

    Attributes:
        open_times: (n,) int64, seconds since the epoch, UTC.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where unknown.
    """

    inst_id: str
    interval: Interval
    open_times: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, inst_id: str, interval: Interval, candles: Iterable[Candle]) -> Self:
        """Build from candles in time order.

        Raises:
            DataError: two neighbours are not exactly one interval apart.
        """
        rows: Sequence[Candle] = list(candles)
        times = np.array([int(row.open_time.timestamp()) for row in rows], dtype=np.int64)
        steps = np.flatnonzero(np.diff(interval.ordinals(times)) != 1)
        if len(steps):
            at = rows[int(steps[0])].open_time
            raise DataError(f"candles of {inst_id} {interval} are not contiguous after {at:%Y-%m-%d %H:%M}")
        values = np.array(
            [
                [
                    row.open,
                    row.high,
                    row.low,
                    row.close,
                    np.nan if row.volume is None else row.volume,
                    np.nan if row.amount is None else row.amount,
                ]
                for row in rows
            ],
            dtype=np.float64,
        ).reshape(len(rows), 6)
        return cls(inst_id, interval, times, values)

    def __len__(self) -> int:
        return len(self.open_times)

    @property
    def closes(self) -> NDArray[np.float64]:
        """(n,) closing prices."""
        return self.values[:, 3]

    @property
    def close_time(self) -> datetime:
        """When the last candle closed: the origin of a forecast made from this series."""
        return self.interval.close_time(datetime.fromtimestamp(int(self.open_times[-1]), UTC))
