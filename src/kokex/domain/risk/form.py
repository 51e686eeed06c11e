"""Is the request one that the exchange can take, at a price near the market's?"""

from __future__ import annotations

from kokex.domain.order import OrderType
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def steps(asked: Question) -> Finding | None:
    """Quantity and price are in the instrument's steps, and there is a price exactly where one belongs."""
    request, state = asked.request, asked.state
    fault = state.instrument.quantity_fault(request.quantity)
    if fault:
        return DenialCode.INVALID_QUANTITY, fault
    if request.order_type is OrderType.MARKET:
        if request.price is not None:
            return DenialCode.INVALID_PRICE, f"a market order takes no price, but {request.price} was given"
        return None
    if request.price is None:
        return DenialCode.INVALID_PRICE, f"a {request.order_type.value} order needs a price"
    fault = state.instrument.price_fault(request.price)
    return (DenialCode.INVALID_PRICE, fault) if fault else None


def price(asked: Question) -> Finding | None:
    """A fresh price is known, and the request's own (a market order's: the last price) is within the collar around it and the mark price."""
    request, limits, state = asked.request, asked.limits, asked.state
    if asked.lowers and asked.amends is not None and asked.amends.price == request.price:
        return None
    last = state.last_price
    if last is None:
        return DenialCode.NO_PRICE, f"no fresh price of {request.inst_id} is known; wait for market data"
    asked_for = request.price or last
    for name, reference in (("last", last), ("mark", state.mark_price)):
        if reference is not None and abs(asked_for - reference) > limits.price_collar * reference:
            price_name = "price" if request.price else "last price"
            return (
                DenialCode.PRICE_COLLAR,
                f"{price_name} {asked_for} is more than {limits.price_collar:%} from the {name} price {reference}",
            )
    return None


def side(asked: Question) -> Finding | None:
    """The plan may trade in this direction."""
    request, limits = asked.request, asked.limits
    if request.side in limits.sides or asked.reduces:
        return None
    return DenialCode.SIDE_NOT_ALLOWED, f"this plan may not {request.side.value}, but to reduce what it holds"
