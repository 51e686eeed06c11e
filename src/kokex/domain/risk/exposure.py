"""How much may be at stake?"""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.instrument import InstrumentKind, Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderRequest
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.state import RiskState, pending_quantity, reach, valuation


def exposure(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """The order, and the position that it could lead to."""
    price = valuation(request, state)
    value = state.instrument.notional(request.quantity, price)
    quote = state.instrument.quote_currency
    if value > limits.max_order_notional:
        return (
            DenialCode.ORDER_TOO_LARGE,
            f"an order worth {value:.2f} {quote} is over the limit of {limits.max_order_notional} {quote}",
        )
    reached = reach(request, state)
    at_stake = state.instrument.notional(abs(reached), price)
    growing = abs(reached) > abs(state.quantity)
    if growing and at_stake > limits.max_position_notional:
        return (
            DenialCode.POSITION_TOO_LARGE,
            f"the position could reach {at_stake:.2f} {quote}, over the limit of {limits.max_position_notional} {quote}",
        )
    if reached < 0 and not limits.allow_short and request.side is Side.SELL:
        free = max(state.quantity - pending_quantity(state, Side.SELL), Decimal(0))
        return (
            DenialCode.SHORT_NOT_ALLOWED,
            f"selling {request.quantity} is more than the {free} that is held and not already being sold",
        )
    return None


def cash(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """What a buy of spot may cost is free on the account."""
    if request.side is Side.SELL or state.instrument.kind is not InstrumentKind.SPOT:
        return None
    quote = state.instrument.quote_currency
    if state.free_cash is None:
        return DenialCode.NOT_ENOUGH_CASH, f"the free {quote} of the account is not known yet"
    value = state.instrument.notional(request.quantity, valuation(request, state))
    free = state.free_cash - limits.cash_reserve - state.neighbours.reserved
    if value > free:
        return (
            DenialCode.NOT_ENOUGH_CASH,
            f"{value:.2f} {quote} needed, {max(free, Decimal(0)):.2f} {quote} free",
        )
    return None
