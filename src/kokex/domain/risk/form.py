"""Is the request one that the exchange can take, at a price near the market's?"""

from __future__ import annotations

from kokex.domain.instrument import InstrumentKind
from kokex.domain.order import Order, OrderType
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question
from kokex.domain.stops import Stops


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


def stops(asked: Question) -> Finding | None:
    """Stops belong to an order that opens, lie on their sides of its price, in ticks, and watch a holding that is the plan's alone."""
    if asked.amends is not None:
        return _kept_stops(asked, asked.amends)
    wanted = asked.request.stops
    if wanted is None:
        return None
    return _may_bring_stops(asked) or _on_their_sides(asked, wanted)


def _kept_stops(asked: Question, before: Order) -> Finding | None:
    """A new price leaves the stops that the order brings along on their sides."""
    if before.stops is None or asked.request.price == before.price:
        return None
    return _on_their_sides(asked, before.stops)


def _may_bring_stops(asked: Question) -> Finding | None:
    request, state = asked.request, asked.state
    if request.reduce_only or request.side.sign * state.quantity < 0:
        return (
            DenialCode.INVALID_STOP,
            f"stops protect what an order opens; this one goes against the {state.quantity} held",
        )
    if state.neighbours.shared:
        return (
            DenialCode.INVALID_STOP,
            "another plan of the account trades this instrument: a stop at the exchange could close what that plan holds; send the order without",
        )
    if state.instrument.kind is InstrumentKind.SPOT and request.order_type is OrderType.MARKET:
        return DenialCode.INVALID_STOP, _NOT_WITH_MARKET
    return None


_NOT_WITH_MARKET = "a market order of spot takes no stops along (OKX: not where it is sized in base currency); use a limit or ioc order"


def _on_their_sides(asked: Question, wanted: Stops) -> Finding | None:
    """A loss is taken before the order's price and a profit beyond it; neither would trigger at once where the order takes."""
    request, state = asked.request, asked.state
    last, sign = state.last_price, request.side.sign
    known = [price for price in (request.price, last) if price is not None]
    if last is None:
        return DenialCode.NO_PRICE, f"no fresh price of {request.inst_id} is known; wait for market data"
    entry = request.price if request.price is not None else last
    nearest = min(known, key=lambda price: sign * price)
    for name, trigger, reference, beyond in (
        ("stop_loss", wanted.stop_loss, nearest, -sign),
        ("take_profit", wanted.take_profit, entry, sign),
    ):
        if trigger is None:
            continue
        fault = state.instrument.price_fault(trigger)
        if fault:
            return DenialCode.INVALID_STOP, f"{name}: {fault}"
        if beyond * (trigger - reference) <= 0:
            word = "above" if beyond > 0 else "below"
            return (
                DenialCode.INVALID_STOP,
                f"{name} of a {request.side.value} must lie {word} {reference}, but {trigger} was given",
            )
    return None


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
