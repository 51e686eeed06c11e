"""Reading OKX's candles to any depth, and knowing what an answer proves.

The rules (OKX v5, and measured): pages come newest first; `after` asks for what is older than a cursor, and only together with it
`before` bounds a page below. `candles` has the latest 1440 rows, `history-candles` all, up to 300 a page. Both are answered by
several caches, so a second answer may be older than the first: what is missing in one is asked for once more, alone, before it
is believed, and a candle that closed a moment ago is not believed to be missing at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kokex.domain.candle import Candle
from kokex.domain.candle_rows import CandleRows
from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.interval import Interval
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.exchange import CandlePage

CANDLES_A_PAGE: Final = 300
SETTLED: Final = timedelta(minutes=10)
"""A candle that the exchange does not have this long after its close, asked twice, it never had."""

_ATTEMPTS: Final = 3


class CandleList(StrEnum):
    """Which of OKX's lists is asked."""

    RECENT = "recent"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class CandleQuery:
    """One request: up to a page of rows that opened before `older_than` and, where it is given, at or after `since`."""

    source: CandleList
    older_than: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CandleLists:
    """How to ask.

    Attributes:
        fetch: one request; the forming candle may be among its rows.
        now: the exchange's time.
    """

    fetch: Callable[[CandleQuery], Awaitable[list[Candle]]]
    now: Callable[[], Awaitable[datetime]]


async def candle_pages(
    lists: CandleLists, interval: Interval, window: TimeRange, *, recent: bool = True
) -> AsyncIterator[CandlePage]:
    """What the exchange has of `window`, newest page first, down to its start or to the first candle there is.

    Args:
        lists: how to ask.
        interval: of the candles.
        window: open times wanted.
        recent: whether the short list may reach the window's end.

    Raises:
        ExchangeError: a page cannot be had; those before it stand.
    """
    cursor = window.end
    source = CandleList.RECENT if recent and interval.name != "1s" else CandleList.HISTORY
    while cursor > window.start:
        rows = await _older(lists, source, cursor)
        if source is CandleList.RECENT and len(rows) < CANDLES_A_PAGE:
            source = CandleList.HISTORY
            if not rows:
                continue
        if not rows:
            yield CandlePage((), RangeSet(), RangeSet(), begins_at=cursor)
            return
        bottom = max(window.start, min(row.open_time for row in rows))
        yield await _page(lists, interval, TimeRange(bottom, cursor), rows)
        cursor = bottom


async def _older(lists: CandleLists, source: CandleList, cursor: datetime) -> list[Candle]:
    """A page of what opened before `cursor`. An empty page of the long list is asked for twice: it says that there is no more."""
    empty = 0
    for _ in range(_ATTEMPTS):
        answer = await lists.fetch(CandleQuery(source, cursor))
        rows = [row for row in answer if row.open_time < cursor]
        if rows:
            return rows
        empty += not answer
        if source is CandleList.RECENT or empty == 2:
            return []
    raise ExchangeUnavailableError(
        f"OKX answers with candles that are not older than {cursor:%Y-%m-%d %H:%M}, as was asked; try again later"
    )


async def _page(lists: CandleLists, interval: Interval, stretch: TimeRange, rows: list[Candle]) -> CandlePage:
    found = {row.open_time: row for row in rows if row.closed and stretch.holds(row.open_time)}
    whole = RangeSet((stretch,))
    holes = whole - _ranges(found, interval)
    for hole in holes:
        found.update(await _asked_again(lists, hole))
    holes = whole - _ranges(found, interval)
    absent, unsettled = RangeSet(), RangeSet()
    if len(holes):
        settled = await lists.now() - SETTLED
        unsettled = RangeSet(tuple(hole for hole in holes if hole.end > settled))
        absent = holes - unsettled
    candles = tuple(found[moment] for moment in sorted(found))
    return CandlePage(candles, whole - unsettled, absent)


async def _asked_again(lists: CandleLists, hole: TimeRange) -> dict[datetime, Candle]:
    """What the long list has of a hole, down to its start."""
    found: dict[datetime, Candle] = {}
    cursor = hole.end
    while cursor > hole.start:
        answer = await lists.fetch(CandleQuery(CandleList.HISTORY, cursor, hole.start))
        rows = [row for row in answer if hole.start <= row.open_time < cursor]
        if not rows:
            break
        found.update((row.open_time, row) for row in rows if row.closed)
        cursor = min(row.open_time for row in rows)
    return found


def _ranges(found: dict[datetime, Candle], interval: Interval) -> RangeSet:
    rows = CandleRows.of(found.values())
    return rows[interval.on_grid(rows.open_times)].ranges(interval)
