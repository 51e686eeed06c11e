"""Checks of an order against the account and the market: price band, funds, margin, positions, counts."""

from __future__ import annotations

from decimal import Decimal

from kokex.paper.decimals import ONE
from kokex.paper.exchange.rejection import RejectionError
from kokex.paper.exchange.request import PRICE_BAND
from kokex.paper.instruments import Instrument
from kokex.paper.ledger.account import Account
from kokex.paper.ledger.margin import free_cash, margin_state
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order
from kokex.paper.matching.reservation import margin_need, opening_lots, reserved_currency, spot_need

_MAX_PENDING_PER_INSTRUMENT = 500
_MAX_PENDING = 4000
_MARKET_CUSHION = Decimal("1.05")
"""OKX v5: a spot market buy freezes five percent more than its estimate."""


def band(instrument: Instrument, mark: Decimal) -> tuple[int, int]:
    """Highest price of a buy and lowest of a sell, in ticks."""
    highest = int(mark * (ONE + PRICE_BAND) / instrument.tick)
    lowest = int(mark * (ONE - PRICE_BAND) / instrument.tick)
    return highest, max(1, lowest)


def check_counts(floor: Floor, account: Account, instrument: Instrument) -> None:
    """OKX v5: 500 pending orders an instrument, 4000 in all."""
    pending = floor.registers.open_orders(account.uid)
    if len(pending) >= _MAX_PENDING:
        raise RejectionError(
            "51103", f"The number of pending orders reaches the upper limit of {_MAX_PENDING}."
        )
    if len(pending) < _MAX_PENDING_PER_INSTRUMENT:
        return
    same = sum(1 for order in pending if order.instrument.inst_id == instrument.inst_id)
    if same >= _MAX_PENDING_PER_INSTRUMENT:
        raise RejectionError(
            "51174",
            f"The number of pending orders of {instrument.inst_id} reaches {_MAX_PENDING_PER_INSTRUMENT}.",
        )


def within_band(floor: Floor, order: Order, ticks: int | None, *, reprice: bool) -> int | None:
    """Refuse a price too far on the wrong side of the market, or move it to the limit (`pxAmendType` 1)."""
    if ticks is None:
        return None
    highest, lowest = band(order.instrument, floor.marks[order.instrument.inst_id])
    if reprice:
        return min(ticks, highest) if order.is_buy else max(ticks, lowest)
    if order.is_buy and ticks > highest:
        limit = order.instrument.price(highest)
        raise RejectionError("51137", f"The highest price limit for buy orders is {limit}.")
    if not order.is_buy and ticks < lowest:
        limit = order.instrument.price(lowest)
        raise RejectionError("51138", f"The lowest price limit for sell orders is {limit}.")
    return ticks


def take_limit(floor: Floor, order: Order) -> int | None:
    """Worst price an order may take: its own, the band for swap orders without one, none on spot."""
    if order.ticks is not None or not order.instrument.is_swap:
        return order.ticks
    highest, lowest = band(order.instrument, floor.marks[order.instrument.inst_id])
    return highest if order.is_buy else lowest


def check_reduces(floor: Floor, account: Account, order: Order) -> None:
    """A reduce-only order, or a close in long/short mode, needs a position that large."""
    closes = order.position_side != "net" and order.is_buy == (order.position_side == "short")
    if not order.reduce_only and not closes:
        return
    order.reduce_only = True
    position = account.positions.get(order.position_key)
    held = position.lots if position is not None else 0
    if held == 0 or (held > 0) == order.is_buy:
        raise RejectionError(
            "51169", "Order failed because you don't have any positions in this direction to reduce."
        )
    if order.lots > abs(held):
        raise RejectionError("51112", "Your order quantity exceeds the position that is available to close.")


def check_funds(floor: Floor, account: Account, order: Order) -> None:
    """The account must be able to pay, or to put up margin."""
    if order.instrument.is_swap:
        _check_margin(floor, account, order)
        return
    currency = reserved_currency(order)
    needed = _spot_cost(floor, order)
    if needed > free_cash(account, currency, floor.marks):
        raise RejectionError(
            "51008", f"Order failed. Insufficient {currency} balance in account.", sub_code="1000"
        )


def check_amended_funds(
    floor: Floor, account: Account, order: Order, *, ticks: int | None, lots: int | None
) -> None:
    """What an amended order would hold beyond what it holds already must be free."""
    new_ticks = order.ticks if ticks is None else ticks
    new_lots = max(0, (order.lots if lots is None else lots) - order.filled_lots)
    assert new_ticks is not None
    instrument = order.instrument
    if instrument.is_swap:
        grown = max(0, (order.lots if lots is None else lots) - order.lots)
        opening = min(new_lots, order.opening_lots + grown)
        assert order.leverage is not None
        needed = margin_need(instrument, ticks=new_ticks, lots=opening, leverage=order.leverage)
        free = margin_state(account, floor.marks).available
    else:
        needed = spot_need(instrument, buy=order.is_buy, ticks=new_ticks, lots=new_lots)
        free = free_cash(account, reserved_currency(order), floor.marks)
    if needed - order.reserved > free:
        raise RejectionError(
            "51008", "Order failed. Insufficient balance for the amended order.", sub_code="1000"
        )


def _spot_cost(floor: Floor, order: Order) -> Decimal:
    instrument = order.instrument
    if order.ticks is not None:
        return spot_need(instrument, buy=order.is_buy, ticks=order.ticks, lots=order.lots)
    if order.budget is not None:
        if order.is_buy:
            return order.budget
        return order.budget / floor.marks[instrument.inst_id]
    if not order.is_buy:
        return instrument.lot_value * order.lots
    best = floor.books[instrument.inst_id].next_match(buy=True, limit=None)
    mark = floor.marks[instrument.inst_id] if best is None else instrument.price(best.ticks)
    return mark * instrument.lot_value * order.lots * _MARKET_CUSHION


def _check_margin(floor: Floor, account: Account, order: Order) -> None:
    order.opening_lots = opening_lots(account, floor.registers.open_orders(account.uid), order)
    if not order.opening_lots or order.leverage is None:
        return
    instrument = order.instrument
    mark_ticks = int(floor.marks[instrument.inst_id] / instrument.tick)
    ticks = mark_ticks if order.ticks is None else order.ticks
    needed = margin_need(instrument, ticks=ticks, lots=order.opening_lots, leverage=order.leverage)
    needed += instrument.notional(ticks, order.opening_lots) * floor.fees[instrument.inst_type].taker
    if needed > margin_state(account, floor.marks).available:
        raise RejectionError("51008", "Order failed. Insufficient USDT margin in account", sub_code="1001")
