"""Stretches of time, and sets of them: what a ledger of candles is made of. All are half open: [start, end)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from kokex.domain.errors import DataError


@dataclass(frozen=True, slots=True, order=True)
class TimeRange:
    """From `start` up to but without `end`; both aware UTC.

    Raises:
        DataError: it would be empty or run backwards.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise DataError(f"a range must end after it starts: {self.start:%Y-%m-%d %H:%M:%S} to {self.end}")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies in it."""
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class RangeSet:
    """Ranges in order that neither overlap nor touch. Make one with `of`; equal sets are equal values."""

    ranges: tuple[TimeRange, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[TimeRange]) -> Self:
        """The moments that lie in any of `ranges`."""
        merged: list[TimeRange] = []
        for one in sorted(ranges):
            if merged and one.start <= merged[-1].end:
                merged[-1] = TimeRange(merged[-1].start, max(merged[-1].end, one.end))
            else:
                merged.append(one)
        return cls(tuple(merged))

    def __iter__(self) -> Iterator[TimeRange]:
        return iter(self.ranges)

    def __len__(self) -> int:
        return len(self.ranges)

    def __or__(self, other: RangeSet) -> RangeSet:
        """The moments in either."""
        return RangeSet.of((*self.ranges, *other.ranges))

    def __and__(self, other: RangeSet) -> RangeSet:
        """The moments in both."""
        mine, theirs = list(self.ranges), list(other.ranges)
        found: list[TimeRange] = []
        while mine and theirs:
            start, end = max(mine[0].start, theirs[0].start), min(mine[0].end, theirs[0].end)
            if start < end:
                found.append(TimeRange(start, end))
            (mine if mine[0].end <= theirs[0].end else theirs).pop(0)
        return RangeSet(tuple(found))

    def __sub__(self, other: RangeSet) -> RangeSet:
        """The moments in this one alone."""
        left: list[TimeRange] = []
        holes = list(other.ranges)
        for one in self.ranges:
            start = one.start
            while holes and holes[0].end <= start:
                holes.pop(0)
            for hole in holes:
                if hole.start >= one.end:
                    break
                if start < hole.start:
                    left.append(TimeRange(start, hole.start))
                start = max(start, hole.end)
            if start < one.end:
                left.append(TimeRange(start, one.end))
        return RangeSet(tuple(left))

    def covers(self, wanted: TimeRange) -> bool:
        """Whether all of `wanted` lies in it."""
        return any(one.start <= wanted.start and wanted.end <= one.end for one in self.ranges)

    @property
    def length(self) -> timedelta:
        """Of all ranges together."""
        return sum((one.length for one in self.ranges), timedelta())


NO_TIME: Final = RangeSet()
"""The empty set."""
