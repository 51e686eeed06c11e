"""One instrument and interval of one market, kept whole for as long as a plan wants it.

Closed candles come from the stream and are kept; the forming one is shown apart and never kept. What the ledger does not know of
the time that plans need is read over REST: after a start, a reconnect, a candle that was skipped or comes late.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from kokex.domain.candle import Candle, Interval
from kokex.domain.candle_rows import CandleKey, CandleRows
from kokex.domain.errors import ExchangeError, KokexError
from kokex.domain.time_range import RangeSet, TimeRange
from kokex.ports.clock import Clock
from kokex.ports.store import Store
from kokex.services.accounts import AccountSession
from kokex.services.market_data.backfill import CandleBackfill
from kokex.services.market_data.watching import Watching

log = structlog.get_logger(__name__)

LATE_SECONDS: Final = 15.0
"""How long, by our clock, a candle may stay out after its close by the exchange's clock before decisions are refused."""

ASK_SECONDS: Final = 2.0
"""How long a candle may stay out before it is asked for over REST."""

_DUE_KEPT: Final = 1000
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0


class CandleSink(Protocol):
    """Who is told of closed candles."""

    def on_candles(self, market: str, inst_id: str, interval: Interval) -> None:
        """The newest closed candle of this feed is kept, and joins what came before it."""
        ...


@dataclass(slots=True)
class Feed:
    """What is known of one feed.

    Attributes:
        depth: how many candles back the plans need.
        arrived: closed candles that were heard and are not kept yet.
        forming: the candle that has not closed.
        broken: something may be missing that the stream will not bring.
        closed_until: when the newest kept candle closed; None while none is kept.
        due: closes since then that the exchange's clock has passed, and when by our monotonic clock.
    """

    session: AccountSession
    key: CandleKey
    depth: int
    plans: set[int] = field(default_factory=set)
    arrived: list[Candle] = field(default_factory=list)
    forming: Candle | None = None
    broken: bool = True
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    closed_until: datetime | None = None
    due: deque[tuple[datetime, float]] = field(default_factory=lambda: deque(maxlen=_DUE_KEPT))

    def hear(self, candle: Candle) -> None:
        """A candle came over the stream."""
        if candle.closed:
            self.arrived.append(candle)
            self.wake.set()
            if self.forming is not None and self.forming.open_time <= candle.open_time:
                self.forming = None
            return
        closed = max((one.open_time for one in self.arrived), default=None)
        expected = self.closed_until if closed is None else self.key.interval.close_time(closed)
        if expected is not None and candle.open_time < expected:
            return
        self.forming = candle
        if expected is not None and candle.open_time > expected:
            # One before it has closed without a word: the stream may tell it late, or never.
            self.mend()

    def mend(self) -> None:
        """Candles may be missing."""
        self.broken = True
        self.wake.set()

    def hear_time(self, exchange_time: datetime, monotonic: float) -> None:
        """The exchange's clock has come this far. A candle that is out for long is asked for."""
        if self.closed_until is None:
            return
        if self.due and monotonic - self.due[0][1] > ASK_SECONDS:
            self.mend()
        close = self.key.interval.close_time(self.due[-1][0] if self.due else self.closed_until)
        while close <= exchange_time and len(self.due) < _DUE_KEPT:
            self.due.append((close, monotonic))
            close = self.key.interval.close_time(close)

    def kept(self, newest: datetime) -> None:
        """The candle that opened at `newest` is the newest that is kept."""
        self.closed_until = self.key.interval.close_time(newest)
        while self.due and self.due[0][0] <= self.closed_until:
            self.due.popleft()

    def lateness(self, told: datetime, seconds_ago: float, monotonic: float) -> float | None:
        """Seconds that the next candle is late, by our clock; None where it is not due.

        Args:
            told: the exchange's time as last told.
            seconds_ago: when that was.
            monotonic: our clock now.
        """
        if self.due:
            return monotonic - self.due[0][1]
        if self.closed_until is None:
            return None
        expected = self.key.interval.close_time(self.closed_until)
        late = (told + timedelta(seconds=seconds_ago) - expected).total_seconds()
        return late if late > 0 else None


class LateCandlesError(ExchangeError):
    """Candles that should have closed are not to be had yet: they are asked for again."""


class FeedKeeper:
    """Keeps feeds whole."""

    def __init__(self, store: Store, clock: Clock, watching: Watching) -> None:
        self._store = store
        self._clock = clock
        self._watching = watching
        self._backfill = CandleBackfill(store.candles)
        self.sink: CandleSink | None = None

    async def keep(self, feed: Feed) -> None:
        """Serve one feed until cancelled."""
        wait = _FIRST_WAIT
        while True:
            await feed.wake.wait()
            feed.wake.clear()
            try:
                await self.catch_up(feed)
                wait = _FIRST_WAIT
            except KokexError as error:
                log.warning("candles wait", candles=str(feed.key), reason=str(error))
                feed.mend()
                await self._clock.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)

    async def catch_up(self, feed: Feed) -> None:
        """Keep what arrived, and bring what is missing.

        Raises:
            ExchangeError: the exchange cannot be asked, or does not have a candle yet that it should have.
            StoreUnavailableError: nothing can be kept; what arrived is asked for again.
        """
        before = feed.closed_until
        arrived, feed.arrived = feed.arrived, []
        await self._keep_arrived(feed, arrived)
        if feed.broken or await self._has_gap(feed):
            feed.broken = False
            await self._fill(feed)
        newest = await self._newest(feed)
        if newest is not None:
            feed.kept(newest)
        if feed.closed_until is not None and feed.closed_until != before and self.sink is not None:
            self.sink.on_candles(feed.key.market, feed.key.inst_id, feed.key.interval)

    async def _keep_arrived(self, feed: Feed, arrived: list[Candle]) -> None:
        if not arrived:
            return
        rows = CandleRows.of(arrived)
        good = feed.key.interval.on_grid(rows.open_times)
        if not good.all():
            log.warning("candles off their grid", candles=str(feed.key), count=int((~good).sum()))
        await self._store.candles.keep(feed.key, rows[good])

    async def _newest(self, feed: Feed) -> datetime | None:
        key = feed.key
        return await self._store.candles.last_open_time(key.market, key.inst_id, key.interval)

    async def _has_gap(self, feed: Feed) -> bool:
        newest = await self._newest(feed)
        if newest is None:
            return True
        return bool(
            len(await self._store.candles.gaps(feed.key, _window(feed, feed.key.interval.close_time(newest))))
        )

    async def _fill(self, feed: Feed) -> None:
        ticker = await feed.session.exchange.ticker(feed.key.inst_id)
        self._watching.hear(feed.key.market, ticker)
        known = self._watching.fresh_ticker((feed.key.market, feed.key.inst_id)) or ticker
        window = _window(feed, feed.key.interval.floor(known.occurred_at))
        done = await self._backfill.fill(feed.session.exchange, feed.key, window)
        if len(done.left):
            raise LateCandlesError(
                f"{_count(done.left, feed.key.interval)} candles of {feed.key} are not there yet"
            )


def _window(feed: Feed, end: datetime) -> TimeRange:
    """The time that the plans need, up to `end`."""
    return TimeRange(feed.key.interval.shift(end, -feed.depth), end)


def _count(ranges: RangeSet, interval: Interval) -> int:
    return sum(interval.count(one.start, one.end) for one in ranges)
