"""Plans on record."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime
from typing import Protocol

from kokex.domain.capital import CapitalSettings
from kokex.domain.plan import NewPlan, Plan, PlanStatus, TradingTool
from kokex.ports.permissions import CapitalChange, PermissionChange


class PlanStore(Protocol):
    """Plans."""

    async def add(self, plan: NewPlan) -> Plan:
        """Keep a new plan. Raises `StateError` where the name is taken."""
        ...

    async def get(self, plan_id: int) -> Plan:
        """By number. Raises `NotFoundError`."""
        ...

    async def list(self, statuses: Collection[PlanStatus] | None = None) -> list[Plan]:
        """All, or those in `statuses`, by number."""
        ...

    async def set_status(self, plan_id: int, status: PlanStatus) -> None:
        """Record what the user wants and tell whoever listens to `changes`."""
        ...

    async def set_trading_tools(
        self, plan_id: int, tools: Collection[TradingTool], *, by: str, reason: str, at: datetime
    ) -> PermissionChange:
        """Grant the plan exactly these tools that trade, keep the change, and tell whoever listens to `changes`.

        Raises:
            NotFoundError: there is no such plan.
        """
        ...

    async def permission_changes(self, plan_id: int) -> builtins.list[PermissionChange]:
        """All changes of the plan's tools that trade, oldest first."""
        ...

    async def change_capital(
        self,
        plan_id: int,
        edit: Callable[[CapitalSettings], CapitalSettings],
        *,
        by: str,
        reason: str,
        at: datetime,
    ) -> CapitalChange:
        """Replace how the plan uses its capital by `edit` of what is kept, keep the change, and tell whoever listens to `changes`.

        Raises:
            NotFoundError: there is no such plan.
        """
        ...

    async def capital_changes(self, plan_id: int) -> builtins.list[CapitalChange]:
        """All changes of the plan's use of its capital, oldest first."""
        ...

    def changes(self) -> AsyncIterator[int]:
        """Numbers of plans whose status, limits or tools were set, by any process, as it happens; yields 0 after a lost connection."""
        ...
