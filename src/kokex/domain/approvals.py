"""Approval: orders above a size wait for a person, for a while.

What only reduces a holding never waits: an exit must not depend on somebody being awake. Nothing goes out after its time, approved or
not, and an approval is no way past the risk gate: the gate is asked again at that moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest, OrderStatus, OrderType
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question
from kokex.domain.risk.state import RiskState


class ApprovalOutcome(StrEnum):
    """What became of an order that waited for a person."""

    SENT = "sent"
    REFUSED = "refused"
    EXPIRED = "expired"
    DENIED = "denied"
    CANCELED = "canceled"

    @property
    def status(self) -> OrderStatus:
        """The order's status from then on."""
        return _STATUSES[self]


_AT_ONCE = frozenset({OrderType.MARKET, OrderType.IOC, OrderType.FOK})
"""Orders that trade as they come or not at all."""
_STATUSES = {
    ApprovalOutcome.SENT: OrderStatus.SUBMITTED,
    ApprovalOutcome.REFUSED: OrderStatus.REJECTED,
    ApprovalOutcome.EXPIRED: OrderStatus.EXPIRED,
    ApprovalOutcome.DENIED: OrderStatus.DENIED,
    ApprovalOutcome.CANCELED: OrderStatus.CANCELED,
}


@dataclass(frozen=True, slots=True)
class PersonsAnswer:
    """What a person said to a waiting order; the first answer stands."""

    approved: bool
    by: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """An order that is to be approved by a person, and what came of it.

    Attributes:
        notional: what it is worth, in quote currency, at the dearer of its own price and the last one.
        price: the last price when it was asked for; None where none was known.
        expires_at: it goes out before this moment, or never.
        outcome: None while the order waits.
    """

    account_id: int
    client_order_id: str
    plan_id: int
    notional: Decimal
    price: Decimal | None
    asked_at: datetime
    expires_at: datetime
    answer: PersonsAnswer | None = None
    outcome: ApprovalOutcome | None = None

    @property
    def sentence(self) -> str:
        """For the agent and for the record, while it waits."""
        return (
            f"waits for a person's approval until {_moment(self.expires_at)}; do not ask for it again, "
            "an order event tells what becomes of it"
        )

    @property
    def overdue_sentence(self) -> str:
        """Why it ended with its time."""
        until = _moment(self.expires_at)
        if self.answer is None or not self.answer.approved:
            return f"nobody approved it until {until}"
        return f"approved by {self.answer.by}, but it could not go out before {until}"

    @property
    def refusal_sentence(self) -> str:
        """Who refused it, and why."""
        if self.answer is None:
            return "refused"
        why = f": {self.answer.reason}" if self.answer.reason else ""
        return f"refused by {self.answer.by}{why}"


def needs_approval(
    order: Order, request: OrderRequest, limits: RiskLimits, state: RiskState
) -> Approval | None:
    """What a person is to be asked about an order that the gate let through; None where it goes out at once."""
    asked = Question(request, limits, state)
    if limits.approval_notional is None or asked.notional <= limits.approval_notional or _exits(asked):
        return None
    return Approval(
        account_id=order.account_id,
        client_order_id=request.client_order_id,
        plan_id=order.plan_id,
        notional=asked.notional,
        price=state.last_price,
        asked_at=order.created_at,
        expires_at=order.created_at + limits.approval_period,
    )


def _exits(asked: Question) -> bool:
    """Whether the request at most closes the holding: with all that is pending on its side, or as it trades, before what rests."""
    request, state = asked.request, asked.state
    if asked.reduces or request.reduce_only:
        return True
    if request.order_type not in _AT_ONCE:
        return False
    ahead = sum(
        (
            order.remaining
            for order in state.pending
            if order.side is request.side and not (order.status.open and order.price is not None)
        ),
        Decimal(0),
    )
    sign = request.side.sign
    return sign * (state.quantity + sign * (ahead + request.quantity)) <= 0


def price_left(
    request: OrderRequest, approval: Approval, limits: RiskLimits, state: RiskState
) -> Finding | None:
    """Whether the market has left the price at which a person was asked.

    A limit order has a price of its own, which the gate holds against the market. A market order takes what there is: its collar is
    around the last price of the moment when it was asked for.
    """
    if request.price is not None or state.last_price is None or approval.price is None:
        return None
    moved = abs(state.last_price - approval.price)
    if moved <= limits.price_collar * approval.price:
        return None
    return (
        DenialCode.PRICE_COLLAR,
        f"{approval.price} when the order was asked for, {state.last_price} now; the limit is {limits.price_collar:%} of it",
    )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
