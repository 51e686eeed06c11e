"""What an open order holds: cash on spot, margin on swaps."""

from __future__ import annotations

from decimal import Decimal

from kokex.paper.decimals import ZERO, quotient
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.matching.order import Order


def reserve(account: Account, order: Order) -> None:
    """Bring the hold of an order up to date; a closed order holds nothing."""
    needed = _needed(order) if order.is_open else ZERO
    change = needed - order.reserved
    if change:
        order.reserved = needed
        if order.instrument.is_swap:
            account.order_margin += change
        else:
            account.freeze(reserved_currency(order), change)


def reserved_currency(order: Order) -> str:
    """The currency that a spot order pays with."""
    return order.instrument.quote if order.is_buy else order.instrument.base


def spot_need(instrument: Instrument, *, buy: bool, ticks: int, lots: int) -> Decimal:
    """Cash that a spot order of this price and size holds."""
    return instrument.notional(ticks, lots) if buy else instrument.lot_value * lots


def margin_need(instrument: Instrument, *, ticks: int, lots: int, leverage: Decimal) -> Decimal:
    """Margin that opening `lots` at `ticks` takes."""
    return quotient(instrument.notional(ticks, lots), leverage)


def opening_lots(account: Account, open_orders: list[Order], order: Order) -> int:
    """Lots of an order that would open or enlarge its position, given what already waits to close it."""
    if order.reduce_only:
        return 0
    position = account.positions.get(order.position_key)
    held = position.lots if position is not None else 0
    if order.position_side != "net":
        closes = order.is_buy == (order.position_side == "short")
        return 0 if closes else order.remaining_lots
    if held == 0 or (held > 0) == order.is_buy:
        return order.remaining_lots
    waiting = sum(
        other.remaining_lots
        for other in open_orders
        if other.position_key == order.position_key and other.is_buy == order.is_buy and other is not order
    )
    return max(0, order.remaining_lots - max(0, abs(held) - waiting))


def _needed(order: Order) -> Decimal:
    if order.ticks is None:
        return ZERO
    if order.instrument.is_swap:
        lots = min(order.opening_lots, order.remaining_lots)
        if not lots or order.leverage is None:
            return ZERO
        return margin_need(order.instrument, ticks=order.ticks, lots=lots, leverage=order.leverage)
    return spot_need(order.instrument, buy=order.is_buy, ticks=order.ticks, lots=order.remaining_lots)
