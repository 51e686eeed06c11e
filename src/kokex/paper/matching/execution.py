"""One side of one trade: settle it, update the order, write it down."""

from __future__ import annotations

from decimal import Decimal

from kokex.paper.decimals import ZERO
from kokex.paper.ledger.account import Account, FillRecord
from kokex.paper.ledger.settlement import Execution, Settled, cover_shortfall, settle_spot, settle_swap
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import LastFill, Order
from kokex.paper.matching.reservation import reserve

QUOTE = "USDT"
"""Every product of the paper exchange is paid or settled in it."""
RISK = "3"


def cancel(floor: Floor, order: Order, source: str) -> None:
    """End an open order. `source` is OKX's cancelSource."""
    floor.books[order.instrument.inst_id].remove(order)
    order.state = "canceled"
    order.cancel_source = source
    close_order(floor, order)
    emit(floor, order)


def close_order(floor: Floor, order: Order) -> None:
    """Release what an order that just ended held."""
    account = floor.accounts[order.account_uid]
    held = order.reserved
    reserve(account, order)
    order.closed_wall_ms = floor.registers.wall_ms()
    if held:
        publish_funds(floor, account, order)


def emit(floor: Floor, order: Order) -> None:
    """Push an update of an order; what belongs to this update alone is cleared after it."""
    order.touch(floor.now_ms)
    floor.registers.order_updated(order)
    order.fill_in_update = False
    order.request_id = order.amend_result = order.amend_source = ""


def publish_funds(floor: Floor, account: Account, order: Order) -> None:
    """Tell the account channel that a hold changed."""
    instrument = order.instrument
    currency = instrument.base if not instrument.is_swap and not order.is_buy else instrument.quote
    account.changed_ms[currency] = floor.now_ms
    floor.publisher.account_changed(account, (currency,))


def fill(floor: Floor, order: Order, *, ticks: int, lots: int, exec_type: str, trade_id: str) -> None:
    """Execute `lots` of an order at `ticks`: money, position, order and records; the push is the caller's."""
    account = floor.accounts[order.account_uid]
    instrument = order.instrument
    rates = floor.fees[instrument.inst_type]
    rate = rates.taker if exec_type == "T" else rates.maker
    done = Execution(order, ticks, lots, rate, exec_type, trade_id, floor.now_ms)
    settled = (settle_swap if instrument.is_swap else settle_spot)(account, floor.registers, done)
    mark = floor.marks[instrument.inst_id]
    order.filled_lots += lots
    order.filled_value += instrument.price(ticks) * lots
    order.fee += settled.fee
    order.pnl += settled.pnl
    order.fills += 1
    shown_id = "0" if trade_id.startswith("-") else trade_id
    order.last_fill = LastFill(
        shown_id, ticks, lots, floor.now_ms, exec_type, settled.fee, order.fee_currency, settled.pnl, mark
    )
    order.fill_in_update = True
    floor.books[instrument.inst_id].changes += 1
    order.updated_ms = max(order.updated_ms, floor.now_ms)
    floor.registers.record_fill(account, _record(order, done, settled, mark))
    reserve(account, order)
    trade = (instrument.inst_id, trade_id)
    event = "filled" if order.category == "normal" else "liquidation"
    moved = (order.position_key,) if instrument.is_swap else ()
    floor.publisher.account_changed(account, settled.currencies, event=event, trade=trade, positions=moved)
    if instrument.is_swap:
        floor.publisher.position_changed(account, order.position_key)


def finish_fill(floor: Floor, order: Order, *, complete: bool) -> None:
    """Give a filled order its new state and push it."""
    order.state = "filled" if complete else "partially_filled"
    if complete:
        floor.books[order.instrument.inst_id].remove(order)
        close_order(floor, order)
    emit(floor, order)
    if order.instrument.is_swap:
        drop_superseded(floor, order)
        drop_unfunded(floor, floor.accounts[order.account_uid])


def drop_unfunded(floor: Floor, account: Account) -> None:
    """Cancel the newest spot buys until a loss on a perpetual leaves cash for the others; cover what is below zero.

    A balance may stay below zero only while other positions back it.
    """
    for order in reversed(floor.registers.open_orders(account.uid)):
        if account.free(QUOTE) >= 0:
            break
        if not order.instrument.is_swap and order.is_buy:
            cancel(floor, order, RISK)
    if account.cash.get(QUOTE, ZERO) < 0 and not account.open_positions():
        cover_shortfall(account, floor.registers, QUOTE, floor.now_ms)
        floor.publisher.account_changed(account, (QUOTE,), event="claw_back")


def drop_superseded(floor: Floor, cause: Order) -> None:
    """Cancel resting reduce-only orders that no longer have a position to reduce."""
    account = floor.accounts[cause.account_uid]
    position = account.positions.get(cause.position_key)
    held = position.lots if position is not None else 0
    for order in floor.registers.open_orders(account.uid):
        if order is cause or not order.reduce_only or order.position_key != cause.position_key:
            continue
        reduces = held < 0 if order.is_buy else held > 0
        if not reduces or order.remaining_lots > abs(held):
            cancel(floor, order, "23" if held else "17")


def _record(order: Order, done: Execution, settled: Settled, mark: Decimal) -> FillRecord:
    instrument = order.instrument
    return FillRecord(
        bill_id=settled.bill_id,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        tag=order.tag,
        inst_id=instrument.inst_id,
        inst_type=instrument.inst_type,
        trade_id=done.trade_id,
        price=instrument.price(done.ticks),
        quantity=instrument.size(done.lots),
        side=order.side,
        position_side=order.position_side,
        exec_type=done.exec_type,
        fee=settled.fee,
        fee_currency=order.fee_currency,
        fee_rate=-done.fee_rate,
        pnl=settled.pnl,
        sub_kind=settled.sub_kind,
        filled_ms=done.at_ms,
        recorded_ms=done.at_ms + 1,
        mark=mark,
    )
