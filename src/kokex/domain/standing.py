"""What an account may do while its record cannot be brought in line with the exchange's.

    trading ──► (held) ──► reduce_only ──► halted
       ▲                        │             │
       └────────────────────────┴─────────────┘   by itself, as soon as the account is reconciled

An account that cannot be reached holds new orders at once; if it stays so for `REDUCE_ONLY_AFTER`, orders that reduce a holding
are let through again. One that can be read but disagrees about what the plans hold may only reduce from the start. Either is
halted after `HALTED_AFTER`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

REDUCE_ONLY_AFTER = timedelta(seconds=30)
"""How long new orders are held altogether before those that reduce a holding are let through."""
HALTED_AFTER = timedelta(minutes=5)
"""How long an account may be in trouble before nothing is let through any more."""


class Standing(StrEnum):
    """What the risk gate lets through."""

    TRADING = "trading"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an account is not in line with the exchange.

    Attributes:
        reason: one sentence for a person: what is wrong, and what to do where something can be done.
        since: when it began, by our clock; that of a disagreement goes on counting over a restart.
        disagreement: the exchange was read, and says something else than we; otherwise it could not be read.
    """

    reason: str
    since: datetime
    disagreement: bool = False

    def standing(self, now: datetime) -> Standing:
        """What may be done at `now`. An account out of reach counts as trading until it is degraded: its orders are held."""
        if now - self.since >= HALTED_AFTER:
            return Standing.HALTED
        if self.disagreement or now - self.since >= REDUCE_ONLY_AFTER:
            return Standing.REDUCE_ONLY
        return Standing.TRADING


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How an account stands, as kept.

    Attributes:
        trouble: None while all is well.
        reconciled_at: when it was last in line, by our clock; None if never.
    """

    account_id: int
    standing: Standing
    trouble: Trouble | None
    reconciled_at: datetime | None
