"""How many orders, how fast?"""

from __future__ import annotations

from kokex.domain.limits import RiskLimits
from kokex.domain.order import OrderRequest
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.state import RiskState


def pace(request: OrderRequest, limits: RiskLimits, state: RiskState) -> Finding | None:
    """Orders open at once, and let through in a minute."""
    if len(state.pending) >= limits.max_open_orders:
        return (
            DenialCode.TOO_MANY_OPEN_ORDERS,
            f"{len(state.pending)} orders are open or in flight; the limit is {limits.max_open_orders}",
        )
    if state.orders_last_minute >= limits.max_orders_per_minute:
        return (
            DenialCode.TOO_MANY_ORDERS_A_MINUTE,
            f"{state.orders_last_minute} orders in the last minute; the limit is {limits.max_orders_per_minute}",
        )
    return None
