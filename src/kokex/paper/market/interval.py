"""Candle intervals: their names on the wire, their lengths and where they begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from kokex.domain.errors import ConfigurationError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_UTC8_MS = 8 * HOUR_MS
_MONDAY_MS = 4 * DAY_MS
"""1970-01-05, the first Monday of the epoch."""

_FIXED = {
    "1s": 1000,
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1H": HOUR_MS,
    "2H": 2 * HOUR_MS,
    "4H": 4 * HOUR_MS,
}
_SHIFTED = {
    "6H": 6 * HOUR_MS,
    "12H": 12 * HOUR_MS,
    "1D": DAY_MS,
    "2D": 2 * DAY_MS,
    "3D": 3 * DAY_MS,
    "5D": 5 * DAY_MS,
    "1W": 7 * DAY_MS,
}
_MONTHS = {"1M": 1, "3M": 3}


@dataclass(frozen=True, slots=True)
class Bar:
    """One interval. OKX v5 aligns 6H and longer to UTC+8 unless the name ends in `utc`."""

    name: str
    length_ms: int
    """Nominal length; months count 30 days."""
    offset_ms: int = 0
    """How much earlier than UTC this bar begins."""
    phase_ms: int = 0
    months: int = 0

    def start_of(self, at_ms: int) -> int:
        """Open time of the bar that contains `at_ms`."""
        local = at_ms + self.offset_ms
        if self.months:
            return _month_start(local, self.months) - self.offset_ms
        return (local - self.phase_ms) // self.length_ms * self.length_ms + self.phase_ms - self.offset_ms

    def end_of(self, start_ms: int) -> int:
        """Open time of the bar after the one that opens at `start_ms`."""
        if self.months:
            beyond = start_ms + self.offset_ms + self.months * 31 * DAY_MS
            return _month_start(beyond, self.months) - self.offset_ms
        return start_ms + self.length_ms


def _month_start(local_ms: int, months: int) -> int:
    moment = datetime.fromtimestamp(local_ms / 1000, UTC)
    month = (moment.month - 1) // months * months + 1
    return int(datetime(moment.year, month, 1, tzinfo=UTC).timestamp() * 1000)


@cache
def _bars() -> dict[str, Bar]:
    bars = {name: Bar(name, length) for name, length in _FIXED.items()}
    for name, length in _SHIFTED.items():
        phase = _MONDAY_MS if name == "1W" else 0
        bars[name] = Bar(name, length, offset_ms=_UTC8_MS, phase_ms=phase)
        bars[f"{name}utc"] = Bar(f"{name}utc", length, phase_ms=phase)
    for name, months in _MONTHS.items():
        bars[name] = Bar(name, months * 30 * DAY_MS, offset_ms=_UTC8_MS, months=months)
        bars[f"{name}utc"] = Bar(f"{name}utc", months * 30 * DAY_MS, months=months)
    return bars


def find_bar(name: str) -> Bar | None:
    """The interval of that name, or None. Case matters: 1m is a minute, 1M a month."""
    return _bars().get(name)


def base_bars() -> list[str]:
    """Names of those that a market can be made of: a day at most, aligned to UTC."""
    return [name for name, bar in _bars().items() if bar.length_ms <= DAY_MS and not bar.offset_ms]


def parse_bar(name: str) -> Bar:
    """The interval of that name.

    Raises:
        ConfigurationError: there is none.
    """
    bar = find_bar(name)
    if bar is None:
        raise ConfigurationError(f"interval {name!r} is unknown; use one of {', '.join(_bars())}")
    return bar
