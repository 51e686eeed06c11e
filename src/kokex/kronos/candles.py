"""Candles as they come in: arrays, pandas, polars or plain columns, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

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

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume", "amount")
TIME_COLUMNS = ("time", "times", "open_time", "timestamp", "timestamps", "datetime", "date", "ts")
FEWEST = 2
"""Candles without which no spread can be computed."""

Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """One series of candles, oldest first, checked when made.

    Make it with ``from_table`` or ``from_arrays``; the fields are what those worked out.
    """

    times: Times
    """(T,) open times, UTC, datetime64[ns]."""
    values: NDArray[np.float64]
    """(T, 6): open, high, low, close, volume, amount (quote volume)."""
    interval: np.timedelta64
    """Time from one candle to the next."""
    future_times: Times | None = None
    """Open times of the candles to forecast, where they do not simply follow at the interval (sessions, holidays)."""

    @classmethod
    def from_arrays(
        cls,
        times: object,
        values: object,
        *,
        interval: timedelta | None = None,
        future_times: object | None = None,
    ) -> Self:
        """From times (T,) and values (T, 4), (T, 5) or (T, 6) in the order of ``COLUMNS``.

        Args:
            times: datetimes or datetime64; aware ones are turned to UTC, naive ones are taken as UTC.
            values: prices alone, with volume, or with volume and amount. A missing volume is zero and so is its amount;
                a missing amount is volume times the mean of the four prices.
            interval: if given, every candle must follow the one before at exactly this distance. If not, it is the
                commonest distance, and gaps of whole intervals are allowed.
            future_times: see the field.

        Raises:
            CandlesError: one of its kinds, naming the first wrong row.
        """
        table = _numbers(values)
        if table.ndim != 2 or table.shape[1] not in (4, 5, 6):
            raise MissingColumnError(
                f"candles need 4 to 6 columns ({', '.join(COLUMNS)}), the array has shape {table.shape}"
            )
        moments = _utc(times)
        if moments.shape != (len(table),):
            raise CandlesError(f"{len(table)} candles but times of shape {moments.shape}")
        _require_finite(table)
        has_volume = table.shape[1] > len(PRICES)
        _require_rising(moments)
        _require_enough(len(table))
        step = _interval_of(moments, interval)
        _require_movement(table, has_volume)
        later = None if future_times is None else _utc(future_times)
        if later is not None:
            _require_rising(np.concatenate((moments[-1:], later)))
        return cls(moments, _complete(table), step, later)

    @classmethod
    def from_table(
        cls, table: Any, *, interval: timedelta | None = None, future_times: object | None = None
    ) -> Self:
        """From a pandas or polars frame, a structured array or a mapping of columns.

        Columns ``open``, ``high``, ``low``, ``close`` and a time column (one of ``TIME_COLUMNS``, or a pandas
        datetime index) are needed, ``volume`` and ``amount`` are not. Case and other columns do not matter.
        Otherwise as ``from_arrays``.
        """
        columns = _columns_of(table)
        missing = [name for name in PRICES if name not in columns]
        if missing:
            raise MissingColumnError(
                f"candles lack {', '.join(missing)}; there is {', '.join(sorted(columns)) or 'nothing'}"
            )
        names = list(PRICES)
        if "volume" in columns:
            names += ["volume", "amount"] if "amount" in columns else ["volume"]
        values = np.column_stack([_numbers(table[columns[name]]) for name in names])
        return cls.from_arrays(
            _times_of(table, columns), values, interval=interval, future_times=future_times
        )

    def __len__(self) -> int:
        return len(self.values)

    def times_ahead(self, horizon: int) -> Times:
        """Open times of the next ``horizon`` candles."""
        if self.future_times is None:
            ahead: Times = self.times[-1] + self.interval * np.arange(1, horizon + 1)
            return ahead
        if len(self.future_times) < horizon:
            raise TooFewCandlesError(
                f"future_times has {len(self.future_times)} entries for a horizon of {horizon}"
            )
        return self.future_times[:horizon]


def _columns_of(table: Any) -> dict[str, str]:
    """Lower-case names of the columns, with the names to fetch them by."""
    if isinstance(table, np.ndarray):
        names: Sequence[Any] = table.dtype.names or ()
    elif isinstance(table, Mapping):
        names = list(table)
    elif hasattr(table, "columns"):
        names = list(table.columns)
    else:
        raise CandlesError(
            f"candles cannot be read from {type(table).__name__}; give a pandas or polars frame, a mapping of columns, "
            "a structured array, or Candles"
        )
    return {str(name).lower(): name for name in names}


def _times_of(table: Any, columns: Mapping[str, str]) -> Any:
    for name in TIME_COLUMNS:
        if name in columns:
            return table[columns[name]]
    index = getattr(table, "index", None)
    if index is not None and getattr(index, "dtype", np.dtype(object)).kind == "M":
        return index
    raise MissingColumnError(f"candles lack a time column, one of {', '.join(TIME_COLUMNS)}")


def _numbers(values: object) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NotFiniteError(f"a candle column is not numeric: {error}") from error


def _utc(times: Any) -> Times:
    """Datetimes of any make -> datetime64[ns], UTC."""
    if hasattr(times, "to_numpy") and getattr(getattr(times, "dtype", None), "tz", None) is None:
        times = times.to_numpy()  # pandas without a zone; polars converts to UTC by itself
    array = np.asarray(times)
    if array.dtype.kind == "O":
        array = np.array([_naive_utc(moment) for moment in array.tolist()], dtype="datetime64[ns]")
    elif array.dtype.kind == "U":
        array = array.astype("datetime64[ns]")
    if array.dtype.kind != "M":
        raise CandlesError(f"times must be datetimes, not {array.dtype}; convert epoch numbers first")
    if np.isnat(array).any():
        raise NotFiniteError(f"time {int(np.isnat(array).argmax())} is missing (NaT)")
    return array.astype("datetime64[ns]")


def _naive_utc(moment: object) -> datetime:
    if not isinstance(moment, datetime):
        raise CandlesError(f"times must be datetimes, not {moment!r}")
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _require_finite(table: NDArray[np.float64]) -> None:
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        row, column = wrong[0]
        raise NotFiniteError(
            f"candle {row}: {COLUMNS[column]} is {table[row, column]} ({len(wrong)} such values); "
            "fill or drop them before forecasting"
        )


def _require_rising(times: Times) -> None:
    steps = np.diff(times)
    zero = np.timedelta64(0, "ns")
    if (steps < zero).any():
        row = int((steps < zero).argmax()) + 1
        raise TimesNotIncreasingError(
            f"candle {row} at {times[row]} is earlier than the one before it, {times[row - 1]}"
        )
    if (steps == zero).any():
        row = int((steps == zero).argmax()) + 1
        raise DuplicatedTimesError(f"candles {row - 1} and {row} have the same time {times[row]}")


def _require_enough(count: int) -> None:
    if count < FEWEST:
        raise TooFewCandlesError(f"{count} candles given; a context needs at least {FEWEST}")


def _interval_of(times: Times, required: timedelta | None) -> np.timedelta64:
    steps = np.diff(times)
    if required is None:
        distances, counts = np.unique(steps, return_counts=True)
        interval: np.timedelta64 = distances[counts.argmax()]
        wrong = steps % interval != np.timedelta64(0, "ns")
    else:
        interval = np.timedelta64(required, "ns")
        wrong = steps != interval
    if wrong.any():
        row = int(wrong.argmax()) + 1
        raise IntervalMismatchError(
            f"candle {row} at {times[row]} follows after {_readable(steps[row - 1])}, the interval is "
            f"{_readable(interval)}; fill the gap or cut the series there"
        )
    return interval


def _readable(distance: np.timedelta64) -> str:
    return str(timedelta(microseconds=int(distance.astype("timedelta64[us]").astype(np.int64))))


def _require_movement(table: NDArray[np.float64], has_volume: bool) -> None:
    prices = table[:, : len(PRICES)]
    if (prices == prices[0, 0]).all():
        raise ConstantPricesError(
            f"all {len(table)} candles stand at {prices[0, 0]}: there is nothing to forecast from"
        )
    if has_volume and not table[:, len(PRICES)].any():
        raise ZeroVolumeError(
            f"volume is zero in all {len(table)} candles; leave the column out to forecast from prices alone"
        )


def _complete(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add the missing volume and amount as the published code does."""
    prices = table[:, : len(PRICES)]
    volume = table[:, 4:5] if table.shape[1] > 4 else np.zeros((len(table), 1))
    amount = table[:, 5:6] if table.shape[1] > 5 else volume * prices.mean(axis=1, keepdims=True)
    return np.hstack((prices, volume, amount))
