"""What the contract needs of an exchange to play on: an adapter, an account, and a hand on the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, Protocol

from kokex.domain.account import Credentials, ExchangeAccount, Ticker
from kokex.domain.account_reports import AccountReport
from kokex.domain.candle import Candle, Interval
from kokex.domain.events import ClassifiedUpdate
from kokex.domain.instrument import Instrument
from kokex.domain.limits import RiskLimits
from kokex.domain.market import BookTop, MarkPrice, Trade
from kokex.domain.order import Order, OrderStatus
from kokex.domain.risk import Approved, ApprovedAmendment, check, check_amendment
from kokex.ports.exchange import AccountStream, Exchange, ExchangeAdapter
from tests.builders import START, request, risk_state

UNLIMITED = RiskLimits(
    max_order_notional=Decimal(10**12),
    max_position_notional=Decimal(10**12),
    price_collar=Decimal(1),
    allow_short=True,
)


class WallClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class RecordedEvent:
    """One order event in the exchange's own record."""

    order_id: str
    state: str
    trade_id: str
    filled: Decimal


class Hand(Protocol):
    """The other side: what a test may do to the exchange."""

    async def step(self, ticks: int) -> None:
        """Let the market make some ticks."""

    async def close_candles(self, number: int) -> None:
        """Let the market run until `number` more candles have closed."""

    async def cut_next_answer(self) -> None:
        """Execute the next command and drop its connection without a word."""

    async def lose_next_answer(self) -> None:
        """Execute the next command and answer that it timed out."""

    async def spoil_next_push(self) -> None:
        """Send rubbish before the next order push."""

    async def repeat_next_push(self) -> None:
        """Send the next order push twice."""

    async def drop_sockets(self) -> None:
        """Break every stream."""

    async def announce_restart(self) -> None:
        """Say that the stream's server will go away."""

    async def record(self) -> list[RecordedEvent]:
        """Every order event of the account, in order."""


@dataclass
class Venue:
    """One exchange under one adapter."""

    adapter: ExchangeAdapter
    account: ExchangeAccount
    credentials: Credentials
    exchange: Exchange
    hand: Hand
    spot: str
    swap: str
    interval: Interval
    numbers: Any = field(default_factory=lambda: count(1))

    def with_keys(self, **changes: str) -> Credentials:
        """The account's keys, some of them wrong."""
        return replace(self.credentials, **changes)

    async def approved(self, inst_id: str | None = None, **changes: Any) -> Approved:
        """An order that a gate without limits let through, with an id of its own."""
        instrument = await self.exchange.instrument(inst_id or self.spot)
        ticker = await self.exchange.ticker(instrument.inst_id)
        changes.setdefault("client_order_id", f"KXtestP1D1S{next(self.numbers)}")
        return gate(instrument, ticker, **changes)

    async def change(self, order: Approved, **changes: Any) -> ApprovedAmendment:
        """A change of an order that rests, let through by a gate without limits."""
        request = order.request
        instrument = await self.exchange.instrument(request.inst_id)
        ticker = await self.exchange.ticker(instrument.inst_id)
        before = Order(
            request.client_order_id, None, request.plan_id, 1, request.inst_id, request.side,
            request.order_type.value, request.quantity, request.price, OrderStatus.ACCEPTED, START, START,
        )  # fmt: skip
        state = risk_state(
            instrument=instrument, last_price=ticker.last, free_cash=Decimal(10**15), pending=(before,)
        )
        found = check_amendment(replace(request, **changes), before, UNLIMITED, state)
        assert isinstance(found, ApprovedAmendment), found
        return found


def gate(instrument: Instrument, ticker: Ticker, **changes: Any) -> Approved:
    """Pass the risk gate with an order of `instrument`, whatever its size."""
    state = risk_state(
        instrument=instrument,
        last_price=ticker.last,
        quantity=Decimal(10**6),
        free_cash=Decimal(10**15),
    )
    found = check(request(inst_id=instrument.inst_id, **changes), UNLIMITED, state)
    assert isinstance(found, Approved), found
    return found


class Ear:
    """Listens to account and market streams and remembers."""

    def __init__(self) -> None:
        self.updates: list[ClassifiedUpdate] = []
        self.candles: list[tuple[str, Interval, Candle]] = []
        self.tickers: list[Ticker] = []
        self.marks: list[MarkPrice] = []
        self.subscribed = 0
        self.market_subscribed = 0
        self.losses: list[str] = []
        self.reports: list[AccountReport] = []
        self.flaws: list[str] = []
        self.refused: list[tuple[str, str, str]] = []
        self._heard = asyncio.Event()

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        self.updates.extend(updates)
        self._heard.set()
        return True

    async def room(self) -> None:
        return

    def on_account_reports(self, reports: Sequence[AccountReport], received_at: datetime) -> None:
        self.reports.extend(reports)
        self._heard.set()

    def on_flaw(self, reason: str) -> None:
        self.flaws.append(reason)
        self._heard.set()

    def on_refused(self, channel: str, inst_id: str, reason: str) -> None:
        self.refused.append((channel, inst_id, reason))
        self._heard.set()

    def on_subscribed(self) -> None:
        self.subscribed += 1
        self._heard.set()

    def on_stops_subscribed(self) -> None:
        self._heard.set()

    def on_disconnected(self, reason: str) -> None:
        self.losses.append(reason)
        self._heard.set()

    def on_candle(self, inst_id: str, interval: Interval, candle: Candle) -> None:
        self.candles.append((inst_id, interval, candle))
        self._heard.set()

    def on_ticker(self, ticker: Ticker) -> None:
        self.tickers.append(ticker)
        self._heard.set()

    def on_trades(self, trades: Sequence[Trade]) -> None:
        self._heard.set()

    def on_book_top(self, top: BookTop) -> None:
        self._heard.set()

    def on_mark_price(self, mark: MarkPrice) -> None:
        self.marks.append(mark)
        self._heard.set()

    def on_market_subscribed(self) -> None:
        self.market_subscribed += 1
        self._heard.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Return when what was heard makes `condition` true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._heard.clear()
                await self._heard.wait()

    def of(self, client_order_id: str) -> list[ClassifiedUpdate]:
        """What was heard of one order."""
        return [one for one in self.updates if one.update.client_order_id == client_order_id]


@asynccontextmanager
async def listening(venue: Venue, *inst_ids: str) -> AsyncIterator[tuple[Ear, AccountStream]]:
    """An account stream that is subscribed to `inst_ids` (the spot instrument by default)."""
    ear = Ear()
    stream = venue.adapter.account_stream(venue.account, venue.credentials, ear)
    for inst_id in inst_ids or (venue.spot,):
        stream.subscribe_orders_channel(inst_id)
    async with AsyncExitStack() as stack:
        running = asyncio.create_task(stream.run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)
        await ear.until(lambda: ear.subscribed == 1)
        yield ear, stream
