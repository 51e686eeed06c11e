"""Hours of the day in which only what cannot wait wakes a plan's agent. In UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property

from kokex.domain.errors import ConfigurationError
from kokex.domain.schedule import time_of_day


@dataclass(frozen=True)
class QuietHours:
    """A span of every day, its end not in it; it may reach over midnight.

    Attributes:
        text: `22:00-06:00`; made by `parse`.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """From `22:00-06:00`. Raises `ConfigurationError`."""
        first, dash, last = text.strip().partition("-")
        start, end = time_of_day(first), time_of_day(last)
        if not dash or start is None or end is None or start == end:
            raise ConfigurationError(
                f"quiet hours {text!r} cannot be read; write two different times of the day in UTC, such as 22:00-06:00"
            )
        return cls(f"{start:%H:%M}-{end:%H:%M}")

    def ends(self, moment: datetime) -> datetime | None:
        """When the quiet hours that `moment` is in end; None where it is in none."""
        start, end = self._span
        now = moment.astimezone(UTC)
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        late = _since_midnight(end) <= now - today
        until = today + _since_midnight(end) + (timedelta(days=1) if late else timedelta(0))
        begun = until - _length(start, end)
        return until if begun <= now < until else None

    @cached_property
    def _span(self) -> tuple[time, time]:
        first, _, last = self.text.partition("-")
        return time.fromisoformat(first), time.fromisoformat(last)


def _since_midnight(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute)


def _length(start: time, end: time) -> timedelta:
    return (_since_midnight(end) - _since_midnight(start)) % timedelta(days=1)
