"""The kill switch: a person's (or a protection's) word that trading ends, until a person says that it may go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class HaltScope(StrEnum):
    """What a halt is about."""

    PLAN = "plan"
    ACCOUNT = "account"
    PLATFORM = "platform"


class HaltLevel(StrEnum):
    """What a halt still lets through: orders that reduce a holding, or nothing."""

    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


@dataclass(frozen=True, slots=True)
class Halt:
    """A halt in force; it survives restarts.

    Attributes:
        number: of the plan or account; None for the platform.
        by: who ordered it (a person's name, or the protection's).
        flatten: what is held is to be sold off, by orders of the platform's own.
    """

    scope: HaltScope
    number: int | None
    level: HaltLevel
    reason: str
    by: str
    since: datetime
    flatten: bool = False

    @property
    def where(self) -> str:
        """In words: `plan 3`, `account 1`, `the platform`."""
        return "the platform" if self.number is None else f"{self.scope.value} {self.number}"
