"""What executing orders cost, as agents and records are told it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kokex.domain.costs import fees_by_currency
from kokex.domain.order import Fill, Order


def cost_facts(order: Order, fills: Iterable[Fill]) -> dict[str, Any]:
    """Against the mid price of the order's decision (`slippage_bps`, below zero is better), and in fees; nothing before a fill.

    Args:
        fills: the order's own.
    """
    if not order.filled_quantity:
        return {}
    mid, bps = order.decision_mid, order.slippage_bps
    return {
        "decision_mid": None if mid is None else f"{mid:f}",
        "slippage_bps": None if bps is None else f"{bps:.2f}",
        "fees": fee_facts(fills),
    }


def fee_facts(fills: Iterable[Fill]) -> dict[str, str]:
    """What was charged (negative) or rebated, by currency."""
    return {currency: f"{amount:f}" for currency, amount in sorted(fees_by_currency(fills).items())}
