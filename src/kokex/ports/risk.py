"""What is kept of risk: worths of plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kokex.domain.results import Worth


class RiskStore(Protocol):
    """`plan_worths`."""

    async def worth(self, plan_id: int) -> Worth | None:
        """How the plan's profit or loss moved, as last kept; None before its first mark."""
        ...

    async def save_worths(self, worths: Mapping[int, Worth]) -> None:
        """Insert or replace, by plan."""
        ...
