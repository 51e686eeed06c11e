"""Intervals: how long a candle is, and where on the clock it opens.

Names are OKX's (v5, candle channels): `1m` is a minute, `1M` a month. From six hours on the name tells the day that candles are
cut by: `6H`, `12H`, `1D`, `1W`, `1M`... follow UTC+8 (a day opens at 16:00 UTC), `6Hutc`, `1Dutc`, `1Wutc`... follow UTC.
Weeks open on Monday, months on the first, quarters in January, April, July and October. Days in groups (2D, 3D, 5D) are counted
from 1970-01-01; OKX does not say where it counts from, so such candles are to be checked against the exchange's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kokex.domain.errors import ConfigurationError

Seconds = NDArray[np.int64]
"""Moments as whole seconds since 1970, UTC."""

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_UTC8: Final = 8 * _HOUR
_MONDAY: Final = 4 * _DAY  # 1970-01-05
_MONTH: Final = 30 * _DAY


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where candles open: every `seconds` from `origin` (seconds since 1970 UTC), or every `months`, `offset` ahead of UTC."""

    seconds: int
    origin: int = 0
    offset: int = 0
    months: int = 0

    def ordinals(self, moments: Seconds) -> Seconds:
        """Number of the candle that each moment falls into."""
        if not self.months:
            return (moments - self.origin) // self.seconds
        local = (moments + self.offset).astype("datetime64[s]").astype("datetime64[M]")
        return local.astype(np.int64) // self.months

    def opens(self, ordinals: Seconds) -> Seconds:
        """Open time of each candle."""
        if not self.months:
            return ordinals * self.seconds + self.origin
        local = (ordinals * self.months).astype("datetime64[M]").astype("datetime64[s]")
        return local.astype(np.int64) - self.offset


def _grids() -> dict[str, _Grid]:
    short = {"1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800}
    hours = {"1H": _HOUR, "2H": 2 * _HOUR, "4H": 4 * _HOUR}
    grids = {name: _Grid(seconds) for name, seconds in {**short, **hours}.items()}
    long = {"6H": 6 * _HOUR, "12H": 12 * _HOUR, "1D": _DAY, "2D": 2 * _DAY, "3D": 3 * _DAY, "5D": 5 * _DAY}
    for name, seconds in {**long, "1W": 7 * _DAY}.items():
        first = _MONDAY if name == "1W" else 0
        grids[name] = _Grid(seconds, first - _UTC8, _UTC8)
        grids[f"{name}utc"] = _Grid(seconds, first)
    for name, months in {"1M": 1, "3M": 3}.items():
        grids[name] = _Grid(months * _MONTH, offset=_UTC8, months=months)
        grids[f"{name}utc"] = _Grid(months * _MONTH, months=months)
    return grids


_GRIDS: Final = _grids()
INTERVAL_NAMES: Final = tuple(_GRIDS)
"""Every interval there is, as `Interval` takes it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Length and alignment of a candle, by OKX's name: `1m`, `4H`, `1D` (days of UTC+8), `1Dutc` (days of UTC)...

    Raises:
        ConfigurationError: the name is none of these.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in _GRIDS:
            raise ConfigurationError(
                f"interval {self.name!r} is unknown; use one of {', '.join(INTERVAL_NAMES)} (case matters)"
            )

    def __str__(self) -> str:
        return self.name

    @property
    def seconds(self) -> int:
        """Length in seconds; nominal (30 days a month) where `fixed` is False."""
        return _GRIDS[self.name].seconds

    @property
    def duration(self) -> timedelta:
        """Length as a timedelta; nominal where `fixed` is False."""
        return timedelta(seconds=self.seconds)

    @property
    def fixed(self) -> bool:
        """Whether all its candles are equally long: not those of months and quarters."""
        return not _GRIDS[self.name].months

    @property
    def utc_offset(self) -> timedelta:
        """How far ahead of UTC the days are that it follows: 8 hours or none."""
        return timedelta(seconds=_GRIDS[self.name].offset)

    def floor(self, moment: datetime) -> datetime:
        """Open time of the candle that `moment` falls into."""
        return self.shift(moment, 0)

    def shift(self, moment: datetime, candles: int) -> datetime:
        """Open time of the candle so many after (before, where negative) the one that `moment` falls into."""
        grid = _GRIDS[self.name]
        seconds = int(moment.timestamp() // 1)
        if not grid.months:
            opened = (seconds - grid.origin) // grid.seconds * grid.seconds + grid.origin
            return datetime.fromtimestamp(opened + candles * grid.seconds, UTC)
        ordinal = grid.ordinals(np.array([seconds], dtype=np.int64)) + candles
        return datetime.fromtimestamp(int(grid.opens(ordinal)[0]), UTC)

    def close_time(self, open_time: datetime) -> datetime:
        """When the candle that opens at `open_time` closes and the next one opens."""
        return self.shift(open_time, 1)

    def ceil(self, moment: datetime) -> datetime:
        """`moment` if a candle opens then, else when the next one opens."""
        opened = self.floor(moment)
        return opened if opened == moment else self.close_time(opened)

    def count(self, start: datetime, end: datetime) -> int:
        """How many candles open in [start, end); none where `end` is not after `start`."""
        edges = np.array([self.ceil(start).timestamp(), self.ceil(end).timestamp()]).astype(np.int64)
        first, last = self.ordinals(edges).tolist()
        return max(int(last - first), 0)

    def ordinals(self, moments: Seconds) -> Seconds:
        """(n,) number of the candle that each moment falls into: neighbours differ by one."""
        return _GRIDS[self.name].ordinals(moments)

    def opens(self, ordinals: Seconds) -> Seconds:
        """(n,) open times of the candles with these numbers."""
        return _GRIDS[self.name].opens(ordinals)

    def on_grid(self, moments: Seconds) -> NDArray[np.bool_]:
        """(n,) whether a candle opens at each moment."""
        return np.asarray(self.opens(self.ordinals(moments)) == moments)

    def divides(self, longer: Interval) -> bool:
        """Whether candles of `longer` are made of whole candles of this interval."""
        mine, theirs = _GRIDS[self.name], _GRIDS[longer.name]
        if mine.months:
            return theirs.months % mine.months == 0 and theirs.months > 0 and mine.offset == theirs.offset
        if theirs.months:
            return _DAY % mine.seconds == 0 and (-theirs.offset - mine.origin) % mine.seconds == 0
        return theirs.seconds % mine.seconds == 0 and (theirs.origin - mine.origin) % mine.seconds == 0


def interval_of(open_times: Seconds) -> Interval | None:
    """The interval whose candles open at these moments (ascending, two or more), gaps apart; None where it is none.

    What tells is the most common step, and for candles of six hours and more the hour at which they open.
    """
    steps, counts = np.unique(np.diff(open_times), return_counts=True)
    step = int(steps[np.argmax(counts)])
    found: tuple[float, Interval | None] = (0.0, None)
    for name, grid in _GRIDS.items():
        if grid.seconds != step and not (grid.months and abs(step - grid.seconds) <= 3 * _DAY * grid.months):
            continue
        interval = Interval(name)
        share = float(np.mean(interval.on_grid(open_times)))
        if share > found[0]:
            found = (share, interval)
    return found[1]
