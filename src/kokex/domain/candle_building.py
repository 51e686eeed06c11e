"""Longer candles out of shorter ones: exact, and never closed before every part is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kokex.domain.candle_rows import AMOUNT, CLOSE, COLUMNS, HIGH, LOW, OPEN, VOLUME, CandleRows, moment
from kokex.domain.errors import ConfigurationError
from kokex.domain.interval import Interval

_DIGITS: Final = (0, 2, 4, 6, 8, 10)
_ROUNDING: Final = 1e-12
_EXACT: Final = 2.0**53
"""Whole numbers up to here are exact as floats."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A longer candle of which only `parts` of `needed` shorter ones are there: it is forming, or lies in a gap."""

    open_time: datetime
    parts: int
    needed: int


@dataclass(frozen=True, slots=True)
class Built:
    """What came out: whole candles, and those that are not whole, which are no candles yet."""

    rows: CandleRows
    incomplete: tuple[Incomplete, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that differs between a candle that was built and the exchange's own; nan is unknown."""

    open_time: datetime
    column: str
    built: float
    told: float


def build(rows: CandleRows, source: Interval, target: Interval) -> Built:
    """Candles of `target` out of `rows`, closed candles of `source`.

    Open, high, low and close are those of the parts; volume and amount are their decimal sum, unknown where a part's is.

    Raises:
        ConfigurationError: candles of `target` are not made of whole candles of `source`.
    """
    if not source.divides(target) or source == target:
        raise ConfigurationError(f"candles of {target} are not made of whole candles of {source}")
    groups = target.ordinals(rows.open_times)
    starts = np.flatnonzero(np.diff(groups, prepend=-(2**62)))
    if not len(starts):
        return Built(CandleRows.empty(), ())
    opens = target.opens(groups[starts])
    needed = source.ordinals(target.opens(groups[starts] + 1)) - source.ordinals(opens)
    parts = np.diff(starts, append=len(rows))
    values = np.empty((len(starts), len(COLUMNS)))
    values[:, OPEN] = rows.values[starts, OPEN]
    values[:, HIGH] = np.maximum.reduceat(rows.values[:, HIGH], starts)
    values[:, LOW] = np.minimum.reduceat(rows.values[:, LOW], starts)
    values[:, CLOSE] = rows.values[starts + parts - 1, CLOSE]
    for column in (VOLUME, AMOUNT):
        values[:, column] = exact_sums(rows.values[:, column], starts)
    whole = parts == needed
    rest = zip(opens[~whole].tolist(), parts[~whole].tolist(), needed[~whole].tolist(), strict=True)
    return Built(
        CandleRows(opens[whole], values[whole]),
        tuple(Incomplete(moment(at), *counts) for at, *counts in rest),
    )


def compare(built: CandleRows, told: CandleRows) -> list[Difference]:
    """Where candles that both have differ; a sum that one side does not know is no difference.

    Prices are compared exactly, volume and amount to 12 digits: the exchange may know more digits of the parts than a float holds.
    """
    _, mine, theirs = np.intersect1d(
        built.open_times, told.open_times, assume_unique=True, return_indices=True
    )
    left, right = built.values[mine], told.values[theirs]
    rounding = np.where(np.arange(len(COLUMNS)) < VOLUME, 0.0, _ROUNDING)
    unequal = np.abs(left - right) > rounding * np.abs(right)
    return [
        Difference(
            moment(int(built.open_times[mine[row]])),
            COLUMNS[column],
            float(left[row, column]),
            float(right[row, column]),
        )
        for row, column in np.argwhere(unequal).tolist()
    ]


def exact_sums(numbers: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """(m,) sums of the groups that begin at `starts`, as if added by hand in decimals: 0.1 + 0.2 is 0.3."""
    known = np.where(np.isnan(numbers), 0.0, numbers)
    sums = _whole_number_sums(known, starts)
    if sums is None:
        groups = np.split(known, starts[1:])
        sums = np.array([float(sum(map(Decimal, map(repr, group.tolist())))) for group in groups])
    unknown = np.logical_or.reduceat(np.isnan(numbers), starts)
    return np.where(unknown, np.nan, sums)


def _whole_number_sums(numbers: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64] | None:
    """The sums by way of whole numbers of the smallest decimal; None where these would not be exact."""
    for digits in _DIGITS:
        scale = 10.0**digits
        scaled = np.rint(numbers * scale)
        sums = np.asarray(np.add.reduceat(scaled, starts))
        if not (np.abs(sums) < _EXACT).all():
            return None
        if (scaled / scale == numbers).all():
            return sums / scale
    return None
