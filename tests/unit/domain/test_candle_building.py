"""Longer candles out of shorter ones."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.candle_building import Difference, build, compare, exact_sums
from kokex.domain.candle_rows import CandleRows, moment
from kokex.domain.errors import ConfigurationError
from kokex.domain.interval import Interval
from tests.builders import START

MINUTE, QUARTER, HOUR = Interval("1m"), Interval("15m"), Interval("1H")
FIRST = int(START.timestamp())


def minutes(count: int, volume: float = 0.1) -> CandleRows:
    """Minutes whose close rises by one; each 0.5 wide."""
    opens = 100.0 + np.arange(count)
    volumes, amounts = np.full(count, volume), np.full(count, np.nan)
    values = np.column_stack([opens, opens + 1.25, opens - 0.25, opens + 1, volumes, amounts])
    return CandleRows(FIRST + 60 * np.arange(count), values)


def test_a_whole_hour() -> None:
    """First open, last close, extremes, and a volume as added by hand: 60 times 0.1 is 6, not 5.999999999999997."""
    built = build(minutes(60), MINUTE, HOUR)
    assert built.rows.open_times.tolist() == [FIRST]
    assert built.rows.values[0, :5].tolist() == [100.0, 160.25, 99.75, 160.0, 6.0]
    assert np.isnan(built.rows.values[0, 5])
    assert built.incomplete == ()


def test_what_is_not_whole_is_no_candle() -> None:
    """A gap in the middle, and the hour that is forming."""
    rows = minutes(150)
    built = build(rows[np.delete(np.arange(150), 70)], MINUTE, HOUR)
    assert built.rows.open_times.tolist() == [FIRST]
    assert [(one.open_time, one.parts, one.needed) for one in built.incomplete] == [
        (moment(FIRST + 3600), 59, 60),
        (moment(FIRST + 7200), 30, 60),
    ]


@pytest.mark.parametrize(("name", "opened"), [("1D", "2026-01-01T16:00"), ("1Dutc", "2026-01-02T00:00")])
def test_days_are_cut_by_their_own_clock(name: str, opened: str) -> None:
    """The same hours make different days in UTC and in UTC+8."""
    hours = CandleRows(FIRST + 3600 * np.arange(48), np.ones((48, 6)))
    built = build(hours, HOUR, Interval(name)).rows
    assert np.datetime64(int(built.open_times[-1]), "s") == np.datetime64(opened)
    assert built.values[-1, 4] == 24.0


def test_months_need_all_their_days() -> None:
    """31 in January, 28 in February."""
    days = CandleRows(FIRST + 86_400 * np.arange(59), np.ones((59, 6)))
    assert build(days, Interval("1Dutc"), Interval("1Mutc")).rows.values[:, 4].tolist() == [31.0, 28.0]
    missing = build(days[:58], Interval("1Dutc"), Interval("1Mutc")).incomplete
    assert [(one.parts, one.needed) for one in missing] == [(27, 28)]


@pytest.mark.parametrize(
    ("source", "target"), [("1H", "15m"), ("1H", "1H"), ("1D", "1Dutc"), ("1Wutc", "1Mutc")]
)
def test_what_cannot_be_built_is_refused(source: str, target: str) -> None:
    """Shorter out of longer, itself, another day, and weeks into months."""
    with pytest.raises(ConfigurationError, match="not made of whole candles"):
        build(minutes(3), Interval(source), Interval(target))


@given(st.sets(st.integers(0, 299), min_size=1))
def test_in_two_steps_or_in_one(there: set[int]) -> None:
    """Whole hours come out the same by way of quarters."""
    rows = minutes(300, 0.3)[np.array(sorted(there))]
    quarters = build(rows, MINUTE, QUARTER).rows
    assert build(quarters, QUARTER, HOUR).rows == build(rows, MINUTE, HOUR).rows


@given(st.lists(st.decimals(0, 10**7, places=8), min_size=1, max_size=30), st.data())
def test_sums_are_decimal(numbers: list[Decimal], data: st.DataObject) -> None:
    """As exact as the sources write them, whatever their size."""
    starts = sorted({0, *data.draw(st.sets(st.integers(0, len(numbers) - 1)))})
    sums = exact_sums(np.array([float(one) for one in numbers]), np.array(starts, dtype=np.intp))
    ends = [*starts[1:], len(numbers)]
    shown = [Decimal(repr(float(one))) for one in numbers]
    assert sums.tolist() == [float(sum(shown[low:high])) for low, high in zip(starts, ends, strict=True)]


def test_an_unknown_part_makes_the_sum_unknown() -> None:
    """Only in its own group."""
    sums = exact_sums(np.array([1.0, np.nan, 0.1, 0.2]), np.array([0, 2]))
    assert np.isnan(sums[0]) and sums[1] == 0.3


def test_differences_name_the_number() -> None:
    """Where both know it and it is not the same."""
    built = build(minutes(120), MINUTE, HOUR).rows
    told = CandleRows(built.open_times.copy(), built.values.copy())
    told.values[1, 3] = 7.0
    told.values[0, 5] = 3.0
    assert compare(built, told) == [Difference(moment(FIRST + 3600), "close", 220.0, 7.0)]
    assert compare(built, told[:0]) == []
