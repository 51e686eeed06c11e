"""Turns and decisions: one run of an agent, what woke it, what it did and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from kokex.domain.account_events import AccountEventRecord
from kokex.domain.events import OrderEvent
from kokex.domain.forecast import Forecast
from kokex.domain.plan import Plan, TriggerKind

BUILT_IN = "built-in policy"
"""Name of who decides where no language model is configured."""


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
        facts: what a schedule, a risk event or a price alert tells, JSON-ready and flat.
    """

    kind: TriggerKind
    key: str
    occurred_at: datetime
    events: tuple[OrderEvent, ...] = ()
    forecast: Forecast | None = None
    text: str | None = None
    account_events: tuple[AccountEventRecord, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One use of a tool within a turn; arguments and result as JSON-ready values."""

    name: str
    arguments: dict[str, Any]
    result: dict[str, Any]
    seconds: float
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a language model and what came back, as JSON-ready values.

    Attributes:
        asked: the messages that were new in this request; those of the requests before went along.
        answer: the model's message, None where it gave none.
        tokens_in, tokens_out: as the provider counted them, None where it does not tell.
        error: why there is no answer.
    """

    asked: tuple[dict[str, Any], ...]
    answer: dict[str, Any] | None
    seconds: float
    tokens_in: int | None = None
    tokens_out: int | None = None
    error: str | None = None


@dataclass(slots=True)
class Transcript:
    """What a turn was told, asked and got: noted while it runs, so that it is there also when the turn fails.

    Attributes:
        model: who thinks; `settings` are its settings without secrets.
        context: what a language model was given at the start: `system_prompt`, `turn_message`, `prompt_version`.
        attempt: how often the turn was begun by this process (the database may have failed in between).
    """

    model: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    model_calls: list[ModelCall] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """What an agent concluded. `confidence` is between 0 and 1; it and `change_of_mind` are None where it gave none.

    `change_of_mind` says what would change the agent's mind.
    """

    action: Action
    reason: str
    confidence: float | None = None
    model: str = BUILT_IN
    tool_calls: tuple[ToolCall, ...] = field(default=())
    change_of_mind: str | None = None


@dataclass(frozen=True, slots=True)
class ChatLine:
    """A user's message and what the agent answered, in turn `turn_id`."""

    sent_at: datetime
    message: str
    answer: str
    turn_id: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One run of a plan's agent. Its `id` is the decision's number and part of every client order id it makes.

    Whoever runs it notes in `transcript` what happens. `conversation` is what user and agent wrote before, oldest first, where a
    message woke it.
    """

    id: int
    plan: Plan
    triggers: tuple[Trigger, ...]
    started_at: datetime
    resumed: bool = False
    conversation: tuple[ChatLine, ...] = ()
    transcript: Transcript = field(default_factory=Transcript, compare=False)
