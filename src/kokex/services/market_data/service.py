"""`MarketDataService`: the feeds and prices that plans at work want, over one public stream for each market."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from kokex.domain.account import ExchangeAccount, Ticker
from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.candle_rows import CandleKey
from kokex.domain.market import BookTop, MarkPrice, StreamKind, Trade
from kokex.domain.time_range import TimeRange
from kokex.ports.clock import Clock
from kokex.ports.exchange import ExchangeAdapter, MarketStream
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, market_of
from kokex.services.market_data.backfill import CandleBackfill
from kokex.services.market_data.feed import LATE_SECONDS, CandleSink, Feed, FeedKeeper
from kokex.services.market_data.watching import Watching

Wanted: TypeAlias = Collection[StreamKind]
_NOTHING_MORE: Final[Wanted] = ()


class PriceSink(Protocol):
    """Who is told of every price."""

    def on_price(self, market: str, inst_id: str, price: Decimal) -> None:
        """Take note, without waiting."""
        ...


@dataclass(slots=True)
class _Market:
    """The public streams of one market, shared by its feeds."""

    stream: MarketStream
    task: asyncio.Task[None] | None = None


class MarketDataService:
    """Keeps what plans want to know of their markets."""

    def __init__(self, store: Store, clock: Clock, adapter: ExchangeAdapter) -> None:
        self._store = store
        self._clock = clock
        self._adapter = adapter
        self._watching = Watching(clock)
        self._keeper = FeedKeeper(store, clock, self._watching)
        self._feeds: dict[CandleKey, Feed] = {}
        self._markets: dict[str, _Market] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.price_sink: PriceSink | None = None

    async def run(self, sink: CandleSink) -> None:
        """Serve until cancelled."""
        self._keeper.sink = sink
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for market in self._markets.values():
                market.task = market.task or tasks.create_task(market.stream.run())
            for feed in self._feeds.values():
                feed.task = feed.task or tasks.create_task(self._keeper.keep(feed))
            await asyncio.Event().wait()

    def subscribe(
        self,
        plan_id: int,
        session: AccountSession,
        inst_id: str,
        interval: Interval,
        depth: int,
        streams: Wanted = _NOTHING_MORE,
    ) -> None:
        """Keep `depth` candles back and all that follow, for a plan, and the last price; `streams`: what else it wants."""
        name = market_of(session.account)
        market = self._markets.get(name)
        if market is None:
            market = _Market(self._adapter.market_stream(session.account, _MarketListener(self, name)))
            self._markets[name] = market
        key = CandleKey(name, inst_id, interval)
        feed = self._feeds.get(key)
        if feed is None:
            feed = Feed(session, key, depth)
            self._feeds[key] = feed
            market.stream.subscribe_candles(inst_id, interval)
        for kind in {StreamKind.TICKER, *streams}:
            self._watching.want(plan_id, (name, inst_id), kind, market.stream)
        feed.depth = max(feed.depth, depth)
        feed.plans.add(plan_id)
        feed.mend()
        if self._tasks is not None:
            market.task = market.task or self._tasks.create_task(market.stream.run())
            feed.task = feed.task or self._tasks.create_task(self._keeper.keep(feed))

    def unsubscribe(self, plan_id: int) -> None:
        """A plan wants its feed no longer; a feed ends with its last plan."""
        for key, feed in list(self._feeds.items()):
            if plan_id not in feed.plans:
                continue
            market = self._markets[key.market]
            self._watching.unwant(plan_id, (key.market, key.inst_id), market.stream)
            feed.plans.discard(plan_id)
            if feed.plans:
                continue
            market.stream.unsubscribe_candles(key.inst_id, key.interval)
            if feed.task is not None:
                feed.task.cancel()
            del self._feeds[key]

    def fresh_ticker(self, account: ExchangeAccount, inst_id: str) -> Ticker | None:
        """The last price, unless it is older than `FRESH_SECONDS`."""
        return self._watching.fresh_ticker((market_of(account), inst_id))

    def book_top(self, account: ExchangeAccount, inst_id: str) -> BookTop | None:
        """The best bid and ask, unless older than `FRESH_SECONDS`; None too where no plan wants them."""
        return self._watching.fresh_top((market_of(account), inst_id))

    def mark_price(self, account: ExchangeAccount, inst_id: str) -> Decimal | None:
        """The mark price, unless older than `FRESH_SECONDS`; None too where no plan wants it."""
        known = self._watching.fresh_mark((market_of(account), inst_id))
        return known.price if known else None

    def trades(self, account: ExchangeAccount, inst_id: str) -> tuple[Trade, ...]:
        """The newest public trades, oldest first; none where no plan wants them."""
        return self._watching.trades((market_of(account), inst_id))

    def forming(self, account: ExchangeAccount, inst_id: str, interval: Interval) -> Candle | None:
        """The candle that has not closed yet, as last heard."""
        feed = self._feeds.get(CandleKey(market_of(account), inst_id, interval))
        return feed.forming if feed else None

    def closed_until(self, market: str, inst_id: str, interval: Interval) -> datetime | None:
        """When the newest kept candle of a feed closed; None while none is kept."""
        feed = self._feeds.get(CandleKey(market, inst_id, interval))
        return feed.closed_until if feed else None

    def staleness(self, account: ExchangeAccount, inst_id: str, interval: Interval) -> str | None:
        """Why the candles are too old to decide on, as one sentence; None while they are fresh.

        Fresh: the newest closed candle is kept, or has been due, by the exchange's clock, for at most `LATE_SECONDS` of ours.
        """
        key = CandleKey(market_of(account), inst_id, interval)
        feed = self._feeds.get(key)
        known = self._watching.ticker((key.market, inst_id))
        if feed is None or feed.closed_until is None or known is None:
            return f"no closed candle of {inst_id} {interval} is known yet; wait for market data"
        now = self._clock.monotonic()
        late = feed.lateness(known[0].occurred_at, now - known[1], now)
        if late is None or late <= LATE_SECONDS:
            return None
        return (
            f"the newest closed candle of {inst_id} {interval} closed at {feed.closed_until:%Y-%m-%d %H:%M:%S} UTC and the "
            f"next is {late:.0f} s late; wait until market data has caught up"
        )

    async def series(
        self, account: ExchangeAccount, inst_id: str, interval: Interval, limit: int
    ) -> CandleSeries:
        """The newest closed candles that are kept, contiguous."""
        return await self._store.candles.latest(market_of(account), inst_id, interval, limit)

    async def backfill(
        self, session: AccountSession, inst_id: str, interval: Interval, start: datetime, end: datetime
    ) -> int:
        """Bring what is not known of the candles that open in [start, end); how many rows were new or changed."""
        key = CandleKey(market_of(session.account), inst_id, interval)
        done = await CandleBackfill(self._store.candles).fill(session.exchange, key, TimeRange(start, end))
        return done.changed

    def hear_candle(self, key: CandleKey, candle: Candle) -> None:
        """Heard on the stream."""
        feed = self._feeds.get(key)
        if feed is not None:
            feed.hear(candle)

    def hear(self, market: str, news: Ticker | BookTop | MarkPrice) -> None:
        """Heard on the stream."""
        self._watching.hear(market, news)
        if isinstance(news, Ticker):
            if self.price_sink is not None:
                self.price_sink.on_price(market, news.inst_id, news.last)
            for feed in self._of(market):
                if feed.key.inst_id == news.inst_id:
                    feed.hear_time(news.occurred_at, self._clock.monotonic())

    def hear_trades(self, market: str, trades: Sequence[Trade]) -> None:
        """Heard on the stream."""
        for trade in trades:
            if self._watching.hear_trade(market, trade) and self.price_sink is not None:
                self.price_sink.on_price(market, trade.inst_id, trade.price)

    def subscribed(self, market: str) -> None:
        """The stream stands (again): candles may have been missed."""
        for feed in self._of(market):
            feed.mend()

    def _of(self, market: str) -> list[Feed]:
        return [feed for key, feed in self._feeds.items() if key.market == market]


class _MarketListener:
    """Joins one market's stream to the service."""

    def __init__(self, service: MarketDataService, market: str) -> None:
        self._service = service
        self._market = market

    def on_candle(self, inst_id: str, interval: Interval, candle: Candle) -> None:
        self._service.hear_candle(CandleKey(self._market, inst_id, interval), candle)

    def on_ticker(self, ticker: Ticker) -> None:
        self._service.hear(self._market, ticker)

    def on_trades(self, trades: Sequence[Trade]) -> None:
        self._service.hear_trades(self._market, trades)

    def on_book_top(self, top: BookTop) -> None:
        self._service.hear(self._market, top)

    def on_mark_price(self, mark: MarkPrice) -> None:
        self._service.hear(self._market, mark)

    def on_market_subscribed(self) -> None:
        self._service.subscribed(self._market)
