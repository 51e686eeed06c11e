"""A feed by itself: what it makes of the stream, and when its candles are stale."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kokex.domain.account import Ticker
from kokex.domain.candle import Candle, Interval
from kokex.domain.candle_rows import CandleKey
from kokex.domain.errors import DataError, ExchangeUnavailableError, KokexError, StoreError
from kokex.domain.instrument import Side
from kokex.domain.market import BookTop, StreamKind, Trade
from kokex.services.market_data.feed import ASK_SECONDS, Feed, FeedKeeper
from kokex.services.market_data.watching import FRESH_SECONDS, TRADES_KEPT, Watching
from tests.builders import START
from tests.fakes.clock import ManualClock, settle

HOUR = Interval("1H")
PLACE = ("okx:live", "ETH-USDT")


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def candle(hour: int, *, closed: bool = True) -> Candle:
    return Candle(at(hour), 1.0, 1.0, 1.0, 1.0, 1.0, None, closed)


@pytest.fixture
def feed() -> Feed:
    """All is well up to and with the candle of hour 9."""
    made: Any = Feed(None, CandleKey(*PLACE, HOUR), 100)  # type: ignore[arg-type]
    made.broken = False
    made.kept(at(9))
    return made


def test_closed_candles_wait_to_be_kept_and_forming_ones_are_shown(feed: Feed) -> None:
    """Apart from each other."""
    feed.hear(candle(10, closed=False))
    assert (feed.forming, feed.arrived, feed.wake.is_set()) == (candle(10, closed=False), [], False)
    feed.hear(candle(10))
    assert (feed.forming, feed.arrived, feed.wake.is_set()) == (None, [candle(10)], True)
    feed.hear(candle(11, closed=False))
    assert feed.forming == candle(11, closed=False)
    assert not feed.broken


def test_a_word_about_the_past_changes_nothing(feed: Feed) -> None:
    """A late push of a candle that is kept already."""
    feed.hear(candle(9, closed=False))
    assert feed.forming is None and not feed.broken


@pytest.mark.parametrize("arrived", [[], [10]])
def test_a_candle_that_was_skipped_is_missed(feed: Feed, arrived: list[int]) -> None:
    """Where one forms that does not follow the last closed one."""
    for hour in arrived:
        feed.hear(candle(hour))
    feed.hear(candle(11 + len(arrived), closed=False))
    assert feed.broken and feed.wake.is_set()


def test_a_late_confirmation_mends_nothing_twice(feed: Feed) -> None:
    """The next candle forms already when the one before is confirmed: both are taken."""
    feed.hear(candle(11, closed=False))
    feed.hear(candle(10))
    assert feed.arrived == [candle(10)] and feed.forming == candle(11, closed=False)


def test_lateness_counts_our_seconds_from_the_exchange_s_close(feed: Feed) -> None:
    """A market that runs faster than our clock is not late because its candles are short."""
    feed.hear_time(at(10.9), 100.0)
    assert feed.lateness(at(10.9), 0.5, 100.5) is None
    feed.hear_time(at(11.0), 101.0)
    feed.hear_time(at(14.0), 102.0)
    assert feed.lateness(at(14.0), 3.0, 105.0) == 4.0
    feed.kept(at(11))
    assert feed.lateness(at(14.0), 4.0, 106.0) == 4.0
    feed.kept(at(13))
    assert feed.lateness(at(14.0), 5.0, 107.0) is None


def test_a_silent_market_is_late_too(feed: Feed) -> None:
    """The exchange's clock goes on where nothing tells it."""
    feed.hear_time(at(10.999), 100.0)
    assert feed.lateness(at(10.999), 20.0, 120.0) == pytest.approx(16.4)
    assert feed.lateness(at(10.999), 3.0, 103.0) is None


def test_a_candle_that_stays_out_is_asked_for(feed: Feed) -> None:
    """Although nothing but the clock says that it should be there."""
    feed.hear_time(at(11), 100.0)
    feed.hear_time(at(11.0001), 100.0 + ASK_SECONDS)
    assert not feed.broken
    feed.hear_time(at(11.001), 100.1 + ASK_SECONDS)
    assert feed.broken and feed.wake.is_set()


@pytest.mark.parametrize(
    "error", [DataError("no candle"), StoreError("refused"), ExchangeUnavailableError("busy")]
)
async def test_what_cannot_be_read_or_kept_now_is_asked_for_again(feed: Feed, error: KokexError) -> None:
    """One answer that makes no sense ends no feed, and with it the engine."""
    clock = ManualClock()
    keeper = FeedKeeper(cast(Any, SimpleNamespace(candles=None)), clock, Watching(clock))
    answers: list[KokexError | None] = [error, None]
    done = asyncio.Event()

    async def catch_up(_: Feed) -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        done.set()

    keeper.catch_up = catch_up  # type: ignore[method-assign]
    keeping = asyncio.create_task(keeper.keep(feed))
    feed.mend()
    await settle()
    await clock.advance(1)
    await asyncio.wait({keeping, asyncio.create_task(done.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert not keeping.done()
    keeping.cancel()


def test_the_moments_that_are_remembered_are_bounded(feed: Feed) -> None:
    """However far the exchange's clock jumps."""
    feed.hear_time(at(100_000), 1.0)
    feed.hear_time(at(200_000), 2.0)
    assert len(feed.due) == 1000 and feed.due[0] == (at(11), 1.0)


class Wishes:
    """A market stream that remembers."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda inst_id: self.calls.append(f"{name} {inst_id}")


def trade(number: int) -> Trade:
    return Trade("ETH-USDT", str(number), Decimal(2000), Decimal(1), Side.BUY, START)


def test_streams_are_counted_by_who_wants_them() -> None:
    """The first subscribes, the last unsubscribes, and what was heard is forgotten with it."""
    watching, stream = Watching(ManualClock()), Wishes()
    for plan in (1, 2):
        watching.want(plan, PLACE, StreamKind.TRADES, stream)  # type: ignore[arg-type]
    watching.want(1, PLACE, StreamKind.BOOK_TOP, stream)  # type: ignore[arg-type]
    assert stream.calls == ["subscribe_trades ETH-USDT", "subscribe_book_top ETH-USDT"]
    watching.hear_trade(PLACE[0], trade(1))
    watching.unwant(1, PLACE, stream)  # type: ignore[arg-type]
    assert stream.calls[2:] == ["unsubscribe_book_top ETH-USDT"]
    assert watching.trades(PLACE) == (trade(1),)
    watching.unwant(2, PLACE, stream)  # type: ignore[arg-type]
    watching.unwant(2, PLACE, stream)  # type: ignore[arg-type]
    assert stream.calls[3:] == ["unsubscribe_trades ETH-USDT"]
    assert watching.trades(PLACE) == ()


async def test_old_prices_are_no_prices() -> None:
    """By our clock."""
    clock = ManualClock()
    watching = Watching(clock)
    ticker = Ticker("ETH-USDT", Decimal(2000), None, None, START)
    top = BookTop("ETH-USDT", Decimal(1), Decimal(1), Decimal(2), Decimal(2), START)
    assert watching.fresh_ticker(PLACE) is None and watching.fresh_top(PLACE) is None
    watching.hear(PLACE[0], ticker)
    watching.hear(PLACE[0], top)
    await clock.advance(FRESH_SECONDS)
    assert (watching.fresh_ticker(PLACE), watching.fresh_top(PLACE)) == (ticker, top)
    await clock.advance(1)
    assert watching.fresh_ticker(PLACE) is None and watching.fresh_top(PLACE) is None
    assert watching.ticker(PLACE) == (ticker, 0.0)


def test_trades_are_kept_once_and_not_for_ever() -> None:
    """The exchange tells the newest ones again after a reconnect."""
    watching = Watching(ManualClock())
    for number in range(TRADES_KEPT + 5):
        watching.hear_trade(PLACE[0], trade(number))
    for number in range(TRADES_KEPT, TRADES_KEPT + 6):
        watching.hear_trade(PLACE[0], trade(number))
    kept = watching.trades(PLACE)
    assert len(kept) == TRADES_KEPT == len({one.trade_id for one in kept})
    assert kept[-1] == trade(TRADES_KEPT + 5)
