"""Messages from users to the agents of their plans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What a user wrote to a plan's agent."""

    id: int
    plan_id: int
    text: str
    sent_at: datetime

    @property
    def trigger_key(self) -> str:
        """The trigger that it is: handled once, by this name."""
        return f"user:{self.id}"


@dataclass(frozen=True, slots=True)
class Answered:
    """A message and the turn that read it; `answer` is the decision's reason, None while the turn runs or where it failed."""

    message: UserMessage
    turn_id: int
    answer: str | None
    error: str | None
    finished: bool


class MessageStore(Protocol):
    """`user_messages`; which turn read one is in `turn_triggers`."""

    async def add(self, plan_id: int, text: str, at: datetime) -> UserMessage:
        """Keep a message and tell whoever listens to `arrivals`. Raises `NotFoundError` where the plan does not exist."""
        ...

    async def get(self, message_id: int) -> UserMessage:
        """By number. Raises `NotFoundError`."""
        ...

    async def waiting(self, plan_id: int) -> list[UserMessage]:
        """Messages that no turn was told of yet, oldest first."""
        ...

    async def answered(self, plan_id: int, *, limit: int) -> list[Answered]:
        """The latest messages that a turn was told of, oldest of them first."""
        ...

    def arrivals(self) -> AsyncIterator[int]:
        """Numbers of plans that were written to, by any process, as it happens; 0 after a lost connection."""
        ...
