"""What woke an agent, as JSON-ready facts: shown to a language model and kept in the record."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.account_reports import BalanceReport, MarginWarning, PositionReport, StopReport
from kokex.domain.decision import Trigger
from kokex.domain.events import OrderEvent
from kokex.domain.forecast import Forecast

MOST_EVENTS = 50
"""Events of a trigger that are told one by one: the latest."""
LONGEST_MESSAGE = 4000
"""Characters of a user's message that are told."""


def trigger_facts(trigger: Trigger) -> dict[str, Any]:
    """One trigger: kind, time (UTC) and what it tells."""
    facts: dict[str, Any] = {"kind": trigger.kind.value, "occurred_at": time_text(trigger.occurred_at)}
    if trigger.events:
        facts["events_in_all"] = len(trigger.events)
        facts["latest_events"] = [_event(event) for event in trigger.events[-MOST_EVENTS:]]
    if trigger.account_events:
        facts["account_events_in_all"] = len(trigger.account_events)
        facts["latest_account_events"] = [
            _account_event(one) for one in trigger.account_events[-MOST_EVENTS:]
        ]
    if trigger.forecast is not None:
        facts["forecast"] = _forecast(trigger.forecast)
    if trigger.text is not None:
        facts["message_of_the_owner"] = trigger.text[:LONGEST_MESSAGE]
    if trigger.facts:
        facts |= {name: value for name, value in trigger.facts.items() if name not in facts}
    return facts


def _event(event: OrderEvent) -> dict[str, Any]:
    update = event.update
    facts = {
        "event_type": event.event_type,
        "occurred_at": time_text(update.occurred_at),
        "client_order_id": update.client_order_id,
        "side": update.side.value,
        "order_type": update.order_type[:32],
        "quantity": f"{update.quantity:f}",
        "price": None if update.price is None else f"{update.price:f}",
        "filled_quantity": f"{update.filled_quantity:f}",
        "average_price": None if update.average_price is None else f"{update.average_price:f}",
        "cancel_reason": update.cancel_reason[:200] if update.cancel_reason else None,
        "made_by_this_plan": not event.external,
    }
    if update.request_id is not None and update.amend_result is not None:
        facts["change"] = "failed: the order is as it was" if update.amendment_failed else "made"
    return facts


def _account_event(record: AccountEventRecord) -> dict[str, Any]:
    event, report = record.event, record.event.report
    facts = {
        "event_type": event.kind.value,
        "occurred_at": time_text(event.occurred_at),
        "inst_id": event.inst_id,
        "currency": event.currency,
        "before": _number(event.before),
        "after": _number(event.after),
        "cause": event.cause[:32] if event.cause else None,
    }
    match report:
        case PositionReport():
            facts |= {"side": report.side.value, "average_price": _number(report.average_price)}
        case BalanceReport():
            facts |= {"trade_ids": ", ".join(report.trade_ids[:MOST_EVENTS]) or None}
        case StopReport():
            facts |= {
                "stop_id": report.stop_id,
                "side": report.side.value,
                "order_type": report.order_type[:32],
                "order_ids": ", ".join(report.order_ids[:MOST_EVENTS]) or None,
                "reason": report.reason[:200] if report.reason else None,
            }
        case MarginWarning():
            facts |= {
                "quantity": _number(report.quantity),
                "margin_ratio": _number(report.margin_ratio),
                "liquidation_price": _number(report.liquidation_price),
            }
    return {name: value for name, value in facts.items() if value is not None}


def _number(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _forecast(forecast: Forecast) -> dict[str, Any]:
    return {
        "forecaster": forecast.forecaster,
        "origin_time": time_text(forecast.origin_time),
        "origin_price": forecast.origin_price,
        "horizon": forecast.horizon,
        "interval": str(forecast.interval),
        "probability_up": round(forecast.probability_up(), 4),
        "expected_return": round(forecast.expected_return(), 6),
        "spread": round(forecast.spread(), 6),
    }


def time_text(moment: datetime) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
