"""A plan's limits as a tool tells them, and what of them is left."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

from kokex.domain.grant import Grant
from kokex.domain.limits import Protections, RiskLimits
from kokex.domain.risk import RiskState
from kokex.services.toolbox.facts import decimal_text


def limit_facts(limits: RiskLimits) -> dict[str, Any]:
    """Every limit by its name, protections among them; None is no limit, times are in seconds."""
    facts: dict[str, Any] = {}
    for part in (limits, limits.protections):
        for field in fields(part):
            value = getattr(part, field.name)
            if not isinstance(value, Protections):
                name = f"{field.name}_seconds" if isinstance(value, timedelta) else field.name
                facts[name] = _plain(value)
    return facts


def left_facts(limits: RiskLimits, state: RiskState) -> dict[str, Any]:
    """What the plan may still do now, in quote currency and in orders; None where no limit is set, or where it is not known."""
    return {
        "turn": None if state.grant is None else _grant(state.grant),
        "open_orders": max(limits.max_open_orders - len(state.pending), 0),
        "orders_this_minute": max(limits.max_orders_per_minute - state.orders_last_minute, 0),
        "orders_today": None
        if limits.max_orders_per_day is None
        else max(limits.max_orders_per_day - state.orders_today, 0),
        **_losses_left(limits, state),
        "halts": [f"{halt.level.value}: {halt.reason}" for halt in state.halts],
        "stale_candles": state.stale_candles,
        "stale_forecast": state.stale_forecast,
    }


def _grant(grant: Grant) -> dict[str, Any]:
    """What is left of this turn's own budget."""
    return {
        "sides_that_may_add": sorted(side.value for side in grant.sides),
        "notional": f"{grant.notional:f}",
        "orders": grant.orders,
    }


def _losses_left(limits: RiskLimits, state: RiskState) -> dict[str, Any]:
    guard, made = limits.protections, state.performance
    if made is None or made.pnl is None:
        return {"lost_today": None, "daily_loss": None, "losing_streak": None}
    lost = made.worth.day_loss(made.pnl, made.at or state.checked_at)
    return {
        "lost_today": f"{lost:f}",
        "daily_loss": None
        if guard.max_daily_loss is None
        else f"{max(guard.max_daily_loss - lost, Decimal(0)):f}",
        "losing_streak": None
        if guard.losing_streak is None
        else max(guard.losing_streak - made.losing_streak, 0),
    }


def _plain(value: Any) -> Any:
    """As JSON: money and shares as text."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    return decimal_text(value) if isinstance(value, Decimal) else value
