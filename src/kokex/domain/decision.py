"""Turns and decisions: one run of an agent, what woke it, what it did and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.events import OrderEvent
from kokex.domain.forecast import Forecast
from kokex.domain.plan import Plan, TriggerKind


class Action(StrEnum):
    """What a decision comes to."""

    ACT = "act"
    HOLD = "hold"


class TurnStatus(StrEnum):
    """Where a turn is. A turn found running at start-up was cut short and is run again under its own number."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What wakes an agent.

    Attributes:
        key: names this happening for ever (`forecast:42`, `events:100-117`), so it is handled once.
        events: the order events it stands for, oldest first.
        account_events: the account events it stands for, oldest first.
        forecast: the forecast that woke it, or None.
        text: what the user said, or None.
    """

    kind: TriggerKind
    key: str
    occurred_at: datetime
    events: tuple[OrderEvent, ...] = ()
    forecast: Forecast | None = None
    text: str | None = None
    account_events: tuple[AccountEventRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One use of a tool within a turn; arguments and result as JSON-ready values."""

    name: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What an agent concluded. `confidence` is between 0 and 1, None where it gave none."""

    action: Action
    reason: str
    confidence: float | None = None
    model: str = "built-in policy"
    tool_calls: tuple[ToolCall, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a plan's agent. Its `id` is the decision's number and part of every client order id it makes."""

    id: int
    plan: Plan
    triggers: tuple[Trigger, ...]
    started_at: datetime
    resumed: bool = False
