"""A candle series ready for windows: checked once, before any long work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from kokex.kronos.errors import (
    CandlesError,
    ConstantPricesError,
    DuplicatedTimesError,
    IntervalMismatchError,
    MissingColumnError,
    NotFiniteError,
    TimesNotIncreasingError,
    TooFewCandlesError,
    ZeroVolumeError,
)
from kokex.kronos.normalisation import time_features

COLUMNS = ("open", "high", "low", "close", "volume", "amount")
PRICES = COLUMNS[:4]
CLOSE = COLUMNS.index("close")
TIME_COLUMNS = ("open_time", "ts", "timestamp", "timestamps", "time", "date")

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
            open_times: (n,) open times: datetime64 (UTC) or integer seconds.
            interval: such as ``1H``; found from the times when left out.

        Raises:
            CandlesError: NaN or infinite figures, prices not above zero, times that do not ascend, an interval that
                does not match, constant prices, a volume column without any volume; a class for each.
        """
        times = _seconds(open_times)
        table = _six_columns(np.asarray(values, dtype=np.float64))
        if len(times) != len(table):
            raise CandlesError(f"{len(table)} candles came with {len(times)} open times")
        if len(times) < 3:
            raise TooFewCandlesError(f"{len(times)} candles are too few for a series")
        seconds = _check_times(times, interval)
        _check_values(table, times)
        return cls(table, times, seconds)

    @classmethod
    def from_frame(cls, frame: Any, interval: str | None = None) -> CandleSeries:
        """Make a series of a pandas or polars frame, or a mapping of columns.

        The time is the column ``open_time``, ``ts`` or another usual name, or pandas' index of times.

        Raises:
            CandlesError: see `from_arrays`; also when a price column or the time is missing.
        """
        columns, times = _columns_of(frame)
        missing = [name for name in PRICES if name not in columns]
        if missing:
            raise MissingColumnError(f"no column {', '.join(missing)}; found {', '.join(map(str, columns))}")
        names = list(PRICES)
        if not _all_blank(columns.get("volume")):
            names.append("volume")
            if not _all_blank(columns.get("amount")):
                names.append("amount")
        values = np.column_stack([np.asarray(columns[name], dtype=np.float64) for name in names])
        return cls.from_arrays(values, times, interval)

    @classmethod
    def from_csv(cls, path: str | Path, interval: str | None = None) -> CandleSeries:
        """Read a CSV file (``.gz`` too): a time column, open, high, low, close and perhaps volume, amount.

        Raises:
            CandlesError: the file is absent, truncated or no CSV; see `from_arrays`.
        """
        try:
            frame = pd.read_csv(path)
        except FileNotFoundError as error:
            raise CandlesError(f"no candle file at {path}") from error
        except (
            EOFError,
            OSError,
            UnicodeDecodeError,
            pd.errors.ParserError,
            pd.errors.EmptyDataError,
        ) as error:
            raise CandlesError(
                f"{path} cannot be read as CSV (truncated or another format): {error}"
            ) from error
        return cls.from_frame(frame, interval)

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


def _columns_of(frame: Any) -> tuple[Mapping[str, Any], ArrayLike]:
    if isinstance(frame, pd.DataFrame):
        columns: dict[str, Any] = {str(name): frame[name].to_numpy() for name in frame.columns}
        if isinstance(frame.index, pd.DatetimeIndex):
            return columns, _as_utc(frame.index)
    elif isinstance(frame, Mapping):
        columns = {str(name): frame[name] for name in frame}
    elif hasattr(frame, "columns") and hasattr(frame, "to_dict"):
        columns = {str(name): frame[name].to_numpy() for name in frame.columns}
    else:
        raise CandlesError(
            f"candles of type {type(frame).__name__}; give a pandas or polars frame, or a mapping"
        )
    for name in TIME_COLUMNS:
        if name in columns:
            return columns, _as_utc(columns[name])
    raise MissingColumnError(f"no time column; name it one of {', '.join(TIME_COLUMNS)}")


def _as_utc(times: Any) -> NDArray[Any]:
    array = np.asarray(times)
    if array.dtype.kind in "iufM":
        return array
    try:
        index = pd.DatetimeIndex(pd.to_datetime(times, utc=True))
    except (ValueError, TypeError) as error:
        raise CandlesError(f"times cannot be read: {error}") from error
    return np.asarray(index.tz_localize(None).to_numpy())


def _seconds(times: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(times)
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise CandlesError(f"the time of candle {int(np.isnat(array).argmax())} is missing")
        return array.astype("datetime64[s]").astype(np.int64)
    if array.dtype.kind not in "iu":
        raise CandlesError(f"times are {array.dtype}; give datetime64 or whole seconds since 1970 UTC")
    if len(array) and abs(int(array[-1])) > 50_000_000_000:
        raise CandlesError(f"time {int(array[-1])} looks like milliseconds; give seconds since 1970 UTC")
    return array.astype(np.int64)


def _six_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.ndim != 2 or values.shape[1] not in (4, 5, 6):
        raise CandlesError(f"candles of shape {values.shape}; give (n, 4), (n, 5) or (n, 6)")
    table = np.zeros((len(values), 6))
    table[:, : values.shape[1]] = values
    if values.shape[1] == 5:
        table[:, 5] = table[:, 4] * table[:, :4].mean(axis=1)
    if values.shape[1] >= 5 and len(table) and not (table[:, 4] != 0).any():
        raise ZeroVolumeError("volume is zero in every candle; leave the column out if the source has none")
    return table


def _all_blank(column: Any) -> bool:
    if column is None:
        return True
    return bool(np.isnan(np.asarray(column, dtype=np.float64)).all())


def _check_times(times: NDArray[np.int64], interval: str | None) -> int:
    steps = np.diff(times)
    causes = (
        (steps == 0, "twice", DuplicatedTimesError),
        (steps < 0, "after a later one", TimesNotIncreasingError),
    )
    for bad, word, error in causes:
        if bad.any():
            at = int(bad.argmax()) + 1
            raise error(f"candle {at} of {readable_time(times[at])} comes {word}; sort and deduplicate first")
    seconds = int(steps.min()) if interval is None else interval_seconds(interval)
    off = steps % seconds != 0
    if off.any():
        at = int(off.argmax()) + 1
        raise IntervalMismatchError(
            f"candle {at} of {readable_time(times[at])} comes {int(steps[at - 1])} s after the one before, "
            f"which is no multiple of the interval of {seconds} s"
        )
    if int(np.median(steps)) != seconds:
        raise IntervalMismatchError(
            f"the candles are {int(np.median(steps))} s apart, the interval is {seconds} s"
        )
    return seconds


def _check_values(table: NDArray[np.float64], times: NDArray[np.int64]) -> None:
    bad = ~np.isfinite(table)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise NotFiniteError(
            f"{COLUMNS[column]} of candle {row} ({readable_time(times[row])}) is {table[row, column]}; "
            f"{int(bad.any(axis=1).sum())} candles are not finite: drop or repair them"
        )
    low = table[:, :4] <= 0
    if low.any():
        row, column = (int(i) for i in np.argwhere(low)[0])
        raise CandlesError(
            f"{COLUMNS[column]} of candle {row} ({readable_time(times[row])}) is {table[row, column]}"
        )
    if (table[:, 4:] < 0).any():
        row = int((table[:, 4:] < 0).any(axis=1).argmax())
        raise CandlesError(f"candle {row} ({readable_time(times[row])}) has a negative volume or amount")
    if np.ptp(table[:, :4]) == 0:
        raise ConstantPricesError(
            f"all {len(table)} candles have the one price {table[0, 0]}: nothing to learn"
        )
