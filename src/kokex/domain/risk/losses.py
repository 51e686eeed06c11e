"""Have losses ended new risk for a while? What reduces the holding always passes here."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from kokex.domain.limits import RiskLimits
from kokex.domain.risk.codes import DenialCode, Finding
from kokex.domain.risk.question import Question
from kokex.domain.risk.state import Performance, RiskState


def losses(asked: Question) -> Finding | None:
    """Daily loss, drawdown, losing streak and triggered stops are within the plan's protections."""
    if asked.reduces:
        return None
    return next(iter(protections(asked.limits, asked.state)), None)


def protections(limits: RiskLimits, state: RiskState) -> tuple[Finding, ...]:
    """Every protection that keeps new risk out now."""
    made = state.performance
    if made is None:
        return ()
    now = made.at or state.checked_at
    found = (
        _unknown_worth(limits, made),
        _daily_loss(limits, made, state, now),
        _drawdown(limits, made, state),
        _resting_after_losses(limits, made, now),
        _resting_after_stops(limits, made, now),
    )
    return tuple(one for one in found if one is not None)


def _unknown_worth(limits: RiskLimits, made: Performance) -> Finding | None:
    guard = limits.protections
    if made.pnl is not None or (guard.max_daily_loss is None and guard.max_drawdown is None):
        return None
    return DenialCode.NO_PRICE, "what the plan's holding is worth is not known; wait for market data"


def _daily_loss(limits: RiskLimits, made: Performance, state: RiskState, now: datetime) -> Finding | None:
    guard, quote = limits.protections, state.instrument.quote_currency
    if made.pnl is None or guard.max_daily_loss is None:
        return None
    lost = made.worth.day_loss(made.pnl, now)
    if lost < guard.max_daily_loss:
        return None
    return (
        DenialCode.DAILY_LOSS,
        f"{lost:.2f} {quote} lost today, the limit is {guard.max_daily_loss} {quote}; new risk waits for the next UTC day",
    )


def _drawdown(limits: RiskLimits, made: Performance, state: RiskState) -> Finding | None:
    guard, quote = limits.protections, state.instrument.quote_currency
    if made.pnl is None or guard.max_drawdown is None:
        return None
    capital = limits.capital or limits.max_position_notional
    fallen = made.worth.drawdown(made.pnl)
    peak = capital + made.worth.peak
    if fallen >= guard.max_drawdown * peak:
        return (
            DenialCode.DRAWDOWN,
            f"{fallen:.2f} {quote} below the peak of {peak:.2f} {quote}, the limit is {guard.max_drawdown:%}; a person decides",
        )
    return None


def _resting_after_losses(limits: RiskLimits, made: Performance, now: datetime) -> Finding | None:
    guard = limits.protections
    if guard.losing_streak is None or made.losing_streak < guard.losing_streak or made.last_loss_at is None:
        return None
    until = made.last_loss_at + guard.rest
    if now >= until:
        return None
    return (
        DenialCode.LOSING_STREAK,
        f"{made.losing_streak} losses in a row; no new risk until {until:%Y-%m-%d %H:%M} UTC",
    )


def _resting_after_stops(limits: RiskLimits, made: Performance, now: datetime) -> Finding | None:
    guard = limits.protections
    if guard.stop_guard is None:
        return None
    until = _guarded_until(made.stops, guard.stop_guard, guard.stop_guard_period, guard.rest)
    if until is None or now >= until:
        return None
    return (
        DenialCode.STOP_GUARD,
        f"{guard.stop_guard} stops within {_hours(guard.stop_guard_period)}; no new risk until {until:%Y-%m-%d %H:%M} UTC",
    )


def _guarded_until(
    stops: tuple[datetime, ...], count: int, period: timedelta, rest: timedelta
) -> datetime | None:
    """End of the rest after the latest run of `count` stops within `period`; None where there is none."""
    for last in range(len(stops) - 1, count - 2, -1):
        if stops[last] - stops[last - count + 1] <= period:
            return stops[last] + rest
    return None


def _hours(period: timedelta) -> str:
    return f"{Decimal(period.total_seconds()) / 3600:f} h"
