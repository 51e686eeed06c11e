"""Candles as arrays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.candle import Candle, Interval
from kokex.domain.candle_rows import CandleRows
from kokex.domain.errors import DataError
from tests.builders import START

HOUR = Interval("1H")
FIRST = int(START.timestamp())


def candle(number: int, close: float = 11.0) -> Candle:
    return Candle(START + timedelta(hours=number), 10.0, 12.0, 9.0, close, 5.0, None)


def rows(*numbers: int) -> CandleRows:
    return CandleRows.of(candle(number) for number in numbers)


def test_they_come_back_as_they_went_in() -> None:
    """In order of time, unknown amounts unknown."""
    made = CandleRows.of([candle(2), candle(0), candle(1)])
    assert list(made.candles()) == [candle(0), candle(1), candle(2)]
    assert len(CandleRows.empty()) == 0 and list(CandleRows.empty().candles()) == []


def test_a_forming_candle_is_refused() -> None:
    """Rows are closed candles."""
    with pytest.raises(DataError, match="2026-01-01 01:00 is not closed"):
        CandleRows.of([candle(0), replace(candle(1), closed=False)])


def test_of_two_the_later_counts() -> None:
    """In one list, and where two sets are joined."""
    assert CandleRows.of([candle(0, 10.5), candle(0)]) == rows(0)
    joined = rows(0, 1).joined(CandleRows.of([candle(1, 9.5), candle(2)]))
    assert joined.values[:, 3].tolist() == [11.0, 9.5, 11.0]
    assert CandleRows.empty().joined(CandleRows.empty()) == CandleRows.empty()


@given(st.sets(st.integers(0, 40)))
def test_ranges_hold_exactly_the_candles(numbers: set[int]) -> None:
    """Each candle lies in a range, and each range is full."""
    made = rows(*numbers)
    found = made.ranges(HOUR)
    assert {n for n in range(41) if any(one.holds(START + timedelta(hours=n)) for one in found)} == numbers
    assert sum(HOUR.count(one.start, one.end) for one in found) == len(numbers)


def test_the_last_run_ends_at_the_newest_hole() -> None:
    """What models are fed with has no hole."""
    series = rows(0, 1, 3, 4, 5).last_run("ETH-USDT", HOUR)
    assert series.open_times.tolist() == [FIRST + 3600 * n for n in (3, 4, 5)]
    assert len(CandleRows.empty().last_run("ETH-USDT", HOUR)) == 0


def test_a_window_is_half_open() -> None:
    """Start is in, end is out."""
    window = rows(*range(10)).between(START + timedelta(hours=2), START + timedelta(hours=5))
    assert window == rows(2, 3, 4)
    assert np.array_equal(rows(*range(5))[1:3].open_times, rows(1, 2).open_times)
