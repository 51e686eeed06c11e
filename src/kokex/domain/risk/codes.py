"""Why the gate says no."""

from __future__ import annotations

from enum import StrEnum


class DenialCode(StrEnum):
    """Why the gate said no; one word a program can act on."""

    PLAN_NOT_RUNNING = "plan_not_running"
    NOT_RECONCILED = "not_reconciled"
    ACCOUNT_HALTED = "account_halted"
    REDUCE_ONLY = "reduce_only"
    WRONG_INSTRUMENT = "wrong_instrument"
    INVALID_QUANTITY = "invalid_quantity"
    INVALID_PRICE = "invalid_price"
    INVALID_STOP = "invalid_stop"
    NO_PRICE = "no_price"
    STALE_CANDLES = "stale_candles"
    STALE_FORECAST = "stale_forecast"
    PRICE_COLLAR = "price_collar"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    TOO_MANY_ORDERS_A_MINUTE = "too_many_orders_a_minute"
    ORDER_TOO_LARGE = "order_too_large"
    POSITION_TOO_LARGE = "position_too_large"
    SHORT_NOT_ALLOWED = "short_not_allowed"
    NOT_ENOUGH_CASH = "not_enough_cash"
    HALTED = "halted"
    SIDE_NOT_ALLOWED = "side_not_allowed"
    TOO_MANY_ORDERS_A_DAY = "too_many_orders_a_day"
    REPEATED_ORDER = "repeated_order"
    SELF_TRADE = "self_trade"
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    LOSING_STREAK = "losing_streak"
    STOP_GUARD = "stop_guard"
    UNKNOWN_EQUITY = "unknown_equity"
    UNKNOWN_EXPOSURE = "unknown_exposure"
    ACCOUNT_TOO_LARGE = "account_too_large"
    LEVERAGE_TOO_HIGH = "leverage_too_high"
    CAPITAL_USED = "capital_used"
    SINGLE_ORDER_TOO_LARGE = "single_order_too_large"
    GRANT_USED = "grant_used"
    NOT_AMENDABLE = "not_amendable"
    AMENDMENT_UNDECIDED = "amendment_undecided"
    NOTHING_CHANGES = "nothing_changes"
    NEEDS_APPROVAL = "needs_approval"


Finding = tuple[DenialCode, str]
"""A rule's no: its code, and a sentence for the agent and the record."""
