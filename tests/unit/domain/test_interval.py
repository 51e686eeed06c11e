"""Intervals: names, alignment, and the arithmetic of their grids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.errors import ConfigurationError
from kokex.domain.interval import INTERVAL_NAMES, Interval, interval_of

WEDNESDAY = datetime(2026, 3, 4, 17, 45, 12, tzinfo=UTC)
MOMENTS = st.integers(1_000_000_000, 2_500_000_000)
NAMES = st.sampled_from(INTERVAL_NAMES)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("1m", "2026-03-04 17:45"),
        ("4H", "2026-03-04 16:00"),
        ("6H", "2026-03-04 16:00"),
        ("6Hutc", "2026-03-04 12:00"),
        ("12H", "2026-03-04 16:00"),
        ("12Hutc", "2026-03-04 12:00"),
        ("1D", "2026-03-04 16:00"),
        ("1Dutc", "2026-03-04 00:00"),
        ("1W", "2026-03-01 16:00"),
        ("1Wutc", "2026-03-02 00:00"),
        ("1M", "2026-02-28 16:00"),
        ("1Mutc", "2026-03-01 00:00"),
        ("3M", "2025-12-31 16:00"),
        ("3Mutc", "2026-01-01 00:00"),
    ],
)
def test_where_a_candle_opens(name: str, opened: str) -> None:
    """A day of UTC+8 opens at 16:00 UTC the day before; weeks on Monday, months on the first."""
    assert Interval(name).floor(WEDNESDAY) == at(opened)


def test_every_interval_of_the_exchange_is_known() -> None:
    """OKX v5: nine without an alignment, nine of UTC+8, the same nine of UTC."""
    short = ["1s", "1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H"]
    long = ["6H", "12H", "1D", "2D", "3D", "5D", "1W", "1M", "3M"]
    assert sorted(INTERVAL_NAMES) == sorted([*short, *long, *(f"{name}utc" for name in long)])
    assert all(Interval(name).utc_offset == timedelta(hours=8) for name in long)
    assert not any(Interval(f"{name}utc").utc_offset for name in long)


@pytest.mark.parametrize("name", ["1h", "60m", "", "1d", "1DUTC", "4Hutc"])
def test_unknown_names_are_refused(name: str) -> None:
    """Case matters."""
    with pytest.raises(ConfigurationError, match="use one of 1s"):
        Interval(name)


def test_months_have_their_own_lengths() -> None:
    """February is shorter than January; counting and shifting know it."""
    month = Interval("1Mutc")
    assert month.close_time(at("2026-01-01")) == at("2026-02-01")
    assert month.shift(at("2024-01-31"), 1) == at("2024-02-01")
    assert month.count(at("2025-01-01"), at("2026-01-01")) == 12
    assert month.count(at("2025-01-02"), at("2025-01-03")) == 0
    assert not month.fixed and Interval("1W").fixed


@given(NAMES, MOMENTS)
def test_a_moment_lies_in_exactly_one_candle(name: str, seconds: int) -> None:
    """From its open up to its close; array and scalar arithmetic agree."""
    interval = Interval(name)
    moment = datetime.fromtimestamp(seconds, UTC)
    opened = interval.floor(moment)
    assert opened <= moment < interval.close_time(opened)
    assert interval.floor(opened) == opened == interval.ceil(opened)
    assert interval.shift(interval.close_time(opened), -1) == opened
    number = interval.ordinals(np.array([seconds]))
    assert interval.opens(number).tolist() == [int(opened.timestamp())]
    assert interval.on_grid(np.array([seconds])).tolist() == [opened == moment]


@given(NAMES, MOMENTS, st.integers(0, 400))
def test_counting_is_shifting(name: str, seconds: int, candles: int) -> None:
    """As many candles open between two opens as one lies after the other."""
    interval = Interval(name)
    opened = interval.floor(datetime.fromtimestamp(seconds, UTC))
    assert interval.count(opened, interval.shift(opened, candles)) == candles


@given(NAMES, NAMES, MOMENTS)
def test_what_divides_shares_its_opens(short: str, long: str, seconds: int) -> None:
    """Where candles are said to be made of shorter ones, both open together."""
    if Interval(short).divides(Interval(long)):
        opened = Interval(long).floor(datetime.fromtimestamp(seconds, UTC))
        assert Interval(short).floor(opened) == opened


def test_alignments_do_not_divide_each_other() -> None:
    """A day of UTC is not made of half days of UTC+8."""
    assert Interval("4H").divides(Interval("1D")) and Interval("4H").divides(Interval("1Dutc"))
    assert not Interval("12H").divides(Interval("1Dutc"))
    assert not Interval("1Wutc").divides(Interval("1Mutc"))
    assert Interval("1Dutc").divides(Interval("3Mutc")) and not Interval("1Dutc").divides(Interval("1M"))


@given(NAMES, MOMENTS)
def test_an_interval_is_found_from_its_candles(name: str, seconds: int) -> None:
    """With the day that they are cut by; a candle that is missing does not matter."""
    interval = Interval(name)
    first = int(interval.ordinals(np.array([seconds]))[0])
    numbers = np.delete(np.arange(first, first + 40), 7)
    assert interval_of(interval.opens(numbers)) == interval


def test_no_interval_is_found_where_none_is() -> None:
    """Candles of seven minutes."""
    assert interval_of(np.arange(10) * 420) is None
