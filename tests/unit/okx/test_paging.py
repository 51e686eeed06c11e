"""Paging against lists that behave as OKX's do."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from kokex.adapters.okx.paging import CANDLES_A_PAGE, ROWS_A_PAGE, all_candles, pages_since
from kokex.domain.candle import Candle
from tests.builders import START

HOUR = timedelta(hours=1)
RECENT = 1440


def hourly(index: int, *, closed: bool = True) -> Candle:
    """The candle that opens `index` hours after the start."""
    return Candle(START + index * HOUR, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, closed)


class CandleLists:
    """`count` candles; the short list shows the latest 1440, the long one all of them. Newest first, cursors exclusive."""

    def __init__(self, count: int, *, forming: bool = True) -> None:
        self.rows = [hourly(index, closed=not forming or index < count - 1) for index in range(count)]
        self.calls: list[tuple[bool, datetime]] = []

    async def fetch(self, from_history: bool, older_than: datetime) -> list[Candle]:
        self.calls.append((from_history, older_than))
        known = self.rows if from_history else self.rows[-RECENT:]
        older = [row for row in reversed(known) if row.open_time < older_than]
        return older[:CANDLES_A_PAGE]


async def test_recent_candles_take_one_request() -> None:
    """What a live plan asks for at each close."""
    lists = CandleLists(2000)
    found = await all_candles(lists.fetch, START + 1990 * HOUR, START + 2000 * HOUR)
    assert [row.open_time for row in found] == [START + index * HOUR for index in range(1990, 1999)]
    assert len(lists.calls) == 1 and not lists.calls[0][0]


async def test_any_depth_is_reached_without_a_gap_or_a_double() -> None:
    """Over the end of the short list and many pages of the long one; the forming candle is left out."""
    lists = CandleLists(5000)
    found = await all_candles(lists.fetch, START, START + 5000 * HOUR)
    assert [row.open_time for row in found] == [START + index * HOUR for index in range(4999)]
    assert len(lists.calls) <= 5000 / CANDLES_A_PAGE + 4


async def test_the_window_is_half_open() -> None:
    """`start` belongs to it, `end` does not."""
    found = await all_candles(CandleLists(100).fetch, START + 10 * HOUR, START + 20 * HOUR)
    assert (found[0].open_time, found[-1].open_time) == (START + 10 * HOUR, START + 19 * HOUR)


async def test_asking_from_before_the_first_candle_ends() -> None:
    """An instrument that was listed later: an empty page of the long list is the end."""
    lists = CandleLists(50, forming=False)
    found = await all_candles(lists.fetch, START - 1000 * HOUR, START + 60 * HOUR)
    assert len(found) == 50 and len(lists.calls) <= 4


async def test_a_list_that_ignores_the_cursor_ends() -> None:
    """A stale cache may answer with rows that were not asked for."""
    lists = CandleLists(400, forming=False)

    async def stubborn(from_history: bool, older_than: datetime) -> list[Candle]:
        assert len(lists.calls) < 20
        return await lists.fetch(from_history, START + 400 * HOUR)

    found = await all_candles(stubborn, START, START + 400 * HOUR)
    assert len(found) == CANDLES_A_PAGE


async def test_an_empty_window_asks_nothing() -> None:
    """Start at or after end."""
    lists = CandleLists(10)
    assert await all_candles(lists.fetch, START, START) == []
    assert lists.calls == []


class Ledger:
    """Rows (id, time), newest first, 100 a page, `after` exclusive."""

    def __init__(self, count: int) -> None:
        self.rows = [(str(990 + index), START + index * HOUR) for index in range(count)]
        self.cursors: list[str | None] = []

    async def fetch(self, after: str | None) -> list[tuple[str, datetime]]:
        self.cursors.append(after)
        older = [row for row in reversed(self.rows) if after is None or int(row[0]) < int(after)]
        return older[:ROWS_A_PAGE]


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (99, 1), (100, 2), (250, 3), (1000, 11)])
async def test_a_list_is_read_to_its_end(count: int, requests: int) -> None:
    """Each row once, although ids change their length on the way (999 to 1000)."""
    ledger = Ledger(count)
    rows = await pages_since(ledger.fetch, lambda row: row[0], lambda row: row[1], None)
    assert sorted(rows, key=lambda row: int(row[0])) == ledger.rows
    assert len(ledger.cursors) == requests


async def test_reading_stops_where_it_reached_back_far_enough() -> None:
    """The page that holds the moment is the last."""
    ledger = Ledger(1000)
    rows = await pages_since(ledger.fetch, lambda row: row[0], lambda row: row[1], START + 850 * HOUR)
    assert len(ledger.cursors) == 2 and len(rows) == 200


async def test_a_cursor_that_does_not_move_ends() -> None:
    """The same full page again and again."""
    page = [(str(Decimal(index)), START) for index in range(ROWS_A_PAGE)]

    async def stubborn(after: str | None) -> list[tuple[str, datetime]]:
        return page

    rows = await pages_since(stubborn, lambda row: row[0], lambda row: row[1], None)
    assert len(rows) == 2 * ROWS_A_PAGE
