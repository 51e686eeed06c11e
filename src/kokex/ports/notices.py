"""Notices, price alerts and notes of plans, and since when each plan is watched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from kokex.domain.notice import AlertDirection, Notice, PlanNote, PriceAlert
from kokex.domain.plan import TriggerKind


class NoticeStore(Protocol):
    """`plan_notices` and `plan_watches`; which turn was told of a notice is in `turn_triggers`."""

    async def watch(self, plan_id: int, at: datetime) -> datetime:
        """Since when what happens to the plan counts for its agent: `at`, unless it was watched before."""
        ...

    async def unwatch(self, plan_id: int) -> None:
        """The plan's user wants it at work no longer: what happens from now on does not count."""
        ...

    async def note(self, plan_id: int, key: str, facts: Mapping[str, Any], at: datetime) -> Notice | None:
        """Keep a risk event; None where one of that key is kept already."""
        ...

    async def get(self, notice_id: int) -> Notice:
        """By number. Raises `NotFoundError`."""
        ...

    async def waiting(self, plan_id: int) -> list[Notice]:
        """Those that no turn was told of yet, oldest first."""
        ...

    async def latest(self, plan_id: int, prefix: str) -> Notice | None:
        """The newest whose key begins with `prefix`."""
        ...

    async def denials(self, plan_id: int, after: datetime, *, limit: int) -> list[datetime]:
        """When the plan's orders were denied by the gate, after `after`, oldest first."""
        ...

    async def last_told(self, plan_id: int, kind: TriggerKind) -> str | None:
        """The key of the plan's trigger of that kind that a turn was told of last."""
        ...


class AlertStore(Protocol):
    """`price_alerts`."""

    async def set(
        self,
        plan_id: int,
        turn_id: int,
        price: Decimal,
        direction: AlertDirection,
        note: str,
        at: datetime,
    ) -> PriceAlert:
        """Keep an alert; the one already there for the same turn, price and direction.

        Raises:
            StateError: the plan has `MOST_ALERTS` waiting.
        """
        ...

    async def active(self, plan_ids: Collection[int]) -> list[PriceAlert]:
        """Those that wait, oldest first."""
        ...

    async def of(self, plan_id: int, *, limit: int) -> list[PriceAlert]:
        """The plan's latest, whatever became of them, newest first."""
        ...

    async def fire(
        self, alert_id: int, price: Decimal, at: datetime, facts: Mapping[str, Any]
    ) -> Notice | None:
        """In one transaction: it waits no longer, and a notice is kept. None where it did not wait any more."""
        ...

    async def remove(self, plan_id: int, alert_id: int, at: datetime) -> bool:
        """Take one away. False where the plan has none of that number waiting."""
        ...


class NoteStore(Protocol):
    """`plan_notes`."""

    async def add(self, plan_id: int, turn_id: int, text: str, at: datetime) -> PlanNote:
        """Keep a note, and let the oldest go beyond `MOST_NOTES`; the one already there for the same turn and text."""
        ...

    async def find(self, plan_id: int, words: Sequence[str] = (), *, limit: int) -> list[PlanNote]:
        """The newest that have all `words` (upper or lower case), newest first."""
        ...

    async def count(self, plan_id: int) -> int:
        """How many are kept."""
        ...
