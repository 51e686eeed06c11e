"""What is kept of risk: worths of plans, halts, and changes of limits."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kokex.domain.halt import Halt, HaltScope
from kokex.domain.limits import RiskLimits
from kokex.domain.results import Worth


@dataclass(frozen=True, slots=True)
class HaltRecord:
    """A halt as kept; `lifted_at` None: it is in force."""

    id: int
    halt: Halt
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A plan's limits as a person changed them; version 1 is what the plan was made with."""

    plan_id: int
    version: int
    before: RiskLimits
    after: RiskLimits
    by: str
    reason: str
    at: datetime


class RiskStore(Protocol):
    """`plan_worths`, `halts`, `halt_effects` and `limit_changes`."""

    async def worth(self, plan_id: int) -> Worth | None:
        """How the plan's profit or loss moved, as last kept; None before its first mark."""
        ...

    async def save_worths(self, worths: Mapping[int, Worth]) -> None:
        """Insert or replace, by plan; one that is marked later than what is told stays."""
        ...

    async def halt(self, halt: Halt) -> HaltRecord:
        """Put a halt in force and tell whoever listens to `changes`."""
        ...

    async def lift(self, scope: HaltScope, number: int | None, *, by: str, reason: str, at: datetime) -> int:
        """Lift the halts of exactly that scope, and tell; how many were in force."""
        ...

    async def halts_in_force(self) -> builtins.list[HaltRecord]:
        """All of them, oldest first."""
        ...

    async def halt_history(self, *, limit: int) -> builtins.list[HaltRecord]:
        """The latest, in force or lifted, newest first."""
        ...

    async def carried_out(self, halt_id: int) -> frozenset[int]:
        """Plans whose orders the halt has canceled and, if it was asked to, whose holdings it has ended."""
        ...

    async def set_carried_out(self, halt_id: int, plan_id: int, at: datetime) -> None:
        """The halt has done so for a plan."""
        ...

    async def change_limits(
        self, plan_id: int, edit: Callable[[RiskLimits], RiskLimits], *, by: str, reason: str, at: datetime
    ) -> LimitChange:
        """Replace the plan's limits by `edit` of what they are, keep the change, and tell the engine; in one transaction.

        Raises:
            NotFoundError: there is no such plan.
        """
        ...

    async def limit_changes(self, plan_id: int) -> builtins.list[LimitChange]:
        """All changes of the plan's limits, oldest first."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """An item when something of risk was changed by any process, the first once it listens, and after a lost connection."""
        ...
