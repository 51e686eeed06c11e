"""Moving money for one execution, exactly: every change of a balance leaves a bill."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from kokex.paper.decimals import ZERO, quotient
from kokex.paper.ledger.account import Account, Bill, Position
from kokex.paper.matching.order import Order


class Books(Protocol):
    """Where settlement writes."""

    def next_bill_id(self) -> int:
        """A fresh bill number."""

    def next_position_id(self) -> int:
        """A fresh position number."""

    def record_bill(self, account: Account, bill: Bill) -> None:
        """Keep a bill."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One side of one trade."""

    order: Order
    ticks: int
    lots: int
    fee_rate: Decimal
    """Positive is charged."""
    exec_type: str
    trade_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What an execution did to the account."""

    fee: Decimal
    """Signed as on the wire: negative is charged."""
    pnl: Decimal
    bill_id: int
    sub_kind: str
    currencies: tuple[str, ...]


def settle_spot(account: Account, books: Books, done: Execution) -> Settled:
    """Exchange base for quote. OKX v5: a buy pays its fee in base, a sell in quote."""
    order, instrument = done.order, done.order.instrument
    base_quantity = instrument.lot_value * done.lots
    value = instrument.notional(done.ticks, done.lots)
    if order.is_buy:
        fee = -(base_quantity * done.fee_rate)
        changes = ((instrument.base, base_quantity + fee, fee), (instrument.quote, -value, ZERO))
    else:
        fee = -(value * done.fee_rate)
        changes = ((instrument.base, -base_quantity, ZERO), (instrument.quote, value + fee, fee))
    sub_kind = "1" if order.is_buy else "2"
    bills = [
        _post(account, books, done, currency=ccy, change=change, fee=part, pnl=ZERO, sub_kind=sub_kind)
        for ccy, change, part in changes
    ]
    _add_fee(account, order.fee_currency, fee)
    return Settled(fee, ZERO, bills[0].bill_id, sub_kind, (instrument.base, instrument.quote))


def settle_swap(account: Account, books: Books, done: Execution) -> Settled:
    """Open, enlarge, reduce or turn a position; realised pnl and fee go to the settlement currency."""
    order, instrument = done.order, done.order.instrument
    position = _position(account, books, done)
    signed = done.lots if order.is_buy else -done.lots
    fee = -(instrument.notional(done.ticks, done.lots) * done.fee_rate)
    closing = min(abs(position.lots), done.lots) if position.lots * signed < 0 else 0
    if not position.lots:
        _reopen(position, books, done, account)
    pnl = _close(position, closing, done) if closing else ZERO
    opening = done.lots - closing
    if opening:
        if closing:
            _reopen(position, books, done, account)
        side = opening if signed > 0 else -opening
        position.lots += side
        position.cost += instrument.price(done.ticks) * side
        position.opened_cost += instrument.price(done.ticks) * opening
        position.opened_lots += opening
    position.fee += fee
    position.updated_ms = done.at_ms
    position.last_trade_id = done.trade_id
    account.realised += pnl
    _add_fee(account, instrument.quote, fee)
    sub_kind = _swap_sub_kind(order, closing)
    bill = _post(
        account,
        books,
        done,
        currency=instrument.quote,
        change=pnl + fee,
        fee=fee,
        pnl=pnl,
        sub_kind=sub_kind,
    )
    return Settled(fee, pnl, bill.bill_id, sub_kind, (instrument.quote,))


def transfer(account: Account, books: Books, currency: str, amount: Decimal, at_ms: int) -> None:
    """Move funds into the account, or out of it where `amount` is negative. That is no profit or loss."""
    _credit(account, books, currency, amount, at_ms, kind="1", sub_kind="11" if amount >= 0 else "12")
    account.initial[currency] = account.initial.get(currency, ZERO) + amount


def pay_funding(account: Account, books: Books, position: Position, unit_fee: Decimal, at_ms: int) -> None:
    """Charge a position `unit_fee` (quote for one unit of base); a short gets what a long pays."""
    instrument = position.instrument
    amount = -(unit_fee * position.lots * instrument.lot_value)
    currency = instrument.quote
    account.cash[currency] = account.cash.get(currency, ZERO) + amount
    account.changed_ms[currency] = at_ms
    account.funding += amount
    position.funding += amount
    position.updated_ms = at_ms
    bill = Bill(
        bill_id=books.next_bill_id(),
        at_ms=at_ms,
        currency=currency,
        change=amount,
        balance=account.cash[currency],
        kind="8",
        sub_kind="173" if amount < 0 else "174",
        inst_id=instrument.inst_id,
        inst_type=instrument.inst_type,
        pnl=amount,
        quantity=instrument.size(abs(position.lots)),
        margin_mode=position.margin_mode,
    )
    books.record_bill(account, bill)


def cover_shortfall(account: Account, books: Books, currency: str, at_ms: int) -> Decimal:
    """Bring a balance that a liquidation left below zero back to zero, from the insurance fund."""
    shortfall = -account.cash.get(currency, ZERO)
    if shortfall <= 0:
        return ZERO
    _credit(account, books, currency, shortfall, at_ms, kind="9", sub_kind="110")
    return shortfall


def _credit(
    account: Account, books: Books, currency: str, amount: Decimal, at_ms: int, *, kind: str, sub_kind: str
) -> None:
    account.cash[currency] = account.cash.get(currency, ZERO) + amount
    account.changed_ms[currency] = at_ms
    bill = Bill(books.next_bill_id(), at_ms, currency, amount, account.cash[currency], kind, sub_kind)
    books.record_bill(account, bill)


def _post(
    account: Account,
    books: Books,
    done: Execution,
    *,
    currency: str,
    change: Decimal,
    fee: Decimal,
    pnl: Decimal,
    sub_kind: str,
) -> Bill:
    order, instrument = done.order, done.order.instrument
    account.cash[currency] = account.cash.get(currency, ZERO) + change
    account.changed_ms[currency] = done.at_ms
    bill = Bill(
        bill_id=books.next_bill_id(),
        at_ms=done.at_ms,
        currency=currency,
        change=change,
        balance=account.cash[currency],
        kind="2" if order.category == "normal" else "5",
        sub_kind=sub_kind,
        inst_id=instrument.inst_id,
        inst_type=instrument.inst_type,
        order_id=str(order.order_id),
        client_order_id=order.client_order_id,
        trade_id=done.trade_id,
        fee=fee,
        pnl=pnl,
        price=instrument.price(done.ticks),
        quantity=instrument.size(done.lots),
        exec_type=done.exec_type,
        margin_mode="" if order.trade_mode == "cash" else order.trade_mode,
    )
    books.record_bill(account, bill)
    return bill


def _position(account: Account, books: Books, done: Execution) -> Position:
    key = done.order.position_key
    position = account.positions.get(key)
    if position is None:
        position = Position(
            instrument=done.order.instrument,
            margin_mode=key[1],
            side=key[2],
            position_id=books.next_position_id(),
            created_ms=done.at_ms,
        )
        account.positions[key] = position
    return position


def _reopen(position: Position, books: Books, done: Execution, account: Account) -> None:
    """Start the record of a position afresh: its pnl and fees count from its opening."""
    if position.opened_lots:
        position.position_id = books.next_position_id()
    position.leverage = account.leverage_of(*position.key)
    position.pnl = position.fee = position.penalty = position.funding = position.margin_added = ZERO
    position.opened_cost = position.closed_value = ZERO
    position.opened_lots = position.closed_lots = 0
    position.created_ms = done.at_ms
    position.direction = "long" if done.order.is_buy else "short"


def _close(position: Position, lots: int, done: Execution) -> Decimal:
    """Reduce by `lots` and return the realised pnl; over a round trip the pnl sums up exactly."""
    signed = lots if position.lots > 0 else -lots
    released = (
        position.cost
        if lots == abs(position.lots)
        else quotient(position.cost * signed, Decimal(position.lots))
    )
    position.margin_added -= (
        position.margin_added
        if lots == abs(position.lots)
        else quotient(position.margin_added * lots, Decimal(abs(position.lots)))
    )
    price = position.instrument.price(done.ticks)
    pnl = (price * signed - released) * position.instrument.lot_value
    position.lots -= signed
    position.cost -= released
    position.pnl += pnl
    position.closed_value += price * lots
    position.closed_lots += lots
    return pnl


def _swap_sub_kind(order: Order, closing: int) -> str:
    """OKX v5 bill sub-types: 3/4 open long/short, 5/6 close long/short, 100-103 liquidation."""
    if order.category != "normal":
        return "101" if order.is_buy else "100"
    if closing:
        return "6" if order.is_buy else "5"
    return "3" if order.is_buy else "4"


def _add_fee(account: Account, currency: str, fee: Decimal) -> None:
    account.fees[currency] = account.fees.get(currency, ZERO) + fee
