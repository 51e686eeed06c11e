"""Reading OKX's paged lists of orders and fills to the end (candles have rules of their own: see `candle_pages`).

All pages come newest first and `after` asks for what is older than a cursor. `before` and `begin` are not used: alone they
answer with the newest page, or oldest first, not with what follows the cursor (OKX v5, measured).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

ROWS_A_PAGE = 100

_Row = TypeVar("_Row")


async def pages_since(
    fetch: Callable[[str | None], Awaitable[list[_Row]]],
    cursor_of: Callable[[_Row], str],
    time_of: Callable[[_Row], datetime],
    since: datetime | None,
    *,
    until: str | None = None,
) -> list[_Row]:
    """All rows back to `since` (None: all there are), in the order of arrival; the last page may reach further back.

    Args:
        until: an id; the list is read until it is reached too.
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
        oldest = min((cursor_of(row) for row in page), key=numeric)
        in_time = since is not None and min(map(time_of, page)) < since
        if oldest == cursor or (in_time and (until is None or numeric(oldest) <= numeric(until))):
            return rows
        cursor = oldest


def numeric(identifier: str) -> tuple[int, str]:
    """What sorts decimal ids by their number."""
    return len(identifier), identifier
