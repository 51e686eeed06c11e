"""What the gate is told of the moment of asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kokex.domain.instrument import Instrument, Side
from kokex.domain.order import Order, OrderRequest
from kokex.domain.plan import PlanStatus
from kokex.domain.standing import Standing


@dataclass(frozen=True, slots=True)
class RiskState:
    """What is known at the moment of asking.

    Attributes:
        instrument: the plan's own.
        reconciled: the account's record agrees with the exchange's.
        last_price: in quote currency; None when no fresh price is known.
        quantity: the plan's holding, from its fills (base for spot, contracts for swaps).
        pending: the plan's orders that are open, in flight or unknown.
        free_cash: quote currency free to spend on the account, orders in flight and unknown already taken off; None: unknown.
        orders_last_minute: orders let through in the last 60 s.
        account: what the account may do, and `trouble`, why not everything.
    """

    instrument: Instrument
    plan_status: PlanStatus
    reconciled: bool
    last_price: Decimal | None
    quantity: Decimal
    pending: tuple[Order, ...]
    free_cash: Decimal | None
    orders_last_minute: int
    checked_at: datetime
    account: Standing = Standing.TRADING
    trouble: str = ""


def valuation(request: OrderRequest, state: RiskState) -> Decimal:
    """Price at which the request is held against limits in money: the dearer of its own and the last."""
    last = state.last_price or Decimal(0)
    return last if request.price is None else max(request.price, last)


def pending_quantity(state: RiskState, side: Side) -> Decimal:
    """What the plan's pending orders on `side` may still fill."""
    return sum((order.remaining for order in state.pending if order.side is side), Decimal(0))


def reach(request: OrderRequest, state: RiskState) -> Decimal:
    """The holding if everything pending on the request's side, and the request, were to fill."""
    return state.quantity + request.side.sign * (pending_quantity(state, request.side) + request.quantity)
