"""A paper exchange, an account on it and a database: what candles need, without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kokex.adapters.okx import OKXAdapter, endpoints_for
from kokex.adapters.postgres import PostgresStore
from kokex.adapters.system_clock import SystemClock
from kokex.domain.account import Credentials, Environment
from kokex.domain.candle import Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.time_range import TimeRange
from kokex.paper.config import PaperConfig
from kokex.paper.server import PaperServer
from kokex.services.accounts import AccountSession, AccountSessions
from kokex.services.market_data import MarketDataService

MINUTE = Interval("1m")
INST_ID = "ETH-USDT"


class Ear:
    """A sink that counts."""

    def __init__(self) -> None:
        self.count = 0

    def on_candles(self, market: str, inst_id: str, interval: Interval) -> None:
        self.count += 1


@dataclass
class Venue:
    """All of it."""

    server: PaperServer
    store: PostgresStore
    session: AccountSession
    adapter: OKXAdapter

    @property
    def key(self) -> CandleKey:
        return CandleKey(f"paper:{self.session.account.id}", INST_ID, MINUTE)

    async def now(self) -> datetime:
        """The market's time."""
        return (await self.session.exchange.ticker(INST_ID)).occurred_at

    async def last(self, count: int, interval: Interval = MINUTE) -> TimeRange:
        """The newest closed candles."""
        end = interval.floor(await self.now())
        return TimeRange(interval.shift(end, -count), end)

    async def told(self, window: TimeRange, interval: Interval = MINUTE) -> CandleRows:
        """The exchange's own candles."""
        found = await self.session.exchange.candles(INST_ID, interval, start=window.start, end=window.end)
        return CandleRows.of(found)

    def step(self, candles: int = 1) -> None:
        """Let the market go on, at once."""
        exchange = self.server.exchange
        exchange.advance(exchange.now_ms + candles * exchange.feed.interval_ms)
        self.server.publisher.flush(force=True)

    @asynccontextmanager
    async def service(self) -> AsyncIterator[tuple[MarketDataService, Ear]]:
        """A market data service at work."""
        made, ear = MarketDataService(self.store, SystemClock(), self.adapter), Ear()
        task = asyncio.create_task(made.run(ear))
        try:
            yield made, ear
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def config(**changes: Any) -> PaperConfig:
    """A market of minutes that stands still until it is stepped."""
    made = PaperConfig(
        instruments=(INST_ID,),
        interval="1m",
        paused=True,
        warmup_candles=2000,
        ticks_per_candle=8,
        rate_limits=False,
    )
    return replace(made, **changes)


@asynccontextmanager
async def venue(store: PostgresStore, market: PaperConfig | None = None) -> AsyncIterator[Venue]:
    """A running paper exchange and an account on it."""
    async with PaperServer(market or config()) as server:
        paper = server.config.accounts[0]
        endpoints = endpoints_for("global", Environment.PAPER, paper_url=server.rest_url)
        keys = Credentials(paper.api_key, paper.secret_key, paper.passphrase)
        account = await store.accounts.add(f"paper {server.port}", "okx", Environment.PAPER, endpoints, keys)
        clock = SystemClock()
        adapter = OKXAdapter(clock)
        sessions = AccountSessions(store, clock, adapter)
        try:
            yield Venue(server, store, await sessions.open(account.id), adapter)
        finally:
            await sessions.close()
