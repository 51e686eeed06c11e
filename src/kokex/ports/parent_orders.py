"""What is kept of parent orders: orders that the engine works with child orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kokex.domain.grant import Grant
from kokex.domain.parent_order import ParentOrder, ParentStatus


@dataclass(frozen=True, slots=True)
class ParentRecord:
    """A parent order as kept, under its number."""

    number: int
    parent: ParentOrder


class ParentOrderStore(Protocol):
    """`parent_orders`."""

    async def add(self, parent: ParentOrder, grant_left: Grant) -> ParentRecord | None:
        """Keep a new one and what the turn has left after it; None where its decision and step are taken."""
        ...

    async def working(self, plan_id: int) -> list[ParentRecord]:
        """Those of a plan that are worked, oldest first."""
        ...

    async def latest(self, plan_id: int, *, limit: int) -> list[ParentRecord]:
        """Newest first, whatever became of them."""
        ...

    async def end(self, number: int, status: ParentStatus, reason: str) -> None:
        """It is over; one that is over already stays as it is."""
        ...
