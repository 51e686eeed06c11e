"""What became of an order of ours that the exchange does not know.

OKX v5 forgets an order that was canceled without a fill after two hours; it keeps every other one for months, and every fill.
So "not found" proves something only together with other evidence: how old the order is, whether it is listed as open, whether
every fill since it was made is on record, and whether what the plans hold agrees with the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from kokex.domain.order import Order

FORGOTTEN_AFTER = timedelta(hours=2) - timedelta(minutes=5)
"""Younger orders are known to the exchange whatever became of them, with a margin for the difference of clocks."""


class Fate(StrEnum):
    """What the evidence says."""

    WAIT = "wait"
    """Too early, or the exchange contradicts itself for now: ask again."""
    NEVER_TAKEN = "never_taken"
    """The command never had an effect."""
    NO_EFFECT = "no_effect"
    """Never taken, or canceled unfilled and forgotten: either way it is over and changed nothing."""
    CANCELED = "canceled"
    """It was accepted, is not open any more and was never filled: canceled, and forgotten."""
    UNPROVEN = "unproven"
    """It may be anything: it counts as pending until evidence or a person settles it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an order besides that the exchange does not know it.

    Attributes:
        age: since it was intended, by our clock.
        listed_open: the exchange lists it among the open orders.
        fills_complete: every fill of its instrument since before it was made is on record.
        agrees: the account holds what the fills on record say.
    """

    age: timedelta
    listed_open: bool
    fills_complete: bool
    agrees: bool


def judge(order: Order, evidence: Evidence, settled_after: timedelta) -> tuple[Fate, str]:
    """The fate of `order`, and a sentence that says why.

    Args:
        settled_after: age from which a command can no longer arrive.
    """
    if evidence.listed_open:
        return Fate.WAIT, "the exchange lists the order as open but does not find it; asking again"
    if evidence.age < settled_after:
        return Fate.WAIT, "the command may still arrive"
    if order.filled_quantity > 0:
        return Fate.UNPROVEN, (
            "the exchange does not know this order although it was filled in part, and keeps such orders for months; "
            "look it up there and settle it: kokex order settle"
        )
    if evidence.age >= FORGOTTEN_AFTER:
        return _forgotten(order, evidence)
    if order.order_id is None:
        return Fate.NEVER_TAKEN, "the exchange never took it: unknown there after the request's deadline"
    return Fate.WAIT, "the exchange accepted the order and does not find it now; asking again"


def _forgotten(order: Order, evidence: Evidence) -> tuple[Fate, str]:
    missing = _missing(evidence)
    if missing:
        return Fate.UNPROVEN, (
            f"the exchange forgets unfilled canceled orders after two hours, and {missing}; "
            "look the order up there and settle it: kokex order settle"
        )
    if order.order_id is None:
        return Fate.NO_EFFECT, (
            "neither open nor filled: never taken, or canceled unfilled; the exchange forgets such orders after two hours"
        )
    return (
        Fate.CANCELED,
        "neither open nor filled: canceled; the exchange forgets such orders after two hours",
    )


def _missing(evidence: Evidence) -> str | None:
    if not evidence.fills_complete:
        return "not every fill since the order was made could be read"
    if not evidence.agrees:
        return "what the account holds does not agree with the fills on record"
    return None
