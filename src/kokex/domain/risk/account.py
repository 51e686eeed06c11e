"""The account around the plan: its other plans, its equity, what is set apart for whom."""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.instrument import Side
from kokex.domain.limits import RiskLimits
from kokex.domain.order import Order, OrderRequest
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.state import RiskState, pending_quantity, reach, reduces, valuation


def self_trade(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """The order would not trade with one of another plan of the same account."""
    for order in state.neighbours.resting:
        if order.side is not request.side and _meet(request, order):
            return (
                DenialCode.SELF_TRADE,
                f"plan {order.plan_id} of this account has an order to {order.side.value} at {order.price} that this one would meet",
            )
    return None


def shares(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """Order and position, as shares of the account's equity."""
    if (limits.max_order_share is None and limits.max_position_share is None) or reduces(request, state):
        return None
    equity, quote = state.neighbours.equity, state.instrument.quote_currency
    if equity is None:
        return DenialCode.UNKNOWN_EQUITY, f"the account's equity in {quote} is not known yet"
    price = valuation(request, state)
    value = state.instrument.notional(request.quantity, price)
    if limits.max_order_share is not None and value > limits.max_order_share * equity:
        return (
            DenialCode.ORDER_TOO_LARGE,
            f"an order worth {value:.2f} {quote} is over {limits.max_order_share:%} of the equity of {equity:.2f} {quote}",
        )
    position = state.instrument.notional(_furthest(request, state), price)
    if limits.max_position_share is not None and position > limits.max_position_share * equity:
        return (
            DenialCode.POSITION_TOO_LARGE,
            f"the position could reach {position:.2f} {quote}, over {limits.max_position_share:%} of the equity of {equity:.2f} {quote}",
        )
    return None


def account_exposure(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """What all plans of the account together could come to hold."""
    if (limits.max_account_notional is None and limits.max_leverage is None) or reduces(request, state):
        return None
    equity, quote = state.neighbours.equity, state.instrument.quote_currency
    position = state.instrument.notional(_furthest(request, state), valuation(request, state))
    total = state.neighbours.exposure + position
    if limits.max_account_notional is not None and total > limits.max_account_notional:
        return (
            DenialCode.ACCOUNT_TOO_LARGE,
            f"all plans of the account could hold {total:.2f} {quote}, over the limit of {limits.max_account_notional} {quote}",
        )
    if limits.max_leverage is None:
        return None
    if equity is None:
        return DenialCode.UNKNOWN_EQUITY, f"the account's equity in {quote} is not known yet"
    if total > limits.max_leverage * equity:
        return (
            DenialCode.LEVERAGE_TOO_HIGH,
            f"all plans of the account could hold {total:.2f} {quote}, over {limits.max_leverage} times the equity of {equity:.2f} {quote}",
        )
    return None


def capital(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """The plan stays within the capital that is its own; gains and losses move it."""
    if limits.capital is None or reduces(request, state):
        return None
    quote = state.instrument.quote_currency
    made = state.performance
    if made is not None and made.pnl is None:
        return DenialCode.NO_PRICE, "what the plan's holding is worth is not known; wait for market data"
    own = limits.capital + (made.pnl if made is not None and made.pnl is not None else Decimal(0))
    position = state.instrument.notional(_furthest(request, state), valuation(request, state))
    if position > max(own, Decimal(0)):
        return (
            DenialCode.CAPITAL_USED,
            f"the position could reach {position:.2f} {quote}, over the plan's own capital of {own:.2f} {quote}",
        )
    return None


def _furthest(request: OrderRequest, state: RiskState) -> Decimal:
    """The largest holding, whatever side, that the request and all that is pending could lead to."""
    other = Side.SELL if request.side is Side.BUY else Side.BUY
    opposite = state.quantity + other.sign * pending_quantity(state, other)
    return max(abs(reach(request, state)), abs(opposite), abs(state.quantity))


def _meet(request: OrderRequest, resting: Order) -> bool:
    """Whether the request would take `resting`, a market order always."""
    if request.price is None or resting.price is None:
        return True
    if request.side is Side.BUY:
        return request.price >= resting.price
    return request.price <= resting.price
