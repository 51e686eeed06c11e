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
    NO_PRICE = "no_price"
    PRICE_COLLAR = "price_collar"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    TOO_MANY_ORDERS_A_MINUTE = "too_many_orders_a_minute"
    ORDER_TOO_LARGE = "order_too_large"
    POSITION_TOO_LARGE = "position_too_large"
    SHORT_NOT_ALLOWED = "short_not_allowed"
    NOT_ENOUGH_CASH = "not_enough_cash"


Finding = tuple[DenialCode, str]
"""A rule's no: its code, and a sentence for the agent and the record."""
