"""Can the order be changed, and does the change say something?"""

from __future__ import annotations

from kokex.domain.order import OrderType
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question

_RESTING = (OrderType.LIMIT.value, OrderType.POST_ONLY.value)


def changeable(asked: Question) -> Finding | None:
    """The order rests at the exchange, and no change of it is under way."""
    order = asked.amends
    if order is None:
        return None
    name = order.client_order_id
    if not order.status.open:
        return (
            DenialCode.NOT_AMENDABLE,
            f"order {name} is {order.status.value}; only an order that the exchange has accepted and that is open can be changed",
        )
    if order.order_type not in _RESTING or order.price is None:
        return (
            DenialCode.NOT_AMENDABLE,
            f"order {name} is a {order.order_type} order; only resting ones change",
        )
    if order.amending is not None:
        return (
            DenialCode.AMENDMENT_UNDECIDED,
            f"change {order.amending.request_id} of order {name} is under way; wait for the order event that tells its outcome",
        )
    return None


def changes(asked: Question) -> Finding | None:
    """The new total is more than what is filled, and something is to be different. Asked of sound quantities."""
    order, request = asked.amends, asked.request
    if order is None:
        return None
    if request.quantity <= order.filled_quantity:
        return (
            DenialCode.INVALID_QUANTITY,
            f"{order.filled_quantity} of {order.client_order_id} are filled; quantity is the new total and {request.quantity} leaves nothing open: to end the rest, cancel_order",
        )
    if request.quantity == order.quantity and request.price == order.price:
        return (
            DenialCode.NOTHING_CHANGES,
            f"order {order.client_order_id} is for {order.quantity} at {order.price} already",
        )
    return None


def unattended(asked: Question) -> Finding | None:
    """The change needs nobody's approval: it is made at once, or not at all."""
    most = asked.limits.approval_notional
    if asked.amends is None or most is None or asked.reduces or asked.notional <= most:
        return None
    quote = asked.state.instrument.quote_currency
    return (
        DenialCode.NEEDS_APPROVAL,
        f"{asked.notional:.2f} {quote} needs a person's approval, for which a change cannot wait: cancel the order and place it anew",
    )
