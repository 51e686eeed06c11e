"""Contract: public questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from kokex.domain.candle import CandleSeries
from kokex.domain.errors import ExchangeRejectedError
from kokex.domain.instrument import InstrumentKind
from kokex.domain.time_range import RangeSet, TimeRange
from tests.contract.exchange.venue import Venue


async def test_the_exchange_tells_the_time(venue: Venue) -> None:
    """Aware, and near to ours on one computer."""
    told = await venue.exchange.server_time()
    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)


async def test_instruments_have_sizes_that_an_order_needs(venue: Venue) -> None:
    """All of a kind, each with its steps."""
    for kind, known in ((InstrumentKind.SPOT, venue.spot), (InstrumentKind.SWAP, venue.swap)):
        found = {one.inst_id: one for one in await venue.exchange.instruments(kind)}
        assert known in found
        for one in found.values():
            assert one.kind is kind and one.tick_size > 0 and one.lot_size > 0 and one.min_quantity > 0
            assert one.base_currency and one.quote_currency and one.contract_value > 0
        assert await venue.exchange.instrument(known) == found[known]


async def test_an_unknown_instrument_is_rejected(venue: Venue) -> None:
    """By every question about it."""
    with pytest.raises(ExchangeRejectedError):
        await venue.exchange.instrument("NOSUCH-USDT")
    with pytest.raises(ExchangeRejectedError):
        await venue.exchange.ticker("NOSUCH-USDT")
    with pytest.raises(ExchangeRejectedError):
        await venue.exchange.order_book("NOSUCH-USDT", 5)


async def test_the_ticker_has_a_last_price_between_the_sides(venue: Venue) -> None:
    """Bid below ask."""
    ticker = await venue.exchange.ticker(venue.spot)
    assert ticker.inst_id == venue.spot and ticker.last > 0
    assert ticker.bid is not None and ticker.ask is not None and ticker.bid < ticker.ask
    assert ticker.occurred_at.tzinfo is UTC


@pytest.mark.parametrize("depth", [1, 5])
async def test_the_order_book_is_sorted_and_no_deeper_than_asked(venue: Venue, depth: int) -> None:
    """Best prices first, the sides apart, quantities on every level; its top is the ticker's."""
    book = await venue.exchange.order_book(venue.spot, depth)
    ticker = await venue.exchange.ticker(venue.spot)
    assert book.inst_id == venue.spot and book.occurred_at.tzinfo is UTC
    bids, asks = [level.price for level in book.bids], [level.price for level in book.asks]
    assert 1 <= len(bids) <= depth and 1 <= len(asks) <= depth
    assert bids == sorted(set(bids), reverse=True) and asks == sorted(set(asks)) and bids[0] < asks[0]
    assert all(level.quantity > 0 for level in (*book.bids, *book.asks))
    assert (bids[0], asks[0]) == (ticker.bid, ticker.ask)


async def test_a_swap_has_a_funding_rate_and_spot_has_none(venue: Venue) -> None:
    """Due in the future, a small share."""
    found = await venue.exchange.funding_rate(venue.swap)
    now = (await venue.exchange.ticker(venue.swap)).occurred_at
    assert found.inst_id == venue.swap and abs(found.rate) < Decimal("0.05")
    assert found.due_at > now and (found.next_due_at is None or found.next_due_at > found.due_at)
    with pytest.raises(ExchangeRejectedError, match="no swap"):
        await venue.exchange.funding_rate(venue.spot)


@pytest.mark.parametrize("kind", ["spot", "swap"])
async def test_candles_of_any_depth_are_contiguous_and_closed(venue: Venue, kind: str) -> None:
    """2000 of them, over several pages and both of the exchange's lists, oldest first, none twice."""
    inst_id = venue.spot if kind == "spot" else venue.swap
    now = (await venue.exchange.ticker(inst_id)).occurred_at
    end = venue.interval.floor(now)
    start = end - 2000 * venue.interval.duration
    found = await venue.exchange.candles(inst_id, venue.interval, start=start, end=end)
    assert len(CandleSeries.of(inst_id, venue.interval, found)) == 2000
    assert found[0].open_time == start and found[-1].open_time == end - venue.interval.duration
    assert all(one.closed and one.fault() is None for one in found)


async def test_the_window_of_candles_is_half_open(venue: Venue) -> None:
    """Start is in, end is out; the forming candle is never in."""
    now = (await venue.exchange.ticker(venue.spot)).occurred_at
    step = venue.interval.duration
    end = venue.interval.floor(now)
    some = await venue.exchange.candles(venue.spot, venue.interval, start=end - 5 * step, end=end - 2 * step)
    assert [one.open_time for one in some] == [end - 5 * step, end - 4 * step, end - 3 * step]
    last = await venue.exchange.candles(venue.spot, venue.interval, start=end - step, end=end + 9 * step)
    assert [one.open_time for one in last] == [end - step]


async def test_candles_from_before_the_beginning_are_those_that_exist(venue: Venue) -> None:
    """No error and no endless asking."""
    now = (await venue.exchange.ticker(venue.spot)).occurred_at
    start = now - 9000 * venue.interval.duration
    found = await venue.exchange.candles(venue.spot, venue.interval, start=start, end=now)
    assert 2000 <= len(found) < 9000


async def test_a_candle_that_closes_is_there_afterwards(venue: Venue) -> None:
    """The next question has it."""
    before = venue.interval.floor((await venue.exchange.ticker(venue.spot)).occurred_at)
    await venue.hand.close_candles(2)
    after = venue.interval.floor((await venue.exchange.ticker(venue.spot)).occurred_at)
    found = await venue.exchange.candles(venue.spot, venue.interval, start=before, end=after)
    assert [one.open_time for one in found] == [before, before + venue.interval.duration]


async def test_pages_say_what_they_answer_for(venue: Venue) -> None:
    """Newest first, each joining the one before, down to the first candle there is; all of the time is answered for."""
    end = venue.interval.floor((await venue.exchange.ticker(venue.spot)).occurred_at)
    start = end - 9000 * venue.interval.duration
    pages = [
        page async for page in venue.exchange.candle_pages(venue.spot, venue.interval, start=start, end=end)
    ]
    begins_at = pages[-1].begins_at
    assert begins_at is not None and begins_at > start
    assert all(page.begins_at is None and not len(page.absent) for page in pages[:-1])
    answered = RangeSet.of(one for page in pages for one in page.answered)
    assert answered == RangeSet((TimeRange(begins_at, end),))
    candles = [one for page in reversed(pages) for one in page.candles]
    assert len(CandleSeries.of(venue.spot, venue.interval, candles)) == venue.interval.count(begins_at, end)
