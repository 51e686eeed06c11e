"""How many orders, how fast?"""

from __future__ import annotations

from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question


def pace(asked: Question) -> Finding | None:
    """Orders open at once; orders and changes of orders let through in a minute and in a day."""
    limits, state = asked.limits, asked.state
    if asked.amends is None and len(state.pending) >= limits.max_open_orders:
        return (
            DenialCode.TOO_MANY_OPEN_ORDERS,
            f"{len(state.pending)} orders are open or in flight; the limit is {limits.max_open_orders}",
        )
    if state.orders_last_minute >= limits.max_orders_per_minute:
        return (
            DenialCode.TOO_MANY_ORDERS_A_MINUTE,
            f"{state.orders_last_minute} orders in the last minute; the limit is {limits.max_orders_per_minute}",
        )
    if limits.max_orders_per_day is not None and state.orders_today >= limits.max_orders_per_day:
        return (
            DenialCode.TOO_MANY_ORDERS_A_DAY,
            f"{state.orders_today} orders in this UTC day; the limit is {limits.max_orders_per_day}",
        )
    return None


def repetition(asked: Question) -> Finding | None:
    """The order is no repetition of one that was let through shortly before at nearly the same price."""
    request, limits, state = asked.request, asked.limits, asked.state
    if limits.repeat_distance is None or asked.reduces:
        return None
    price = request.price or state.last_price
    if price is None:
        return None
    since = state.checked_at - limits.repeat_period
    for earlier in reversed(state.recent):
        if earlier.at <= since:
            return None
        if earlier.side is not request.side or earlier.name == request.client_order_id:
            continue
        if abs(price - earlier.price) < limits.repeat_distance * earlier.price:
            wait = limits.repeat_period.total_seconds()
            return (
                DenialCode.REPEATED_ORDER,
                f"{request.side.value} at {earlier.price} went out at {earlier.at:%H:%M:%S} UTC: wait {wait:g} s, or go {limits.repeat_distance:%} away",
            )
    return None
