"""What is kept of trailing stops: the best price that each holding has seen, and when its stop was hit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kokex.domain.capital import Trail


@dataclass(frozen=True, slots=True)
class TrailRecord:
    """A trail as kept; `number` names the orders that end the holding."""

    number: int
    plan_id: int
    trail: Trail


class TrailStore(Protocol):
    """`plan_trails`: one row for each holding of a plan that has a trailing stop."""

    async def keep(self, plan_id: int, trail: Trail) -> TrailRecord:
        """Put `trail` together with what is kept of the same holding, by `Trail.meet`: what is kept never loosens."""
        ...

    async def latest(self, plan_id: int) -> Trail | None:
        """Of the plan's latest holding; None where it never had a trailing stop."""
        ...

    async def hits(self, plan_id: int, *, limit: int) -> list[datetime]:
        """When the latest of the plan's trailing stops were hit, oldest first."""
        ...
