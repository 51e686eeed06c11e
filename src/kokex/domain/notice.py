"""Notices: facts that may wake a plan's agent and that no other journal keeps for it, and the alerts and notes that it keeps itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from kokex.domain.plan import TriggerKind

MOST_ALERTS: Final = 20
"""Price alerts that a plan has set at once."""
MOST_NOTES: Final = 100
"""Notes that a plan keeps; the oldest goes when one more comes."""
LONGEST_NOTE: Final = 500
"""Characters of a note, an alert's too."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A risk event, or a price alert that fired, as kept for one plan.

    Attributes:
        key: names the fact within the plan for ever (`halt:12:set`, `alert:7`), so that it is kept once.
        facts: what the agent is told, JSON-ready and flat.
    """

    id: int
    plan_id: int
    kind: TriggerKind
    key: str
    occurred_at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trigger_key(self) -> str:
        """The trigger that it is: handled once, by this name."""
        return f"{self.kind.value}:{self.id}"


class AlertDirection(StrEnum):
    """Which way the price has to go."""

    ABOVE = "above"
    BELOW = "below"

    def reached(self, price: Decimal, level: Decimal) -> bool:
        """Whether `price` is at or beyond `level`."""
        return price >= level if self is AlertDirection.ABOVE else price <= level


@dataclass(frozen=True, slots=True)
class PriceAlert:
    """A price that a plan's agent wants to be woken at, once.

    Attributes:
        price: quote currency.
        note: what the agent wrote for itself.
        fired_at, fired_price: when and at what last price; None while it waits.
        removed_at: a person took it away.
    """

    id: int
    plan_id: int
    price: Decimal
    direction: AlertDirection
    note: str
    made_at: datetime
    fired_at: datetime | None = None
    fired_price: Decimal | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlanNote:
    """What a plan's agent wrote down for later turns; `turn_id` is the decision it wrote it in."""

    id: int
    turn_id: int
    text: str
    made_at: datetime
