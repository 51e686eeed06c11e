"""Paging against lists that behave as OKX's do."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from kokex.adapters.okx.paging import ROWS_A_PAGE, pages_since
from tests.builders import START

HOUR = timedelta(hours=1)


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
