"""Running a kept turn again, away from the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kokex.domain.decision import Decision, Transcript, Turn
from kokex.ports.store import TurnRecord


@dataclass(frozen=True, slots=True)
class ReplayWish:
    """What is to be different: another prompt of the owner's, another model. Nothing: the recorded answers are given again."""

    prompt: str | None = None
    model: str | None = None

    @property
    def anew(self) -> bool:
        """Whether a model is to be asked."""
        return self.prompt is not None or self.model is not None


@dataclass(frozen=True, slots=True)
class Replayed:
    """How the turn ended this time: a decision, or an error."""

    decision: Decision | None
    error: str | None
    transcript: Transcript


class Replayer(Protocol):
    """Runs turns again. The tools answer from the record; there is no exchange behind them."""

    async def run(
        self, turn: Turn, record: TurnRecord, notes: Mapping[str, Any], wish: ReplayWish
    ) -> Replayed:
        """One turn, to its end.

        Raises:
            ConfigurationError: a model is to be asked and none is configured.
        """
        ...
