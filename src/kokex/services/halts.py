"""What is halted, as the risk gate is told."""

from __future__ import annotations

from kokex.domain.halt import Halt, HaltLevel, HaltScope
from kokex.domain.plan import Plan
from kokex.ports.clock import Clock
from kokex.ports.risk import HaltRecord


class Halts:
    """What is halted, as last read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: list[HaltRecord] | None = None

    @property
    def known(self) -> bool:
        """Whether they were read yet."""
        return self._records is not None

    @property
    def in_force(self) -> list[HaltRecord]:
        """Oldest first; empty too before the first reading."""
        return self._records or []

    def take(self, records: list[HaltRecord]) -> None:
        """What the database has."""
        self._records = records

    def covering(self, plan: Plan) -> tuple[Halt, ...]:
        """Those that touch the plan."""
        if self._records is None:
            why = "the halts in force are not read yet"
            return (Halt(HaltScope.PLATFORM, None, HaltLevel.HALTED, why, "the engine", self._clock.now()),)
        return tuple(record.halt for record in self._records if covers(record.halt, plan))


def covers(halt: Halt, plan: Plan) -> bool:
    """Whether a halt is about the plan."""
    return {
        HaltScope.PLAN: halt.number == plan.id,
        HaltScope.ACCOUNT: halt.number == plan.account_id,
        HaltScope.PLATFORM: True,
    }[halt.scope]
