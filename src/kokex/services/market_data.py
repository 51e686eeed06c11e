"""Market data: candles kept whole, last prices kept fresh.

Closed candles come from the stream; whatever lies between the last one kept and the first one heard is read over REST.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from kokex.domain.account import ExchangeAccount, Ticker
from kokex.domain.candle import Candle, CandleSeries, Interval
from kokex.domain.errors import ExchangeError, StoreUnavailableError
from kokex.ports.clock import Clock
from kokex.ports.exchange import ExchangeAdapter, MarketStream
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession, market_of

log = structlog.get_logger(__name__)

FRESH_SECONDS = 30.0
"""A last price older than this, by our clock, is no price."""

FeedKey = tuple[str, str, Interval]


class CandleSink(Protocol):
    """Who is told of closed candles."""

    def on_candles(self, market: str, inst_id: str, interval: Interval) -> None:
        """The newest closed candle of this feed is kept, and joins what came before it."""
        ...


@dataclass(slots=True)
class Feed:
    """One instrument and interval of one market, for as long as a plan wants it.

    Attributes:
        depth: how many candles back the plans need.
    """

    session: AccountSession
    inst_id: str
    interval: Interval
    depth: int
    plans: set[int] = field(default_factory=set)
    arrived: list[Candle] = field(default_factory=list)
    broken: bool = True
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    forming: Candle | None = None


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
        self._feeds: dict[FeedKey, Feed] = {}
        self._markets: dict[str, _Market] = {}
        self._tickers: dict[tuple[str, str], tuple[Ticker, float]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._sink: CandleSink | None = None

    async def run(self, sink: CandleSink) -> None:
        """Serve until cancelled."""
        self._sink = sink
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for market in self._markets.values():
                market.task = market.task or tasks.create_task(market.stream.run())
            for feed in self._feeds.values():
                feed.task = feed.task or tasks.create_task(self._keep(feed))
            await asyncio.Event().wait()

    def subscribe(
        self, plan_id: int, session: AccountSession, inst_id: str, interval: Interval, depth: int
    ) -> None:
        """Keep `depth` candles back and all that follow, for a plan."""
        name = market_of(session.account)
        market = self._markets.get(name)
        if market is None:
            market = _Market(self._adapter.market_stream(session.account, _MarketListener(self, name)))
            self._markets[name] = market
        key = (name, inst_id, interval)
        feed = self._feeds.get(key)
        if feed is None:
            feed = Feed(session, inst_id, interval, depth)
            self._feeds[key] = feed
            market.stream.subscribe_candles(inst_id, interval)
            market.stream.subscribe_ticker(inst_id)
        feed.depth = max(feed.depth, depth)
        feed.plans.add(plan_id)
        feed.broken = True
        feed.wake.set()
        if self._tasks is not None:
            market.task = market.task or self._tasks.create_task(market.stream.run())
            feed.task = feed.task or self._tasks.create_task(self._keep(feed))

    def unsubscribe(self, plan_id: int) -> None:
        """A plan wants its feed no longer; a feed ends with its last plan."""
        for key, feed in list(self._feeds.items()):
            feed.plans.discard(plan_id)
            if feed.plans:
                continue
            market = self._markets[key[0]]
            market.stream.unsubscribe_candles(feed.inst_id, feed.interval)
            if not any(other.inst_id == feed.inst_id for other in self._of(key[0]) if other is not feed):
                market.stream.unsubscribe_ticker(feed.inst_id)
            if feed.task is not None:
                feed.task.cancel()
            del self._feeds[key]

    def fresh_ticker(self, account: ExchangeAccount, inst_id: str) -> Ticker | None:
        """The last price, unless it is older than `FRESH_SECONDS`."""
        known = self._tickers.get((market_of(account), inst_id))
        if known is None or self._clock.monotonic() - known[1] > FRESH_SECONDS:
            return None
        return known[0]

    async def series(
        self, account: ExchangeAccount, inst_id: str, interval: Interval, limit: int
    ) -> CandleSeries:
        """The newest closed candles that are kept, contiguous."""
        return await self._store.candles.latest(market_of(account), inst_id, interval, limit)

    async def backfill(
        self, session: AccountSession, inst_id: str, interval: Interval, start: datetime, end: datetime
    ) -> int:
        """Read and keep closed candles whose open time is in [start, end); how many rows were new or changed."""
        candles = await session.exchange.candles(inst_id, interval, start=start, end=end)
        return await self._store.candles.upsert(market_of(session.account), inst_id, interval, candles)

    def candle(self, market: str, inst_id: str, interval: Interval, candle: Candle) -> None:
        """Heard on the stream."""
        feed = self._feeds.get((market, inst_id, interval))
        if feed is None:
            return
        if candle.closed:
            feed.arrived.append(candle)
            feed.wake.set()
        feed.forming = None if candle.closed else candle

    def ticker(self, market: str, ticker: Ticker) -> None:
        """Heard on the stream."""
        self._tickers[(market, ticker.inst_id)] = (ticker, self._clock.monotonic())

    def subscribed(self, market: str) -> None:
        """The stream stands (again): candles may have been missed."""
        for feed in self._of(market):
            feed.broken = True
            feed.wake.set()

    def _of(self, market: str) -> list[Feed]:
        return [feed for key, feed in self._feeds.items() if key[0] == market]

    async def _keep(self, feed: Feed) -> None:
        delay = 0.2
        while True:
            await feed.wake.wait()
            feed.wake.clear()
            try:
                await self._catch_up(feed)
                delay = 0.2
            except (ExchangeError, StoreUnavailableError) as error:
                log.warning(
                    "candles wait", inst_id=feed.inst_id, interval=str(feed.interval), reason=str(error)
                )
                feed.broken = True
                feed.wake.set()
                await self._clock.sleep(delay)
                delay = min(delay * 2, 10.0)

    async def _catch_up(self, feed: Feed) -> None:
        market = market_of(feed.session.account)
        arrived, feed.arrived = feed.arrived, []
        last = await self._store.candles.last_open_time(market, feed.inst_id, feed.interval)
        if feed.broken or not _joins(last, arrived, feed.interval):
            feed.broken = False
            await self._fill(feed, last)
        if arrived:
            await self._store.candles.upsert(market, feed.inst_id, feed.interval, arrived)
        newest = await self._store.candles.last_open_time(market, feed.inst_id, feed.interval)
        if newest is not None and newest != last and self._sink is not None:
            self._sink.on_candles(market, feed.inst_id, feed.interval)

    async def _fill(self, feed: Feed, last: datetime | None) -> None:
        ticker = await feed.session.exchange.ticker(feed.inst_id)
        self.ticker(market_of(feed.session.account), ticker)
        end = feed.interval.floor(ticker.occurred_at)
        wanted = end - feed.interval.duration * feed.depth
        kept = await self.series(feed.session.account, feed.inst_id, feed.interval, feed.depth)
        whole = len(kept) > 0 and kept.open_times[0] <= wanted.timestamp()
        start = last + feed.interval.duration if last is not None and whole else wanted
        if last is not None and last < wanted:
            start = wanted
        if start < end:
            await self.backfill(feed.session, feed.inst_id, feed.interval, start, end)


class _MarketListener:
    """Joins one market's stream to the service."""

    def __init__(self, service: MarketDataService, market: str) -> None:
        self._service = service
        self._market = market

    def on_candle(self, inst_id: str, interval: Interval, candle: Candle) -> None:
        self._service.candle(self._market, inst_id, interval, candle)

    def on_ticker(self, ticker: Ticker) -> None:
        self._service.ticker(self._market, ticker)

    def on_market_subscribed(self) -> None:
        self._service.subscribed(self._market)


def _joins(last: datetime | None, arrived: Sequence[Candle], interval: Interval) -> bool:
    """Whether the candles heard follow the last one kept without a hole."""
    for candle in arrived:
        if last is not None and candle.open_time > last + interval.duration:
            return False
        last = candle.open_time if last is None else max(last, candle.open_time)
    return True
