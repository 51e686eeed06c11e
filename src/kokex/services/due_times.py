"""What of a plan's schedule has come due and was not told yet: told once, however many moments were missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kokex.domain.decision import Trigger
from kokex.domain.plan import TriggerKind
from kokex.domain.schedule import Schedule
from kokex.domain.trigger_facts import time_text


@dataclass(slots=True)
class DueTimes:
    """A plan's due moments.

    Attributes:
        until: everything due up to then was told, or waits in `latest`; None before that is known.
        latest: the latest that waits, and `count`, how many wait.
    """

    until: datetime | None = None
    latest: datetime | None = None
    count: int = 0

    def hear(self, schedule: Schedule, now: datetime) -> None:
        """It is `now`."""
        if self.until is None:
            return
        due, count = schedule.due_between(self.until, now)
        if due is not None:
            self.until = self.latest = due
            self.count += count

    def take(self) -> list[Trigger]:
        """What waits, as one trigger; none where nothing does."""
        due, count = self.latest, self.count
        if due is None:
            return []
        self.latest, self.count = None, 0
        facts = {} if count == 1 else {"due_times_told_together": count}
        return [
            Trigger(TriggerKind.SCHEDULE, schedule_key(due), due, facts={"due_at": time_text(due)} | facts)
        ]


def schedule_key(due: datetime) -> str:
    """The trigger of a due moment."""
    return f"{TriggerKind.SCHEDULE.value}:{due.isoformat()}"


def due_of(key: str) -> datetime:
    """The due moment of a trigger."""
    return datetime.fromisoformat(key.partition(":")[2])
