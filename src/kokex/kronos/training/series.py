"""A long candle series to cut windows from: checked once, before any long work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kokex.kronos.candles import COLUMNS, PRICES, TIME_COLUMNS, Candles
from kokex.kronos.errors import CandlesError, IntervalMismatchError, MissingColumnError
from kokex.kronos.normalisation import time_features

CLOSE = COLUMNS.index("close")
LATEST_SECOND = 50_000_000_000
"""A whole number beyond it is taken for milliseconds, not for a date in the year 3554."""

_DURATIONS = {"s": 1, "m": 60, "H": 3600, "h": 3600, "D": 86400, "d": 86400, "W": 604800, "w": 604800}


@dataclass(frozen=True, slots=True)
class CandleSeries:
    """Candles in time order; a gap in time is allowed and no window crosses it.

    Attributes:
        values: (n, 6) float64: open, high, low, close, volume, amount (quote volume).
        open_times: (n,) int64, seconds since 1970 UTC, strictly ascending.
        interval_seconds: length of a candle.
    """

    values: NDArray[np.float64]
    open_times: NDArray[np.int64]
    interval_seconds: int

    def __len__(self) -> int:
        return len(self.open_times)

    @classmethod
    def from_arrays(
        cls, values: ArrayLike, open_times: ArrayLike, interval: str | None = None
    ) -> CandleSeries:
        """Check arrays and make a series of them.

        Args:
            values: (n, 4), (n, 5) or (n, 6): prices, then volume, then amount. Without volume both are zero;
                without amount it is volume times the mean of the four prices.
            open_times: (n,) open times: datetime64 (UTC) or whole seconds since 1970.
            interval: such as ``1H``; found from the times when left out.

        Raises:
            CandlesError: NaN or infinite figures, prices not above zero, times that do not ascend, an interval that
                does not match, constant prices, a volume column without any volume; a class for each.
        """
        return cls._checked(Candles.from_arrays(_datetimes(open_times), values), interval)

    @classmethod
    def from_frame(cls, frame: Any, interval: str | None = None) -> CandleSeries:
        """Make a series of a pandas or polars frame, or a mapping of columns; a blank volume or amount is none.

        Raises:
            CandlesError: see `from_arrays`; also when a price column or the time is missing.
        """
        names = frame.columns if hasattr(frame, "columns") else frame
        columns = {str(name).lower(): np.asarray(frame[name]) for name in names}
        if isinstance(frame, pd.DataFrame) and isinstance(frame.index, pd.DatetimeIndex):
            columns[TIME_COLUMNS[0]] = np.asarray(frame.index)
        for name in ("volume", "amount"):
            if name in columns and np.isnan(np.asarray(columns[name], dtype=np.float64)).all():
                del columns[name]
        if "volume" not in columns:
            columns.pop("amount", None)
        times = next((name for name in TIME_COLUMNS if name in columns), None)
        if times is None:
            raise MissingColumnError(f"candles lack a time column, one of {', '.join(TIME_COLUMNS)}")
        columns[times] = _datetimes(columns[times])
        return cls._checked(Candles.from_table(columns), interval)

    @classmethod
    def from_csv(cls, path: str | Path, interval: str | None = None) -> CandleSeries:
        """Read a CSV file (``.gz`` too): a time column, open, high, low, close and perhaps volume, amount.

        Raises:
            CandlesError: the file is absent, truncated or no CSV; see `from_arrays`.
        """
        unreadable = (EOFError, OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError)
        try:
            frame = pd.read_csv(path)
        except FileNotFoundError as error:
            raise CandlesError(f"no candle file at {path}") from error
        except unreadable as error:
            raise CandlesError(
                f"{path} cannot be read as CSV (truncated, or another format): {error}"
            ) from error
        return cls.from_frame(frame, interval)

    @classmethod
    def _checked(cls, candles: Candles, interval: str | None) -> CandleSeries:
        """What training asks beyond a forecast's candles: positive prices, no negative volume, whole seconds."""
        times = candles.times.astype("datetime64[s]").astype(np.int64)
        prices, rest = candles.values[:, : len(PRICES)], candles.values[:, len(PRICES) :]
        if (prices <= 0).any():
            row, column = (int(place) for place in np.argwhere(prices <= 0)[0])
            raise CandlesError(
                f"{COLUMNS[column]} of candle {row} ({readable_time(times[row])}) is {prices[row, column]}"
            )
        if (rest < 0).any():
            row = int((rest < 0).any(axis=1).argmax())
            raise CandlesError(f"candle {row} ({readable_time(times[row])}) has a negative volume or amount")
        seconds = int(candles.interval / np.timedelta64(1, "s"))
        if interval is not None and seconds != interval_seconds(interval):
            raise IntervalMismatchError(f"the candles are {seconds} s apart, the interval {interval} is not")
        return cls(candles.values, times, seconds)

    def stamps(self) -> NDArray[np.int64]:
        """(n, 5): minute, hour, weekday (Monday 0), day of month, month of each open time, UTC."""
        return time_features(self.open_times.astype("datetime64[s]"))

    def part(self, start: int, stop: int) -> CandleSeries:
        """The candles start..stop-1 as a series of their own (a view)."""
        return CandleSeries(self.values[start:stop], self.open_times[start:stop], self.interval_seconds)

    def fingerprint(self) -> str:
        """SHA-256 of times and values: equal for equal data, however it was read."""
        digest = hashlib.sha256(str(self.interval_seconds).encode())
        digest.update(np.ascontiguousarray(self.open_times).tobytes())
        digest.update(np.ascontiguousarray(self.values).tobytes())
        return digest.hexdigest()


def interval_seconds(interval: str) -> int:
    """``15m``, ``1H``, ``1D`` -> seconds. Raises CandlesError for anything else."""
    number, unit = interval[:-1], interval[-1:]
    if not number.isdigit() or int(number) == 0 or unit not in _DURATIONS:
        raise CandlesError(f"interval {interval!r} is not understood; write 1m, 15m, 1H, 4H, 1D or the like")
    return int(number) * _DURATIONS[unit]


def readable_time(seconds: int) -> str:
    """Seconds since 1970 -> ``2024-05-01T10:00Z``."""
    return f"{np.datetime64(int(seconds), 's').astype('datetime64[m]')}Z"


def _datetimes(times: ArrayLike) -> NDArray[Any]:
    """Whole seconds, text or datetimes -> datetime64, UTC."""
    array = np.asarray(times)
    if array.dtype.kind in "iu" or (array.dtype.kind == "f" and (array == np.floor(array)).all()):
        if len(array) and abs(array[-1]) > LATEST_SECOND:
            raise CandlesError(f"time {array[-1]} looks like milliseconds; give seconds since 1970 UTC")
        return array.astype(np.int64).astype("datetime64[s]")
    if array.dtype.kind == "M":
        return array
    try:
        index = pd.DatetimeIndex(pd.to_datetime(np.asarray(array, dtype=object), utc=True))
    except (ValueError, TypeError) as error:
        raise CandlesError(f"times cannot be read: {error}") from error
    return np.asarray(index.tz_localize(None).to_numpy())
