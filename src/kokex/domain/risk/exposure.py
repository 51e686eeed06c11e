"""How much may be at stake?"""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def exposure(asked: Question) -> Finding | None:
    """The order, and the position that it could lead to."""
    request, limits, state = asked.request, asked.limits, asked.state
    if asked.lowers:
        return None
    value = asked.notional
    quote = state.instrument.quote_currency
    if value > limits.max_order_notional:
        return (
            DenialCode.ORDER_TOO_LARGE,
            f"an order worth {value:.2f} {quote} is over the limit of {limits.max_order_notional} {quote}",
        )
    reached = asked.reach
    at_stake = state.instrument.notional(abs(reached), asked.price)
    growing = abs(reached) > abs(state.quantity)
    if growing and at_stake > limits.max_position_notional:
        return (
            DenialCode.POSITION_TOO_LARGE,
            f"the position could reach {at_stake:.2f} {quote}, over the limit of {limits.max_position_notional} {quote}",
        )
    if reached < 0 and not limits.allow_short and request.side is Side.SELL:
        free = max(state.quantity - asked.pending, Decimal(0))
        return (
            DenialCode.SHORT_NOT_ALLOWED,
            f"selling {request.quantity} is more than the {free} that is held and not already being sold",
        )
    return None


def cash(asked: Question) -> Finding | None:
    """What a buy of spot may cost is free on the account."""
    limits, state = asked.limits, asked.state
    if asked.lowers or asked.request.side is Side.SELL or state.instrument.kind is not InstrumentKind.SPOT:
        return None
    quote = state.instrument.quote_currency
    if state.free_cash is None:
        return DenialCode.NOT_ENOUGH_CASH, f"the free {quote} of the account is not known yet"
    value = asked.cash
    free = state.free_cash - limits.cash_reserve - state.neighbours.reserved
    if value > free:
        return (
            DenialCode.NOT_ENOUGH_CASH,
            f"{value:.2f} {quote} needed, {max(free, Decimal(0)):.2f} {quote} free",
        )
    return None
