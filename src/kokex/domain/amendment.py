"""Changes of orders that rest at the exchange: what was asked, and what became of it.

The exchange's word that it took an amendment is no proof that the order changed (OKX v5: `sCode` 0 means accepted, not done; it
can fail later). Until an order event, or the order as the exchange shows it, decides, both the old and the new order are possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class AmendmentStatus(StrEnum):
    """Where an amendment is in its life: the first three are undecided."""

    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    REJECTED = "rejected"
    FAILED = "failed"

    @property
    def undecided(self) -> bool:
        """The order may or may not be changed by it still."""
        return self in _UNDECIDED


_UNDECIDED = frozenset({AmendmentStatus.SUBMITTED, AmendmentStatus.UNKNOWN, AmendmentStatus.ACCEPTED})


@dataclass(frozen=True, slots=True)
class Amendment:
    """One change of one order.

    Attributes:
        request_id: names it among the order's amendments (`A1`, `A2`...); the exchange repeats it.
        quantity: the order's new total, filled part included; None where it stays.
        price: the new limit price; None where it stays.
        decision_id, step: what asked for it; None where no turn did.
        reason: why it was rejected or failed, or what is not known.
    """

    request_id: str
    quantity: Decimal | None
    price: Decimal | None
    asked_at: datetime
    status: AmendmentStatus = AmendmentStatus.SUBMITTED
    decision_id: int | None = None
    step: int | None = None
    reason: str | None = None
