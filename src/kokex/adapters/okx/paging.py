"""Reading OKX's paged lists to the end, by the rules of each list.

All pages come newest first and `after` asks for what is older than a cursor. `before` and `begin` are not used: alone they
answer with the newest page, or oldest first, not with what follows the cursor (OKX v5, measured).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from kokex.domain.candle import Candle

CANDLES_A_PAGE = 300
ROWS_A_PAGE = 100

_Row = TypeVar("_Row")

FetchCandles = Callable[[bool, datetime], Awaitable[list[Candle]]]
"""A page of candles older than a moment: (from the long history?, moment)."""


async def all_candles(fetch: FetchCandles, start: datetime, end: datetime) -> list[Candle]:
    """Closed candles with `start` <= open time < `end`, oldest first.

    The short list (the latest 1440) is read first; where it ends, the long one goes on.
    """
    found: dict[datetime, Candle] = {}
    cursor = end
    from_history = False
    while cursor > start:
        page = [row for row in await fetch(from_history, cursor) if row.open_time < cursor]
        found.update((row.open_time, row) for row in page if row.closed and row.open_time >= start)
        if page:
            cursor = min(row.open_time for row in page)
        if len(page) < CANDLES_A_PAGE:
            if from_history and not page:
                break
            from_history = True
    return [found[moment] for moment in sorted(found)]


async def pages_since(
    fetch: Callable[[str | None], Awaitable[list[_Row]]],
    cursor_of: Callable[[_Row], str],
    time_of: Callable[[_Row], datetime],
    since: datetime | None,
) -> list[_Row]:
    """All rows back to `since` (None: all there are), in the order of arrival; the last page may reach further back.

    Args:
        fetch: a page older than a cursor (None: the newest).
        cursor_of: the row's id, a decimal number that grows with time.
    """
    rows: list[_Row] = []
    cursor: str | None = None
    while True:
        page = await fetch(cursor)
        rows.extend(page)
        if len(page) < ROWS_A_PAGE:
            return rows
        oldest = min((cursor_of(row) for row in page), key=_numeric)
        if oldest == cursor or (since is not None and min(map(time_of, page)) < since):
            return rows
        cursor = oldest


def _numeric(identifier: str) -> tuple[int, str]:
    return len(identifier), identifier
