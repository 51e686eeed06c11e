"""An exchange as the services see it: commands and queries, and streams of what happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kokex.domain.account import AccountSettings, AccountSnapshot, Credentials, ExchangeAccount, Ticker
from kokex.domain.account_reports import AccountReport, BalanceReport, PositionReport, StopReport
from kokex.domain.candle import Candle, Interval
from kokex.domain.events import ClassifiedUpdate
from kokex.domain.funding import FundingPayment
from kokex.domain.instrument import Instrument, InstrumentKind
from kokex.domain.market import BookTop, FundingRate, MarkPrice, OrderBook, Trade
from kokex.domain.order import Fill, OrderUpdate
from kokex.domain.risk import Approved, ApprovedAmendment
from kokex.domain.time_range import RangeSet


@dataclass(frozen=True, slots=True)
class Accepted:
    """The exchange took the command. Accepted is not done: only an order event proves the outcome."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange refused the command; it had no effect."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No evidence of what became of the command. It may live: find it by client order id, never send it again.

    Attributes:
        settled_after: from this moment (UTC) on, an order that the exchange does not know was never taken.
    """

    reason: str
    settled_after: datetime


Outcome = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True)
class CandlePage:
    """What an exchange has of some time.

    Attributes:
        candles: closed, oldest first.
        answered: what was answered for: all candles that the exchange has of it are in `candles`.
        absent: the part of `answered` of which the exchange, asked twice, has no candles.
        begins_at: the exchange has nothing that opened before this moment; None where that was not seen.
    """

    candles: tuple[Candle, ...]
    answered: RangeSet
    absent: RangeSet
    begins_at: datetime | None = None


class Exchange(Protocol):
    """Commands and queries on one account.

    Queries raise `ExchangeUnavailableError` (retry), `ExchangeRejectedError` or `ExchangeStoppedError`. Commands never
    raise for what the exchange did: they return an `Outcome`; they raise `ExchangeStoppedError` for keys and permissions.
    """

    async def server_time(self) -> datetime:
        """The exchange's clock (UTC)."""
        ...

    async def instruments(self, kind: InstrumentKind) -> list[Instrument]:
        """All instruments of `kind`."""
        ...

    async def instrument(self, inst_id: str) -> Instrument:
        """One instrument. Raises `ExchangeRejectedError` where the exchange does not know it."""
        ...

    async def ticker(self, inst_id: str) -> Ticker:
        """Last price and top of the book."""
        ...

    async def order_book(self, inst_id: str, depth: int) -> OrderBook:
        """The best prices of both sides, at most `depth` (1 to 400) each."""
        ...

    async def funding_payments(self, inst_id: str, since: datetime) -> list[FundingPayment]:
        """What the account paid or got for holding a swap at or after `since`, oldest first; of three months."""
        ...

    async def funding_rate(self, inst_id: str) -> FundingRate:
        """What a swap's next funding will be. Raises `ExchangeRejectedError` for what is no swap."""
        ...

    async def candles(
        self, inst_id: str, interval: Interval, *, start: datetime, end: datetime
    ) -> list[Candle]:
        """Closed candles whose open time is in [start, end), oldest first, paged to the end within rate limits."""
        ...

    def candle_pages(
        self, inst_id: str, interval: Interval, *, start: datetime, end: datetime
    ) -> AsyncIterator[CandlePage]:
        """The same page by page, newest first, with what each page proves; ends at `start` or at the first candle there is."""
        ...

    async def account(self) -> AccountSnapshot:
        """Balances and positions."""
        ...

    async def submit(self, order: Approved) -> Outcome:
        """Send an order that the risk gate let through."""
        ...

    async def amend(self, change: ApprovedAmendment, request_id: str) -> Outcome:
        """Ask for a change of an open order. Accepted is not done: an update that repeats `request_id` tells whether it was made.

        Where it cannot be made the order stays as it was.
        """
        ...

    async def cancel(self, inst_id: str, client_order_id: str) -> Outcome:
        """Ask for an order's cancellation. `Rejected` includes: already filled, canceled or absent."""
        ...

    async def order(
        self, inst_id: str, *, client_order_id: str | None = None, order_id: str | None = None
    ) -> OrderUpdate | None:
        """The order as the exchange knows it; None where it does not (no proof that it never lived)."""
        ...

    async def open_orders(self, inst_id: str | None = None) -> list[OrderUpdate]:
        """All open orders of the instrument (None: of all spot and swaps)."""
        ...

    async def order_history(self, inst_id: str | None, since: datetime) -> list[OrderUpdate]:
        """Orders that closed and were created at or after `since` (exchange's time), oldest first."""
        ...

    async def fills(
        self, inst_id: str | None, since: datetime, *, after_bill_id: str | None = None
    ) -> list[Fill]:
        """Our executions at or after `since` (exchange's time), oldest first; None: of all spot and swaps.

        With `after_bill_id`, also every one whose ledger entry is newer than that, however old the exchange's clock says it
        is: the list is read until both are reached, so a `since` a little earlier is the overlap.
        """
        ...

    async def positions(self) -> list[PositionReport]:
        """Every open position, one by one: sides and margin modes are not added up. What is absent is closed."""
        ...

    async def balances(self) -> list[BalanceReport]:
        """Every currency that is not zero. What is absent is zero."""
        ...

    async def open_stops(self, inst_id: str | None = None) -> list[StopReport]:
        """Stops that wait at the exchange, of the instrument or of all, oldest first."""
        ...

    async def stop(self, stop_id: str) -> StopReport | None:
        """What became of a stop; None where the exchange does not know it."""
        ...

    async def cancel_stop(self, inst_id: str, stop_id: str) -> Outcome:
        """Ask for the cancellation of a stop that waits. `Rejected` includes: triggered, canceled or absent."""
        ...

    async def amend_stop(self, inst_id: str, stop_id: str, quantity: Decimal) -> Outcome:
        """Ask for another quantity of a stop that waits; it stays as it is meanwhile, and where it cannot be changed.

        What became of it is shown by `open_stops`.
        """
        ...

    async def settings(self) -> AccountSettings:
        """How the account is set up."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class AccountStreamListener(Protocol):
    """Who hears an account stream. Methods are called on the event loop, in the order of the frames.

    What was told may be told again, an older report after a newer one too: after a connection was handed over to the next,
    and wherever the exchange repeats itself.
    """

    def on_order_updates(self, updates: Sequence[ClassifiedUpdate], received_at: datetime) -> bool:
        """Take a frame's updates at once, without waiting. False: full, pause reading until `room` returns."""
        ...

    async def room(self) -> None:
        """Return when `on_order_updates` can take more."""
        ...

    def on_account_reports(self, reports: Sequence[AccountReport], received_at: datetime) -> None:
        """A frame told of positions, balances, stops, fills or margin."""
        ...

    def on_flaw(self, reason: str) -> None:
        """Something was pushed that could not be read, or proves that a push was missed: ask over REST what it may have said.

        Told with each; whoever listens decides how often to ask.
        """
        ...

    def on_refused(self, channel: str, inst_id: str, reason: str) -> None:
        """A wanted channel is not given until a person acts (tier, permission, instrument); `inst_id` "" for a channel of all.

        Told once for each reason, however often the stream connects.
        """
        ...

    def on_subscribed(self) -> None:
        """Logged in and every wanted channel answered: what happened before may have been missed. Again when channels are added."""
        ...

    def on_stops_subscribed(self) -> None:
        """The channels of stops opened later than the others, or again: what stops did before may have been missed."""
        ...

    def on_disconnected(self, reason: str) -> None:
        """The connection is gone; a new one is being made."""
        ...


class AccountStream(Protocol):
    """The private stream of one account, kept up for ever.

    What is wanted is remembered over every reconnect; to want something twice is to want it once.
    """

    def subscribe_orders_channel(self, inst_id: str | None = None) -> None:
        """Want the order events of `inst_id`, or of all spot and swaps (None)."""
        ...

    def unsubscribe_orders_channel(self, inst_id: str | None = None) -> None:
        """Want them no longer."""
        ...

    def subscribe_account_channels(self) -> None:
        """Want reports of positions and balances, and margin warnings."""
        ...

    def unsubscribe_account_channels(self) -> None:
        """Want them no longer."""
        ...

    def subscribe_stop_channels(self) -> None:
        """Want reports of stops: conditional, one-cancels-other, trigger, trailing, iceberg and TWAP orders."""
        ...

    def unsubscribe_stop_channels(self) -> None:
        """Want them no longer."""
        ...

    def subscribe_fills_channel(self, inst_id: str | None = None) -> None:
        """Want reports of fills ahead of their orders' pushes. Most accounts are refused: see `on_refused`."""
        ...

    def unsubscribe_fills_channel(self, inst_id: str | None = None) -> None:
        """Want them no longer."""
        ...

    async def run(self) -> None:
        """Connect, log in, subscribe, receive, reconnect; until cancelled.

        Raises:
            ExchangeStoppedError: the keys, environment or permissions are wrong; trying again cannot help.
        """
        ...


class MarketStreamListener(Protocol):
    """Who hears a market stream; called on the event loop, must not wait."""

    def on_candle(self, inst_id: str, interval: Interval, candle: Candle) -> None:
        """A candle changed (`closed` False) or closed (True)."""
        ...

    def on_ticker(self, ticker: Ticker) -> None:
        """The last price or the top of the book changed."""
        ...

    def on_trades(self, trades: Sequence[Trade]) -> None:
        """Trades happened, oldest first."""
        ...

    def on_book_top(self, top: BookTop) -> None:
        """The best bid or ask changed."""
        ...

    def on_mark_price(self, mark: MarkPrice) -> None:
        """What the exchange values positions at now."""
        ...

    def on_market_subscribed(self) -> None:
        """(Re)connected and subscribed: candles may have been missed."""
        ...


class MarketStream(Protocol):
    """Public data, kept up for ever."""

    def subscribe_candles(self, inst_id: str, interval: Interval) -> None:
        """Want candles, now and after every reconnect."""
        ...

    def unsubscribe_candles(self, inst_id: str, interval: Interval) -> None:
        """Want them no longer."""
        ...

    def subscribe_ticker(self, inst_id: str) -> None:
        """Want last prices, now and after every reconnect."""
        ...

    def unsubscribe_ticker(self, inst_id: str) -> None:
        """Want them no longer."""
        ...

    def subscribe_trades(self, inst_id: str) -> None:
        """Want public trades, now and after every reconnect."""
        ...

    def unsubscribe_trades(self, inst_id: str) -> None:
        """Want them no longer."""
        ...

    def subscribe_book_top(self, inst_id: str) -> None:
        """Want the best bid and ask, now and after every reconnect."""
        ...

    def unsubscribe_book_top(self, inst_id: str) -> None:
        """Want them no longer."""
        ...

    def subscribe_mark_price(self, inst_id: str) -> None:
        """Want mark prices, now and after every reconnect."""
        ...

    def unsubscribe_mark_price(self, inst_id: str) -> None:
        """Want them no longer."""
        ...

    async def run(self) -> None:
        """Connect, subscribe, receive, reconnect; until cancelled."""
        ...


class ExchangeAdapter(Protocol):
    """Makes connections to one kind of exchange."""

    def exchange(self, account: ExchangeAccount, credentials: Credentials) -> Exchange:
        """Commands and queries on `account`."""
        ...

    def account_stream(
        self, account: ExchangeAccount, credentials: Credentials, listener: AccountStreamListener
    ) -> AccountStream:
        """The account's private stream."""
        ...

    def market_stream(self, account: ExchangeAccount, listener: MarketStreamListener) -> MarketStream:
        """The public stream of the account's environment."""
        ...
