"""How tools write down what they tell: money and quantities as text, moments in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kokex.domain.account import Ticker
from kokex.domain.amendment import Amendment, AmendmentStatus
from kokex.domain.order import Fill, Order
from kokex.domain.stops import Stops
from kokex.ports.parent_orders import ParentRecord

POST_ONLY_WOULD_TAKE = "post_only_would_take"


def order_facts(order: Order) -> dict[str, Any]:
    """An order of the plan; with the last change that was asked of it, if any."""
    last = order.amendments[-1] if order.amendments else None
    change = {} if last is None else {"amend": _amend_word(order, last), "amendment": _change_facts(last)}
    stops = {} if order.stops is None else {"stops": _stop_facts(order.stops)}
    return (
        change
        | stops
        | {
            "client_order_id": order.client_order_id,
            "order_id": order.order_id,
            "side": order.side.value,
            "order_type": order.order_type,
            "quantity": f"{order.quantity:f}",
            "price": decimal_text(order.price),
            "status": order.status.value,
            "filled_quantity": f"{order.filled_quantity:f}",
            "average_price": decimal_text(order.average_price),
            "reason": order.reason,
            "created_at": time_text(order.created_at),
        }
    )


def _stop_facts(stops: Stops) -> dict[str, Any]:
    """Trigger prices that the exchange watches from when the order has filled until the holding has ended."""
    return {
        "stop_loss": decimal_text(stops.stop_loss),
        "take_profit": decimal_text(stops.take_profit),
    }


def book_facts(order: Order, ticker: Ticker | None) -> dict[str, Any]:
    """Where a post-only order did not rest because it would have taken: that, and the best prices for the next."""
    if not order.would_have_taken:
        return {}
    return {
        "error": "canceled at once: at this price it would have taken instead of resting; a post-only buy rests below best_ask, a "
        "sell above best_bid: price it anew",
        "code": POST_ONLY_WOULD_TAKE,
    } | best_prices(ticker)


def best_prices(ticker: Ticker | None) -> dict[str, Any]:
    """The top of the book, where it is known."""
    return {
        "best_bid": decimal_text(None if ticker is None else ticker.bid),
        "best_ask": decimal_text(None if ticker is None else ticker.ask),
    }


def _amend_word(order: Order, change: Amendment) -> str:
    """Whether it was made: `pending` while nothing tells, whatever the exchange answered."""
    if not change.status.undecided:
        return change.status.value
    if order.status.closed:
        return "ended"
    undecided = "unknown" if change.status is AmendmentStatus.UNKNOWN else "pending"
    return AmendmentStatus.APPLIED.value if order.amending is None else undecided


def _change_facts(change: Amendment) -> dict[str, Any]:
    return {
        "quantity": decimal_text(change.quantity),
        "price": decimal_text(change.price),
        "asked_at": time_text(change.asked_at),
        "reason": change.reason,
    }


def fill_facts(fill: Fill) -> dict[str, Any]:
    """One execution."""
    return {
        "client_order_id": fill.client_order_id,
        "order_id": fill.order_id,
        "trade_id": fill.trade_id,
        "side": fill.side.value,
        "price": f"{fill.price:f}",
        "quantity": f"{fill.quantity:f}",
        "fee": decimal_text(fill.fee),
        "fee_currency": fill.fee_currency,
        "maker": fill.maker,
        "occurred_at": time_text(fill.occurred_at),
    }


def parent_facts(record: ParentRecord, held_up: str | None) -> dict[str, Any]:
    """A parent order of the plan; `held_up`: why it does not go on now."""
    parent = record.parent
    return {
        "number": record.number,
        "decision": parent.decision_id,
        "side": parent.side.value,
        "quantity": f"{parent.quantity:f}",
        "style": parent.style.value,
        "limit_price": decimal_text(parent.limit_price),
        "slices": parent.slices,
        "visible": decimal_text(parent.visible),
        "status": parent.status.value,
        "held_up": held_up,
        "reason": parent.reason,
        "started_at": time_text(parent.started_at),
        "ends_at": time_text(parent.ends_at),
    }


def refusal(code: str, reason: str) -> dict[str, Any]:
    """A tool's no: nothing was done."""
    return {"error": reason, "code": code}


def decimal_text(value: Decimal | None) -> str | None:
    """An exact number; None where it is unknown."""
    return None if value is None else f"{value:f}"


def time_text(moment: datetime) -> str:
    """A moment in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def figure(value: float) -> float:
    """A measured number, to the eight digits that mean something."""
    return float(f"{value:.8g}")
