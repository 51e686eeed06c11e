"""Turns as they are kept: what woke them, what was asked and answered, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from kokex.domain.decision import Decision, ToolCall, Trigger, TurnStatus


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A turn as kept. `triggers` are their keys; `cursor` is the last journal number the turn was told of."""

    id: int
    plan_id: int
    status: TurnStatus
    trigger_keys: tuple[str, ...]
    trigger_summary: str
    cursor: int
    started_at: datetime
    finished_at: datetime | None
    decision: Decision | None
    error: str | None
    tool_calls: tuple[ToolCall, ...] = ()
    """What was asked and answered, also in a turn that failed."""


@dataclass(frozen=True, slots=True)
class TurnNotes:
    """What is kept of a turn besides its decision.

    Attributes:
        record: JSON-ready: what woke it, the plan's settings, context, each request to a model.
        tool_calls: what was asked and answered; of a turn that ended with a decision, in the place of the decision's.
        tokens_in, tokens_out: of all requests together, None where no provider told.
    """

    record: Mapping[str, Any]
    tool_calls: tuple[ToolCall, ...]
    tokens_in: int | None = None
    tokens_out: int | None = None


@dataclass(frozen=True, slots=True)
class TurnTally:
    """A plan's turns, counted.

    Attributes:
        triggers: how many of each kind its turns were told of, by the first word of their keys (`forecast`, `events`, `candle`...).
        acted, held, failed: turns by their end.
    """

    triggers: Mapping[str, int]
    acted: int
    held: int
    failed: int


class TurnStore(Protocol):
    """Turns and their decisions."""

    async def start(
        self,
        plan_id: int,
        triggers: Sequence[Trigger],
        cursor: int,
        at: datetime,
        *,
        account_cursor: int = 0,
    ) -> int:
        """Open a turn; its number.

        Args:
            cursor: last number of the order events that it or a turn before was told of.
            account_cursor: the same, of the account's events.
        """
        ...

    async def finish(
        self, turn_id: int, decision: Decision, at: datetime, *, notes: TurnNotes | None = None
    ) -> None:
        """Close it with its decision, tool calls and record, and mark its journal events with its number."""
        ...

    async def fail(self, turn_id: int, error: str, at: datetime, *, notes: TurnNotes | None = None) -> None:
        """Close it without a decision, with what had been done."""
        ...

    async def get(self, turn_id: int) -> TurnRecord:
        """By number. Raises `NotFoundError`."""
        ...

    async def notes(self, turn_id: int) -> Mapping[str, Any]:
        """The turn's record as `kokex.services.decision_record` made it; empty for a turn that has none."""
        ...

    async def running(self, plan_id: int) -> TurnRecord | None:
        """The turn that was cut short, if any."""
        ...

    async def cursors(self, plan_id: int) -> tuple[int, int]:
        """Last numbers of order events and of account events that any turn of the plan was told of; 0 before the first."""
        ...

    async def handled(self, plan_id: int, trigger_key: str) -> bool:
        """Whether a turn for this trigger exists."""
        ...

    async def recent(self, plan_id: int, *, limit: int) -> list[TurnRecord]:
        """Latest turns, newest first."""
        ...

    async def count(self, plan_id: int) -> int:
        """Turns that ended with a decision."""
        ...

    async def tally(self, plan_id: int) -> TurnTally:
        """All its turns, counted."""
        ...
