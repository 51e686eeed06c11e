"""Positions whose margin runs out: a warning, then the end. One step, at the mark price: no tiers, no partial liquidation."""

from __future__ import annotations

from decimal import Decimal

from kokex.paper.ledger.account import Account, Position
from kokex.paper.ledger.margin import maintenance_margin, margin_state
from kokex.paper.matching.execution import RISK, cancel, close_order, drop_unfunded, emit, fill
from kokex.paper.matching.floor import Floor
from kokex.paper.matching.order import Order

WARNING_RATIO = Decimal(3)
"""Equity over maintenance margin at which OKX warns (300 %, as its help pages say)."""


def liquidate_where_due(floor: Floor, inst_id: str) -> None:
    """Check every account that holds a position in an instrument whose mark just moved."""
    for account in floor.accounts.values():
        held = [item for item in account.open_positions() if item.instrument.inst_id == inst_id]
        if not held:
            continue
        for position in held:
            if position.margin_mode == "isolated":
                _check_isolated(floor, account, position)
        if any(item.margin_mode == "cross" and item.lots for item in held):
            _check_cross(floor, account)


def _check_isolated(floor: Floor, account: Account, position: Position) -> None:
    mark = floor.marks[position.instrument.inst_id]
    equity = position.initial_margin(mark) + position.unrealised(mark)
    maintenance = maintenance_margin(position, mark)
    _warn(floor, account, [position], near=equity <= maintenance * WARNING_RATIO)
    if equity < maintenance:
        _cancel_orders(floor, account, inst_id=position.instrument.inst_id)
        _close(floor, account, position)


def _check_cross(floor: Floor, account: Account) -> None:
    state = margin_state(account, floor.marks)
    crossed = [item for item in account.open_positions() if item.margin_mode == "cross"]
    _warn(floor, account, crossed, near=state.cross_equity <= state.maintenance * WARNING_RATIO)
    if state.cross_equity >= state.maintenance:
        return
    _cancel_orders(floor, account, inst_id=None)
    for position in crossed:
        _close(floor, account, position)


def _warn(floor: Floor, account: Account, positions: list[Position], *, near: bool) -> None:
    """Say it once each time that positions come near; how often OKX repeats it is not documented."""
    for position in positions:
        if near and not position.warned:
            floor.publisher.margin_warned(account, position, floor.marks)
        position.warned = near


def _cancel_orders(floor: Floor, account: Account, *, inst_id: str | None) -> None:
    for order in floor.registers.open_orders(account.uid):
        if order.instrument.is_swap and inst_id in (None, order.instrument.inst_id):
            cancel(floor, order, RISK)


def _close(floor: Floor, account: Account, position: Position) -> None:
    instrument = position.instrument
    ticks = int(floor.marks[instrument.inst_id] / instrument.tick)
    order = Order(
        order_id=floor.registers.next_order_id(),
        account_uid=account.uid,
        instrument=instrument,
        side="sell" if position.lots > 0 else "buy",
        order_type="market",
        trade_mode=position.margin_mode,
        position_side=position.side,
        lots=abs(position.lots),
        reduce_only=True,
        leverage=position.leverage,
        category="full_liquidation",
        created_ms=floor.now_ms,
        updated_ms=floor.now_ms,
    )
    floor.registers.add_order(order)
    number = floor.registers.next_trade_id(instrument.inst_id)
    fill(floor, order, ticks=ticks, lots=order.lots, exec_type="T", trade_id=f"-{number}")
    order.state = "filled"
    close_order(floor, order)
    emit(floor, order)
    drop_unfunded(floor, account)
