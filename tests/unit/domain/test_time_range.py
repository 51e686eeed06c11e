"""Sets of ranges against sets of numbers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokex.domain.errors import DataError
from kokex.domain.time_range import RangeSet, TimeRange
from tests.builders import START

HOUR = timedelta(hours=1)
PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=8)


def ranges(pairs: list[tuple[int, int]]) -> RangeSet:
    return RangeSet.of(TimeRange(START + low * HOUR, START + (low + length) * HOUR) for low, length in pairs)


def hours(found: RangeSet) -> set[int]:
    return {number for number in range(40) if any(one.holds(START + number * HOUR) for one in found)}


def numbers(pairs: list[tuple[int, int]]) -> set[int]:
    return {number for low, length in pairs for number in range(low, low + length)}


@given(PAIRS, PAIRS)
def test_the_algebra_is_that_of_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    """Union, intersection and difference hold the moments that they should, and no others."""
    one, other = ranges(left), ranges(right)
    assert hours(one) == numbers(left)
    assert hours(one | other) == numbers(left) | numbers(right)
    assert hours(one & other) == numbers(left) & numbers(right)
    assert hours(one - other) == numbers(left) - numbers(right)


@given(PAIRS, PAIRS)
def test_a_set_has_one_form(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    """In order, nothing touching, however it came about."""
    one, other = ranges(left), ranges(right)
    for made in (one | other, one & other, one - other):
        assert all(before.end < after.start for before, after in zip(made, made.ranges[1:], strict=False))
    assert (one - other) | (one & other) == one
    assert one | other == other | one
    assert (one | other).length == one.length + (other - one).length


@given(PAIRS, st.integers(0, 30), st.integers(1, 6))
def test_covering_is_lying_in(pairs: list[tuple[int, int]], low: int, length: int) -> None:
    """All of it, not some."""
    wanted = TimeRange(START + low * HOUR, START + (low + length) * HOUR)
    assert ranges(pairs).covers(wanted) == (set(range(low, low + length)) <= numbers(pairs))


def test_an_empty_range_is_refused() -> None:
    """And one that runs backwards."""
    for end in (START, START - HOUR):
        with pytest.raises(DataError, match="must end after it starts"):
            TimeRange(START, end)
