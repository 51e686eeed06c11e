"""What a print of the market does to clients' resting orders."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

from kokex.paper.market.candle import Tick
from kokex.paper.matching.book import OrderBook
from kokex.paper.matching.execution import fill, finish_fill
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order

_PIECES = 4
"""A print reaches one order in at most so many trades."""


def on_tick(floor: Floor, book: OrderBook, tick: Tick, share: Decimal) -> None:
    """Apply one print: orders in its way are filled with their share of it, then the outside book follows.

    Orders priced better than the print come first, in price-time priority; at its own price the outside lots that
    were there earlier go first. A print is many trades of many people: clients catch at most `share` of it.
    """
    floor.now_ms = max(floor.now_ms, tick.at_ms)
    floor.marks[book.instrument.inst_id] = book.instrument.price(tick.price)
    left = tick.lots
    if tick.lots:
        capture = int((tick.lots * share).to_integral_value(rounding=ROUND_CEILING))
        left -= _hit(floor, book, tick, capture)
    if left:
        number = floor.registers.next_trade_id(book.instrument.inst_id)
        floor.publisher.traded(book.instrument, number, tick.price, left, buy=tick.buy)
    book.outside.follow(tick)
    _uncross(floor, book, ask=True)
    _uncross(floor, book, ask=False)


def _hit(floor: Floor, book: OrderBook, tick: Tick, capture: int) -> int:
    """Fill what the print reaches; returns the lots that clients got."""
    ask = tick.buy
    caught = 0
    queue_spent = 0
    for order in book.resting(ask=ask):
        assert order.ticks is not None
        if order.ticks > tick.price if ask else order.ticks < tick.price:
            break
        if order.ticks == tick.price:
            queue = max(0, order.queue_ahead - queue_spent)
            waited = min(queue, capture)
            queue_spent += waited
            capture -= waited
        if capture <= 0:
            break
        lots = min(capture, order.remaining_lots)
        _fill_in_pieces(floor, book, order, order.ticks, lots, buy=tick.buy)
        capture -= lots
        caught += lots
    if queue_spent:
        book.shorten_queue(ask=ask, ticks=tick.price, lots=queue_spent)
    return caught


def _fill_in_pieces(floor: Floor, book: OrderBook, order: Order, ticks: int, lots: int, *, buy: bool) -> None:
    for piece in range(_PIECES):
        if not lots or not order.is_open:
            return
        number = floor.registers.next_trade_id(book.instrument.inst_id)
        size = lots if piece == _PIECES - 1 else min(lots, book.outside.trade_lots(number))
        floor.publisher.traded(book.instrument, number, ticks, size, buy=buy)
        fill(floor, order, ticks=ticks, lots=size, exec_type="M", trade_id=str(number))
        finish_fill(floor, order, complete=not order.remaining_lots)
        lots -= size


def _uncross(floor: Floor, book: OrderBook, *, ask: bool) -> None:
    """Fill resting orders that the market moved through, at their own price, against what it offers there."""
    for order in book.resting(ask=ask):
        while order.is_open:
            assert order.ticks is not None
            best = book.outside.best(ask=not ask)
            if best is None or (best[0] < order.ticks if ask else best[0] > order.ticks):
                return
            size = min(order.remaining_lots, best[1])
            book.outside.take(ask=not ask, ticks=best[0], lots=size)
            number = floor.registers.next_trade_id(book.instrument.inst_id)
            floor.publisher.traded(book.instrument, number, order.ticks, size, buy=ask)
            fill(floor, order, ticks=order.ticks, lots=size, exec_type="M", trade_id=str(number))
            finish_fill(floor, order, complete=not order.remaining_lots)
