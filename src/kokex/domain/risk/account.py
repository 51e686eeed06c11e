"""The account around the plan: its other plans, its equity, what is set apart for whom."""

from __future__ import annotations

from decimal import Decimal

from kokex.domain.instrument import Side
from kokex.domain.order import Order, OrderRequest
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def self_trade(asked: Question) -> Finding | None:
    """The order would not trade with one of another plan of the same account."""
    request, state = asked.request, asked.state
    for order in state.neighbours.resting:
        if order.side is not request.side and _meet(request, order):
            return (
                DenialCode.SELF_TRADE,
                f"plan {order.plan_id} of this account has an order to {order.side.value} at {order.price} that this one would meet",
            )
    return None


def shares(asked: Question) -> Finding | None:
    """Order and position, as shares of the account's equity."""
    limits, state = asked.limits, asked.state
    if (limits.max_order_share is None and limits.max_position_share is None) or asked.reduces:
        return None
    equity, quote = state.neighbours.equity, state.instrument.quote_currency
    if equity is None:
        return DenialCode.UNKNOWN_EQUITY, f"the account's equity in {quote} is not known yet"
    value, position = asked.notional, asked.position
    if limits.max_order_share is not None and value > limits.max_order_share * equity:
        return (
            DenialCode.ORDER_TOO_LARGE,
            f"an order worth {value:.2f} {quote} is over {limits.max_order_share:%} of the equity of {equity:.2f} {quote}",
        )
    if limits.max_position_share is not None and position > limits.max_position_share * equity:
        return (
            DenialCode.POSITION_TOO_LARGE,
            f"the position could reach {position:.2f} {quote}, over {limits.max_position_share:%} of the equity of {equity:.2f} {quote}",
        )
    return None


def account_exposure(asked: Question) -> Finding | None:
    """What all plans of the account together could come to hold."""
    limits, state = asked.limits, asked.state
    if (limits.max_account_notional is None and limits.max_leverage is None) or asked.reduces:
        return None
    quote, others = state.instrument.quote_currency, state.neighbours.exposure
    if others is None:
        return (
            DenialCode.UNKNOWN_EXPOSURE,
            f"what the account's other plans hold cannot be valued in {quote} now; wait for their market data",
        )
    total = others + asked.position
    if limits.max_account_notional is not None and total > limits.max_account_notional:
        return (
            DenialCode.ACCOUNT_TOO_LARGE,
            f"all plans of the account could hold {total:.2f} {quote}, over the limit of {limits.max_account_notional} {quote}",
        )
    return None if limits.max_leverage is None else _leverage(asked, limits.max_leverage, total)


def capital(asked: Question) -> Finding | None:
    """The plan stays within the capital that is its own; gains and losses move it."""
    limits, state = asked.limits, asked.state
    if limits.capital is None or asked.reduces:
        return None
    quote = state.instrument.quote_currency
    made = state.performance
    if made is not None and made.pnl is None:
        return DenialCode.NO_PRICE, "what the plan's holding is worth is not known; wait for market data"
    own = limits.capital + (made.pnl if made is not None and made.pnl is not None else Decimal(0))
    if asked.position > max(own, Decimal(0)):
        return (
            DenialCode.CAPITAL_USED,
            f"the position could reach {asked.position:.2f} {quote}, over the plan's own capital of {own:.2f} {quote}",
        )
    return None


def single_order(asked: Question) -> Finding | None:
    """No order is worth more than its share of the plan's own capital."""
    limits, state = asked.limits, asked.state
    ratio = limits.max_single_order_ratio
    if ratio is None or asked.reduces:
        return None
    made, quote = state.performance, state.instrument.quote_currency
    own = limits.own_capital(Decimal(0) if made is None else made.pnl)
    if own is None:
        return DenialCode.NO_PRICE, "what the plan's holding is worth is not known; wait for market data"
    if asked.notional > ratio * own:
        return (
            DenialCode.SINGLE_ORDER_TOO_LARGE,
            f"an order worth {asked.notional:.2f} {quote} is over {ratio:%} of the plan's capital of {own:.2f} {quote}",
        )
    return None


def _leverage(asked: Question, most: Decimal, total: Decimal) -> Finding | None:
    equity, quote = asked.state.neighbours.equity, asked.state.instrument.quote_currency
    if equity is None:
        return DenialCode.UNKNOWN_EQUITY, f"the account's equity in {quote} is not known yet"
    if total > most * equity:
        return (
            DenialCode.LEVERAGE_TOO_HIGH,
            f"all plans of the account could hold {total:.2f} {quote}, over {most} times the equity of {equity:.2f} {quote}",
        )
    return None


def _meet(request: OrderRequest, resting: Order) -> bool:
    """Whether the request would take `resting`, a market order always."""
    theirs = resting.keenest_price
    if request.price is None or theirs is None:
        return True
    if request.side is Side.BUY:
        return request.price >= theirs
    return request.price <= theirs
