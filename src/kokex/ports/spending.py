"""What language models cost, kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from kokex.domain.spending import ModelUsage, Spending


class SpendingStore(Protocol):
    """`model_usage`: one row an answered request."""

    async def add(self, usages: Sequence[ModelUsage]) -> None:
        """Keep them."""
        ...

    async def cost_since(self, since: datetime) -> dict[int, Decimal]:
        """US dollars since `since`, by plan; requests without a price count nothing."""
        ...

    async def by_day(self, *, plan_id: int | None, since: datetime) -> list[Spending]:
        """Added up by UTC day, plan and model, newest day first."""
        ...

    async def by_turn(self, *, plan_id: int | None, limit: int) -> list[Spending]:
        """Added up by turn and model, the latest `limit` turns, newest first."""
        ...
