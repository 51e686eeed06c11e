"""What is meant to go out: a wish as an order that the gate can be asked about, and as the record keeps it."""

from __future__ import annotations

from datetime import datetime

from kokex.domain.instrument import InstrumentKind
from kokex.domain.order import Order, OrderRequest, OrderStatus
from kokex.domain.plan import Plan
from kokex.domain.standing import Standing
from kokex.services.accounts import AccountSession
from kokex.services.answers import Wish
from kokex.services.ledger import PlanLedger


def request_of(
    name: str, plan: Plan, wish: Wish, session: AccountSession, ledger: PlanLedger
) -> OrderRequest:
    """The wish as an order. Where only reductions are allowed, the exchange is told so too (swaps)."""
    swap = ledger.book.instrument.kind is InstrumentKind.SWAP
    return OrderRequest(
        client_order_id=name,
        plan_id=plan.id,
        inst_id=plan.inst_id,
        side=wish.side,
        order_type=wish.order_type,
        quantity=wish.quantity,
        price=wish.price,
        reduce_only=swap and (wish.reduce_only or session.standing is Standing.REDUCE_ONLY),
        stops=wish.stops,
    )


def intended(plan: Plan, origin: tuple[int, int], request: OrderRequest, now: datetime) -> Order:
    """The order as it is put on record before it is sent. `origin`: decision and step that ask for it."""
    return Order(
        client_order_id=request.client_order_id,
        order_id=None,
        plan_id=plan.id,
        account_id=plan.account_id,
        inst_id=request.inst_id,
        side=request.side,
        order_type=request.order_type.value,
        quantity=request.quantity,
        price=request.price,
        status=OrderStatus.SUBMITTED,
        created_at=now,
        updated_at=now,
        decision_id=origin[0],
        step=origin[1],
        reduce_only=request.reduce_only,
        stops=request.stops,
    )
