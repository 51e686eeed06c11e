"""One instrument's order book: clients' resting orders among the liquidity of everybody else."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from kokex.paper.instruments import Instrument
from kokex.paper.matching.order import Order
from kokex.paper.matching.outside import OutsideBook


@dataclass(frozen=True, slots=True)
class Match:
    """The next counterparty of a taker: a client's order, or outside liquidity where `maker` is None."""

    ticks: int
    lots: int
    maker: Order | None


class OrderBook:
    """Price-time priority. A resting order waits behind the outside lots that were at its price before it."""

    def __init__(self, instrument: Instrument, outside: OutsideBook) -> None:
        self.instrument = instrument
        self.outside = outside
        self.changes = 0
        """Counts what clients did to the book."""
        self._levels: dict[bool, dict[int, list[Order]]] = {True: {}, False: {}}
        self._prices: dict[bool, list[int]] = {True: [], False: []}

    @property
    def version(self) -> int:
        """Grows whenever the book may look different."""
        return self.outside.prints + self.changes

    def rest(self, order: Order, *, queue_ahead: int | None = None) -> None:
        """Put an order at the end of the queue at its price (`queue_ahead` restores a saved place)."""
        assert order.ticks is not None
        self.changes += 1
        ask = not order.is_buy
        level = self._levels[ask].get(order.ticks)
        if level is None:
            level = self._levels[ask][order.ticks] = []
            insort(self._prices[ask], order.ticks)
        outside = self.outside.size(ask=ask, ticks=order.ticks)
        order.queue_ahead = outside if queue_ahead is None else queue_ahead
        level.append(order)
        level.sort(key=lambda resting: resting.priority)

    def remove(self, order: Order) -> None:
        """Take an order off the book, if it is there."""
        if order.ticks is None:
            return
        ask = not order.is_buy
        level = self._levels[ask].get(order.ticks)
        if level is None or order not in level:
            return
        self.changes += 1
        level.remove(order)
        if not level:
            del self._levels[ask][order.ticks]
            prices = self._prices[ask]
            del prices[bisect_left(prices, order.ticks)]

    def resting(self, *, ask: bool) -> Iterator[Order]:
        """Clients' orders of one side in priority order. Safe against removal while iterating."""
        prices = self._prices[ask] if ask else self._prices[ask][::-1]
        for ticks in list(prices):
            yield from list(self._levels[ask].get(ticks, ()))

    def next_match(self, *, buy: bool, limit: int | None) -> Match | None:
        """The best counterparty for a taker, within its limit price; None when there is none."""
        ask = buy
        own = self._best_own(ask)
        outside = self.outside.best(ask=ask)
        if own is None and outside is None:
            return None
        if own is None or (outside is not None and _better(outside[0], own, ask)):
            assert outside is not None
            found = Match(outside[0], outside[1], None)
        else:
            found = self._at_level(ask, own, 0 if outside is None or outside[0] != own else outside[1])
        if limit is not None and (found.ticks > limit if buy else found.ticks < limit):
            return None
        return found

    def available(self, *, buy: bool, limit: int | None, enough: int, without_uid: str) -> int:
        """Lots that a taker could get within its limit, counted up to `enough`; its own orders do not count."""
        total = 0
        for ticks, lots in self.outside.levels(ask=buy):
            if limit is not None and (ticks > limit if buy else ticks < limit):
                break
            total += lots
            if total >= enough:
                return total
        for order in self.resting(ask=buy):
            assert order.ticks is not None
            if limit is not None and (order.ticks > limit if buy else order.ticks < limit):
                break
            if order.account_uid != without_uid:
                total += order.remaining_lots
        return total

    def consume_outside(self, *, ask: bool, ticks: int, lots: int) -> None:
        """A client took outside liquidity: it is gone, and those who waited behind it move up."""
        self.changes += 1
        self.outside.take(ask=ask, ticks=ticks, lots=lots)
        self.shorten_queue(ask=ask, ticks=ticks, lots=lots)

    def shorten_queue(self, *, ask: bool, ticks: int, lots: int) -> None:
        """Outside lots at a price went away in front of resting orders."""
        for order in self._levels[ask].get(ticks, ()):
            order.queue_ahead = max(0, order.queue_ahead - lots)

    def depth(self, *, ask: bool, limit: int) -> list[tuple[int, int, int]]:
        """Merged levels as (ticks, lots, number of orders), best first."""
        own = {
            ticks: (sum(order.remaining_lots for order in level), len(level))
            for ticks, level in self._levels[ask].items()
        }
        merged: dict[int, tuple[int, int]] = dict(own)
        for taken, (ticks, lots) in enumerate(self.outside.levels(ask=ask)):
            if taken >= limit:
                break
            ours = own.get(ticks, (0, 0))
            merged[ticks] = (lots + ours[0], 1 + lots % 7 + ours[1])
        ordered = sorted(merged, reverse=not ask)[:limit]
        return [(ticks, *merged[ticks]) for ticks in ordered]

    def _best_own(self, ask: bool) -> int | None:
        prices = self._prices[ask]
        if not prices:
            return None
        return prices[0] if ask else prices[-1]

    def _at_level(self, ask: bool, ticks: int, outside_lots: int) -> Match:
        first = self._levels[ask][ticks][0]
        ahead = min(first.queue_ahead, outside_lots)
        if ahead > 0:
            return Match(ticks, ahead, None)
        return Match(ticks, first.remaining_lots, first)


def _better(ticks: int, other: int, ask: bool) -> bool:
    return ticks < other if ask else ticks > other
