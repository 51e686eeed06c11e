"""How tools write down what they tell: money and quantities as text, moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kokex.domain.order import Fill, Order


def order_facts(order: Order) -> dict[str, Any]:
    """An order of the plan."""
    return {
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "side": order.side.value,
        "order_type": order.order_type,
        "quantity": str(order.quantity),
        "price": decimal_text(order.price),
        "status": order.status.value,
        "filled_quantity": str(order.filled_quantity),
        "average_price": decimal_text(order.average_price),
        "reason": order.reason,
        "created_at": time_text(order.created_at),
    }


def fill_facts(fill: Fill) -> dict[str, Any]:
    """One execution."""
    return {
        "client_order_id": fill.client_order_id,
        "order_id": fill.order_id,
        "trade_id": fill.trade_id,
        "side": fill.side.value,
        "price": str(fill.price),
        "quantity": str(fill.quantity),
        "fee": decimal_text(fill.fee),
        "fee_currency": fill.fee_currency,
        "maker": fill.maker,
        "occurred_at": time_text(fill.occurred_at),
    }


def refusal(code: str, reason: str) -> dict[str, Any]:
    """A tool's no: nothing was done."""
    return {"error": reason, "code": code}


def decimal_text(value: Decimal | None) -> str | None:
    """An exact number; None where it is unknown."""
    return None if value is None else str(value)


def time_text(moment: datetime) -> str:
    """A moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def figure(value: float) -> float:
    """A measured number, to the eight digits that mean something."""
    return float(f"{value:.8g}")
