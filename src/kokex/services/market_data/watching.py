"""Prices, trades and the top of the book: the newest of each, heard on a market's streams and counted by who wants them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from kokex.domain.account import Ticker
from kokex.domain.market import BookTop, MarkPrice, StreamKind, Trade
from kokex.ports.clock import Clock
from kokex.ports.exchange import MarketStream

FRESH_SECONDS: Final = 30.0
"""A last price older than this, by our clock, is no price."""

TRADES_KEPT: Final = 1000

_News = TypeVar("_News")

Place: TypeAlias = tuple[str, str]
"""A market and an instrument."""


@dataclass(slots=True)
class Prices:
    """What was heard of one instrument of one market, with when, by our monotonic clock."""

    ticker: tuple[Ticker, float] | None = None
    book_top: tuple[BookTop, float] | None = None
    mark: tuple[MarkPrice, float] | None = None
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))


class Watching:
    """Keeps the newest prices; subscribes with the first that wants a stream, unsubscribes with the last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._prices: dict[Place, Prices] = {}
        self._wants: dict[tuple[Place, StreamKind], set[int]] = {}

    def want(self, plan_id: int, place: Place, kind: StreamKind, stream: MarketStream) -> None:
        """A plan wants a stream."""
        plans = self._wants.setdefault((place, kind), set())
        if not plans:
            _SUBSCRIBE[kind](stream, place[1])
        plans.add(plan_id)

    def unwant(self, plan_id: int, place: Place, stream: MarketStream) -> None:
        """A plan wants nothing of this instrument any longer."""
        for kind in StreamKind:
            plans = self._wants.get((place, kind), set())
            if plan_id in plans:
                plans.discard(plan_id)
                if not plans:
                    del self._wants[place, kind]
                    _UNSUBSCRIBE[kind](stream, place[1])
                    self._forget(place, kind)

    def hear(self, market: str, news: Ticker | BookTop | MarkPrice) -> None:
        """Something was told. A price older than a fresh one is no news (OKX v5: REST answers from caches that lag)."""
        prices, now = self._at((market, news.inst_id)), self._clock.monotonic()
        if isinstance(news, Ticker):
            known = _fresh(prices.ticker, now)
            if known is None or news.occurred_at >= known.occurred_at:
                prices.ticker = (news, now)
        elif isinstance(news, BookTop):
            prices.book_top = (news, now)
        else:
            prices.mark = (news, now)

    def hear_trade(self, market: str, trade: Trade) -> bool:
        """A trade happened. False: it is known. After a reconnect the exchange may tell the newest ones once more."""
        trades = self._at((market, trade.inst_id)).trades
        if any(known.trade_id == trade.trade_id for known in list(trades)[-20:]):
            return False
        trades.append(trade)
        return True

    def ticker(self, place: Place) -> tuple[Ticker, float] | None:
        """The last price however old, and when it was heard by our monotonic clock."""
        return self._prices[place].ticker if place in self._prices else None

    def fresh_ticker(self, place: Place) -> Ticker | None:
        """The last price, unless it is older than `FRESH_SECONDS`."""
        return _fresh(self.ticker(place), self._clock.monotonic())

    def fresh_top(self, place: Place) -> BookTop | None:
        """The top of the book, unless it is older than `FRESH_SECONDS`."""
        known = self._prices[place].book_top if place in self._prices else None
        return _fresh(known, self._clock.monotonic())

    def fresh_mark(self, place: Place) -> MarkPrice | None:
        """The mark price, unless it is older than `FRESH_SECONDS`."""
        known = self._prices[place].mark if place in self._prices else None
        return _fresh(known, self._clock.monotonic())

    def trades(self, place: Place) -> tuple[Trade, ...]:
        """The newest trades, oldest first."""
        return tuple(self._prices[place].trades) if place in self._prices else ()

    def _at(self, place: Place) -> Prices:
        return self._prices.setdefault(place, Prices())

    def _forget(self, place: Place, kind: StreamKind) -> None:
        prices = self._at(place)
        if kind is StreamKind.TRADES:
            prices.trades.clear()
        elif kind is StreamKind.BOOK_TOP:
            prices.book_top = None
        elif kind is StreamKind.MARK_PRICE:
            prices.mark = None


_SUBSCRIBE: Final = {
    StreamKind.TICKER: lambda stream, inst_id: stream.subscribe_ticker(inst_id),
    StreamKind.TRADES: lambda stream, inst_id: stream.subscribe_trades(inst_id),
    StreamKind.BOOK_TOP: lambda stream, inst_id: stream.subscribe_book_top(inst_id),
    StreamKind.MARK_PRICE: lambda stream, inst_id: stream.subscribe_mark_price(inst_id),
}
_UNSUBSCRIBE: Final = {
    StreamKind.TICKER: lambda stream, inst_id: stream.unsubscribe_ticker(inst_id),
    StreamKind.TRADES: lambda stream, inst_id: stream.unsubscribe_trades(inst_id),
    StreamKind.BOOK_TOP: lambda stream, inst_id: stream.unsubscribe_book_top(inst_id),
    StreamKind.MARK_PRICE: lambda stream, inst_id: stream.unsubscribe_mark_price(inst_id),
}


def _fresh(known: tuple[_News, float] | None, now: float) -> _News | None:
    return known[0] if known is not None and now - known[1] <= FRESH_SECONDS else None
