"""Candles of any depth from lists that behave as OKX's do, forgetful caches included."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from kokex.adapters.okx.candle_pages import (
    CANDLES_A_PAGE,
    CandleList,
    CandleLists,
    CandleQuery,
    candle_pages,
)
from kokex.domain.candle import Candle, Interval
from kokex.domain.errors import ExchangeUnavailableError
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.exchange import CandlePage
from tests.builders import START

HOUR = timedelta(hours=1)
RECENT = 1440


def hourly(index: int, *, closed: bool = True) -> Candle:
    """The candle that opens `index` hours after the start."""
    return Candle(START + index * HOUR, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, closed)


def span(low: int, high: int) -> TimeRange:
    return TimeRange(START + low * HOUR, START + high * HOUR)


class FakeLists:
    """`count` candles, of which the last one is forming; the short list shows the latest 1440, the long one all.

    Attributes:
        never: hours without a candle.
        forgotten: hours that the first answer leaves out.
    """

    def __init__(
        self, count: int, *, never: set[int] = frozenset(), forgotten: set[int] = frozenset()
    ) -> None:
        self.rows = [hourly(at, closed=at < count - 1) for at in range(count) if at not in never]
        self.now = START + (count - 1) * HOUR + timedelta(minutes=30)
        self.forgotten = {START + at * HOUR for at in forgotten}
        self.calls: list[CandleQuery] = []

    async def fetch(self, query: CandleQuery) -> list[Candle]:
        self.calls.append(query)
        known = self.rows if query.source is CandleList.HISTORY else self.rows[-RECENT:]
        since = query.since or START - 9999 * HOUR
        page = [row for row in reversed(known) if since <= row.open_time < query.older_than][:CANDLES_A_PAGE]
        fresh = [row for row in page if row.open_time not in self.forgotten]
        self.forgotten -= {row.open_time for row in page}
        return fresh

    async def time(self) -> datetime:
        return self.now

    async def read(
        self, low: int, high: int, *, recent: bool = True, interval: str = "1H"
    ) -> list[CandlePage]:
        lists = CandleLists(self.fetch, self.time)
        found = candle_pages(lists, Interval(interval), span(low, high), recent=recent)
        return [page async for page in found]


def hours(pages: list[CandlePage]) -> list[int]:
    """Every candle of the pages, by hour, in the order of time."""
    return [round((row.open_time - START) / HOUR) for page in reversed(pages) for row in page.candles]


def answered(pages: list[CandlePage]) -> RangeSet:
    return RangeSet.of(one for page in pages for one in page.answered)


async def test_recent_candles_take_one_request() -> None:
    """What a live plan asks for at each close."""
    lists = FakeLists(2000)
    pages = await lists.read(1990, 1999)
    assert hours(pages) == list(range(1990, 1999)) and answered(pages) == RangeSet((span(1990, 1999),))
    assert [query.source for query in lists.calls] == [CandleList.RECENT]


async def test_any_depth_is_reached_without_a_gap_or_a_double() -> None:
    """Over the end of the short list and many pages of the long one; newest page first."""
    lists = FakeLists(5000)
    pages = await lists.read(0, 4999)
    assert hours(pages) == list(range(4999)) and answered(pages) == RangeSet((span(0, 4999),))
    assert len(lists.calls) <= 5000 / CANDLES_A_PAGE + 3
    assert all(page.begins_at is None and not len(page.absent) for page in pages)


async def test_old_candles_need_not_ask_the_short_list() -> None:
    """Where it is known to reach less far, and where it has no such candles at all."""
    lists = FakeLists(5000)
    assert hours(await lists.read(10, 20, recent=False)) == list(range(10, 20))
    assert {query.source for query in lists.calls} == {CandleList.HISTORY}
    lists = FakeLists(0)
    await lists.read(0, 1, interval="1s")
    assert {query.source for query in lists.calls} == {CandleList.HISTORY}


async def test_the_forming_candle_is_not_answered_for() -> None:
    """It will be asked for again when it has closed."""
    pages = await FakeLists(100).read(90, 105)
    assert hours(pages) == list(range(90, 99))
    assert answered(pages) == RangeSet((span(90, 99),))
    assert not any(len(page.absent) for page in pages)


async def test_a_forgetful_cache_is_asked_twice() -> None:
    """In the middle of a page, at its top and at its bottom."""
    lists = FakeLists(5000, forgotten={1500, 1501, 1999, 1702, 1703})
    pages = await lists.read(1000, 2000, recent=False)
    assert hours(pages) == list(range(1000, 2000))
    assert answered(pages) == RangeSet((span(1000, 2000),))


async def test_candles_that_never_were_are_told() -> None:
    """Asked for twice, long after they should have closed: answered, and absent."""
    lists = FakeLists(5000, never={1500, 1501})
    pages = await lists.read(1400, 1502, recent=False)
    assert hours(pages) == list(range(1400, 1500))
    assert answered(pages) == RangeSet((span(1400, 1502),))
    assert [page.absent for page in pages] == [RangeSet((span(1500, 1502),))]


async def test_a_candle_that_closed_just_now_may_be_late() -> None:
    """Its absence proves nothing yet."""
    lists = FakeLists(101, never={99})
    lists.now = START + 100 * HOUR + timedelta(minutes=2)
    pages = await lists.read(90, 100)
    assert answered(pages) == RangeSet((span(90, 99),))
    assert not any(len(page.absent) for page in pages)


async def test_the_beginning_is_told() -> None:
    """An instrument that was listed later: an empty page of the long list, asked for twice."""
    lists = FakeLists(50)
    pages = await lists.read(-1000, 49)
    assert hours(pages) == list(range(49))
    assert pages[-1].begins_at == START and not pages[-1].candles
    assert answered(pages) == RangeSet((span(0, 49),))
    assert len(lists.calls) == 3


async def test_a_list_that_ignores_the_cursor_is_not_believed() -> None:
    """Its rows say nothing of what is older."""
    lists = FakeLists(900)

    async def stubborn(query: CandleQuery) -> list[Candle]:
        return await lists.fetch(CandleQuery(query.source, START + 900 * HOUR, query.since))

    pages = candle_pages(CandleLists(stubborn, lists.time), Interval("1H"), span(0, 400), recent=False)
    with pytest.raises(ExchangeUnavailableError, match="not older than"):
        await anext(pages)
    assert len(lists.calls) == 3


async def test_pages_before_an_error_stand() -> None:
    """What was read can be kept; the rest is asked for another time."""
    lists = FakeLists(1000)
    fine = lists.fetch

    async def breaking(query: CandleQuery) -> list[Candle]:
        if len(lists.calls) == 2:
            raise ExchangeUnavailableError("no answer")
        return await fine(query)

    pages: list[CandlePage] = []

    async def read() -> None:
        async for page in candle_pages(CandleLists(breaking, lists.time), Interval("1H"), span(0, 900)):
            pages.append(page)

    with pytest.raises(ExchangeUnavailableError):
        await read()
    assert answered(pages) == RangeSet((span(300, 900),))
