"""Taking, resting, amending and canceling orders that validation has let through."""

from __future__ import annotations

from dataclasses import dataclass

from kokex.paper.matching.book import Match, OrderBook
from kokex.paper.matching.execution import cancel, close_order, emit, fill, finish_fill, publish_funds
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import IMMEDIATE_TYPES, Order
from kokex.paper.matching.reservation import reserve

FOK_UNFILLED = "13"
IOC_REMAINDER = "14"
POST_ONLY_WOULD_TAKE = "31"
SELF_TRADE = "32"
SYSTEM = "0"


@dataclass(frozen=True, slots=True)
class Amendment:
    """New price and total quantity (filled part included); None keeps what it is."""

    ticks: int | None
    lots: int | None
    request_id: str = ""


def submit(floor: Floor, order: Order, *, limit: int | None) -> None:
    """Let an order trade. `limit` is the worst price it may take, None for the whole book.

    OKX v5: a post-only order that would take is pushed as canceled alone; every other order is live first.
    """
    book = floor.books[order.instrument.inst_id]
    order.created_ms = order.updated_ms = floor.now_ms
    order.priority = floor.registers.next_priority()
    floor.registers.add_order(order)
    if order.order_type == "post_only" and book.next_match(buy=order.is_buy, limit=order.ticks) is not None:
        cancel(floor, order, POST_ONLY_WOULD_TAKE)
        return
    account = floor.accounts[order.account_uid]
    reserve(account, order)
    order.updated_ms -= 1
    emit(floor, order)
    if order.order_type == "fok" and not _fills_at_once(book, order, limit):
        cancel(floor, order, FOK_UNFILLED)
        return
    take(floor, order, limit=limit)
    if not order.is_open:
        return
    if order.order_type in IMMEDIATE_TYPES:
        cancel(floor, order, SYSTEM if order.order_type == "market" else IOC_REMAINDER)
    else:
        book.rest(order)
        floor.registers.order_changed(order)
        publish_funds(floor, account, order)


def amend(floor: Floor, order: Order, change: Amendment) -> None:
    """Change an open order that validation found amendable.

    OKX v5: the new size counts what is filled already; a size no larger than that ends the order as filled. A new
    price or a larger size goes to the back of the queue.
    """
    book = floor.books[order.instrument.inst_id]
    moved = change.ticks is not None and change.ticks != order.ticks
    grown = change.lots is not None and change.lots > order.lots
    if change.lots is not None:
        order.opening_lots += (
            max(0, change.lots - order.lots) if order.opening_lots or not order.reduce_only else 0
        )
        order.lots = max(change.lots, order.filled_lots)
    if moved:
        book.remove(order)
        order.ticks = change.ticks
    elif grown:
        book.remove(order)
    order.request_id, order.amend_result, order.amend_source = change.request_id, "0", "1"
    account = floor.accounts[order.account_uid]
    if not order.remaining_lots:
        order.state = "filled"
        book.remove(order)
        close_order(floor, order)
        emit(floor, order)
        return
    reserve(account, order)
    emit(floor, order)
    publish_funds(floor, account, order)
    if moved or grown:
        order.priority = floor.registers.next_priority()
        take(floor, order, limit=order.ticks)
        if order.is_open:
            book.rest(order)
            floor.registers.order_changed(order)


def take(floor: Floor, order: Order, *, limit: int | None) -> None:
    """Match an order against the book, level by level, until it wants no more or nothing is left for it."""
    book = floor.books[order.instrument.inst_id]
    while order.is_open:
        match = book.next_match(buy=order.is_buy, limit=limit)
        if match is None:
            return
        wanted = min(order.wanted_lots(match.ticks), _affordable(floor, order, match))
        if wanted <= 0:
            return
        if match.maker is not None and match.maker.account_uid == order.account_uid:
            _prevent_self_trade(floor, order, match.maker)
            continue
        _trade(floor, book, order, match, min(wanted, match.lots))


def _trade(floor: Floor, book: OrderBook, taker: Order, match: Match, lots: int) -> None:
    inst_id = taker.instrument.inst_id
    number = floor.registers.next_trade_id(inst_id)
    trade_id = str(number)
    floor.publisher.traded(taker.instrument, number, match.ticks, lots, buy=taker.is_buy)
    maker = match.maker
    if maker is None:
        book.consume_outside(ask=taker.is_buy, ticks=match.ticks, lots=lots)
    else:
        fill(floor, maker, ticks=match.ticks, lots=lots, exec_type="M", trade_id=trade_id)
        finish_fill(floor, maker, complete=not maker.remaining_lots)
    fill(floor, taker, ticks=match.ticks, lots=lots, exec_type="T", trade_id=trade_id)
    finish_fill(floor, taker, complete=_complete(book, taker))


def _complete(book: OrderBook, taker: Order) -> bool:
    if taker.budget is None:
        return not taker.remaining_lots
    following = book.next_match(buy=taker.is_buy, limit=None)
    return following is not None and taker.wanted_lots(following.ticks) <= 0


def _affordable(floor: Floor, order: Order, match: Match) -> int:
    """Lots that a spot market buy can still pay for; other orders hold their cash or margin already."""
    if order.instrument.is_swap or not order.is_buy or order.ticks is not None:
        return match.lots
    free = floor.accounts[order.account_uid].free(order.instrument.quote)
    return int(free // order.instrument.notional(match.ticks, 1))


def _prevent_self_trade(floor: Floor, taker: Order, maker: Order) -> None:
    if taker.stp_mode in ("cancel_maker", "cancel_both"):
        cancel(floor, maker, SELF_TRADE)
    if taker.stp_mode in ("cancel_taker", "cancel_both"):
        cancel(floor, taker, SELF_TRADE)


def _fills_at_once(book: OrderBook, order: Order, limit: int | None) -> bool:
    """Whether the book has enough; what lies at or behind an own order is out of reach for a taker that it cancels."""
    if order.stp_mode == "cancel_taker":
        own = next(
            (one for one in book.resting(ask=order.is_buy) if one.account_uid == order.account_uid), None
        )
        if own is not None and own.ticks is not None:
            before = own.ticks - 1 if order.is_buy else own.ticks + 1
            limit = before if limit is None else min(limit, before) if order.is_buy else max(limit, before)
    found = book.available(
        buy=order.is_buy, limit=limit, enough=order.remaining_lots, without_uid=order.account_uid
    )
    return found >= order.remaining_lots
