"""Who let a plan's agent use which tools that trade, and who changed how it uses its capital."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kokex.domain.capital import CapitalSettings
from kokex.domain.plan import TradingTool


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """A plan's tools that trade as a person changed them; version 1 is what the plan was made with."""

    plan_id: int
    version: int
    before: frozenset[TradingTool]
    after: frozenset[TradingTool]
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CapitalChange:
    """A plan's use of its capital as a person changed it; version 1 is what the plan was made with."""

    plan_id: int
    version: int
    before: CapitalSettings
    after: CapitalSettings
    by: str
    reason: str
    at: datetime
