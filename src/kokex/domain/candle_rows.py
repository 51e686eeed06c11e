"""Closed candles as arrays, in order of time, gaps and all: how they are read, checked, kept and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isnan
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle import Candle, CandleSeries
from kokex.domain.errors import DataError
from kokex.domain.interval import Interval
from kokex.domain.time_range import RangeSet, TimeRange

OPEN, HIGH, LOW, CLOSE, VOLUME, AMOUNT = range(6)
COLUMNS: Final = ("open", "high", "low", "close", "volume", "amount")
"""Names of the columns of `values`."""


@dataclass(frozen=True, slots=True)
class CandleKey:
    """Whose candles: a market (`okx:live`, `okx:demo`, `paper:3`), an instrument, an interval. They never mix."""

    market: str
    inst_id: str
    interval: Interval

    def __str__(self) -> str:
        return f"{self.inst_id} {self.interval} of {self.market}"


@dataclass(frozen=True, slots=True, eq=False)
class CandleRows:  # noqa: PLW1641 - arrays have no hash
    """Closed candles, oldest first, none twice; there may be gaps.

    Attributes:
        open_times: (n,) int64, seconds since the epoch, UTC.
        values: (n, 6) float64: open, high, low, close, volume, amount; nan where unknown.
    """

    open_times: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, candles: Iterable[Candle]) -> Self:
        """From closed candles in any order; of two with one open time the later counts.

        Raises:
            DataError: one of them is not closed.
        """
        unique = {candle.open_time: candle for candle in candles}
        rows: Sequence[Candle] = [unique[moment] for moment in sorted(unique)]
        for row in rows:
            if not row.closed:
                raise DataError(f"the candle of {row.open_time:%Y-%m-%d %H:%M} is not closed yet")
        times = np.array([int(row.open_time.timestamp()) for row in rows], dtype=np.int64)
        return cls(times, np.array([_numbers(row) for row in rows], dtype=np.float64).reshape(len(rows), 6))

    @classmethod
    def empty(cls) -> Self:
        """No candles."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros((0, 6)))

    def __len__(self) -> int:
        return len(self.open_times)

    def __getitem__(self, part: slice | NDArray[np.bool_] | NDArray[np.intp]) -> CandleRows:
        return CandleRows(self.open_times[part], self.values[part])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CandleRows):
            return NotImplemented
        return np.array_equal(self.open_times, other.open_times) and np.array_equal(
            self.values, other.values, equal_nan=True
        )

    def candles(self) -> Iterator[Candle]:
        """One by one, oldest first."""
        for seconds, numbers in zip(self.open_times.tolist(), self.values.tolist(), strict=True):
            yield candle_of(seconds, numbers)

    def between(self, start: datetime, end: datetime) -> CandleRows:
        """Those that open in [start, end)."""
        low, high = np.searchsorted(self.open_times, [start.timestamp(), end.timestamp()])
        return self[int(low) : int(high)]

    def joined(self, other: CandleRows) -> CandleRows:
        """Both together; where both have a candle, `other`'s."""
        times = np.concatenate([self.open_times, other.open_times])
        values = np.concatenate([self.values, other.values])
        order = np.argsort(times, kind="stable")
        last = np.append(np.diff(times[order]) != 0, True) if len(order) else np.zeros(0, dtype=np.bool_)
        return CandleRows(times[order][last], values[order][last])

    def ranges(self, interval: Interval) -> RangeSet:
        """The stretches of time that they fill without a hole."""
        if not len(self):
            return RangeSet()
        numbers = interval.ordinals(self.open_times)
        cuts = np.flatnonzero(np.diff(numbers) != 1)
        firsts = self.open_times[np.concatenate([[0], cuts + 1])]
        ends = interval.opens(numbers[np.concatenate([cuts, [len(self) - 1]])] + 1)
        return RangeSet(
            tuple(
                TimeRange(moment(first), moment(end))
                for first, end in zip(firsts.tolist(), ends.tolist(), strict=True)
            )
        )

    def last_run(self, inst_id: str, interval: Interval) -> CandleSeries:
        """The newest candles that follow each other without a hole."""
        holes = np.flatnonzero(np.diff(interval.ordinals(self.open_times)) != 1)
        start = int(holes[-1]) + 1 if len(holes) else 0
        return CandleSeries(inst_id, interval, self.open_times[start:], self.values[start:])


def candle_of(seconds: int, numbers: Sequence[float]) -> Candle:
    """A closed candle from its open time and six numbers; nan is unknown volume or amount."""
    opened, high, low, close, volume, amount = numbers
    return Candle(
        moment(seconds),
        opened,
        high,
        low,
        close,
        None if isnan(volume) else volume,
        None if isnan(amount) else amount,
    )


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as aware UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def _numbers(row: Candle) -> tuple[float, ...]:
    volume = np.nan if row.volume is None else row.volume
    amount = np.nan if row.amount is None else row.amount
    return (row.open, row.high, row.low, row.close, volume, amount)
