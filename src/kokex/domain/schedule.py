"""When a plan's agent is woken whatever happens: every so often, or at times of the day. All in UTC.

    15m, 1h, 4h, 1d         on the whole quarter of an hour, hour...: counted from midnight
    09:30, 16:00            each day at these times

No cron expressions: these two cover what a trading plan asks for, and nobody has to guess what `*/7` does at midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Final

from kokex.domain.errors import ConfigurationError

_DAY: Final = timedelta(days=1)
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": _DAY}
_INTERVAL: Final = re.compile(r"([0-9]{1,4})([mhd])")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MOST_TIMES: Final = 48
HOW: Final = (
    "write an interval that divides a day (15m, 1h, 4h, 1d) or times of the day in UTC (09:30 or 09:30,16:00)"
)


@dataclass(frozen=True)
class Schedule:
    """Moments that return every day.

    Attributes:
        text: as a person writes it, in its shortest form; made by `parse`.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """From `15m` or `09:30,16:00`. Raises `ConfigurationError`."""
        words = text.strip().lower()
        return cls(_interval_text(words) if _INTERVAL.fullmatch(words) else _times_text(words, text))

    def due_between(self, after: datetime, until: datetime) -> tuple[datetime | None, int]:
        """The latest due moment in (`after`, `until`], and how many there were."""
        count = self._passed(until) - self._passed(after)
        return (self._latest(until), count) if count > 0 else (None, 0)

    def next_after(self, moment: datetime) -> datetime:
        """The first due moment later than `moment`."""
        midnight = _midnight(moment)
        for offset in self._offsets:
            if midnight + offset > moment:
                return midnight + offset
        return midnight + _DAY + self._offsets[0]

    @cached_property
    def _offsets(self) -> tuple[timedelta, ...]:
        """Due moments of a day, as time since midnight."""
        found = _INTERVAL.fullmatch(self.text)
        if found:
            step = int(found[1]) * _UNITS[found[2]]
            return tuple(number * step for number in range(_DAY // step))
        return tuple(_since_midnight(one) for one in self.text.split(","))

    def _passed(self, moment: datetime) -> int:
        """Due moments since some moment long ago, up to `moment`."""
        midnight = _midnight(moment)
        today = sum(1 for offset in self._offsets if midnight + offset <= moment)
        return midnight.toordinal() * len(self._offsets) + today

    def _latest(self, moment: datetime) -> datetime:
        midnight = _midnight(moment)
        for offset in reversed(self._offsets):
            if midnight + offset <= moment:
                return midnight + offset
        return midnight - _DAY + self._offsets[-1]


def time_of_day(text: str) -> time | None:
    """`09:30`; None where it is no time of day."""
    found = _TIME.fullmatch(text.strip())
    return time(int(found[1]), int(found[2])) if found else None


def _interval_text(words: str) -> str:
    found = _INTERVAL.fullmatch(words)
    step = int(found[1]) * _UNITS[found[2]] if found else timedelta(0)
    if not step or step > _DAY or _DAY % step:
        raise ConfigurationError(f"schedule {words!r} does not divide a day; {HOW}")
    return words


def _times_text(words: str, given: str) -> str:
    times = [time_of_day(one) for one in words.split(",")]
    known = sorted({one for one in times if one is not None})
    if len(known) < len(times) or len(known) > _MOST_TIMES:
        raise ConfigurationError(
            f"schedule {given!r} cannot be read (or names a time twice); {HOW}, {_MOST_TIMES} at most"
        )
    return ",".join(f"{one:%H:%M}" for one in known)


def _since_midnight(text: str) -> timedelta:
    hours, _, minutes = text.partition(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
