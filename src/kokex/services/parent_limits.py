"""What is held against a parent order as a whole, and what is left for everything else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderRequest, OrderType
from kokex.domain.plan import Plan
from kokex.domain.risk import RiskState
from kokex.domain.risk.question import Question

_NO_LIMIT: Final = Decimal("Infinity")


def whole(plan: Plan, side: Side, quantity: Decimal, price: Decimal | None) -> OrderRequest:
    """The parent as if it were one order."""
    order_type = OrderType.MARKET if price is None else OrderType.LIMIT
    return OrderRequest("", plan.id, plan.inst_id, side, order_type, quantity, price)


def but_for_size(limits: RiskLimits) -> RiskLimits:
    """`limits` without those of a single order's size: the child orders keep those."""
    return replace(limits, max_order_notional=_NO_LIMIT, max_order_share=None, max_single_order_ratio=None)


def needs_approval(asked: Question) -> str | None:
    """A person is asked about large orders; parts of them must not be a way around that."""
    most = asked.limits.approval_notional
    if most is None or asked.reduces or asked.notional <= most:
        return None
    return (
        f"orders above {most} wait for a person, and this one comes to {asked.notional:f} as a whole; "
        "ask for it with place_order, or for less"
    )


def no_room(limits: RiskLimits, state: RiskState) -> str | None:
    """Why parent orders send and move nothing now: half of the orders of a minute and of a day is for all else, exits above all."""
    for sent, most, period in (
        (state.orders_last_minute, limits.max_orders_per_minute, "the last minute"),
        (state.orders_today, limits.max_orders_per_day, "this UTC day"),
    ):
        if most is not None and sent >= (most + 1) // 2:
            return f"{sent} orders in {period}; parent orders leave half of the {most} to others"
    return None
